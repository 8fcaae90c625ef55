package peerview

import (
	"strings"
	"sync"
	"time"

	"github.com/telefleet/orchestrator/telegram"
)

// How long a name is believed. A name that changes hands is told of only to those who share a chat
// with its owners, so no answer holds for ever.
const (
	nameFresh   = 24 * time.Hour
	vacantFresh = time.Minute
	maxNames    = 1000 // at the limit all are forgotten
)

// names are the user names that were looked up. The zero value knows none.
type names struct {
	mu     sync.Mutex
	byName map[string]named
	byUser map[int64]string // names of users
}

// named is what a name was found to be.
type named struct {
	kind  telegram.PeerKind // 0: nobody's
	id    int64
	until time.Time
}

func foldName(name string) string { return strings.ToLower(strings.TrimPrefix(name, "@")) }

// learn remembers who has a name; the zero Peer for nobody.
func (n *names) learn(name string, owner telegram.Peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byName == nil || len(n.byName) >= maxNames {
		n.byName, n.byUser = map[string]named{}, map[int64]string{}
	}
	fact := named{owner.Kind, owner.ID, time.Now().Add(nameFresh)}
	if owner.Kind == 0 {
		fact.until = time.Now().Add(vacantFresh)
	}
	name = foldName(name)
	n.byName[name] = fact
	if owner.Kind == telegram.PeerUser {
		n.byUser[owner.ID] = name
	}
}

// find is what a name was found to be, as long as that is believed.
func (n *names) find(name string) (named, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fact, ok := n.byName[foldName(name)]
	return fact, ok && time.Now().Before(fact.until)
}

// saw forgets the name of a user who turns out to have another one.
func (n *names) saw(p telegram.Peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if had, ok := n.byUser[p.ID]; ok && p.Kind == telegram.PeerUser && (!p.Min || p.Renamed) && had != foldName(p.Username) {
		delete(n.byName, had)
		delete(n.byUser, p.ID)
	}
}
