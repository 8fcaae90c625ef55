package actors

import (
	"context"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/waiting"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/floodwait"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/telegram"
)

// admit takes a new call, unless everything is being closed.
func (a *account) admit(ctx actor.Context, c *connection.Call) {
	if a.erasing != nil && !a.draining && telegram.OpensLogin(c.TypeID) {
		a.erasing.logins = append(a.erasing.logins, c)
		return
	}
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
	if a.winding != nil && a.winding.closing && !c.Internal || a.state.Terminal() || a.ended {
		if a.canSignIn() && telegram.OpensLogin(c.TypeID) {
			a.signInAnew(ctx, c)
			return
		}
		c.Done(nil, a.refusal())
		return
	}
	if a.keyDoubted() && telegram.OpensLogin(c.TypeID) {
		a.signInAnew(ctx, c)
		return
	}
	if c.Order == 0 {
		a.order++
		c.Order = a.order
	}
	if a.waits.Take(a.deps.Now(), c) {
		a.plan(ctx)
		return
	}
	if number := a.sideFor(c); number != 0 {
		a.invokeSide(ctx, c, number)
		return
	}
	c.Side = 0
	if a.home != nil && a.home.ready {
		ctx.Send(a.home.pid, c)
		return
	}
	if len(a.queue) >= waiting.Max {
		c.Done(nil, waiting.Full(len(a.queue)))
		return
	}
	if c.Internal {
		a.queue = slices.Insert(a.queue, 0, c)
		return
	}
	a.queue = append(a.queue, c)
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
	if a.waits.Drop(c) {
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
	if a.sides.Cancel(ctx, c) {
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
	a.sides.Answer(err)
	for _, c := range a.waits.Empty() {
		c.Done(nil, err)
	}
	a.queue, a.delayed = nil, nil
}

// callRefused reacts to an RPC error: some are for the account, all others for the caller.
func (a *account) callRefused(ctx actor.Context, m *connection.CallRefused) {
	parsed := tgerr.New(m.Err.Code, m.Err.Message) // FLOOD_WAIT_30 is FLOOD_WAIT and 30
	name, arg := parsed.Type, parsed.Argument
	if m.Call == nil { // initConnection
		if e, ends := standing.EndingBy(name); ends {
			a.lost(ctx, name, e)
		}
		return
	}
	a.restricted(ctx, a.judge.Restrict(name, a.deps.Now()))
	c := m.Call
	if c.Cancelled {
		c.Done(nil, context.Canceled)
		return
	}
	answer := func() { c.Done(nil, parsed) }
	ask, asked := floodwait.Of(m.Err.Code, name, arg)
	onSide := a.home == nil || m.DC != a.home.link.DC()
	ending, ends := standing.EndingBy(name)
	switch {
	case strings.HasSuffix(name, "_MIGRATE") && arg > 0:
		a.follow(ctx, c, name, arg, answer)
	case ends && !onSide && (a.record.Authorised() || name == "AUTH_KEY_DUPLICATED"):
		answer()
		a.lost(ctx, name, ending)
	case m.Err.Code == 401 && onSide:
		a.sideUnauthorized(ctx, m.DC, c, answer)
	case asked:
		a.wait(ctx, c, ask)
	case m.Err.Code < 0 || m.Err.Code >= 500:
		a.serverTrouble(ctx, c, parsed)
	case (name == "CONNECTION_NOT_INITED" || name == "CONNECTION_LAYER_INVALID") && c.Attempts < waiting.MaxAttempts:
		c.Attempts++
		if side := a.sides[m.DC]; onSide && side != nil {
			ctx.Send(side.PID, &connection.RenewInit{})
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
	case c.Attempts > waiting.MaxAttempts || !dcdial.Known(a.deps.Directory.Known(), dc):
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
func (a *account) lost(ctx actor.Context, name string, e standing.Ending) {
	a.stop(ctx, e.State, name, "Telegram answered "+name, e.Remedy)
	a.forgetLogin()
	a.save(ctx, nil)
}

// sendScouts lets the first call of each queue go whose wait is over.
func (a *account) sendScouts(ctx actor.Context) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	for _, c := range a.waits.Scouts(a.deps.Now()) {
		done := c.Done
		c.Done = func(result []byte, err error) {
			done(result, err)
			root.Send(self, &scouted{c})
		}
		a.invoke(ctx, c)
	}
}

// scouted says that a scout has been answered: the others follow.
type scouted struct{ call *connection.Call }

func (a *account) scouted(ctx actor.Context, c *connection.Call) {
	for _, follower := range a.waits.Scouted(c) {
		a.invoke(ctx, follower)
	}
}

// wait does what Telegram asks for. Short waits pass unseen by the caller.
func (a *account) wait(ctx actor.Context, c *connection.Call, ask floodwait.Ask) {
	now := a.deps.Now()
	if a.waits.Wait(now, c, ask) {
		a.record.Waits = a.waits.Kept(now)
		a.save(ctx, nil)
		a.showLimit(ctx)
	}
	a.plan(ctx)
}

// showLimit tells of the wait that ends last.
func (a *account) showLimit(ctx actor.Context) {
	if w := a.waits.Last(a.deps.Now()); !w.Until.Equal(a.status.Limited.Until) {
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
	case c.Attempts >= waiting.MaxAttempts:
		c.Done(nil, e)
	default:
		c.Attempts++
		at := a.deps.Now().Add(callRetryBase << (c.Attempts - 1))
		a.delayed = append(a.delayed, delayed{at: at, call: c})
		a.plan(ctx)
	}
}
