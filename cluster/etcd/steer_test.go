package etcd

import (
	"errors"
	"slices"
	"testing"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

func TestPinnedAccountMovesAndStays(t *testing.T) {
	w := newWorld(t)
	cfg := Config{MovesPerSecond: 1000}
	a := w.join(dial(t, endpoint), cfg)
	w.create("a0000", "a0001")
	_, after := a.awaitOwned(0, "a0000")
	a.awaitOwned(0, "a0001")
	b := w.join(dial(t, endpoint), cfg)
	awaitHeld(t, 2, a, b)
	for _, id := range accountIDs(2) { // both on b, whatever the load
		if err := a.m.Pin(t.Context(), id, b.m.Node()); err != nil {
			t.Fatal(err)
		}
		if !a.m.WaitOwnedBy(t.Context(), id, b.m.Node()) {
			t.Fatal("not moved")
		}
	}
	if lost, _ := a.await(after, "lost", func(e event) bool { return e.kind == "lost" }); lost.reason != cluster.LostMoved {
		t.Errorf("lost: %s", lost.reason)
	}
	w.create("a0002") // makes the leader look again
	a.awaitOwned(after, "a0002")
	for _, id := range accountIDs(2) {
		if o, err := a.m.Owner(id); err != nil || o.Node != b.m.Node() {
			t.Errorf("%s is on %s, %v", id, o.Node, err)
		}
	}

	b.crash() // its pins go with it
	if err := w.revokeOf(b); err != nil {
		t.Fatal(err)
	}
	for _, id := range accountIDs(2) {
		a.awaitOwned(after, id)
	}
	eventually(t, "the pins are gone", func() bool { return w.count("moves/") == 0 })
}

// revokeOf ends the lease of a node that has crashed, instead of waiting for it.
func (w *world) revokeOf(n *testNode) error { return n.m.revoke(w.t.Context(), n.m.current().lease) }

func TestMovesThatCannotBeAreRefused(t *testing.T) {
	w := newWorld(t)
	n := w.join(dial(t, endpoint), Config{})
	w.create("a", "b")
	n.awaitOwned(0, "a")
	ctx, here := t.Context(), n.m.Node()
	if _, err := w.accounts.DeleteSpec(ctx, "b", 0); err != nil {
		t.Fatal(err)
	}
	n.await(0, "deleted b", func(e event) bool { return e.kind == "deleted" })
	if _, err := n.m.SetNode(ctx, here, true, false); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[error]error{
		cluster.ErrNotFound:     n.m.Pin(ctx, "b", here),
		cluster.ErrNodeNotFound: n.m.Pin(ctx, "a", "n-none"),
		cluster.ErrNodeCordoned: n.m.Pin(ctx, "a", here),
	} {
		var fe *fleet.Error
		if !errors.Is(err, want) || !errors.As(err, &fe) || fe.Remedy == "" {
			t.Errorf("want %v, got %v", want, err)
		}
	}
	if err := n.m.Pin(ctx, "a", ""); err != nil {
		t.Errorf("unpin: %v", err)
	}
}

// TestDeletionOutlivesItsOwner: the next owner is told to clean up, and to do nothing else.
func TestDeletionOutlivesItsOwner(t *testing.T) {
	w := newWorld(t)
	a := w.join(dial(t, endpoint), Config{}, func(n *testNode) { n.keep = true })
	w.create("a0000")
	a.awaitOwned(0, "a0000")
	if _, err := w.accounts.DeleteSpec(t.Context(), "a0000", 0); err != nil {
		t.Fatal(err)
	}
	a.awaitKind(0, "lost")
	a.crash()
	if err := w.revokeOf(a); err != nil {
		t.Fatal(err)
	}
	b := w.join(dial(t, endpoint), Config{})
	g, next := b.awaitOwned(0, "a0000")
	if g.Spec.DeletedAt.IsZero() {
		t.Error("the grant does not say that the account is to be deleted")
	}
	if lost, _ := b.awaitKind(next, "lost"); lost.reason != cluster.LostDeleted {
		t.Errorf("lost: %s", lost.reason)
	}
	if !w.accounts.WaitGone(t.Context(), "a0000") {
		t.Error("not gone")
	}
	w.create("a0000") // fresh
	if g, _ := b.awaitOwned(next, "a0000"); !g.Spec.DeletedAt.IsZero() || g.Spec.Generation != 1 {
		t.Errorf("created again: %+v", g.Spec)
	}
}

func TestNetworkRestoredReachesTheOwners(t *testing.T) {
	w := newWorld(t)
	cfg := Config{MovesPerSecond: 1000}
	a, b := w.join(dial(t, endpoint), cfg), w.join(dial(t, endpoint), cfg)
	ids := accountIDs(6)
	w.create(ids...)
	awaitHeld(t, 6, a, b)
	ctx := t.Context()
	hears := func(n *testNode, from int, id fleet.AccountID) int {
		t.Helper()
		_, next := n.await(from, "network "+string(id), func(e event) bool { return e.kind == "network" && e.spec.Account == id })
		return next
	}
	if n, err := a.m.NetworkRestored(ctx, nil, b.m.Node()); err != nil || n > 6 {
		t.Errorf("node: %d, %v", n, err)
	}
	nextB := hears(b, 0, "")
	if n, err := b.m.NetworkRestored(ctx, ids, ""); err != nil || n != 6 {
		t.Errorf("accounts: %d, %v", n, err)
	}
	for _, id := range ids {
		if _, here := a.grants()[id]; here {
			hears(a, 0, id)
		} else {
			nextB = max(nextB, hears(b, 0, id))
		}
	}
	a.mu.Lock()
	if i := slices.IndexFunc(a.events, func(e event) bool { return e.kind == "network" && e.spec.Account == "" }); i >= 0 {
		t.Error("a was told what b should hear")
	}
	a.mu.Unlock()
	if _, err := a.m.NetworkRestored(ctx, nil, ""); err != nil {
		t.Error(err)
	}
	hears(a, 0, "")
	hears(b, nextB, "")
	if _, err := a.m.NetworkRestored(ctx, nil, "n-none"); !errors.Is(err, cluster.ErrNodeNotFound) {
		t.Errorf("unknown node: %v", err)
	}
}

func TestNodesAreWatched(t *testing.T) {
	w := newWorld(t)
	a := w.join(dial(t, endpoint), Config{Name: "first"})
	w.create("a0000")
	a.awaitOwned(0, "a0000")
	step := 0
	b := (*testNode)(nil)
	for list := range a.m.WatchNodes(t.Context()) {
		switch {
		case step == 0 && len(list) == 1 && list[0].Accounts == 1 && list[0].Leader:
			step++
			b = w.join(dial(t, endpoint), Config{Name: "second"})
		case step == 1 && len(list) == 2:
			step++
			if info, err := a.m.SetNode(t.Context(), b.m.Node(), true, true); err != nil || !info.Cordoned || !info.Draining || info.Name != "second" {
				t.Errorf("drain: %+v, %v", info, err)
			}
		case step == 2:
			i := slices.IndexFunc(list, func(n cluster.NodeInfo) bool { return n.ID == b.m.Node() && n.Draining })
			if i < 0 {
				continue
			}
			step++
			if err := b.m.Leave(t.Context()); err != nil {
				t.Error(err)
			}
		case step == 3 && len(list) == 1:
			return
		}
	}
}
