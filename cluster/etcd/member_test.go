package etcd

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// eventually polls etcd for a state that no event of the handler tells of.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func (w *world) count(key string) int64 {
	w.t.Helper()
	resp, err := w.client.Get(w.t.Context(), w.prefix+key, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.Count
}

func TestNodeOwnsAnAccountFromCreationToDeletion(t *testing.T) {
	w := newWorld(t)
	n := w.join(dial(t, endpoint), Config{Address: "127.0.0.1:1"})
	w.create("one")
	g, next := n.awaitOwned(0, "one")
	if !g.NotBefore.IsZero() || g.Guard.Check() != nil || g.Spec.Account != "one" || g.Spec.ResourceVersion == 0 {
		t.Errorf("grant %+v", g)
	}
	owner, err := w.accounts.Owner(t.Context(), "one")
	if err != nil || owner.Node != n.m.Node() || owner.Address != "127.0.0.1:1" || owner.Fence != g.Fence {
		t.Errorf("owner %+v, %v", owner, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if watched, err := n.m.WaitOwner(ctx, "one"); err != nil || watched != owner {
		t.Errorf("watched owner %+v, %v", watched, err)
	}
	if err := w.accounts.PutStatus(t.Context(), g.Fence, cluster.Status{Account: "one", State: "online", UserID: 7}); err != nil {
		t.Error(err)
	}
	if s, err := w.accounts.ListStatus(t.Context()); err != nil || len(s) != 1 || s[0].UserID != 7 {
		t.Errorf("status %v, %v", s, err)
	}

	spec, err := w.accounts.GetSpec(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	spec.Desired = cluster.DesiredPaused
	if _, err := w.accounts.UpdateSpec(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	changed, next := n.awaitKind(next, "changed")
	if changed.spec.Desired != cluster.DesiredPaused || changed.spec.Generation != 2 {
		t.Errorf("changed %+v", changed.spec)
	}

	if _, err := w.accounts.DeleteSpec(t.Context(), "one", 0); err != nil {
		t.Fatal(err)
	}
	lost, _ := n.awaitKind(next, "lost")
	if lost.reason != cluster.LostDeleted {
		t.Errorf("lost: %s", lost.reason)
	}
	n.awaitKind(next, "deleted")
	if err := w.accounts.PutStatus(t.Context(), g.Fence, cluster.Status{Account: "one"}); !errors.Is(err, cluster.ErrNotFound) {
		t.Errorf("status of a deleted account: %v", err)
	}
	eventually(t, "nothing is left of the account", func() bool {
		return w.count("own/")+w.count("assign/")+w.count("fence/")+w.count("status/") == 0
	})
}

func TestStaleTokenCannotWrite(t *testing.T) {
	w := newWorld(t)
	n := w.join(dial(t, endpoint), Config{})
	w.create("one")
	old, next := n.awaitOwned(0, "one")
	n.release(old) // it stays assigned here, so it is claimed again
	now, _ := n.awaitOwned(next, "one")
	if now.Token() <= old.Token() || now.Guard.Check() != nil {
		t.Errorf("token %d after %d, guard %v", now.Token(), old.Token(), now.Guard.Check())
	}
	if !now.NotBefore.IsZero() {
		t.Error("waits after a clean release")
	}
	status := cluster.Status{Account: "one", State: "online"}
	if err := w.accounts.PutStatus(t.Context(), old.Fence, status); !errors.Is(err, cluster.ErrFenced) {
		t.Errorf("the stale token wrote: %v", err)
	}
	if err := w.accounts.PutStatus(t.Context(), now.Fence, status); err != nil {
		t.Error(err)
	}
	if err := n.m.Release(t.Context(), old); err != nil {
		t.Errorf("releasing twice: %v", err)
	}
	if o, err := w.accounts.Owner(t.Context(), "one"); err != nil || o.Fence != now.Fence {
		t.Errorf("a stale release freed the account: %+v, %v", o, err)
	}
}

// TestExactlyOneOwner: nodes join and leave while accounts move; the referee in world
// complains about a second owner and about tokens that do not grow.
func TestExactlyOneOwner(t *testing.T) {
	w := newWorld(t)
	const accounts = 40
	w.create(accountIDs(accounts)...)
	cfg := Config{MovesPerSecond: 1000}
	a := w.join(dial(t, endpoint), cfg)
	awaitHeld(t, accounts, a)
	b := w.join(dial(t, endpoint), cfg)
	awaitHeld(t, accounts, a, b)
	c := w.join(dial(t, endpoint), cfg)
	counts := awaitHeld(t, accounts, a, b, c)
	t.Logf("three nodes hold %v", counts)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := a.m.Leave(ctx); err != nil { // the leader
		t.Fatal(err)
	}
	if err := <-a.done; err != nil {
		t.Errorf("run after leave: %v", err)
	}
	a.done <- nil
	awaitHeld(t, accounts, b, c)
	for _, n := range []*testNode{b, c} {
		n.mu.Lock()
		for _, e := range n.events {
			if !e.grant.NotBefore.IsZero() {
				t.Errorf("%s waits after a clean hand-over", e.grant)
			}
		}
		n.mu.Unlock()
	}
	if !b.m.Leading() && !c.m.Leading() {
		t.Error("nobody leads")
	}
	if err := second(b.m.SetNode(t.Context(), c.m.Node(), true, true)); err != nil {
		t.Fatal(err)
	}
	awaitHeld(t, accounts, b)
}

// TestUncleanLossMakesTheNextOwnerWait: kill without release.
func TestUncleanLossMakesTheNextOwnerWait(t *testing.T) {
	w := newWorld(t)
	w.create("one")
	a := w.join(dial(t, endpoint), Config{})
	g, _ := a.awaitOwned(0, "one")
	b := w.join(dial(t, endpoint), Config{})
	a.crash()
	if g.Guard.Check() == nil {
		t.Error("the guard of a dead node lets through")
	}
	before := time.Now()
	if _, err := w.client.Revoke(t.Context(), a.m.current().lease); err != nil { // as if it had expired
		t.Fatal(err)
	}
	got, next := b.awaitOwned(0, "one")
	if earliest := before.Add(testProfile().Linger); got.NotBefore.Before(earliest) {
		t.Errorf("may dial at %v, the former socket may live until %v", got.NotBefore, earliest)
	}
	// A release before that wait has ended leaves the fence held.
	b.release(got)
	again, _ := b.awaitOwned(next, "one")
	if again.NotBefore.Before(got.NotBefore) {
		t.Errorf("a release shortened the wait from %v to %v", got.NotBefore, again.NotBefore)
	}
}

// TestRestartRevokesTheStoredLease: a single node after kill -9 does not wait for its TTL.
func TestRestartRevokesTheStoredLease(t *testing.T) {
	w := newWorld(t)
	w.create("one")
	single := testProfile()
	single.TTL, single.Linger = time.Hour, 0
	cfg := Config{Profile: single, LeaseFile: filepath.Join(t.TempDir(), "lease")}
	a := w.join(dial(t, endpoint), cfg)
	g, _ := a.awaitOwned(0, "one")
	a.crash()
	b := w.join(dial(t, endpoint), cfg)
	got, _ := b.awaitOwned(0, "one")
	if got.Token() <= g.Token() || !got.NotBefore.IsZero() {
		t.Errorf("%s after %s, not before %v", got, g, got.NotBefore)
	}
	if b.m.Node() == a.m.Node() {
		t.Error("the node id was revived")
	}
}

// TestSuspendedNodeIsFenced: SIGSTOP or a suspended machine, by its clock.
func TestSuspendedNodeIsFenced(t *testing.T) {
	w := newWorld(t)
	w.create("one")
	var ahead atomic.Int64
	clock := func() time.Duration { return cluster.BootClock() + time.Duration(ahead.Load()) }
	var open atomic.Bool
	open.Store(true)
	n := w.join(dial(t, endpoint), Config{Clock: clock}, func(n *testNode) { n.onFenced = func() { open.Store(false) } })
	g, next := n.awaitOwned(0, "one")
	ahead.Add(int64(time.Hour))
	if !errors.Is(g.Guard.Check(), cluster.ErrFenced) || n.m.Guard()() == nil {
		t.Fatal("the guard lets through after an hour of sleep")
	}
	_, next = n.awaitKind(next, "fenced")
	lost, next := n.awaitKind(next, "lost")
	if lost.reason != cluster.LostFenced || open.Load() {
		t.Errorf("lost %s, sockets open %t", lost.reason, open.Load())
	}
	again, _ := n.awaitOwned(next, "one")
	if again.Token() <= g.Token() || again.Guard.Check() != nil || g.Guard.Check() == nil {
		t.Errorf("%s after %s", again, g)
	}
	if n.m.Guard()() != nil {
		t.Error("the node's guard stays closed after it has joined again")
	}
}

// TestShortPauseKeepsOwnership.
func TestShortPauseKeepsOwnership(t *testing.T) {
	w := newWorld(t)
	w.create("one")
	var ahead atomic.Int64
	n := w.join(dial(t, endpoint), Config{Clock: func() time.Duration { return cluster.BootClock() + time.Duration(ahead.Load()) }})
	g, _ := n.awaitOwned(0, "one")
	ahead.Add(int64(3 * time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := n.m.RenewedAfter(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := g.Guard.Check(); err != nil {
		t.Errorf("fenced by a short pause: %v", err)
	}
}

func TestRenewedAfterAsksForARenewal(t *testing.T) {
	w := newWorld(t)
	slow := testProfile()
	slow.TTL = time.Hour // the next renewal by itself comes after twelve minutes
	n := w.join(dial(t, endpoint), Config{Profile: slow})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error)
	for range 50 {
		go func() { done <- n.m.RenewedAfter(ctx, time.Now()) }()
	}
	for range 50 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	n.m.Gate().Close()
	if err := n.m.RenewedAfter(ctx, time.Now()); !errors.Is(err, cluster.ErrFenced) {
		t.Errorf("without a lease: %v", err)
	}
}

// TestRevokedLeaseFences: etcd says that the lease is gone.
func TestRevokedLeaseFences(t *testing.T) {
	w := newWorld(t)
	w.create("one")
	n := w.join(dial(t, endpoint), Config{})
	g, next := n.awaitOwned(0, "one")
	if _, err := w.client.Revoke(t.Context(), n.m.current().lease); err != nil {
		t.Fatal(err)
	}
	again, _ := n.awaitOwned(next, "one")
	if again.Token() <= g.Token() || g.Guard.Check() == nil {
		t.Errorf("%s after %s", again, g)
	}
}

// TestDeletedOwnerKeyStopsTheAccount: an operator's hand in etcd.
func TestDeletedOwnerKeyStopsTheAccount(t *testing.T) {
	w := newWorld(t)
	w.create("one", "two")
	n := w.join(dial(t, endpoint), Config{})
	other, _ := n.awaitOwned(0, "two")
	g, next := n.awaitOwned(0, "one")
	if _, err := w.client.Delete(t.Context(), g.Fence.Key); err != nil {
		t.Fatal(err)
	}
	lost, next := n.awaitKind(next, "lost")
	if lost.reason != cluster.LostFenced || lost.grant.Account != "one" || g.Guard.Check() == nil {
		t.Errorf("lost %s %s", lost.grant, lost.reason)
	}
	n.awaitOwned(next, "one")
	if other.Guard.Check() != nil {
		t.Error("another account was fenced too")
	}
}

func TestLeaveInTimeOrFenced(t *testing.T) {
	w := newWorld(t)
	w.create("one")
	n := w.join(dial(t, endpoint), Config{}, func(n *testNode) { n.keep = true })
	g, next := n.awaitOwned(0, "one")
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- n.m.Leave(ctx) }()
	lost, _ := n.awaitKind(next, "lost")
	if lost.reason != cluster.LostLeaving {
		t.Errorf("lost: %s", lost.reason)
	}
	cancel() // the handler does not release
	if err := <-left; err == nil {
		t.Error("left without a release")
	}
	err := <-n.done
	n.done <- err
	if err == nil || g.Guard.Check() == nil {
		t.Errorf("run: %v, guard: %v", err, g.Guard.Check())
	}
	n.awaitKind(next, "fenced")
}

func TestDeposedLeaderWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.create("one")
	n := w.join(dial(t, endpoint), Config{})
	n.awaitOwned(0, "one")
	leader, ok := n.m.leader()
	if !ok {
		t.Fatal("nobody leads")
	}
	assign, _ := n.m.assigns.get("one")
	plan := []assignment{{account: "one", to: "n-elsewhere", mod: assign.mod}}
	if _, err := n.m.write(t.Context(), leader.create-1, plan); !errors.Is(err, errDeposed) {
		t.Errorf("an old leader wrote: %v", err)
	}
	plan[0].mod--
	if _, err := n.m.write(t.Context(), leader.create, plan); !errors.Is(err, errDeposed) {
		t.Errorf("wrote over an assignment it has not seen: %v", err)
	}
}

func TestCordonedNodeGetsNothingNew(t *testing.T) {
	w := newWorld(t)
	cfg := Config{MovesPerSecond: 1000}
	a := w.join(dial(t, endpoint), cfg)
	w.create("a0000")
	a.awaitOwned(0, "a0000")
	b := w.join(dial(t, endpoint), cfg)
	if err := second(b.m.SetNode(t.Context(), a.m.Node(), true, false)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the leader knows", func() bool {
		for _, n := range a.m.Nodes() {
			if n.Cordoned && n.ID == a.m.Node() {
				return len(a.m.Nodes()) == 2
			}
		}
		return false
	})
	w.create(accountIDs(11)[1:]...)
	counts := awaitHeld(t, 11, a, b)
	if counts[0] != 1 {
		t.Errorf("nodes hold %v", counts)
	}
	if err := second(b.m.SetNode(t.Context(), "n-none", true, false)); !errors.Is(err, cluster.ErrNodeNotFound) {
		t.Errorf("unknown node: %v", err)
	}
	var fe *fleet.Error
	if !errors.As(second(b.m.SetNode(t.Context(), "n-none", true, false)), &fe) || fe.Remedy == "" {
		t.Error("no remedy")
	}
}
