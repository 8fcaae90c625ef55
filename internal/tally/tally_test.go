package tally

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
)

func TestSetsCountConcurrently(t *testing.T) {
	var s Set[int]
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 100 {
				s.Add(i % 2)
			}
		})
	}
	group.Wait()
	if n := s.Add(1); n != 401 {
		t.Errorf("the next one is number %d, want 401", n)
	}
	counts := s.Counts()
	counts[0] = 0
	if diff := cmp.Diff(map[int]uint64{0: 400, 1: 401}, s.Counts()); diff != "" {
		t.Error(diff)
	}
}

func TestAnswersHaveTheirClass(t *testing.T) {
	var a Answers
	a.OK()
	for _, code := range []int{303, 400, 401, 403, 404, 406, 420, 420, 500, -503, 700, -500} {
		a.Error(code)
	}
	want := map[string]uint64{"ok": 1, "303": 1, "400": 1, "401": 1, "403": 1, "404": 1, "406": 1, "420": 2, "500": 1, "-503": 1, "other": 2}
	if diff := cmp.Diff(want, a.Counts()); diff != "" {
		t.Error(diff)
	}
}

func TestCallsHaveOneOutcomeEach(t *testing.T) {
	var c Calls
	for _, err := range []error{
		nil, nil, fmt.Errorf("call: %w", tgerr.New(400, "PEER_ID_INVALID")), &fleet.Error{Reason: "FLOOD_WAIT", Method: "messages.sendMessage", RetryAfter: time.Hour}, fleet.Errorf(fleet.CodeAborted, "OUTCOME_UNKNOWN", "lost"),
		context.Canceled, fleet.Errorf(fleet.CodeUnavailable, "ACCOUNT_PAUSED", "paused"),
	} {
		c.Done(err)
	}
	want := map[string]uint64{"ok": 2, "telegram_error": 2, "unknown_outcome": 1, "cancelled": 1, "not_done": 1}
	if diff := cmp.Diff(want, c.Counts()); diff != "" {
		t.Error(diff)
	}
}
