// Package retry makes calls at one node after the other, and opens streams again where they broke.
//
// # Usage
//
//	c := &retry.Caller{Pool: pool, Limit: 30 * time.Second, Life: life, Judge: judge, Ended: ended}
//	err := c.Do(ctx, retry.Repeatable, func(ctx context.Context, n *nodes.Node) error { ... })
//
// # Concurrency
//
// A Caller may be used by any goroutine. A Feed is of one, and reads in it.
//
// # Errors
//
// They are those that Judge and Ended make: the room decides by faults and knows no reasons.
package retry

import (
	"context"
	"time"

	"github.com/telefleet/orchestrator/client/internal/nodes"
)

// Repetition says whether a call may be tried again when its outcome is not known.
type Repetition bool

// The two kinds of calls.
const (
	Once       Repetition = false
	Repeatable Repetition = true
)

// Fault says what a failed attempt means for the next one.
type Fault uint8

// The faults.
const (
	Final     Fault = iota // the answer stands
	Broken                 // the connection failed: the node may have carried the call out
	Unsent                 // the connection failed before the call was sent
	Untrusted              // as Unsent, and waiting does not mend it
	Busy                   // the node says it cannot now; it may have begun
	Unclear                // Telegram's answer was lost; repeating the command finds out
	Wait                   // the node did not begin, and another one would say the same
	Other                  // the node did not begin, and another one may
	Leaves                 // as Other, and the node is about to stop or has lost its place
)

// harmless reports whether no node can have begun the call.
func (f Fault) harmless() bool {
	return f == Unsent || f == Untrusted || f == Wait || f == Other || f == Leaves
}

// sick reports whether the node is to be left alone for a while.
func (f Fault) sick() bool { return f == Broken || f == Unsent || f == Untrusted || f == Leaves }

// Caller calls the nodes of a pool.
type Caller struct {
	// Pool is the nodes.
	Pool *nodes.Pool
	// Limit is how long after its beginning a call may still be tried again.
	Limit time.Duration
	// Life ends all calls, with its cause.
	Life context.Context
	// Judge types the error of an attempt at a node; former is the typed error of the attempt before,
	// nil for none.
	Judge func(ctx context.Context, former error, node string, err error) (Fault, error)
	// Ended is the error of a call whose context has ended after the typed error last, which may be
	// nil; nil while the context lasts.
	Ended func(ctx context.Context, last error) error
}

// bind makes a context that ends with the caller's life too.
func (c *Caller) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	end := func() { cancel(context.Cause(c.Life)) }
	if c.Life.Err() != nil {
		end()
	}
	stop := context.AfterFunc(c.Life, end)
	return ctx, func() { stop(); cancel(nil) }
}

// Do tries a call at one node after the other.
func (c *Caller) Do(ctx context.Context, r Repetition, attempt func(context.Context, *nodes.Node) error) error {
	ctx, stop := c.bind(ctx)
	defer stop()
	return c.try(ctx, &tries{caller: c, limit: c.Limit}, r, attempt)
}

// Move is Do for a transfer: whenever it gets on, of which attempt tells by moved, the limit begins anew.
func (c *Caller) Move(ctx context.Context, r Repetition, attempt func(ctx context.Context, n *nodes.Node, moved func()) error) error {
	ctx, stop := c.bind(ctx)
	defer stop()
	t := &tries{caller: c, limit: c.Limit}
	return c.try(ctx, t, r, func(ctx context.Context, n *nodes.Node) error { return attempt(ctx, n, t.moved) })
}

// try is Do for a context that is bound, with the memory of former tries.
func (c *Caller) try(ctx context.Context, t *tries, r Repetition, attempt func(context.Context, *nodes.Node) error) error {
	t.begin()
	var last error
	for {
		n, err := t.next(ctx, last)
		if err != nil {
			return err
		}
		err = attempt(ctx, n)
		if err == nil {
			c.Pool.Answered(n)
			return nil
		}
		var f Fault
		f, last = c.Judge(ctx, last, n.Address, err)
		t.note(n, f)
		if f == Final || r == Once && !f.harmless() || t.unclear > maxUnclear {
			return last
		}
	}
}

// Waits between rounds over the nodes.
const (
	waitBase = 50 * time.Millisecond
	waitMax  = 2 * time.Second
)

// Pause waits for a random time that grows with the rounds that failed, or until the context ends.
func Pause(ctx context.Context, rounds int) { sleep(ctx, nodes.Jitter(waitBase, waitMax, rounds)) }

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// maxUnclear is how often a command whose answer Telegram lost is repeated.
const maxUnclear = 2

// forever as a limit tries until the context ends.
const forever time.Duration = -1

// tries is the memory of one call, or of one stream over its connections: which nodes were tried
// in this round, and how many rounds there were.
type tries struct {
	caller *Caller
	limit  time.Duration // since start; forever = none

	start   time.Time
	tried   map[*nodes.Node]bool
	rounds  int
	unclear int   // answers that Telegram gave and the node lost
	fault   Fault // of the last attempt
	pause   bool  // the next attempt waits, though nodes are left
}

// begin starts the limit, where it was not started.
func (t *tries) begin() {
	if t.start.IsZero() {
		t.start, t.tried = time.Now(), map[*nodes.Node]bool{}
	}
}

// moved forgets former failures.
func (t *tries) moved() { t.start, t.rounds, t.unclear = time.Now(), 0, 0 }

// next is the node to try, after a wait where a round is over; last is why the former attempt
// failed, nil before the first.
func (t *tries) next(ctx context.Context, last error) (*nodes.Node, error) {
	if err := t.caller.Ended(ctx, last); err != nil {
		return nil, err
	}
	if !t.pause {
		if n := t.caller.Pool.Pick(time.Now(), t.tried); n != nil {
			return n, nil
		}
	}
	if last != nil && t.fault == Untrusted {
		return nil, last
	}
	d := nodes.Jitter(waitBase, waitMax, t.rounds)
	if t.limit != forever && time.Since(t.start)+d > t.limit {
		return nil, last
	}
	sleep(ctx, d)
	if err := t.caller.Ended(ctx, last); err != nil {
		return nil, err
	}
	t.rounds++
	t.pause = false
	clear(t.tried)
	return t.caller.Pool.Pick(time.Now(), t.tried), nil
}

// note remembers a failed attempt.
func (t *tries) note(n *nodes.Node, f Fault) {
	t.tried[n], t.fault = true, f
	t.pause = f == Wait || f == Unclear
	if f == Unclear {
		t.unclear++
	}
	if f.sick() {
		t.caller.Pool.Failed(time.Now(), n)
	}
}
