package standing

import (
	"testing"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// TestEveryStateHasItsConditions: no state is without an answer of the table.
func TestEveryStateHasItsConditions(t *testing.T) {
	for _, s := range []fleet.State{
		fleet.StateNew, fleet.StateConnecting, fleet.StateUnauthorized, fleet.StateCodeSent, fleet.StatePasswordNeeded, fleet.StateQRPending,
		fleet.StateOnline, fleet.StateBackoff, fleet.StateRateLimited, fleet.StateDraining, fleet.StatePaused, fleet.StateQuarantined,
		fleet.StateLoggedOut, fleet.StateBanned, fleet.StateConflict, fleet.StateFenced,
	} {
		var j Judge
		all := j.Conditions(&Facts{Status: &Status{}, State: s, Direct: true}, time.Now())
		if len(all) != len(fleet.ConditionTypes)-1 {
			t.Errorf("%s: %d conditions", s, len(all))
		}
		for _, c := range all {
			if _, known := fleet.MeaningOf(c.Type, c.Reason); !known {
				t.Errorf("%s: %s for %s is not in the table", s, c.Reason, c.Type)
			}
		}
	}
}
