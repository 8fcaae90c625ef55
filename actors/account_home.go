package actors

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/routes"
)

// startHome starts the home connection. The former one, if any, has been closed and confirmed:
// there is never more than one home-DC socket.
func (a *account) startHome(ctx actor.Context) {
	if a.state.Terminal() || a.winding != nil && a.winding.closing { // it was stopped while its former socket was closing
		return
	}
	a.made = a.desired.Load()
	if a.proxy.Reason == "" {
		a.proxyIs(ctx, fleet.ReasonProxyUntried, "")
	}
	dc := a.record.HomeDC
	l := connection.NewLink(dc, false, a.keys.Find(dc))
	a.home = &home{link: l}
	a.home.pid = a.spawnConnection(ctx, l, "connection-")
}

func (a *account) spawnConnection(ctx actor.Context, l *connection.Link, prefix string) *actor.PID {
	conn := &a.conn
	return conn.Actors.Spawn(ctx, fmt.Sprintf("%s%d-", prefix, l.DC()), func() actor.Actor { return connection.New(conn, l) })
}

func (a *account) connectionReady(ctx actor.Context, dc int) {
	if side := a.sides[dc]; side != nil && (a.home == nil || a.home.link.DC() != dc) {
		a.sideReady(ctx, side)
		return
	}
	if a.home == nil || a.home.link.DC() != dc || a.home.closing {
		return
	}
	a.home.ready, a.home.upSince = true, a.deps.Now()
	a.doubtKey(dc, time.Time{}) // a doubted key is ready only once the server has shown that it knows it
	a.saveIfDirty(ctx)
	a.proxyIs(ctx, fleet.ReasonProxyHealthy, "")
	switch {
	case a.winding != nil: // for the calls that may still end
	case a.authorized():
		a.online(ctx)
	case a.record.Unverified:
		a.verify(ctx)
	default:
		a.setState(ctx, fleet.StateUnauthorized, "", noUser, remedySignIn)
	}
	a.showConditions(ctx)
	a.sendQueue(ctx)
}

func (a *account) authorized() bool { return a.record != nil && a.record.UserID != 0 }

func (a *account) online(ctx actor.Context) {
	a.setState(ctx, fleet.StateOnline, "", "", "")
	switch {
	case a.stream != nil:
		a.toStream(ctx, &updatestream.HomeUp{Up: true})
	case !a.appending: // else stateTold starts it: one append at a time
		a.startStream(ctx)
	}
}

// HandleFailure implements actor.SupervisorStrategy: supervision is the retry policy.
func (a *account) HandleFailure(in *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	var end *connection.EndError
	err, _ := reason.(error)
	isHome := a.home != nil && a.home.pid.Equal(child)
	switch {
	case !errors.As(err, &end) && !errors.As(err, new(*storeError)):
		a.log().Error("panic", "actor", child.Id, "error", panicError(reason).Error())
		if a.overBudget() {
			a.failure = &failure{child, fleet.StateQuarantined, "RESTART_BUDGET", "it failed too often: " + panicError(reason).Error(),
				"read the log, then restart the node or move the account"}
			if isHome {
				a.parkHome(in, sup, child)
				return
			}
			sup.StopChildren(child)
			return
		}
		end = &connection.EndError{End: connection.Reconnect, Err: panicError(reason)}
	case end == nil:
		end = &connection.EndError{End: connection.Reconnect, Err: err}
	}
	switch {
	case a.stream != nil && a.stream.Equal(child):
		sup.StopChildren(child) // childEnded starts it again, from the log
	case isHome:
		a.homeFailed(in, sup, child, end)
	default:
		a.sideFailed(in, sup, child, end)
	}
}

// failure is a state that the account enters once the child that caused it has ended.
type failure struct {
	child                   *actor.PID
	state                   fleet.State
	reason, message, remedy string
}

func (a *account) overBudget() bool {
	now := a.deps.Now()
	kept := a.panics[:0]
	for _, t := range a.panics {
		if now.Sub(t) < restartWindow {
			kept = append(kept, t)
		}
	}
	a.panics = append(kept, now)
	return len(a.panics) > restartBudget
}

