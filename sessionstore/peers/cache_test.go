package peers

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/fleet"
)

func newCache(t *testing.T, s Store, limit int) *Cache {
	t.Helper()
	c, err := NewCache(t.Context(), s, "a", limit)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMergeTable(t *testing.T) {
	full := Peer{ID: 1, Kind: User, AccessHash: 10, Username: "full"}
	min := Peer{ID: 1, Kind: User, AccessHash: 99, Username: "min", Min: true}
	for name, c := range map[string]struct{ old, seen, want Peer }{
		"min after full":          {full, min, full},
		"full after min":          {min, full, full},
		"min after min":           {min, Peer{ID: 1, Kind: User, AccessHash: 5, Min: true}, Peer{ID: 1, Kind: User, AccessHash: 5, Min: true}},
		"name changed":            {full, Peer{ID: 1, Kind: User, AccessHash: 10, Username: "new"}, Peer{ID: 1, Kind: User, AccessHash: 10, Username: "new"}},
		"full without hash":       {full, Peer{ID: 1, Kind: User, Username: "n"}, Peer{ID: 1, Kind: User, AccessHash: 10, Username: "n"}},
		"no hash over a min hash": {min, Peer{ID: 1, Kind: User, Username: "n"}, Peer{ID: 1, Kind: User, AccessHash: 99, Username: "n", Min: true}},
		"min over no hash":        {Peer{ID: 1, Kind: User}, min, Peer{ID: 1, Kind: User, AccessHash: 99, Username: "min", Min: true}},
	} {
		if got := Merge(c.old, c.seen); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// Whatever is seen, and in any order: once a full hash was seen, a full hash is known.
func TestFullHashIsNeverLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, full := Peer{ID: 1, Kind: Channel}, false
		for range rapid.IntRange(1, 10).Draw(t, "sightings") {
			seen := Peer{ID: 1, Kind: Channel, AccessHash: rapid.SampledFrom([]int64{0, 1, 2}).Draw(t, "hash"), Min: rapid.Bool().Draw(t, "min")}
			p = Merge(p, seen)
			if again := Merge(p, seen); again != p && !seen.Min {
				t.Fatalf("%+v seen twice: %+v, then %+v", seen, p, again)
			}
			if again := Merge(p, p); again != p {
				t.Fatalf("%+v merged with itself: %+v", p, again)
			}
			full = full || !seen.Min && seen.AccessHash != 0
			if full && (p.Min || p.AccessHash == 0) {
				t.Fatalf("lost by %+v: %+v", seen, p)
			}
		}
	})
}

func TestCacheIsFlushedWithin30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory()
		c := newCache(t, s, 0)
		if _, ok := c.Due(); ok {
			t.Error("due without a change")
		}
		start := time.Now()
		c.Observe(Peer{ID: 1, Kind: User, AccessHash: 1, Username: "Alice"})
		time.Sleep(10 * time.Second)
		c.Observe(Peer{ID: 2, Kind: User, AccessHash: 2})
		if at, ok := c.Due(); !ok || at.Sub(start) != FlushEvery {
			t.Errorf("due after %s, %v", at.Sub(start), ok)
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Due(); ok {
			t.Error("due after the flush")
		}
		c.Observe(Peer{ID: 1, Kind: User, AccessHash: 1, Username: "Alice"}) // nothing new
		if _, ok := c.Due(); ok {
			t.Error("due without a change")
		}
		again := newCache(t, s, 0)
		if p, ok := again.ByUsername("@aLICE"); !ok || p.ID != 1 {
			t.Errorf("got %v, %v", p, ok)
		}
	})
}

func TestUsernameFollowsItsOwner(t *testing.T) {
	c := newCache(t, NewMemory(), 0)
	c.Observe(Peer{ID: 1, Kind: User, AccessHash: 1, Username: "shop"})
	c.Observe(Peer{ID: 2, Kind: Channel, AccessHash: 2, Username: "Shop"})
	c.Observe(Peer{ID: 1, Kind: User, AccessHash: 1, Username: "former"})
	if p, _ := c.ByUsername("shop"); p.ID != 2 {
		t.Errorf("shop is %+v", p)
	}
	if p, _ := c.ByUsername("former"); p.ID != 1 {
		t.Errorf("former is %+v", p)
	}
	c.Observe(Peer{ID: 2, Kind: Channel, AccessHash: 2})
	if p, ok := c.ByUsername("shop"); ok {
		t.Errorf("shop is still %+v", p)
	}
}

// failing fails its first Put, and may act while one runs.
type failing struct {
	Store
	err    error
	during func()
}

func (f *failing) Put(ctx context.Context, a fleet.AccountID, ps []Peer) error {
	if f.err != nil {
		return f.err
	}
	if f.during != nil {
		f.during()
	}
	return f.Store.Put(ctx, a, ps)
}

