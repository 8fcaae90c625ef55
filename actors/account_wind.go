package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/fleet"
)

// winding is an account on its way to holding nothing open: for a hand-over, a pause, a
// disconnect or a sign-out.
//
//	calls end or until -> stream flushed -> sockets closed -> record saved -> then
type winding struct {
	until   time.Time // running calls may end until then
	closing bool      // they have been waited for
	// cut closes the sockets at once and is the answer to the calls on them; nil lets calls end, and
	// what was received is recorded and acknowledged first.
	cut  error
	then func(actor.Context) // once nothing is open and everything is stored
}

// How long after its time a winding still waits: for the store, and for the event log, whose
// missing records come back from Telegram.
const (
	saveGrace = 2 * time.Second
	logGrace  = 250 * time.Millisecond
)

// wind begins to close everything, or goes over from another way of doing so.
func (a *account) wind(ctx actor.Context, w *winding) {
	a.winding = w
	a.windStep(ctx)
}

// windStep takes the next step that is possible now.
func (a *account) windStep(ctx actor.Context) {
	w := a.winding
	if w == nil || a.ended {
		return
	}
	if !w.closing {
		if a.running.Load() > 0 && a.deps.Now().Before(w.until) && w.cut == nil {
			a.plan(ctx)
			return
		}
		w.closing = true
		a.answerAll(a.windAnswer())
		a.stopStream(ctx)
	}
	if !a.windStream(ctx, w) || !a.windSockets(ctx, w) {
		a.plan(ctx)
		return
	}
	if a.loaded != nil && !a.flushing && !a.deps.Now().Before(a.peersAgain) {
		if _, waits := a.loaded.peers.Due(); waits {
			a.flushPeers(ctx)
		}
	}
	a.tellNow(ctx)
	if a.untold() && a.deps.Now().Sub(w.until) <= logGrace {
		a.plan(ctx)
		return
	}
	stored := !a.saving && !a.dirty && !a.flushing && a.peersAgain.IsZero()
	if hopeless := a.state == fleet.StateFenced || a.deps.Now().Sub(w.until) > saveGrace; !stored && !hopeless {
		a.plan(ctx)
		return
	}
	a.winding = nil
	w.then(ctx)
}

// windStream reports whether the stream's end need not be waited for any more. The stream says
// streamEnded, and by Terminated the winding goes on.
func (a *account) windStream(ctx actor.Context, w *winding) bool {
	if a.stream == nil || w.cut != nil && !a.socketsClosed() { // a disconnect closes the sockets first
		return true
	}
	if a.deps.Now().Sub(w.until) > logGrace && !a.streamClosing {
		a.log().Warn("the event log does not answer; the account stops without its last events")
		a.streamClosing = true
		a.conn.SetStream(nil)
		ctx.Stop(a.stream)
	}
	return false
}

// cutting reports whether sockets are to be closed at once.
func (a *account) cutting() bool { return a.winding != nil && a.winding.cut != nil }

func (a *account) socketsClosed() bool { return a.home == nil && len(a.sides) == 0 }

func (a *account) windSockets(ctx actor.Context, w *winding) bool {
	for _, side := range a.sides {
		a.stopSide(ctx, side)
	}
	if a.home != nil {
		a.stopHome(ctx, func(ctx actor.Context) { a.answerAll(a.windAnswer()) })
	}
	return a.socketsClosed()
}

// windAnswer is what calls hear that are still there when the sockets are closed.
func (a *account) windAnswer() error {
	if w := a.winding; w != nil && w.cut != nil {
		return w.cut
	}
	return a.refusal()
}

// drain stops the account gracefully: refuse new calls, let running ones end until the
// deadline, flush acknowledgements and events, save, close.
func (a *account) drain(ctx actor.Context, deadline time.Time) {
	if a.draining {
		return
	}
	a.draining = true
	if !a.state.Terminal() {
		a.setState(ctx, fleet.StateDraining, "", "it is being handed over or shut down", "")
	}
	a.refuseWaiting()
	a.wind(ctx, &winding{until: deadline, then: func(ctx actor.Context) {
		a.ended = true
		ctx.Stop(ctx.Self())
	}})
}

// refuseWaiting answers the calls that were not sent, or were refused and would have to wait: the
// next owner knows for how long.
func (a *account) refuseWaiting() {
	queue := append(a.queue, a.waits.Empty()...)
	a.queue = nil
	for _, c := range queue {
		if !c.Internal {
			c.Done(nil, a.refusal())
		}
	}
}

// errDisconnected is the answer to the calls that a disconnect finds.
var errDisconnected = fleet.Errorf(fleet.CodeAborted, "DISCONNECTED", "the account was disconnected before the answer came").
	WithRemedy("look whether it took effect before you repeat it; connect the account again with `orchestrator account resume`")
