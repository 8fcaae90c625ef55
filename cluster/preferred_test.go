package cluster

import (
	"fmt"
	"slices"
	"testing"

	"github.com/telefleet/orchestrator/fleet"
)

func TestPreferredNodeTakesWork(t *testing.T) {
	nodes := []Node{{ID: "a"}, {ID: "b", Draining: true}, {ID: "c", Cordoned: true}, {ID: "d"}}
	got := map[fleet.NodeID]int{}
	for i := range 1000 {
		name := fmt.Sprint("w", i)
		n := Preferred(name, nodes)
		got[n]++
		rev := slices.Clone(nodes)
		slices.Reverse(rev)
		if m := Preferred(name, rev); m != n {
			t.Fatalf("%s: %s or %s, by the order of nodes", name, n, m)
		}
		if m := Preferred(name, nodes[1:3]); m != "b" && m != "c" {
			t.Fatalf("%s: got %q where no node takes work", name, m)
		}
	}
	if len(got) != 2 || got["a"] < 400 || got["d"] < 400 || Preferred("x", nil) != "" {
		t.Errorf("got %v", got)
	}
}
