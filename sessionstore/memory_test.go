package sessionstore_test

import (
	"errors"
	"testing"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/storetest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		m, err := sessionstore.NewTestStore()
		if err != nil {
			t.Fatal(err)
		}
		var revision int64
		return storetest.Fixture{
			Store: m, Tamper: m.Tamper,
			Own: func(id fleet.AccountID) fleet.Fence {
				revision++
				fence := fleet.Fence{Key: "own/" + string(id), CreateRevision: revision}
				m.Advance(fence)
				return fence
			},
		}
	})
}

func TestFailingKeepsTheContract(t *testing.T) {
	storetest.RunFailing(t, storetest.Failing{Err: errors.New("disk on fire")})
}
