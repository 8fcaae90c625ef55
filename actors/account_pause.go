package actors

import "github.com/asynkron/protoactor-go/actor"

const (
	pausedMessage = "it was paused by its spec"
	pausedRemedy  = "resume it with `orchestrator account resume`"
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
	case a.draining || a.ended:
	case d.Paused && !a.state.terminal():
		a.pause(ctx)
	case !d.Paused && a.state == StatePaused:
		a.setState(ctx, StateConnecting, "", "", "")
		if a.loaded != nil { // else it is being loaded, and goes on from there
			a.revive(ctx)
		}
	}
}

func (a *account) pause(ctx actor.Context) {
	a.stop(ctx, StatePaused, "PAUSED", pausedMessage, pausedRemedy)
}