// homeFailed plans the restart of the home connection.
func (a *account) homeFailed(in *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, end *connection.EndError) {
	now := a.deps.Now()
	h := a.home
	if h.ready && now.Sub(h.upSince) >= healthyAfter {
		h.attempts = 0
	}
	wasReady := h.ready
	h.ready = false
	switch {
	case h.closing: // it was to be closed anyway: let the next incarnation confirm
		a.parkHome(in, sup, child)
		return
	case end.End == connection.Fenced:
		a.failure = &failure{child, fleet.StateFenced, "FENCED", "ownership was lost", ""}
		a.parkHome(in, sup, child)
		return
	case end.End.Key() && a.record.Authorised():
		if a.keyUnknown(end.End) {
			a.failure = &failure{child, fleet.StateLoggedOut, string(fleet.ReasonKeyLost), messageKeyLost, remedyKeyLost}
			a.parkHome(in, sup, child)
			return
		}
	case end.End.Key():
		// A key that nobody has signed in with: make another. Nothing of a user's hangs on the
		// calls that were sent under it.
		h.link.RenewKey()
	case end.End == connection.NewSession:
		h.link.RenewSession()
	}
	if end.End == connection.Again {
		h.retry = now
		in.Root.Send(a.self, &homeBackoff{err: end})
		return
	}
	wait := a.deps.Redial.Next(h.attempts, jitter{})
	if wasReady && h.attempts == 0 && end.End == connection.Reconnect {
		wait = min(wait, firstRedial)
	}
	if end.End == connection.Flood {
		wait = max(wait, floodRedial)
	}
	h.attempts++
	h.retry = now.Add(wait)
	a.log().Debug("connection ended", "dc", h.link.DC(), "reason", end.Err.Error(), "retry_in", wait)
	in.Root.Send(a.self, &homeBackoff{err: end})
}

func (a *account) parkHome(in *actor.ActorSystem, sup actor.Supervisor, child *actor.PID) {
	a.home.closing, a.home.ready = true, false
	park(in, sup, child, a.home.link)
}

// park ends a failed connection by way of an incarnation that does not dial: it takes in what
// still waits in the mailbox, so that no call is lost with it.
func park(in *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, l *connection.Link) {
	l.Park()
	sup.RestartChildren(child)
	in.Root.Send(child, &connection.Close{})
}

const (
	firstRedial = 250 * time.Millisecond // after a healthy connection was cut
	floodRedial = 10 * time.Second       // after transport error -429
)

// jitter is the process's own randomness: nothing secret hangs on it.
type jitter struct{}

func (jitter) Int64N(n int64) int64 { return rand.Int64N(n) }

// homeBackoff shows the backoff once the failing system message has been handled.
type homeBackoff struct{ err *connection.EndError }

func (a *account) backoff(ctx actor.Context, m *homeBackoff) {
	proxy := routes.ReasonOf(m.err)
	if proxy != "" {
		a.proxyIs(ctx, proxy, m.err.Err.Error())
	}
	a.toStream(ctx, &updatestream.HomeUp{Up: false})
	a.showConditions(ctx)
	a.saveIfDirty(ctx)
	if a.home == nil || a.home.retry.IsZero() || a.state.Terminal() || a.winding != nil {
		a.windStep(ctx)
		a.plan(ctx)
		return
	}
	reason := "CONNECTION_LOST"
	switch m.err.End {
	case connection.KeyUnknown, connection.KeyRefused:
		reason = string(fleet.ReasonKeyUnknown)
	case connection.Flood:
		reason = "TOO_MANY_CONNECTIONS"
	case connection.WrongDC:
		reason = "WRONG_DC"
	}
	if proxy != "" {
		reason = string(proxy)
	}
	state := fleet.StateBackoff
	if m.err.End == connection.Flood {
		state = fleet.StateRateLimited
	}
	if m.err.End != connection.Again && a.home.attempts > 1 || reason != "CONNECTION_LOST" {
		a.setState(ctx, state, reason, a.explained(m.err), "it is dialled again by itself; see `orchestrator account why`")
	}
	a.plan(ctx)
}

