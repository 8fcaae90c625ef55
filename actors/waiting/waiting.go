// Package waiting keeps the calls of an account that have to wait because Telegram said so.
//
// # Usage
//
//	queues := waiting.Queues{Longest: time.Minute}
//	if queues.Take(now, call) {
//		return // it waits, or has been answered
//	}
//	...
//	for _, scout := range queues.Scouts(now) { // at queues.Due
//		send(scout)
//	}
//	for _, follower := range queues.Scouted(scout) { // once it is answered
//		send(follower)
//	}
//
// A queue holds the calls of one method, in slow mode of one method in one chat, in the order in
// which they came; other calls overtake it. When the wait is over the first one goes alone; the
// others follow once it has been answered, so that a server which asks for more is not hit by all
// of them.
//
// # Concurrency
//
// Queues have one user at a time; they read no clock.
//
// # Errors
//
// A call whose wait is longer than Longest ends at once with Telegram's own error, typed, with the
// time that is left; one that finds Max others with QUEUE_FULL.
package waiting

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/floodwait"
	"github.com/telefleet/orchestrator/internal/tlcall"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/telegram"
)

const (
	// Max is how many calls may wait in one account, for Telegram or for a connection.
	Max = 4096
	// MaxAttempts is how often a call is sent.
	MaxAttempts = 5
)

// Queues are those of one account. The zero value is empty.
type Queues struct {
	// Longest is the longest wait that is waited out; longer ones go to the caller.
	Longest time.Duration

	waits  floodwait.List
	queues []*queue
}

type queue struct {
	method, peer string
	calls        []*connection.Call
	scout        *connection.Call // on its way, alone
}

// Full is the answer to a call that finds n others.
func Full(n int) error {
	return fleet.Errorf(fleet.CodeResourceExhausted, "QUEUE_FULL", "%d calls of the account wait already", n).
		WithRemedy("repeat the call later")
}

// Load replaces the waits by what was kept.
func (q *Queues) Load(kept []sessionstore.Wait) { q.waits.Load(kept) }

// Kept lists the waits that are worth storing.
func (q *Queues) Kept(now time.Time) []sessionstore.Wait { return q.waits.Kept(now) }

// Last returns the wait that ends last; zero for none.
func (q *Queues) Last(now time.Time) sessionstore.Wait {
	w, _ := q.waits.Last(now)
	return w
}

// Take keeps a call back whose method has to wait. It is false for one that may go.
func (q *Queues) Take(now time.Time, c *connection.Call) bool {
	if q.waits.Empty() && len(q.queues) == 0 {
		return false // nearly always
	}
	peer := sync.OnceValue(func() string { return tlcall.PeerOf(c.Body) })
	if w, ok := q.waits.Find(now, c.Method, peer); ok {
		q.hold(now, c, w)
		return true
	}
	for _, one := range q.queues {
		if one.method != c.Method || one.peer != "" && one.peer != peer() {
			continue
		}
		if one.scout == c {
			return false
		}
		q.enqueue(one, c)
		return true
	}
	return false
}

// hold puts a call behind those that wait for the same.
func (q *Queues) hold(now time.Time, c *connection.Call, w sessionstore.Wait) {
	if wait := w.Until.Sub(now); wait > q.Longest {
		c.Done(nil, tooLong(c.Method, w.Reason, wait))
		return
	}
	same := func(one *queue) bool { return one.method == w.Method && one.peer == w.Peer }
	at := slices.IndexFunc(q.queues, same)
	if at < 0 {
		at = len(q.queues)
		q.queues = append(q.queues, &queue{method: w.Method, peer: w.Peer})
	}
	q.enqueue(q.queues[at], c)
}

func (q *Queues) enqueue(into *queue, c *connection.Call) {
	n := 0
	for _, other := range q.queues {
		n += len(other.calls)
	}
	if n >= Max {
		c.Done(nil, Full(n))
		return
	}
	at, _ := slices.BinarySearchFunc(into.calls, c.Order, func(o *connection.Call, order uint64) int { return cmp.Compare(o.Order, order) })
	into.calls = slices.Insert(into.calls, at, c)
}

// Due is when the next scout may go; zero for none.
func (q *Queues) Due(now time.Time) time.Time {
	var next time.Time
	for _, one := range q.queues {
		if at := q.dueAt(now, one); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

func (q *Queues) dueAt(now time.Time, one *queue) time.Time {
	if one.scout != nil || len(one.calls) == 0 {
		return time.Time{}
	}
	w, ok := q.waits.Find(now, one.method, func() string { return one.peer })
	if !ok {
		return now
	}
	return w.Until
}

// Scouts takes the first call of each queue whose wait is over.
func (q *Queues) Scouts(now time.Time) []*connection.Call {
	var scouts []*connection.Call
	for _, one := range q.queues {
		if at := q.dueAt(now, one); at.IsZero() || at.After(now) {
			continue
		}
		one.scout = one.calls[0]
		one.calls = slices.Delete(one.calls, 0, 1)
		scouts = append(scouts, one.scout)
	}
	return scouts
}

// Scouted ends the queue of a scout that has been answered, and returns those who follow.
func (q *Queues) Scouted(c *connection.Call) []*connection.Call {
	at := slices.IndexFunc(q.queues, func(one *queue) bool { return one.scout == c })
	if at < 0 {
		return nil
	}
	calls := q.queues[at].calls
	q.queues = slices.Delete(q.queues, at, at+1)
	return calls
}

// Wait does what Telegram asks for with the refusal of a call: its method, in slow mode its method
// in that chat, waits, also after a restart and on another node. It reports whether what is worth
// storing has changed.
func (q *Queues) Wait(now time.Time, c *connection.Call, ask floodwait.Ask) bool {
	w := sessionstore.Wait{Method: c.Method, Reason: ask.Reason, Until: now.Add(ask.For)}
	if ask.OfPeer {
		w.Peer = tlcall.PeerOf(c.Body)
	}
	q.waits.Set(w)
	for _, one := range q.queues {
		if one.scout == c {
			one.scout = nil
		}
		if ask.For > q.Longest && one.method == w.Method && one.peer == w.Peer { // too long for those who wait already
			calls := one.calls
			one.calls = nil
			for _, other := range calls {
				other.Done(nil, tooLong(w.Method, w.Reason, ask.For))
			}
		}
	}
	q.queues = slices.DeleteFunc(q.queues, func(one *queue) bool { return one.scout == nil && len(one.calls) == 0 })
	if c.Attempts++; c.Attempts > MaxAttempts { // refused after each wait
		c.Done(nil, tooLong(c.Method, w.Reason, ask.For))
	} else {
		q.hold(now, c, w)
	}
	return ask.For >= floodwait.Durable
}

// Drop takes a call out of the queues; false if it is in none.
func (q *Queues) Drop(c *connection.Call) bool {
	for _, one := range q.queues {
		if i := slices.Index(one.calls, c); i >= 0 {
			one.calls = slices.Delete(one.calls, i, i+1)
			return true
		}
	}
	return false
}

// Empty takes all calls out of the queues; the waits stay.
func (q *Queues) Empty() []*connection.Call {
	var calls []*connection.Call
	for _, one := range q.queues {
		calls = append(calls, one.calls...)
	}
	q.queues = nil
	return calls
}

// tooLong is what a caller hears of a wait that is too long for the queue. It is ours and no
// *tgerr.Error, for which helpers of the library would sleep.
func tooLong(method, reason string, wait time.Duration) error {
	seconds := (wait + time.Second - 1) / time.Second
	return telegram.TypedError(method, tgerr.New(420, fmt.Sprintf("%s_%d", reason, seconds)))
}
