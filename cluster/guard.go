package cluster

import (
	"math"
	"sync/atomic"
	"time"
)

// Clock reads the time since boot, suspended time included. It never goes back.
type Clock func() time.Duration

// fenced is the deadline of a gate that has closed for good.
const fenced = math.MinInt64

// Gate is a node's right to act on its ownership lease: open until a deadline that each
// acknowledged renewal moves, and closed for ever once it has passed. One gate belongs to
// one lease; a node that joins again gets a new one.
//
//	open ──(deadline, Close)──► closed
type Gate struct {
	clock    Clock
	deadline atomic.Int64
}

// NewGate makes a gate that is open until the deadline, a reading of the clock.
func NewGate(clock Clock, deadline time.Duration) *Gate {
	g := &Gate{clock: clock}
	g.deadline.Store(int64(deadline))
	return g
}

// Check returns nil while the gate is open and ErrFenced afterwards. It costs an atomic
// load and a reading of the clock.
func (g *Gate) Check() error {
	if fencing && int64(g.clock()) >= g.deadline.Load() {
		return ErrFenced
	}
	return nil
}

// Extend moves the deadline forward and reports whether the gate is still open. A gate
// whose deadline has passed is not opened again: it closes for good.
func (g *Gate) Extend(deadline time.Duration) bool {
	for {
		old := g.deadline.Load()
		if int64(g.clock()) >= old {
			g.deadline.Store(fenced)
			return false
		}
		if int64(deadline) <= old || g.deadline.CompareAndSwap(old, int64(deadline)) {
			return true
		}
	}
}

// Close fails every later Check.
func (g *Gate) Close() { g.deadline.Store(fenced) }

// Remaining is the time until the deadline, 0 when the gate is closed.
func (g *Gate) Remaining() time.Duration {
	d := g.deadline.Load()
	if d == fenced {
		return 0
	}
	return max(0, time.Duration(d)-g.clock())
}

// Guard is the right to act for one account: its node's gate is open and the account has
// not been released or lost.
type Guard struct {
	gate    *Gate
	revoked atomic.Bool
}

// NewGuard makes a guard under a node's gate.
func NewGuard(gate *Gate) *Guard { return &Guard{gate: gate} }

// Check returns nil while the account may act and ErrFenced afterwards. Call it directly
// before each socket write.
func (g *Guard) Check() error {
	if g.revoked.Load() {
		return ErrFenced
	}
	return g.gate.Check()
}

// Revoke fails every later Check of this account.
func (g *Guard) Revoke() { g.revoked.Store(true) }
