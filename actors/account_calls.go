package actors

import (
	"context"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/floodwait"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// admit takes a new call, unless everything is being closed.
func (a *account) admit(ctx actor.Context, c *connection.Call) {
	if a.winding != nil && !c.Internal {
		c.Done(nil, a.refusal())
		return
	}
	a.invoke(ctx, c)
}

// invoke routes a call: to its connection, or into the queue.
func (a *account) invoke(ctx actor.Context, c *connection.Call) {
	if c.Cancelled {
		c.Done(nil, context.Canceled)
		return
	}
	if a.winding != nil && a.winding.closing && !c.Internal || a.state.terminal() || a.ended {
		if a.canSignIn() && opensLogin(c.TypeID) {
			a.queue = append(a.queue, c)
			a.revive(ctx)
			return
		}
		c.Done(nil, a.refusal())
		return
	}
	if c.Order == 0 {
		a.order++
		c.Order = a.order
	}
	if a.mustWait(ctx, c) {
		return
	}
	if a.onSide(c) {
		a.invokeSide(ctx, c)
		return
	}
	if a.home != nil && a.home.ready {
		ctx.Send(a.home.pid, c)
		return
	}
	if len(a.queue) >= maxQueued {
		c.Done(nil, queueFull(len(a.queue)))
		return
	}
	if c.Internal {
		a.queue = slices.Insert(a.queue, 0, c)
		return
	}
	a.queue = append(a.queue, c)
}

func queueFull(n int) error {
	return fleet.Errorf(fleet.CodeResourceExhausted, "QUEUE_FULL", "%d calls of the account wait already", n).
		WithRemedy("repeat the call later")
}

// onSide reports whether a call belongs on a side connection. A home DC has only one socket,
// also while it is being left: calls wait for its end.
func (a *account) onSide(c *connection.Call) bool {
	switch {
	case c.DC == 0 || a.record == nil:
		return false
	case c.DC == a.record.HomeDC:
		return c.Low && len(a.deps.Directory.Known().Select(c.DC, dcs.Want{Media: true})) > 0
	default:
		return a.home == nil || c.DC != a.home.link.DC()
	}
}

func (a *account) sendQueue(ctx actor.Context) {
	queue := a.queue
	a.queue = nil
	for _, c := range queue {
		a.invoke(ctx, c)
	}
}

// cancelCall forgets a call whose caller has gone.
func (a *account) cancelCall(ctx actor.Context, c *connection.Call) {
	c.Cancelled = true // it may be on its way back to be repeated
	if i := slices.Index(a.queue, c); i >= 0 {
		a.queue = slices.Delete(a.queue, i, i+1)
		c.Done(nil, context.Canceled)
		return
	}
	if a.dropWaiting(c) {
		c.Done(nil, context.Canceled)
		return
	}
	for i, d := range a.delayed {
		if d.call == c {
			a.delayed = slices.Delete(a.delayed, i, i+1)
			c.Done(nil, context.Canceled)
			return
		}
	}
	if side := a.sides[c.DC]; side != nil {
		if i := slices.Index(side.queue, c); i >= 0 {
			side.queue = slices.Delete(side.queue, i, i+1)
			c.Done(nil, context.Canceled)
			return
		}
		ctx.Send(side.pid, &connection.Cancel{Call: c})
		return
	}
	a.toHome(ctx, &connection.Cancel{Call: c})
}

// answerAll ends every call that waits in the account.
func (a *account) answerAll(err error) {
	for _, c := range a.queue {
		c.Done(nil, err)
	}
	for _, d := range a.delayed {
		d.call.Done(nil, err)
	}
	for _, side := range a.sides {
		for _, c := range side.queue {
			c.Done(nil, err)
		}
		side.queue = nil
	}
	for _, q := range a.waiting {
		for _, c := range q.calls {
			c.Done(nil, err)
		}
	}
	a.queue, a.delayed, a.waiting = nil, nil, nil
}

// callRefused reacts to an RPC error: some are for the account, all others for the caller.
func (a *account) callRefused(ctx actor.Context, m *connection.CallRefused) {
	parsed := tgerr.New(m.Err.Code, m.Err.Message) // FLOOD_WAIT_30 is FLOOD_WAIT and 30
	name, arg := parsed.Type, parsed.Argument
	if m.Call == nil { // initConnection
		if remedies[name].state != "" {
			a.lost(ctx, name)
		}
		return
	}
	a.restrict(ctx, name)
	c := m.Call
	if c.Cancelled {
		c.Done(nil, context.Canceled)
		return
	}
	answer := func() { c.Done(nil, parsed) }
	ask, asked := floodwait.Of(m.Err.Code, name, arg)
	onSide := a.home == nil || m.DC != a.home.link.DC()
	switch {
	case strings.HasSuffix(name, "_MIGRATE") && arg > 0:
		a.follow(ctx, c, name, arg, answer)
	case remedies[name].state != "" && !onSide && (a.record.Authorised() || name == "AUTH_KEY_DUPLICATED"):
		answer()
		a.lost(ctx, name)
	case m.Err.Code == 401 && onSide:
		a.sideUnauthorized(ctx, m.DC, c, answer)
	case asked:
		a.wait(ctx, c, ask)
	case m.Err.Code < 0 || m.Err.Code >= 500:
		a.serverTrouble(ctx, c, parsed)
	case (name == "CONNECTION_NOT_INITED" || name == "CONNECTION_LAYER_INVALID") && c.Attempts < maxAttempts:
		c.Attempts++
		if side := a.sides[m.DC]; onSide && side != nil {
			ctx.Send(side.pid, &connection.RenewInit{})
		} else {
			a.toHome(ctx, &connection.RenewInit{})
		}
		a.invoke(ctx, c)
	default:
		answer()
	}
}

// follow repeats a call where Telegram says that it belongs.
func (a *account) follow(ctx actor.Context, c *connection.Call, name string, dc int, answer func()) {
	c.Attempts++
	switch {
	case c.Attempts > maxAttempts || !dcdial.Known(a.deps.Directory.Known(), dc):
		answer()
	case name == "FILE_MIGRATE" || name == "STATS_MIGRATE":
		c.DC = dc
		a.invoke(ctx, c)
	case c.TypeID == tg.AuthExportAuthorizationRequestTypeID: // part of a move itself
		answer()
	default:
		a.queue = append(a.queue, c)
		switch {
		case a.home != nil && a.home.ready && a.home.link.DC() == dc: // another call has moved the home already
			a.sendQueue(ctx)
		case a.authorized():
			a.moveLogin(ctx, dc)
		default:
			a.migrate(ctx, dc)
		}
	}
}

// lost ends an account whose session Telegram has ended.
func (a *account) lost(ctx actor.Context, name string) {
	r := remedies[name]
	a.stop(ctx, r.state, name, "Telegram answered "+name, r.remedy)
	a.forgetLogin()
	a.save(ctx, nil)
}
