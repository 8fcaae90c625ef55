package retry

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/client/internal/nodes"
)

func newCaller(limit time.Duration) *Caller {
	return &Caller{
		Pool: nodes.NewPool(http.DefaultClient, []string{"http://a"}), Limit: limit, Life: context.Background(),
		Judge: func(_ context.Context, _ error, _ string, err error) (Fault, error) { return Broken, err },
		Ended: func(ctx context.Context, _ error) error { return ctx.Err() },
	}
}

// TestTransferIsTriedAgainAsLongAsItGetsOn: an upload of an hour breaks more than once; a node that takes nothing
// is given up after the limit.
func TestTransferIsTriedAgainAsLongAsItGetsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, tries := errors.New("broken"), 0
		c := newCaller(30 * time.Second)
		err := c.Move(t.Context(), Repeatable, func(_ context.Context, _ *nodes.Node, moved func()) error {
			tries++
			time.Sleep(time.Minute)
			if tries == 5 {
				return nil
			}
			moved()
			return broken
		})
		if err != nil || tries != 5 {
			t.Errorf("%v after %d tries", err, tries)
		}
		begun := time.Now()
		tries = 0
		err = c.Move(t.Context(), Repeatable, func(context.Context, *nodes.Node, func()) error { tries++; return broken })
		if took := time.Since(begun); !errors.Is(err, broken) || tries < 2 || took > 30*time.Second {
			t.Errorf("%v after %d tries and %s", err, tries, took)
		}
		err = c.Move(t.Context(), Once, func(_ context.Context, _ *nodes.Node, moved func()) error { moved(); return broken })
		if !errors.Is(err, broken) {
			t.Errorf("what cannot be read again: %v", err)
		}
	})
}
