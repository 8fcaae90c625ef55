package actors

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/internal/floodwait"
	"github.com/telefleet/orchestrator/internal/tlcall"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/telegram"
)

// waitQueue holds the calls of one method, in slow mode of one method in one chat, in the order
// in which they came. When the wait is over the first one goes alone; the others follow once it
// has been answered, so that a server which asks for more is not hit by all of them.
type waitQueue struct {
	method, peer string
	calls        []*connection.Call
	scout        *connection.Call // on its way, alone
}

// scouted says that a scout has been answered.
type scouted struct{ call *connection.Call }

// mustWait keeps a call back whose method has to wait. It is false for one that may go.
func (a *account) mustWait(ctx actor.Context, c *connection.Call) bool {
	if a.waits.Empty() && len(a.waiting) == 0 {
		return false // nearly always
	}
	peer := sync.OnceValue(func() string { return tlcall.PeerOf(c.Body) })
	if w, ok := a.waits.Find(a.deps.Now(), c.Method, peer); ok {
		a.hold(ctx, c, w)
		return true
	}
	for _, q := range a.waiting {
		if q.method != c.Method || q.peer != "" && q.peer != peer() {
			continue
		}
		if q.scout == c {
			return false
		}
		a.enqueue(q, c)
		a.plan(ctx)
		return true
	}
	return false
}

// hold puts a call behind those that wait for the same; other calls overtake it.
func (a *account) hold(ctx actor.Context, c *connection.Call, w sessionstore.Wait) {
	if wait := w.Until.Sub(a.deps.Now()); wait > a.deps.FloodWait {
		c.Done(nil, waitError(c.Method, w.Reason, wait))
		return
	}
	same := func(q *waitQueue) bool { return q.method == w.Method && q.peer == w.Peer }
	at := slices.IndexFunc(a.waiting, same)
	if at < 0 {
		at = len(a.waiting)
		a.waiting = append(a.waiting, &waitQueue{method: w.Method, peer: w.Peer})
	}
	a.enqueue(a.waiting[at], c)
	a.plan(ctx)
}

func (a *account) enqueue(q *waitQueue, c *connection.Call) {
	n := 0
	for _, other := range a.waiting {
		n += len(other.calls)
	}
	if n >= maxQueued {
		c.Done(nil, queueFull(n))
		return
	}
	at, _ := slices.BinarySearchFunc(q.calls, c.Order, func(o *connection.Call, order uint64) int { return cmp.Compare(o.Order, order) })
	q.calls = slices.Insert(q.calls, at, c)
}

// dueAt is when the next call of a queue may go; zero while its scout is on its way.
func (a *account) dueAt(q *waitQueue) time.Time {
	if q.scout != nil || len(q.calls) == 0 {
		return time.Time{}
	}
	now := a.deps.Now()
	w, ok := a.waits.Find(now, q.method, func() string { return q.peer })
	if !ok {
		return now
	}
	return w.Until
}

// sendScouts lets the first call of each queue go whose wait is over.
func (a *account) sendScouts(ctx actor.Context) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	for _, q := range slices.Clone(a.waiting) {
		if at := a.dueAt(q); at.IsZero() || at.After(a.deps.Now()) {
			continue
		}
		c := q.calls[0]
		q.calls, q.scout = slices.Delete(q.calls, 0, 1), c
		done := c.Done
		c.Done = func(result []byte, err error) {
			done(result, err)
			root.Send(self, &scouted{c})
		}
		a.invoke(ctx, c)
	}
}

// scouted lets the others follow.
func (a *account) scouted(ctx actor.Context, c *connection.Call) {
	at := slices.IndexFunc(a.waiting, func(q *waitQueue) bool { return q.scout == c })
	if at < 0 {
		return
	}
	q := a.waiting[at]
	a.waiting = slices.Delete(a.waiting, at, at+1)
	for _, c := range q.calls {
		a.invoke(ctx, c)
	}
}

