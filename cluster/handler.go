package cluster

import (
	"context"

	"github.com/telefleet/orchestrator/fleet"
)

// Handler is what a node does with ownership. Owned is needed, the others may be nil. All
// but Fenced and Deleted are called from one goroutine, in order, and must return soon: they
// send a message to an actor.
type Handler struct {
	// Owned starts an account. ctx ends when Member.Run ends, not when the grant does. One whose
	// Grant.Spec.DeletedAt is set is not to be started: Lost(LostDeleted) follows.
	Owned func(ctx context.Context, g Grant)
	// Changed tells of a new spec of an owned account (labels, desired state, app).
	Changed func(spec Spec)
	// Lost demands a hand-over: stop the account, close its sockets, flush, then call
	// Member.Release with the grant. Called once per grant.
	Lost func(g Grant, reason LostReason)
	// NetworkRestored tells that waits before the next connection should end now, of one account
	// that this node owns, or of all when it is empty.
	NetworkRestored func(account fleet.AccountID)
	// Deleted tells every node that an account is gone, so that nothing of it stays in memory.
	// It may be called again. Called from a goroutine of its own.
	Deleted func(account fleet.AccountID)
	// Fenced is called when the deadline has passed: every Guard of this node already
	// refuses. It closes all sockets directly (abort, not through mailboxes) and returns
	// when they are closed; the process should exit when that takes more than a second.
	// Called from a goroutine of its own, before Lost(LostFenced) for each grant.
	Fenced func()
}
