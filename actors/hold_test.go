package actors

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/simulator"
)

// TestF10AHeldNodeLosesNothing: the disk of the node is nearly full, at first with room for what is under
// way, then with none at all. Every account lets its sockets go and says why, one that the node comes to
// own meanwhile does not dial, and one that its spec has paused stays paused when there is space again.
func TestF10AHeldNodeLosesNothing(t *testing.T) {
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprint("full=", full), func(t *testing.T) {
			bubble(t, simulator.Config{Seed: 520}, func(t *testing.T, r *rig) {
				r.pair(t)
				if full {
					r.log.setFail(func(fleet.AccountID, []eventlog.Record) error {
						return fmt.Errorf("append: %w", eventlog.ErrLowSpace)
					})
				}
				r.say(t, 50)
				meaning, _ := fleet.MeaningOf(fleet.ConditionConnected, fleet.ReasonLowDiskSpace)
				r.fleet.Hold(&Hold{Reason: string(fleet.ReasonLowDiskSpace), Message: "7 bytes are free", Remedy: meaning.Remedy})
				r.say(t, 50)
				time.Sleep(time.Minute)
				settled(t)
				for _, id := range []fleet.AccountID{"ann", "bob"} {
					st := r.states.of(id)
					if st.State != fleet.StatePaused || st.Reason != "LOW_DISK_SPACE" || st.Remedy == "" {
						t.Errorf("%s: status %+v, want paused by LOW_DISK_SPACE", id, st)
					}
					if !slices.ContainsFunc(st.Conditions, func(c fleet.Condition) bool {
						return c.Type == fleet.ConditionConnected && c.Status == fleet.False && c.Reason == fleet.ReasonLowDiskSpace
					}) {
						t.Errorf("%s: conditions %+v", id, st.Conditions)
					}
				}
				if n := r.fleet.Sockets(); n != 0 {
					t.Errorf("%d sockets are open", n)
				}
				dials := r.dials()
				r.own("late")
				r.fleet.SetDesired("ann", paused(2))
				r.say(t, 50)
				time.Sleep(time.Minute)
				settled(t)
				if n := r.dials() - dials; n != 0 {
					t.Errorf("%d dials while the node is held", n)
				}
				r.log.setFail(nil)
				r.fleet.Hold(nil)
				settled(t)
				if st := r.states.of("ann"); st.State != fleet.StatePaused || st.Reason != "PAUSED" {
					t.Errorf("ann: status %+v, want paused by its spec", st)
				}
				r.fleet.SetDesired("ann", running(3))
				r.verify(t)
			})
		})
	}
}
