package etcd

import (
	"maps"
	"sync"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// dirtySet collects the accounts that the reconciler should look at. Each is in it once, so
// it is bounded by their number.
type dirtySet struct {
	mu   sync.Mutex
	ids  map[fleet.AccountID]struct{}
	wake chan struct{} // has one element while the set may be non-empty
}

func (d *dirtySet) init() {
	d.ids = make(map[fleet.AccountID]struct{})
	d.wake = make(chan struct{}, 1)
}

func (d *dirtySet) add(id fleet.AccountID) {
	d.mu.Lock()
	d.ids[id] = struct{}{}
	d.mu.Unlock()
	d.poke()
}

// poke wakes the reconciler.
func (d *dirtySet) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *dirtySet) addAll(ids []fleet.AccountID) {
	for _, id := range ids {
		d.add(id)
	}
}

// take empties the set.
func (d *dirtySet) take() map[fleet.AccountID]struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := d.ids
	d.ids = make(map[fleet.AccountID]struct{})
	return ids
}

// tombstones remember when this node saw ownership keys vanish.
type tombstones struct {
	mu    sync.Mutex
	rows  map[fleet.AccountID]tombstone
	sweep int // size at which old ones are dropped
}

type tombstone struct {
	token fleet.FencingToken
	seen  time.Time
}

const (
	// tombstoneAge is far beyond the longest L.
	tombstoneAge = 10 * time.Minute
	minSweep     = 1024
)

func (t *tombstones) add(id fleet.AccountID, token fleet.FencingToken, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows, t.sweep = make(map[fleet.AccountID]tombstone), minSweep
	}
	t.rows[id] = tombstone{token: token, seen: now}
	if len(t.rows) < t.sweep {
		return
	}
	maps.DeleteFunc(t.rows, func(_ fleet.AccountID, s tombstone) bool { return now.Sub(s.seen) > tombstoneAge })
	t.sweep = max(minSweep, 2*len(t.rows))
}

// seen is when the ownership with that token vanished, or now when this node did not see
// it: later is safe.
func (t *tombstones) seen(id fleet.AccountID, token fleet.FencingToken, now time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.rows[id]; ok && s.token == token {
		return s.seen
	}
	return now
}
