package cluster

import "github.com/telefleet/orchestrator/fleet"

// PlacementInput is all that placement looks at.
type PlacementInput struct {
	// Accounts to place.
	Accounts []fleet.AccountID
	// Nodes that are alive.
	Nodes []Node
	// Current is where accounts are assigned now; nodes that are gone may occur.
	Current map[fleet.AccountID]fleet.NodeID
}

// Move is one account that should run elsewhere.
type Move struct {
	Account fleet.AccountID
	// From is the node that it is assigned to, empty when none or when that one is gone.
	From fleet.NodeID
	// To is never empty.
	To fleet.NodeID
}

// Place proposes the moves, fewest first needed.
func Place(in PlacementInput) []Move { panic("being written") }
