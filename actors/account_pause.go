package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/fleet"
)

const (
	pausedMessage = "it was paused by its spec"
	pausedRemedy  = "resume it with `orchestrator account resume`"
	// pauseGrace is how long running calls may go on after a pause was asked for.
	pauseGrace = 10 * time.Second
)

// desiredChanged follows the spec. A pause closes every socket and keeps ownership, session and
// the place in the update stream; the end of a pause begins with the stored session again, as a
// start does, and catches up by difference.
func (a *account) desiredChanged(ctx actor.Context) {
	d := a.desired.Load()
	if a.status.Generation != d.Generation {
		a.status.Generation = d.Generation
		a.reportSoon(ctx)
	}
	switch {
	case a.draining || a.ended || a.erasing != nil:
	case d.held() && a.state == fleet.StatePaused: // it may be for another reason
		a.setState(ctx, fleet.StatePaused, d.why().Reason, d.why().Message, d.why().Remedy)
	case d.held() && (a.pausing() || !a.state.Terminal()):
		a.pause(ctx)
	case !d.held() && a.state == fleet.StatePaused:
		a.resume(ctx)
	case !a.state.Terminal() && !a.pausing():
		a.adapt(ctx)
	}
}

// pausing reports whether the account is on its way to a pause.
func (a *account) pausing() bool { return a.winding != nil && !a.draining }

// pause winds the account down: gracefully, or at once where the spec says so. One that holds
// nothing open is paused at once.
func (a *account) pause(ctx actor.Context) {
	w := &winding{until: a.deps.Now().Add(pauseGrace), then: a.paused}
	if a.desired.Load().AtOnce {
		w.until, w.cut = a.deps.Now(), errDisconnected
	}
	if a.pausing() && (w.cut == nil || a.cutting()) {
		return // it is under way
	}
	if a.home != nil || a.stream != nil {
		a.setState(ctx, fleet.StateDraining, a.desired.Load().why().Reason, "it is being paused", "")
	}
	a.wind(ctx, w)
}

// paused is the end of that. The spec may have changed meanwhile, and so may the session.
func (a *account) paused(ctx actor.Context) {
	if a.state.Terminal() && a.state != fleet.StatePaused {
		return
	}
	d := a.desired.Load()
	a.setState(ctx, fleet.StatePaused, d.why().Reason, d.why().Message, d.why().Remedy)
	a.answerAll(a.refusal())
	if !d.held() {
		a.resume(ctx)
	}
}

func (a *account) resume(ctx actor.Context) {
	a.setState(ctx, fleet.StateConnecting, "", "", "")
	if a.loaded != nil { // else it is being loaded, and goes on from there
		a.revive(ctx)
	}
}
