package peers

import (
	"container/list"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

const (
	// FlushEvery is how long a change waits at most for its Flush.
	FlushEvery = 30 * time.Second
	// DefaultMaxPeers bounds a Cache; about 100 bytes each.
	DefaultMaxPeers = 10_000
)

// Cache is an account's working set of peers, loaded once and written behind. At the limit the
// peer used longest ago is forgotten, unless it is still to be written; the store keeps it, and
// Find reads it back.
type Cache struct {
	store   Store
	account fleet.AccountID
	limit   int
	now     func() time.Time

	mu sync.Mutex
	// These are nil before the first peer.
	peers  map[Key]*list.Element // of Peer
	names  map[string]Key        // lower-case username
	used   *list.List            // most recent first
	dirty  map[Key]struct{}
	since  time.Time // of the oldest unwritten change
	missed bool      // something was forgotten: the store may know more
	wipe   bool      // the store is to be emptied before the next write

	changes atomic.Uint64

	flushing sync.Mutex // one Flush at a time
}

// NewCache loads the account's peers. maxPeers bounds the cache, 0: DefaultMaxPeers.
func NewCache(ctx context.Context, s Store, account fleet.AccountID, maxPeers int) (*Cache, error) {
	if maxPeers <= 0 {
		maxPeers = DefaultMaxPeers
	}
	c := &Cache{store: s, account: account, limit: maxPeers, now: time.Now}
	ps, err := s.Load(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("load peers of %s: %w", account, err)
	}
	for _, p := range ps {
		c.put(p)
	}
	return c, nil
}

// Get gives a peer by identity.
func (c *Cache) Get(k Key) (Peer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.peers[k]
	if !ok {
		return Peer{}, false
	}
	c.used.MoveToFront(e)
	return e.Value.(Peer), true
}

// Find is Get, and reads the store when the peer was forgotten to keep the limit.
func (c *Cache) Find(ctx context.Context, k Key) (Peer, bool, error) {
	p, ok := c.Get(k)
	c.mu.Lock()
	missed := c.missed
	c.mu.Unlock()
	if ok || !missed {
		return p, ok, nil
	}
	ps, err := c.store.Load(ctx, c.account)
	if err != nil {
		return Peer{}, false, fmt.Errorf("load peers of %s: %w", c.account, err)
	}
	for _, p := range ps {
		if p.Key() == k {
			c.mu.Lock()
			defer c.mu.Unlock()
			if e, ok := c.peers[k]; ok { // seen meanwhile
				return e.Value.(Peer), true, nil
			}
			c.put(p)
			return p, true, nil
		}
	}
	return Peer{}, false, nil
}

// ByUsername gives the peer last seen with the username, with or without @, in any case.
func (c *Cache) ByUsername(name string) (Peer, bool) {
	c.mu.Lock()
	k, ok := c.names[fold(name)]
	c.mu.Unlock()
	if !ok {
		return Peer{}, false
	}
	return c.Get(k)
}

func fold(name string) string { return strings.ToLower(strings.TrimPrefix(name, "@")) }

// Observe merges sightings. One that cannot be a peer (no kind, an impossible username) is
// ignored: it would spoil its page for good.
func (c *Cache) Observe(ps ...Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range ps {
		if check(p) != nil {
			continue
		}
		if e, ok := c.peers[p.Key()]; ok {
			old := e.Value.(Peer)
			if p = Merge(old, p); p == old {
				c.used.MoveToFront(e)
				continue
			}
		}
		c.put(p)
		if len(c.dirty) == 0 {
			c.since = c.now()
		}
		c.dirty[p.Key()] = struct{}{}
	}
}

// Changes grows with every change of what the cache holds. While it stays the same, observing again
// what was observed changes nothing.
func (c *Cache) Changes() uint64 { return c.changes.Load() }

// put sets a peer; mu is held.
func (c *Cache) put(p Peer) {
	c.changes.Add(1)
	if c.peers == nil {
		c.peers, c.names, c.used, c.dirty = map[Key]*list.Element{}, map[string]Key{}, list.New(), map[Key]struct{}{}
	}
	k := p.Key()
	if e, ok := c.peers[k]; ok {
		c.unname(e.Value.(Peer))
		e.Value = p
		c.used.MoveToFront(e)
	} else {
		c.peers[k] = c.used.PushFront(p)
	}
	if p.Username != "" {
		c.names[fold(p.Username)] = k
	}
	for e := c.used.Back(); e != nil && len(c.peers) > c.limit; {
		old, prev := e.Value.(Peer), e.Prev()
		if _, unwritten := c.dirty[old.Key()]; !unwritten && old.Key() != k {
			c.unname(old)
			c.used.Remove(e)
			delete(c.peers, old.Key())
			c.missed = true
		}
		e = prev
	}
}

func (c *Cache) unname(p Peer) {
	if name := fold(p.Username); name != "" && c.names[name] == p.Key() {
		delete(c.names, name)
	}
}

// Clear forgets every peer: they are of another user. The next Flush, which is due at once, empties
// the store.
func (c *Cache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers, c.names, c.used, c.dirty = nil, nil, nil, nil
	c.changes.Add(1)
	c.wipe, c.missed, c.since = true, false, c.now()
}

// Due says when the next Flush should run; ok is false when nothing is to be written. It is at
// once when as many changes wait as the cache may hold.
func (c *Cache) Due() (at time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.wipe:
		return c.since, true
	case len(c.dirty) == 0:
		return time.Time{}, false
	case len(c.dirty) >= c.limit:
		return c.since, true
	}
	return c.since.Add(FlushEvery), true
}

// Flush writes what changed. After an error everything is still to be written.
func (c *Cache) Flush(ctx context.Context) error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	if err := c.empty(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	since, writing := c.since, c.dirty
	ps := make([]Peer, 0, len(writing))
	for k := range writing {
		ps = append(ps, c.peers[k].Value.(Peer))
	}
	c.mu.Unlock()
	if len(ps) == 0 {
		return nil
	}
	err := c.store.Put(ctx, c.account, ps)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("save peers of %s: %w", c.account, err)
	}
	for _, p := range ps { // what changed meanwhile stays
		if e := c.peers[p.Key()]; e != nil && e.Value.(Peer) == p { // else it is of a user before Clear
			delete(c.dirty, p.Key())
		}
	}
	c.since = since
	if len(c.dirty) > 0 {
		c.since = c.now()
	}
	return nil
}

// empty deletes what is stored, if Clear has asked for it; flushing is held.
func (c *Cache) empty(ctx context.Context) error {
	c.mu.Lock()
	wipe := c.wipe
	c.mu.Unlock()
	if !wipe {
		return nil
	}
	if err := c.store.Delete(ctx, c.account); err != nil {
		return fmt.Errorf("forget peers of %s: %w", c.account, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wipe = false
	return nil
}

// Len is how many peers the cache holds.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.peers)
}