func TestFailedFlushLosesNothing(t *testing.T) {
	s := &failing{Store: NewMemory(), err: errors.New("down")}
	c := newCache(t, s, 0)
	c.Observe(Peer{ID: 1, Kind: User, AccessHash: 1})
	if err := c.Flush(t.Context()); !errors.Is(err, s.err) {
		t.Fatal(err)
	}
	if _, ok := c.Due(); !ok {
		t.Error("nothing is due")
	}
	s.err = nil
	s.during = func() { c.Observe(Peer{ID: 1, Kind: User, AccessHash: 1, Username: "meanwhile"}) }
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Due(); !ok {
		t.Error("the change during the flush is not due")
	}
	s.during = nil
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ps, _ := s.Load(t.Context(), "a")
	if len(ps) != 1 || ps[0].Username != "meanwhile" {
		t.Errorf("stored %v", ps)
	}
}

func TestCacheIsBoundedAndForgetsOnlyWhatIsStored(t *testing.T) {
	s := NewMemory()
	c := newCache(t, s, 3)
	for i := range int64(5) {
		c.Observe(Peer{ID: i + 1, Kind: User, AccessHash: i + 1})
	}
	if at, ok := c.Due(); !ok || time.Until(at) > 0 {
		t.Errorf("a full cache is due at %s", at)
	}
	if c.Len() != 5 {
		t.Errorf("%d peers: unwritten ones were forgotten", c.Len())
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Observe(Peer{ID: 9, Kind: User, AccessHash: 9})
	if c.Len() != 3 {
		t.Errorf("%d peers, want 3", c.Len())
	}
	k := Key{User, 1}
	if _, ok := c.Get(k); ok {
		t.Error("the peer used longest ago is still there")
	}
	if p, ok, err := c.Find(t.Context(), k); err != nil || !ok || p.AccessHash != 1 {
		t.Errorf("found %v, %v, %v", p, ok, err)
	}
	if _, ok, err := c.Find(t.Context(), Key{User, 77}); ok || err != nil {
		t.Errorf("found an unknown peer: %v", err)
	}
	// A min sighting of a forgotten peer does not replace the stored full hash.
	c.Observe(Peer{ID: 2, Kind: User, AccessHash: 99, Min: true})
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ps, _ := s.Load(t.Context(), "a")
	if i := slices.IndexFunc(ps, func(p Peer) bool { return p.ID == 2 }); ps[i].Min || ps[i].AccessHash != 2 {
		t.Errorf("stored %+v", ps[i])
	}
}

// TestChangesGrowWithEveryChangeOnly: who has observed somebody need not do so again while they stand.
func TestChangesGrowWithEveryChangeOnly(t *testing.T) {
	c := newCache(t, NewMemory(), 0)
	anna := Peer{ID: 1, Kind: User, AccessHash: 1, Username: "anna"}
	before := c.Changes()
	for _, step := range []struct {
		seen    Peer
		changes bool
	}{
		{anna, true},
		{anna, false},
		{Peer{ID: 1, Kind: User, AccessHash: 9, Min: true}, false}, // says less than is known
		{Peer{ID: 1, Kind: User, AccessHash: 1, Username: "ann"}, true},
		{anna, true},
	} {
		c.Observe(step.seen)
		if now := c.Changes(); now > before != step.changes {
			t.Errorf("%+v: %d after %d", step.seen, now, before)
		}
		before = c.Changes()
	}
}

func TestImpossiblePeersAreNotObserved(t *testing.T) {
	c := newCache(t, NewMemory(), 0)
	c.Observe(Peer{ID: 1}, Peer{ID: 1, Kind: User, Username: string(make([]byte, 100))})
	if c.Len() != 0 {
		t.Error("kept")
	}
}

func FuzzDecodePage(f *testing.F) {
	f.Add(encodePage([]Peer{{ID: 1, Kind: User, AccessHash: 2, Username: "x", Min: true}, {ID: -1, Kind: Chat}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		ps, err := decodePage(b)
		if err != nil {
			return
		}
		again, err := decodePage(encodePage(ps))
		if err != nil || !slices.Equal(ps, again) {
			t.Fatalf("%v, %v, %v", ps, again, err)
		}
	})
}

// TestClearForgetsTheFormerUsersPeers: in memory at once, in the store with the next Flush, which is
// due now and repeated when the store fails; what is seen afterwards stays.
func TestClearForgetsTheFormerUsersPeers(t *testing.T) {
	s := &failing{Store: NewMemory()}
	if err := s.Put(t.Context(), "a", []Peer{{Kind: User, ID: 1, AccessHash: 2, Username: "old"}}); err != nil {
		t.Fatal(err)
	}
	c := newCache(t, s, 0)
	c.Clear()
	if _, ok := c.Get(Key{User, 1}); ok || c.Len() != 0 {
		t.Error("a peer of the former user is found")
	}
	if _, ok := c.ByUsername("old"); ok {
		t.Error("a user name of a former peer is found")
	}
	if at, due := c.Due(); !due || at.After(time.Now()) {
		t.Errorf("the next Flush is due at %v, %v", at, due)
	}
	c.Observe(Peer{Kind: User, ID: 3, AccessHash: 4})
	s.err = errors.New("down")
	if err := c.Flush(t.Context()); !errors.Is(err, s.err) {
		t.Errorf("a failing store gave %v", err)
	}
	s.err = nil
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(t.Context(), "a"); err != nil || len(got) != 1 || got[0].ID != 3 {
		t.Errorf("stored are %v, %v", got, err)
	}
	if _, due := c.Due(); due {
		t.Error("there is still something to write")
	}
}
