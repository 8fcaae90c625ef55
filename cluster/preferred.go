package cluster

import (
	"cmp"

	"github.com/telefleet/orchestrator/fleet"
)

// Preferred is the node that should do a piece of work known by its name: the one that scores
// highest for it among those that take accounts, or among all when none does; empty without nodes.
// It changes for few names when a node comes or goes.
func Preferred(name string, nodes []Node) fleet.NodeID {
	var top fleet.NodeID
	var topScore float64
	var topOpen bool
	for _, n := range nodes {
		open := !n.Cordoned && !n.Draining
		s := score(fleet.AccountID(name), n.ID, float64(max(n.Weight, 1)))
		if top == "" || open && !topOpen || open == topOpen && cmp.Or(cmp.Compare(s, topScore), cmp.Compare(n.ID, top)) > 0 {
			top, topScore, topOpen = n.ID, s, open
		}
	}
	return top
}
