package etcd

import (
	"context"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// partitionProfile has a TTL that a test can wait for. Its margin keeps the deadline well
// ahead of the deletion even on a busy machine.
func partitionProfile() cluster.Profile {
	return cluster.Profile{Name: "test", TTL: 4 * time.Second, Margin: 2 * time.Second, Linger: time.Hour}
}

// TestBlackHoledNodeFencesItselfFirst (F4, F5): when etcd or its answers cannot be reached,
// the sockets are closed before the ownership key is deleted; another node takes over, waits,
// and the first one joins again by itself.
func TestBlackHoledNodeFencesItselfFirst(t *testing.T) {
	for name, hole := range map[string][2]bool{"both ways": {true, true}, "answers only": {false, true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.create(accountIDs(6)...)
			p := newProxy(t)
			cfg := Config{Profile: partitionProfile(), MovesPerSecond: 1000}

			a := w.join(dial(t, p.addr()), cfg, func(n *testNode) {
				n.onFenced = func() {
					for id, g := range n.grants() {
						if g.Guard.Check() == nil {
							t.Errorf("the guard of %s lets through while fenced", id)
						}
						o, err := w.accounts.Owner(context.Background(), id)
						if err != nil || o.Fence != g.Fence {
							t.Errorf("%s: sockets closed after the key was deleted: %+v, %v", g, o, err)
						}
					}
				}
			})
			awaitHeld(t, 6, a)
			b := w.join(dial(t, endpoint), cfg)
			awaitHeld(t, 6, a, b)
			_, mark := a.awaitKind(0, "owned")
			cut := time.Now()
			p.hole(hole[0], hole[1])
			a.awaitKind(mark, "fenced")
			awaitHeld(t, 6, b)
			b.mu.Lock()
			waits := 0
			for _, g := range b.held {
				if !g.NotBefore.IsZero() {
					waits++
					if g.NotBefore.Before(cut.Add(partitionProfile().Linger)) {
						t.Errorf("%s may dial at %v", g, g.NotBefore)
					}
				}
			}
			b.mu.Unlock()
			// When only answers are lost, the releases after the fencing still arrive.
			if waits == 0 && hole[0] {
				t.Error("nothing was taken over with a wait")
			}
			p.hole(false, false)
			p.cut()
			awaitHeld(t, 6, a, b)
			if a.m.Guard()() != nil {
				t.Error("the first node has not joined again")
			}
		})
	}
}

func (n *testNode) grants() map[fleet.AccountID]cluster.Grant {
	n.mu.Lock()
	defer n.mu.Unlock()
	held := make(map[fleet.AccountID]cluster.Grant, len(n.held))
	for id, g := range n.held {
		held[id] = g
	}
	return held
}

// TestTablesSurviveCutsAndCompaction (F8): connections are reset while revisions that the
// watches need are compacted away.
func TestTablesSurviveCutsAndCompaction(t *testing.T) {
	w := newWorld(t)
	p := newProxy(t)
	n := w.join(dial(t, p.addr()), Config{})
	w.create("a0000")
	n.awaitOwned(0, "a0000")
	p.hole(true, true)
	w.create("a0001")
	if _, err := w.accounts.DeleteSpec(t.Context(), "a0000", 0); err != nil {
		t.Fatal(err)
	}
	resp, err := w.client.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Compact(t.Context(), resp.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	p.cut()
	p.hole(false, false)
	n.awaitOwned(0, "a0001")
	lost, _ := n.awaitKind(0, "lost")
	if lost.grant.Account != "a0000" || lost.reason != cluster.LostDeleted {
		t.Errorf("lost %s: %s", lost.grant, lost.reason)
	}
	if _, err := n.m.Owner("a9999"); !errors.Is(err, cluster.ErrNoOwner) {
		t.Errorf("owner of nothing: %v", err)
	}
}
