package peerview

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/telefleet/orchestrator/telegram"
)

// How long a name is believed without asking. That it changes hands is told only to those who share a chat
// with its owners, so no answer holds for long.
const (
	nameFresh = time.Minute
	maxNames  = 1000 // at the limit all are forgotten
)

// names are the user names that were looked up. The zero value knows none.
type names struct {
	mu      sync.Mutex
	byName  map[string]named
	byOwner map[owner][]string
}

// owner is whose a name is; the zero one: nobody's.
type owner struct {
	kind telegram.PeerKind
	id   int64
}

// named is what a name was found to be, and until when that is believed.
type named struct {
	owner
	until time.Time
}

func foldName(name string) string { return strings.ToLower(strings.TrimPrefix(name, "@")) }

// learn remembers who has a name; the zero Peer for nobody.
func (n *names) learn(name string, p telegram.Peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byName == nil || len(n.byName) >= maxNames {
		n.byName, n.byOwner = map[string]named{}, map[owner][]string{}
	}
	name = foldName(name)
	n.forget(name)
	fact := named{owner{p.Kind, p.ID}, time.Now().Add(nameFresh)}
	n.byName[name] = fact
	if p.Kind != 0 {
		n.byOwner[fact.owner] = append(n.byOwner[fact.owner], name)
	}
}

// find is what a name was found to be, and whether that is believed without asking.
func (n *names) find(name string) (fact named, fresh bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fact = n.byName[foldName(name)]
	return fact, time.Now().Before(fact.until)
}

// saw takes what a sighting of a peer tells: names that it has no more, names that were another's, or that
// one should ask again.
func (n *names) saw(p telegram.Peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.byName) == 0 {
		return
	}
	it := owner{p.Kind, p.ID}
	for _, name := range slices.Clone(n.byOwner[it]) {
		switch {
		case p.Changed:
			n.byName[name] = named{owner: it}
		case (!p.Min || p.Renamed) && !p.Named(name): // a min peer may be without its name
			n.forget(name)
		}
	}
	if p.Username != "" {
		n.has(it, p.Username)
	}
	for _, name := range p.Usernames {
		n.has(it, name)
	}
}

// has ends what was believed of a name that is known to be somebody's; mu is held.
func (n *names) has(it owner, name string) {
	name = foldName(name)
	if fact, ok := n.byName[name]; ok && fact.owner != it {
		n.forget(name)
	}
}

// forget drops a name; mu is held.
func (n *names) forget(name string) {
	it := n.byName[name].owner
	delete(n.byName, name)
	n.byOwner[it] = slices.DeleteFunc(n.byOwner[it], func(other string) bool { return other == name })
	if len(n.byOwner[it]) == 0 {
		delete(n.byOwner, it)
	}
}
