// Package peertest keeps an account's peers in memory, for tests of what works on an account.
package peertest

import (
	"strings"
	"sync"

	"github.com/telefleet/orchestrator/telegram"
)

// Peers implements telegram.Peers. It forgets nothing.
type Peers struct {
	mu   sync.Mutex
	list []telegram.Peer
}

// New makes Peers that know some.
func New(known ...telegram.Peer) *Peers {
	p := &Peers{}
	p.Put(known...)
	return p
}

// Get implements telegram.Peers.
func (p *Peers) Get(kind telegram.PeerKind, id int64) (telegram.Peer, bool) {
	return p.find(func(q telegram.Peer) bool {
		return q.Kind == kind && (q.ID == id || id == 0 && q.Self)
	})
}

// ByUsername implements telegram.Peers.
func (p *Peers) ByUsername(name string) (telegram.Peer, bool) {
	return p.find(func(q telegram.Peer) bool { return !q.Min && name != "" && strings.EqualFold(q.Username, name) })
}

func (p *Peers) find(is func(telegram.Peer) bool) (telegram.Peer, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.list {
		if is(q) {
			return q, true
		}
	}
	return telegram.Peer{}, false
}

// Put implements telegram.Peers.
func (p *Peers) Put(peers ...telegram.Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, learnt := range peers {
		known := false
		for i, q := range p.list {
			if q.Kind == learnt.Kind && q.ID == learnt.ID {
				known = true
				if !learnt.Min || q.Min {
					p.list[i] = learnt
				}
			}
		}
		if !known && learnt.ID != 0 {
			p.list = append(p.list, learnt)
		}
	}
}
