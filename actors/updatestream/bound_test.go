package updatestream

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestEveryAppendHasItsTime: appends share contexts, and each has 30 to 31 s.
func TestEveryAppendHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bound
		began, given := time.Now(), map[context.Context]bool{}
		var last context.Context
		for time.Since(began) < 3*time.Second {
			last = b.context()
			given[last] = true
			ends, ok := last.Deadline()
			if left := time.Until(ends); !ok || left < appendTimeout || left > appendTimeout+boundFor {
				t.Errorf("an append has %v", left)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if len(given) != 3 {
			t.Errorf("%d contexts in three seconds", len(given))
		}
		time.Sleep(appendTimeout + boundFor)
		synctest.Wait()
		if err := last.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the last one has ended by %v", err)
		}
	})
}
