package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/routes"
)

// adapt makes connections follow a spec that they were not made for.
func (a *account) adapt(ctx actor.Context) {
	was, is := a.made, a.desired.Load()
	a.made = is
	if was != nil && was.Route != is.Route {
		a.proxyIs(ctx, fleet.ReasonProxyUntried, "")
	}
	switch {
	case was == nil || a.home == nil:
	case was.Route != is.Route, was.PFS != is.PFS, was.Profile.App != is.Profile.App:
		a.reconnect(ctx, &connection.Redial{Announce: was.Profile.App != is.Profile.App, Quiet: was.Route == is.Route && was.PFS != is.PFS})
	}
}

// proxyIs reports how the account's proxy does; message is empty unless it fails.
func (a *account) proxyIs(ctx actor.Context, reason fleet.ConditionReason, message string) {
	if a.desired.Load().Route == "" {
		reason, message = fleet.ReasonNoProxy, ""
	}
	if routes.Became(&a.proxy, reason, message, a.deps.Now()) {
		a.reportSoon(ctx)
	}
}

// reconnect makes all connections anew. The home keeps its calls; those of side connections are
// repeated where they may be.
func (a *account) reconnect(ctx actor.Context, how *connection.Redial) {
	for _, side := range a.sides {
		a.stopSide(ctx, side)
	}
	switch {
	case a.home == nil || a.home.closing:
	case !a.home.retry.IsZero(): // it waits: the new way may be tried at once
		a.home.attempts = 0
		if how.Announce {
			a.home.link.RenewInit()
		}
		a.redial(ctx)
		a.plan(ctx)
	default:
		ctx.Send(a.home.pid, how)
	}
}
