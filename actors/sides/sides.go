// Package sides keeps an account's connections beside the one to its home DC: to other DCs, and to
// addresses that are for files only, its home DC's too.
//
// # Usage
//
//	side := set.By(pid)
//	set[number].Take(ctx, call, now)
//
// # Concurrency
//
// A Set belongs to the actor of its account.
//
// # Errors
//
// There are none: calls are answered with what the account gives.
package sides

import (
	"context"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
)

// IdleFiles is how long a connection for files stays open after its last call began. Beyond that, what it
// has not answered is asked again elsewhere: all calls for files may be repeated.
const IdleFiles = time.Minute

// Side is a connection that is not the home's. To another DC it has a key of its own and gets the account's
// authorization by export and import.
type Side struct {
	// Number is that of the DC, negative for its addresses for files.
	Number     int
	PID        *actor.PID
	Link       *connection.Link
	Ready      bool // connected and, where the account has a user, authorized
	Authorized bool
	Importing  bool
	Closing    bool
	Known      bool // the key was there before
	Home       bool // it is to become the home connection
	Lost       bool // the server does not know its key; no login hangs on that, which is imported again
	Queue      []*connection.Call
	Next       func(actor.Context)
	used       time.Time
}

// DC is the number of its DC.
func (s *Side) DC() int { return s.Link.DC() }

// Files reports whether it is to addresses for files.
func (s *Side) Files() bool { return s.Number < 0 }

// Take sends a call, or keeps it until the connection is open.
func (s *Side) Take(ctx actor.Context, c *connection.Call, now time.Time) {
	c.Side, s.used = s.Number, now
	if s.Ready && !s.Closing {
		ctx.Send(s.PID, c)
		return
	}
	s.Queue = append(s.Queue, c)
}

// Open lets go what has waited.
func (s *Side) Open(ctx actor.Context) {
	s.Ready = true
	queue := s.Queue
	s.Queue = nil
	for _, c := range queue {
		ctx.Send(s.PID, c)
	}
}

// Answer ends the calls that wait.
func (s *Side) Answer(err error) {
	for _, c := range s.Queue {
		c.Done(nil, err)
	}
	s.Queue = nil
}

// Left are the calls that a side which has ended leaves. Those that were to go to addresses for files go
// another way.
func (s *Side) Left() []*connection.Call {
	left := slices.Concat(s.Link.Orphans(), s.Queue)
	for _, c := range left {
		c.Plain = c.Plain || s.Files()
	}
	return left
}

// Set is the sides by their numbers.
type Set map[int]*Side

// By is the side of an actor; nil when there is none.
func (s Set) By(pid *actor.PID) *Side {
	for _, side := range s {
		if side.PID.Equal(pid) {
			return side
		}
	}
	return nil
}

// Cancel forgets a call whose caller has gone, and reports whether a side has taken it.
func (s Set) Cancel(ctx actor.Context, c *connection.Call) bool {
	side := s[c.Side]
	if side == nil {
		return false
	}
	if i := slices.Index(side.Queue, c); i >= 0 {
		side.Queue = slices.Delete(side.Queue, i, i+1)
		c.Done(nil, context.Canceled)
	} else {
		ctx.Send(side.PID, &connection.Cancel{Call: c})
	}
	return true
}

// Answer ends the calls that wait at any side.
func (s Set) Answer(err error) {
	for _, side := range s {
		side.Answer(err)
	}
}

// Due is when a connection for files may be idle; zero for never.
func (s Set) Due() (due time.Time) {
	for _, side := range s {
		if at := side.used.Add(IdleFiles); side.Files() && !side.Closing && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due
}

// Idle are the connections for files that are idle.
func (s Set) Idle(now time.Time) (idle []*Side) {
	for _, side := range s {
		if side.Files() && !side.Closing && now.Sub(side.used) >= IdleFiles {
			idle = append(idle, side)
		}
	}
	return idle
}