// wait does what Telegram asks for: the method, in slow mode the method in that chat, waits, also
// after a restart and on another node. Short waits pass unseen by the caller.
func (a *account) wait(ctx actor.Context, c *connection.Call, ask floodwait.Ask) {
	now := a.deps.Now()
	w := sessionstore.Wait{Method: c.Method, Reason: ask.Reason, Until: now.Add(ask.For)}
	if ask.OfPeer {
		w.Peer = tlcall.PeerOf(c.Body)
	}
	a.waits.Set(w)
	if ask.For >= floodwait.Durable {
		a.record.Waits = a.waits.Kept(now)
		a.save(ctx, nil)
		a.showLimit(ctx)
	}
	for _, q := range a.waiting {
		if q.scout == c {
			q.scout = nil
		}
		if ask.For > a.deps.FloodWait && q.method == w.Method && q.peer == w.Peer { // too long for those who wait already
			calls := q.calls
			q.calls = nil
			for _, other := range calls {
				other.Done(nil, waitError(w.Method, w.Reason, ask.For))
			}
		}
	}
	a.waiting = slices.DeleteFunc(a.waiting, func(q *waitQueue) bool { return q.scout == nil && len(q.calls) == 0 })
	if c.Attempts++; c.Attempts > maxAttempts { // refused after each wait
		c.Done(nil, waitError(c.Method, w.Reason, ask.For))
		return
	}
	a.hold(ctx, c, w)
}

// dropWaiting takes a call out of the queues; false if it is in none.
func (a *account) dropWaiting(c *connection.Call) bool {
	for _, q := range a.waiting {
		if i := slices.Index(q.calls, c); i >= 0 {
			q.calls = slices.Delete(q.calls, i, i+1)
			return true
		}
	}
	return false
}

// waitError is what a caller hears of a wait that is too long for the queue. It is ours and no
// *tgerr.Error, for which helpers of the library would sleep.
func waitError(method, reason string, wait time.Duration) error {
	seconds := (wait + time.Second - 1) / time.Second
	return telegram.TypedError(method, tgerr.New(420, fmt.Sprintf("%s_%d", reason, seconds)))
}

// showLimit tells of the wait that ends last.
func (a *account) showLimit(ctx actor.Context) {
	w, _ := a.waits.Last(a.deps.Now())
	if !w.Until.Equal(a.status.Limited.Until) {
		a.status.Limited = w
		a.reportSoon(ctx)
	}
}

// refusedByTrouble are errors of number 500 that say that nothing was done.
var refusedByTrouble = map[string]bool{
	"RANDOM_ID_DUPLICATE": true, // by this call: the first one with its random_id took effect
	"AUTH_RESTART":        true, "CALL_OCCUPY_FAILED": true, "MSG_WAIT_FAILED": true, "NEED_MEMBER_INVALID": true,
	"PERSISTENT_TIMESTAMP_OUTDATED": true, "PTS_CHANGE_EMPTY": true, "SIGN_IN_FAILED": true,
}

// serverTrouble is for 500, -503 and numbers that we do not know: what may be repeated is, after
// growing pauses; of anything else nobody knows whether it took effect.
func (a *account) serverTrouble(ctx actor.Context, c *connection.Call, e *tgerr.Error) {
	again := c.Idempotent || e.Type == "WORKER_BUSY_TOO_LONG_RETRY" // by its name not even begun
	switch {
	case refusedByTrouble[e.Type]:
		c.Done(nil, e)
	case !again:
		c.Done(nil, connection.UnknownOutcome(c.Method, e))
	case c.Attempts >= maxAttempts:
		c.Done(nil, e)
	default:
		c.Attempts++
		at := a.deps.Now().Add(callRetryBase << (c.Attempts - 1))
		a.delayed = append(a.delayed, delayed{at: at, call: c})
		a.plan(ctx)
	}
}
