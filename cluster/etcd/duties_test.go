package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// bureau is the referee of duties: who works on what, by the workers' own words.
type bureau struct {
	t    *testing.T
	mu   sync.Mutex
	at   map[string]fleet.NodeID
	runs map[string]string // the value last worked on
	// checks are the fences of all work that was begun.
	checks []func() error
}

// worker is one node's duties.
type worker struct {
	*testNode
	duties *Duties
	work   *Resources
	end    context.CancelFunc
	ended  chan struct{}
}

func (b *bureau) join(w *world, c *clientv3.Client) *worker {
	n := w.join(c, Config{})
	k := &worker{testNode: n, work: NewResources(c, w.prefix, "consumer", hclog.NewNullLogger()), ended: make(chan struct{})}
	k.duties = n.m.Duties(k.work)
	ctx, cancel := context.WithCancel(context.Background())
	k.end = cancel
	go func() {
		defer close(k.ended)
		if err := k.duties.Run(ctx, func(ctx context.Context, work Work) { b.do(ctx, n.m.Node(), work) }); !errors.Is(err, context.Canceled) {
			b.t.Errorf("duties of %s ended: %v", n.m.Node(), err)
		}
	}()
	b.t.Cleanup(func() { cancel(); <-k.ended })
	return k
}

func (b *bureau) do(ctx context.Context, node fleet.NodeID, w Work) {
	if w.Check() != nil {
		return
	}
	b.mu.Lock()
	if other, ok := b.at[w.Name]; ok {
		b.t.Errorf("%s is worked on by %s and by %s", w.Name, other, node)
	}
	b.at[w.Name], b.runs[w.Name] = node, string(w.Value)
	b.checks = append(b.checks, w.Check)
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	delete(b.at, w.Name)
	b.mu.Unlock()
}

func (b *bureau) workers() map[fleet.NodeID]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[fleet.NodeID]int{}
	for _, n := range b.at {
		out[n]++
	}
	return out
}

func newBureau(t *testing.T) *bureau {
	return &bureau{t: t, at: map[string]fleet.NodeID{}, runs: map[string]string{}}
}

func TestEachDutyIsDoneByOneNode(t *testing.T) {
	w, b := newWorld(t), newBureau(t)
	first := b.join(w, dial(t, endpoint))
	const n = 24
	for i := range n {
		if _, err := first.work.Create(t.Context(), fmt.Sprint("c", i), []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "one node does all", func() bool { return b.workers()[first.m.Node()] == n })

	second := b.join(w, dial(t, endpoint))
	eventually(t, "two nodes share", func() bool {
		by := b.workers()
		return by[first.m.Node()]+by[second.m.Node()] == n && by[second.m.Node()] > 0 && by[first.m.Node()] > 0
	})
	for i := range n { // both know who does what
		name := fmt.Sprint("c", i)
		eventually(t, "both agree", func() bool {
			x, err1 := first.duties.WaitOwner(t.Context(), name)
			y, err2 := second.duties.Owner(name)
			return err1 == nil && err2 == nil && x.Node == y.Node
		})
	}

	// A node that hands over, and one that crashes.
	if err := first.m.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other does all", func() bool { return b.workers()[second.m.Node()] == n })
	third := b.join(w, dial(t, endpoint))
	eventually(t, "the new one takes part", func() bool { return b.workers()[third.m.Node()] > 0 })
	second.crash()
	second.end()
	<-second.ended
	if err := w.revokeOf(second.testNode); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the survivor does all", func() bool { return b.workers()[third.m.Node()] == n })
}

func TestDutyFollowsItsResource(t *testing.T) {
	w, b := newWorld(t), newBureau(t)
	k := b.join(w, dial(t, endpoint))
	ctx := t.Context()
	r, err := k.work.Create(ctx, "c", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.work.Create(ctx, "c", []byte("2"))
	wantReason(t, err, "CONSUMER_EXISTS")
	value := func(want string) func() bool {
		return func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.at["c"] != "" && b.runs["c"] == want }
	}
	eventually(t, "it is done", value("1"))
	changed, err := k.work.Change(ctx, "c", func([]byte) ([]byte, error) { return []byte("2"), nil })
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is done anew", value("2"))
	_, err = k.work.Update(ctx, r)
	wantReason(t, err, "CONFLICT")
	if list, err := k.work.List(ctx); err != nil || len(list) != 1 || list[0].Name != "c" || list[0].Version != changed.Version {
		t.Errorf("got %v, %v", list, err)
	}
	if err := k.work.Delete(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has ended", func() bool { return len(b.workers()) == 0 && w.count("duties/") == 0 })
	wantReason(t, k.work.Delete(ctx, "c"), "CONSUMER_UNKNOWN")
	_, err = k.work.Update(ctx, changed)
	wantReason(t, err, "CONSUMER_UNKNOWN")
	_, err = k.work.Get(ctx, "c")
	wantReason(t, err, "CONSUMER_UNKNOWN")
	if _, err := k.duties.Owner("c"); !errors.Is(err, cluster.ErrNoOwner) {
		t.Errorf("got %v", err)
	}
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	var own *fleet.Error
	if !errors.As(err, &own) || own.Reason != reason || own.Remedy == "" {
		t.Errorf("got %v, want reason %s with a remedy", err, reason)
	}
}

func TestDutyEndsWithTheLease(t *testing.T) {
	w, b := newWorld(t), newBureau(t)
	k := b.join(w, dial(t, endpoint))
	if _, err := k.work.Create(t.Context(), "c", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is done", func() bool { return len(b.workers()) == 1 })
	if err := k.m.revoke(t.Context(), k.m.current().lease); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on under the next lease", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.checks) == 2 && b.at["c"] != "" && b.checks[1]() == nil
	})
	if b.checks[0]() == nil {
		t.Error("the former work may still act")
	}
}
