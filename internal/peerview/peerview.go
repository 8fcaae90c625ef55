// Package peerview shows an account's stored peers in the forms that packages telegram and
// tlupdates ask for.
//
// # Concurrency
//
// A View may be used by any goroutine.
package peerview

import (
	"sync/atomic"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
)

// View is the account's peers in the forms that telegram and tlupdates ask for.
type View struct {
	cache atomic.Pointer[peers.Cache]
	self  atomic.Int64
	// tell is told of the signed-in user, said is what it was told last.
	tell atomic.Pointer[func(restricted bool, reason string)]
	said atomic.Pointer[restriction]
	// names are those that were looked up.
	names names
}

// restriction is what Telegram says of the signed-in user.
type restriction struct {
	restricted bool
	reason     string
}

// OnSelf has tell called with what Telegram says of the signed-in user's restrictions, when that is
// new. It must not block.
func (v *View) OnSelf(tell func(restricted bool, reason string)) {
	v.tell.Store(&tell)
	v.said.Store(nil)
}

// sawSelf passes it on.
func (v *View) sawSelf(p telegram.Peer) {
	now, said, tell := restriction{p.Restricted, p.Restriction}, v.said.Load(), v.tell.Load()
	if tell == nil || said != nil && *said == now {
		return
	}
	v.said.Store(&now)
	(*tell)(now.restricted, now.reason)
}

// SetCache gives the view the account's peers; without, it knows none.
func (v *View) SetCache(c *peers.Cache) { v.cache.Store(c) }

// SetSelf names the signed-in user, 0 for none.
func (v *View) SetSelf(userID int64) {
	v.self.Store(userID)
	v.said.Store(nil)
}

// Get implements telegram.Peers.
func (v *View) Get(kind telegram.PeerKind, id int64) (telegram.Peer, bool) {
	self := v.self.Load()
	if kind == telegram.PeerUser && id == 0 {
		id = self
	}
	if kind == telegram.PeerUser && id != 0 && id == self {
		p, _ := v.get(peers.Key{Kind: peers.User, ID: id})
		own := peerOf(p)
		own.Kind, own.ID, own.Self = telegram.PeerUser, id, true
		return own, true
	}
	p, ok := v.get(peers.Key{Kind: peers.Kind(kind), ID: id})
	return peerOf(p), ok
}

// ByUsername implements telegram.Peers. It finds names that were looked up within a minute, not those
// that a peer once had.
func (v *View) ByUsername(name string) (telegram.Peer, bool) {
	fact, fresh := v.names.find(name)
	if !fresh {
		return telegram.Peer{}, false
	}
	return v.ownerOf(fact)
}

// Recall implements telegram.NameKeeper.
func (v *View) Recall(name string) (telegram.Peer, bool) {
	fact, _ := v.names.find(name)
	return v.ownerOf(fact)
}

func (v *View) ownerOf(fact named) (telegram.Peer, bool) {
	if fact.kind == 0 {
		return telegram.Peer{}, false
	}
	return v.Get(fact.kind, fact.id)
}

// Learn implements telegram.NameKeeper.
func (v *View) Learn(name string, owner telegram.Peer) { v.names.learn(name, owner) }

// Vacant implements telegram.NameKeeper.
func (v *View) Vacant(name string) bool {
	fact, fresh := v.names.find(name)
	return fresh && fact.kind == 0
}

var _ telegram.NameKeeper = (*View)(nil)

// Put implements telegram.Peers.
func (v *View) Put(found ...telegram.Peer) {
	seen := make([]peers.Peer, 0, len(found))
	for _, p := range found {
		if p.Self && !p.Min {
			v.sawSelf(p)
		}
		v.names.saw(p)
		if p.Changed {
			continue
		}
		if p.Renamed {
			known, ok := v.get(peers.Key{Kind: peers.Kind(p.Kind), ID: p.ID})
			if known.Username = p.Username; ok {
				seen = append(seen, known)
			}
			continue
		}
		seen = append(seen, peers.Peer{
			ID: p.ID, Kind: peers.Kind(p.Kind), AccessHash: p.AccessHash, Username: p.Username, Min: p.Min,
		})
	}
	if cache := v.cache.Load(); cache != nil {
		cache.Observe(seen...)
	}
}

// Changes grows with every change of the known peers.
func (v *View) Changes() uint64 {
	if cache := v.cache.Load(); cache != nil {
		return cache.Changes()
	}
	return 0
}

func (v *View) get(k peers.Key) (peers.Peer, bool) {
	cache := v.cache.Load()
	if cache == nil { // nothing is loaded yet
		return peers.Peer{}, false
	}
	return cache.Get(k)
}

// KnowsUser implements tlupdates.Lookup.
func (v *View) KnowsUser(id int64) bool {
	_, ok := v.get(peers.Key{Kind: peers.User, ID: id})
	return ok
}

// KnowsChat implements tlupdates.Lookup.
func (v *View) KnowsChat(id int64) bool {
	_, ok := v.get(peers.Key{Kind: peers.Chat, ID: id})
	return ok
}

// InputChannel implements tlupdates.Lookup.
func (v *View) InputChannel(id int64) (tg.InputChannelClass, bool) {
	p, ok := v.get(peers.Key{Kind: peers.Channel, ID: id})
	if !ok || p.Min || p.AccessHash == 0 {
		return nil, false
	}
	return &tg.InputChannel{ChannelID: id, AccessHash: p.AccessHash}, true
}

// The kinds of both packages have the same numbers; the compiler holds them together.
var (
	_ = [1]struct{}{}[telegram.PeerUser-telegram.PeerKind(peers.User)]
	_ = [1]struct{}{}[telegram.PeerChat-telegram.PeerKind(peers.Chat)]
	_ = [1]struct{}{}[telegram.PeerChannel-telegram.PeerKind(peers.Channel)]
)

func peerOf(p peers.Peer) telegram.Peer {
	return telegram.Peer{
		Kind: telegram.PeerKind(p.Kind), ID: p.ID, AccessHash: p.AccessHash, Username: p.Username, Min: p.Min,
	}
}
