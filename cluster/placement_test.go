package cluster

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/fleet"
)

func names(n int) []fleet.AccountID {
	ids := make([]fleet.AccountID, n)
	for i := range ids {
		ids[i] = fleet.AccountID(fmt.Sprintf("acc-%04d", i))
	}
	return ids
}

func apply(current map[fleet.AccountID]fleet.NodeID, moves []Move) map[fleet.AccountID]fleet.NodeID {
	next := maps.Clone(current)
	if next == nil {
		next = make(map[fleet.AccountID]fleet.NodeID)
	}
	for _, m := range moves {
		next[m.Account] = m.To
	}
	return next
}

func loads(placed map[fleet.AccountID]fleet.NodeID) map[fleet.NodeID]int {
	l := make(map[fleet.NodeID]int)
	for _, n := range placed {
		l[n]++
	}
	return l
}

func drawInput(t *rapid.T) PlacementInput {
	in := PlacementInput{Current: make(map[fleet.AccountID]fleet.NodeID)}
	in.Accounts = names(rapid.IntRange(0, 80).Draw(t, "accounts"))
	for i := range rapid.IntRange(0, 6).Draw(t, "nodes") {
		in.Nodes = append(in.Nodes, Node{
			ID:       fleet.NodeID(fmt.Sprintf("n%d", i)),
			Weight:   rapid.IntRange(0, 3).Draw(t, "weight"),
			Cordoned: rapid.IntRange(0, 4).Draw(t, "cordoned") == 0,
			Draining: rapid.IntRange(0, 4).Draw(t, "draining") == 0,
		})
	}
	for _, a := range in.Accounts {
		if n := rapid.IntRange(-2, 7).Draw(t, "at"); n >= 0 {
			in.Current[a] = fleet.NodeID(fmt.Sprintf("n%d", n)) // n6 and n7 are gone
		}
	}
	return in
}

// TestPlacementProperties: every account gets a live node, none above its limit, nothing
// moves that need not, the result is stable and does not depend on order.
func TestPlacementProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		moves := Place(in)
		after := apply(in.Current, moves)
		nodes := make(map[fleet.NodeID]Node)
		open := false
		for _, n := range in.Nodes {
			nodes[n.ID] = n
			open = open || !n.Cordoned && !n.Draining
		}
		if !open {
			if len(moves) != 0 {
				t.Fatalf("moves without a node to take them: %v", moves)
			}
			return
		}
		targets, holding := split(in.Nodes)
		free := 0
		for _, a := range in.Accounts {
			n, alive := nodes[after[a]]
			if !alive || n.Draining {
				t.Fatalf("%s is left on %q", a, after[a])
			}
			if _, held := holding[after[a]]; !held {
				free++
			}
		}
		setLimits(targets, free)
		load, before := loads(after), loads(in.Current)
		for id, target := range targets {
			if load[id] > target.limit {
				t.Fatalf("%s has %d accounts, its limit is %d", id, load[id], target.limit)
			}
		}
		for _, m := range moves {
			from, alive := nodes[m.From]
			if m.From != "" && (!alive || in.Current[m.Account] != m.From) {
				t.Fatalf("%v does not come from where the account is", m)
			}
			if to := nodes[m.To]; to.Cordoned || to.Draining {
				t.Fatalf("%v goes to a node that takes none", m)
			}
			if m.From == "" || from.Draining {
				continue
			}
			if from.Cordoned || before[m.From] <= targets[m.From].limit {
				t.Fatalf("%v is needless", m)
			}
		}
		if again := Place(PlacementInput{Accounts: in.Accounts, Nodes: in.Nodes, Current: after}); len(again) != 0 {
			t.Fatalf("not stable: %v", again)
		}
		shuffled := PlacementInput{Accounts: slices.Clone(in.Accounts), Nodes: slices.Clone(in.Nodes), Current: in.Current}
		rand.Shuffle(len(shuffled.Accounts), func(i, j int) {
			shuffled.Accounts[i], shuffled.Accounts[j] = shuffled.Accounts[j], shuffled.Accounts[i]
		})
		slices.Reverse(shuffled.Nodes)
		if diff := cmp.Diff(moves, Place(shuffled)); diff != "" {
			t.Fatalf("order matters: %s", diff)
		}
	})
}

// TestPlacementSpread: what joins and leaves of nodes move.
func TestPlacementSpread(t *testing.T) {
	accounts := names(2000)
	three := []Node{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	placed := apply(nil, Place(PlacementInput{Accounts: accounts, Nodes: three}))
	for n, l := range loads(placed) {
		if l < 500 || l > 734 {
			t.Errorf("%s got %d of 2000", n, l)
		}
	}
	joined := Place(PlacementInput{Accounts: accounts, Nodes: append(three, Node{ID: "d"}), Current: placed})
	if len(joined) == 0 || len(joined) > 500 {
		t.Errorf("a fourth node moved %d of 2000", len(joined))
	}
	for _, m := range joined {
		if m.To != "d" {
			t.Errorf("%v moves between old nodes", m)
		}
	}
	left := Place(PlacementInput{Accounts: accounts, Nodes: three[:2], Current: placed})
	if got, want := len(left), loads(placed)["c"]; got != want {
		t.Errorf("a lost node moved %d accounts, it had %d", got, want)
	}
	heavy := apply(nil, Place(PlacementInput{Accounts: accounts, Nodes: []Node{{ID: "a", Weight: 3}, {ID: "b"}}}))
	if l := loads(heavy); l["a"] < 2*l["b"] {
		t.Errorf("weight 3 to 1 gave %v", l)
	}
}
