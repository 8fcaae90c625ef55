package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/client/action"
)

// TestKeepTypingRepeatsAndAlwaysEnds: every 4 seconds, and the end is shown though the context has ended
// or a repetition has failed.
func TestKeepTypingRepeatsAndAlwaysEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var shown []string
		show := func(ctx context.Context, c action.Action) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			shown = append(shown, fmt.Sprint(time.Since(start), " ", c.Input().GetKind(), " ", c.Topic()))
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		if err := keepActing(ctx, action.Typing().InTopic(7), show); err != nil {
			t.Error(err)
		}
		want := []string{
			"0s CHAT_ACTION_KIND_TYPING 7", "4s CHAT_ACTION_KIND_TYPING 7", "8s CHAT_ACTION_KIND_TYPING 7", "9s CHAT_ACTION_KIND_CANCEL 7",
		}
		if !slices.Equal(shown, want) {
			t.Errorf("got %q", shown)
		}
	})
	refused := errors.New("refused")
	ended := false
	err := keepActing(t.Context(), action.UploadingPhoto(3), func(_ context.Context, c action.Action) error {
		if c.Input().GetProgress() == 0 {
			ended = true
			return nil
		}
		return refused
	})
	if !errors.Is(err, refused) || !ended {
		t.Errorf("got %v, ended: %t", err, ended)
	}
}
