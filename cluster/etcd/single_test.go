package etcd

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/cluster/embedded"
	"github.com/telefleet/orchestrator/fleet"
)

// TestSingleNodeRestartsWithoutWaiting: one node over its own embedded etcd, ended without
// releasing anything, has its accounts again at once, with later tokens and no wait.
func TestSingleNodeRestartsWithoutWaiting(t *testing.T) {
	dir := t.TempDir()
	profile, err := cluster.ProfileByName("single")
	if err != nil {
		t.Fatal(err)
	}
	profile.TTL = time.Hour // waiting for it would not pass unnoticed
	ids := accountIDs(20)
	tokens := make(map[fleet.AccountID]fleet.FencingToken)
	for round := range 3 {
		s, err := embedded.Start(t.Context(), embedded.Config{Dir: dir, UnsafeNoFsync: true})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t)
		w.client, w.prefix = s.Client(), ""
		w.accounts = NewAccounts(s.Client(), "")
		if round == 0 {
			w.create(ids...)
		}
		witness := openWitness(t, WitnessConfig{Dir: dir, ClusterID: "home"})
		began := time.Now()
		n := w.join(s.Client(), Config{Profile: profile, LeaseFile: filepath.Join(dir, "lease"), Witness: witness})
		awaitHeld(t, len(ids), n)
		t.Logf("round %d: %d accounts owned after %v", round, len(ids), time.Since(began))
		for id, g := range n.grants() {
			if g.Token() <= tokens[id] || !g.NotBefore.IsZero() || g.Guard.Check() != nil {
				t.Errorf("%s after token %d, not before %v", g, tokens[id], g.NotBefore)
			}
			tokens[id] = g.Token()
		}
		if round == 2 {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if err := n.m.Leave(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			if left := w.count("own/") + w.count("nodes/") + w.count("leader"); left != 0 {
				t.Errorf("%d keys left after leaving", left)
			}
		}
		n.crash()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTombstonesAnswerForTheirTokenOnly: a deletion seen earlier says nothing about a later
// ownership.
func TestTombstonesAnswerForTheirTokenOnly(t *testing.T) {
	var ts tombstones
	now := time.Now()
	ts.add("a", 7, now.Add(-time.Minute))
	if got := ts.seen("a", 7, now); !got.Equal(now.Add(-time.Minute)) {
		t.Errorf("token 7 seen %v", got)
	}
	if got := ts.seen("a", 9, now); !got.Equal(now) {
		t.Errorf("token 9 seen %v", got)
	}
	for _, id := range accountIDs(5 * minSweep) {
		ts.add(id, 1, now.Add(-2*tombstoneAge))
		now = now.Add(time.Second)
	}
	if len(ts.rows) > 2*minSweep {
		t.Errorf("%d tombstones are kept", len(ts.rows))
	}
}
