package cluster

import (
	"cmp"
	"math"
	"slices"

	"github.com/telefleet/orchestrator/fleet"
)

// loadSlack is how far above its fair share a node may be filled. Less moves accounts for
// little gain, more leaves nodes uneven.
const loadSlack = 0.10

// PlacementInput is all that placement looks at.
type PlacementInput struct {
	// Accounts to place; their order does not matter.
	Accounts []fleet.AccountID
	// Nodes that are alive; their order does not matter.
	Nodes []Node
	// Current is where accounts are assigned now; nodes that are gone may occur.
	Current map[fleet.AccountID]fleet.NodeID
	// Pinned accounts go to that node, whatever its load, while it is alive and takes accounts.
	Pinned map[fleet.AccountID]fleet.NodeID
}

// Move is one account that should run elsewhere.
type Move struct {
	Account fleet.AccountID
	// From is the live node that it is assigned to now, empty when there is none.
	From fleet.NodeID
	// To is never empty.
	To fleet.NodeID
}

// target is a node that may take accounts.
type target struct {
	id     fleet.NodeID
	weight float64
	limit  int
	pinned int // accounts that it has whatever its limit is
	kept   []fleet.AccountID
	load   int
}

// Place proposes where accounts should run, as the moves that are needed, sorted by
// account. It uses rendezvous hashing with bounded load: an account goes to the node that
// scores highest for it among those below their limit, where the limit is the node's share
// by weight plus a slack of 10 %. Accounts stay where they are unless their node is gone,
// is draining or is above its limit. Cordoned nodes keep theirs and take none. Pinned accounts
// go first and are never moved for the sake of load.
func Place(in PlacementInput) []Move {
	targets, holding := split(in.Nodes)
	if len(targets) == 0 {
		return nil
	}
	accounts := slices.Clone(in.Accounts)
	slices.Sort(accounts)
	accounts = slices.Compact(accounts)

	var loose, moves []Move
	free := 0 // accounts that the targets share
	for _, a := range accounts {
		current := in.Current[a]
		if t := targets[in.Pinned[a]]; t != nil {
			t.pinned++
			free++
			if current != t.id {
				moves = append(moves, Move{Account: a, From: among(in.Nodes, current), To: t.id})
			}
			continue
		}
		if t := targets[current]; t != nil {
			t.kept = append(t.kept, a)
			free++
			continue
		}
		draining, alive := holding[current]
		if alive && !draining {
			continue
		}
		m := Move{Account: a}
		if alive {
			m.From = current
		}
		loose = append(loose, m)
		free++
	}
	setLimits(targets, free)
	for _, t := range targets {
		loose = append(loose, t.evict()...)
	}
	slices.SortFunc(loose, byAccount)
	for i := range loose {
		t := best(targets, loose[i].Account)
		t.load++
		loose[i].To = t.id
	}
	loose = slices.DeleteFunc(loose, func(m Move) bool { return m.From == m.To })
	moves = append(moves, loose...)
	slices.SortFunc(moves, byAccount)
	return moves
}

func byAccount(a, b Move) int { return cmp.Compare(a.Account, b.Account) }

// among is the node if it is one of those, else empty.
func among(nodes []Node, id fleet.NodeID) fleet.NodeID {
	if slices.ContainsFunc(nodes, func(n Node) bool { return n.ID == id }) {
		return id
	}
	return ""
}

// split parts the nodes that may take accounts from those that hold some without taking
// more; the value of the latter says whether they are draining.
func split(nodes []Node) (targets map[fleet.NodeID]*target, holding map[fleet.NodeID]bool) {
	targets = make(map[fleet.NodeID]*target)
	holding = make(map[fleet.NodeID]bool)
	for _, n := range nodes {
		if n.Cordoned || n.Draining {
			holding[n.ID] = n.Draining
			continue
		}
		targets[n.ID] = &target{id: n.ID, weight: float64(max(1, n.Weight))}
	}
	return targets, holding
}

// setLimits shares the accounts out by weight. A node with more pinned accounts than its share
// has exactly those, and the others share the rest.
func setLimits(targets map[fleet.NodeID]*target, accounts int) {
	full := make(map[fleet.NodeID]bool)
	for again := true; again; {
		again = false
		var sum float64
		left := accounts
		for id, t := range targets {
			if full[id] {
				left -= t.pinned
			} else {
				sum += t.weight
			}
		}
		for id, t := range targets {
			if full[id] {
				t.limit = t.pinned
				continue
			}
			share := float64(left) * t.weight / sum
			t.limit = max(int(math.Ceil(share)), int(math.Floor(share*(1+loadSlack))))
			if t.pinned > t.limit {
				full[id], again = true, true
			}
		}
	}
}

// evict takes the accounts above the limit off the node, those that it scores lowest first.
func (t *target) evict() []Move {
	room := max(0, t.limit-t.pinned)
	t.load = t.pinned + min(len(t.kept), room)
	if len(t.kept) <= room {
		return nil
	}
	slices.SortFunc(t.kept, func(a, b fleet.AccountID) int {
		return cmp.Or(cmp.Compare(score(b, t.id, t.weight), score(a, t.id, t.weight)), cmp.Compare(a, b))
	})
	moves := make([]Move, 0, len(t.kept)-room)
	for _, a := range t.kept[room:] {
		moves = append(moves, Move{Account: a, From: t.id})
	}
	return moves
}

// best is the node below its limit that scores highest; the limits sum up to at least the
// number of accounts, so there is one. Rounding in the sum could in theory leave none: then
// the best of all is taken.
func best(targets map[fleet.NodeID]*target, a fleet.AccountID) *target {
	var top, any *target
	var topScore, anyScore float64
	for _, t := range targets {
		s := score(a, t.id, t.weight)
		if any == nil || s > anyScore || s == anyScore && t.id < any.id {
			any, anyScore = t, s
		}
		if t.load < t.limit && (top == nil || s > topScore || s == topScore && t.id < top.id) {
			top, topScore = t, s
		}
	}
	if top == nil {
		return any
	}
	return top
}

// score is the weighted rendezvous score of an account on a node.
func score(a fleet.AccountID, n fleet.NodeID, weight float64) float64 {
	h := uint64(14695981039346656037) // FNV-1a, then mixed: alone it spreads short names badly
	for _, s := range []string{string(a), "\x00", string(n)} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	unit := (float64(h>>11) + 0.5) / (1 << 53) // in (0, 1)
	return -weight / math.Log(unit)
}