// redial ends the backoff now.
func (a *account) redial(ctx actor.Context) {
	a.home.retry = time.Time{}
	ctx.(actor.Supervisor).RestartChildren(a.home.pid)
}

// networkRestored is level-triggered: it ends a running backoff and does nothing else.
func (a *account) networkRestored(ctx actor.Context) {
	if a.home != nil && !a.home.retry.IsZero() {
		a.home.attempts = 0
		a.redial(ctx)
		a.plan(ctx)
	}
}

// stopHome closes the home connection; next runs when the socket is closed for sure.
func (a *account) stopHome(ctx actor.Context, next func(actor.Context)) {
	h := a.home
	if h == nil {
		next(ctx)
		return
	}
	h.next = next
	if h.closing {
		if a.cutting() {
			ctx.Send(h.pid, &connection.Close{Now: true})
		}
		return
	}
	h.closing, h.ready = true, false
	a.toStream(ctx, &updatestream.HomeUp{Up: false})
	if !h.retry.IsZero() { // it waits for its restart: nothing is open
		h.retry = time.Time{}
		h.link.Park()
		ctx.(actor.Supervisor).RestartChildren(h.pid)
	}
	ctx.Send(h.pid, &connection.Close{Now: a.cutting()})
}

func (a *account) connectionClosed(ctx actor.Context, dc int) {
	if a.home != nil && a.home.closing && a.home.link.DC() == dc {
		ctx.Stop(a.home.pid)
		return
	}
	if side := a.sides[dc]; side != nil {
		ctx.Stop(side.PID)
	}
}

// childEnded goes on after a child has ended for good.
func (a *account) childEnded(ctx actor.Context, who *actor.PID) {
	f := a.failure
	if f != nil && !f.child.Equal(who) {
		f = nil
	}
	switch {
	case a.stream != nil && a.stream.Equal(who):
		a.streamStopped(ctx)
	case a.home != nil && a.home.pid.Equal(who):
		next := a.endHome()
		if next != nil {
			next(ctx)
		}
	default:
		a.sideEnded(ctx, who)
	}
	if f != nil {
		a.failure = nil
		a.stop(ctx, f.state, f.reason, f.message, f.remedy)
	}
	a.windStep(ctx)
}

// endHome takes the unanswered calls back into the queue and forgets the connection.
func (a *account) endHome() func(actor.Context) {
	h := a.home
	a.home = nil
	if w := a.winding; w != nil && w.cut != nil {
		h.link.Abandon(w.cut)
	}
	a.queue = append(h.link.Orphans(), a.queue...)
	return h.next
}

// migrate moves the home to another DC: the old socket is closed before the new one is dialled.
func (a *account) migrate(ctx actor.Context, dc int) {
	if a.home == nil || a.home.closing || a.home.link.DC() == dc {
		return
	}
	a.log().Info("home DC changes", "from", a.home.link.DC(), "to", dc)
	a.record.HomeDC, a.status.HomeDC = dc, dc
	a.replaceKey = true // Telegram moved the user: the key of the new DC takes over
	a.save(ctx, nil)
	a.setState(ctx, fleet.StateConnecting, "", "", "")
	next := func(ctx actor.Context) { a.startHome(ctx) }
	if side := a.sides[dc]; side != nil { // its key and socket give way to the home connection
		closed := next
		next = func(ctx actor.Context) { side.Next = closed; a.stopSide(ctx, side) }
	}
	a.stopHome(ctx, next)
}

func (a *account) keyMade(ctx actor.Context, key connection.Key) {
	if a.record == nil {
		return
	}
	a.keys.Put(key)
	a.save(ctx, nil)
}

func (a *account) saltsChanged(ctx actor.Context, m *connection.SaltsChanged) {
	if a.record == nil {
		return
	}
	if key := a.keys.Find(m.DC); key != nil { // else the session has ended meanwhile
		key.Salts, key.TimeOffset = m.Salts, m.TimeOffset
		a.keys.Put(*key)
		a.save(ctx, nil)
	}
}
