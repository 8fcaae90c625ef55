package telegram

import (
	"container/list"
	"strings"
	"sync"
	"time"
)

// Limits of a PeerCache.
const (
	// DefaultPeerLimit is how many peers a cache keeps unless told otherwise; beyond it the
	// one that was used longest ago is forgotten.
	DefaultPeerLimit = 10_000
	// usernameTTL is how long a user name is trusted: names change hands, ids do not.
	usernameTTL = 24 * time.Hour
)

// PeerCache is Peers in memory, with a limit. Its zero value is not usable.
type PeerCache struct {
	mu     sync.Mutex
	limit  int
	now    func() time.Time
	peers  map[peerKey]*list.Element // of *cachedPeer
	names  map[string]peerKey
	self   int64
	recent *list.List // most recently used first
}

type peerKey struct {
	kind PeerKind
	id   int64
}

type cachedPeer struct {
	peer Peer
	seen time.Time // when the name was last confirmed
}

var _ Peers = (*PeerCache)(nil)

// NewPeerCache makes a cache of at most limit peers; 0 = DefaultPeerLimit. now may be nil.
func NewPeerCache(limit int, now func() time.Time) *PeerCache {
	if limit <= 0 {
		limit = DefaultPeerLimit
	}
	if now == nil {
		now = time.Now
	}
	return &PeerCache{
		limit: limit, now: now, recent: list.New(),
		peers: map[peerKey]*list.Element{}, names: map[string]peerKey{},
	}
}

// Get implements Peers.
func (c *PeerCache) Get(kind PeerKind, id int64) (Peer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if kind == PeerUser && id == 0 {
		id = c.self
	}
	e, ok := c.peers[peerKey{kind, id}]
	if !ok {
		return Peer{}, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cachedPeer).peer, true
}

// ByUsername implements Peers.
func (c *PeerCache) ByUsername(name string) (Peer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name = strings.ToLower(name)
	key, ok := c.names[name]
	if !ok {
		return Peer{}, false
	}
	e, ok := c.peers[key]
	if !ok || c.now().Sub(e.Value.(*cachedPeer).seen) > usernameTTL {
		delete(c.names, name)
		return Peer{}, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cachedPeer).peer, true
}

// Put implements Peers.
func (c *PeerCache) Put(peers ...Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range peers {
		c.put(p)
	}
}

// All returns the peers, most recently used first.
func (c *PeerCache) All() []Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Peer, 0, c.recent.Len())
	for e := c.recent.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*cachedPeer).peer)
	}
	return all
}

func (c *PeerCache) put(p Peer) {
	if p.ID == 0 {
		return
	}
	key := peerKey{p.Kind, p.ID}
	e, known := c.peers[key]
	if known {
		old := e.Value.(*cachedPeer)
		if p.Min && !old.peer.Min {
			return
		}
		if old.peer.Username != p.Username {
			c.forgetName(old.peer.Username, key)
		}
		old.peer, old.seen = p, c.now()
		c.recent.MoveToFront(e)
	} else {
		c.peers[key] = c.recent.PushFront(&cachedPeer{peer: p, seen: c.now()})
	}
	if p.Self {
		c.self = p.ID
	}
	if p.Username != "" && !p.Min {
		c.names[strings.ToLower(p.Username)] = key
	}
	c.shrink()
}

func (c *PeerCache) forgetName(name string, key peerKey) {
	if name = strings.ToLower(name); c.names[name] == key {
		delete(c.names, name)
	}
}

func (c *PeerCache) shrink() {
	for c.recent.Len() > c.limit {
		last := c.recent.Back()
		old := c.recent.Remove(last).(*cachedPeer).peer
		key := peerKey{old.Kind, old.ID}
		delete(c.peers, key)
		c.forgetName(old.Username, key)
	}
}
