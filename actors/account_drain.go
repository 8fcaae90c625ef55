package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// drain stops the account gracefully: refuse new calls, let running ones end until the
// deadline, flush acknowledgements and events, save, close.
func (a *account) drain(ctx actor.Context, deadline time.Time) {
	if a.draining {
		return
	}
	a.draining, a.drainAt = true, deadline
	if !a.state.terminal() {
		a.setState(ctx, StateDraining, "", "it is being handed over or shut down", "")
	}
	for _, c := range a.queue {
		if !c.Internal {
			c.Done(nil, a.refusal())
		}
	}
	a.queue = nil
	a.drainStep(ctx)
}

// How long after the deadline a drain still waits: for the store, and for the event log, whose
// missing records come back from Telegram.
const (
	saveGrace = 2 * time.Second
	logGrace  = 250 * time.Millisecond
)

// drainStep takes the next step that is possible now.
//
//	calls end or deadline -> stream flushed -> sockets closed -> record saved -> stop
func (a *account) drainStep(ctx actor.Context) {
	if a.ended {
		return
	}
	late := !a.deps.Now().Before(a.drainAt)
	if !a.closing {
		if a.running.Load() > 0 && !late {
			a.plan(ctx)
			return
		}
		a.closing = true
		a.answerAll(a.refusal())
		a.stopStream(ctx)
	}
	if a.stream != nil { // streamEnded goes on
		if a.deps.Now().Sub(a.drainAt) > logGrace && !a.streamClosing {
			a.log.Warn("the event log does not answer; the account is handed over without its last events")
			a.streamClosing = true
			ctx.Stop(a.stream)
		}
		a.plan(ctx)
		return
	}
	for _, side := range a.sides {
		a.stopSide(ctx, side)
	}
	if a.home != nil {
		a.stopHome(ctx, func(ctx actor.Context) { a.answerAll(a.refusal()) })
	}
	stored := !a.saving && !a.dirty
	hopeless := a.state == StateFenced || a.deps.Now().Sub(a.drainAt) > saveGrace
	if a.home != nil || len(a.sides) > 0 || !stored && !hopeless {
		a.plan(ctx)
		return
	}
	a.ended = true
	ctx.Stop(ctx.Self())
}
