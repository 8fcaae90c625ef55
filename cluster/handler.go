package cluster

import "context"

// Handler is what a node does with ownership. Owned is needed, the others may be nil. All
// but Fenced are called from one goroutine, in order, and must return soon: they send a
// message to an actor.
type Handler struct {
	// Owned starts an account. ctx ends when Member.Run ends, not when the grant does.
	Owned func(ctx context.Context, g Grant)
	// Changed tells of a new spec of an owned account (labels, desired state, app).
	Changed func(spec Spec)
	// Lost demands a hand-over: stop the account, close its sockets, flush, then call
	// Member.Release with the grant. Called once per grant.
	Lost func(g Grant, reason LostReason)
	// Fenced is called when the deadline has passed: every Guard of this node already
	// refuses. It closes all sockets directly (abort, not through mailboxes) and returns
	// when they are closed; the process should exit when that takes more than a second.
	// Called from a goroutine of its own, before Lost(LostFenced) for each grant.
	Fenced func()
}
