package actors

import (
	"cmp"
	"context"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/sides"
	"github.com/telefleet/orchestrator/actors/waiting"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/standing"
)

// sideFor is the number of the side that a call goes to; 0 is the home connection. The home DC has only one
// socket but at addresses for files, where parallel ones are fine (docs/adr/0032), also while it is being
// left: calls wait for its end.
func (a *account) sideFor(c *connection.Call) int {
	if a.record == nil {
		return 0
	}
	dc := cmp.Or(c.DC, a.record.HomeDC)
	switch {
	case c.Low && !c.Plain && a.filesApart(dc):
		return -dc
	case dc == a.record.HomeDC || a.home != nil && dc == a.home.link.DC():
		return 0
	}
	return dc
}

// filesApart reports whether files of a DC have addresses of their own: not through a proxy, and not with a
// temporary key, of which a permanent one has only one at a time.
func (a *account) filesApart(dc int) bool {
	if a.home == nil || !a.authorized() || a.conn.PFS() || a.desired.Load().Route != "" {
		return false
	}
	return (dc != a.record.HomeDC || a.keys.Find(dc) != nil) && a.deps.Directory.ServesFiles(dc, a.deps.IPv6)
}

func (a *account) invokeSide(ctx actor.Context, c *connection.Call, number int) {
	side := a.sides[number]
	if side == nil {
		list := a.deps.Directory.Known()
		if number > 0 && !dcdial.Known(list, number) && !dcdial.IsCDN(list, number) {
			c.Done(nil, unknownDC(number))
			return
		}
		side = a.startSide(ctx, number)
	}
	side.Take(ctx, c, a.deps.Now())
	a.plan(ctx)
}

func (a *account) startSide(ctx actor.Context, number int) *sides.Side {
	dc := max(number, -number)
	key := a.keys.Find(dc)
	l, prefix := connection.NewLink(dc, true, key), "side-"
	if number < 0 {
		l, prefix = connection.NewFilesLink(dc, key), "files-"
	}
	// A CDN DC takes no authorisation, and the home DC's key has it.
	has := number == -a.record.HomeDC || dcdial.IsCDN(a.deps.Directory.Known(), dc)
	side := &sides.Side{Number: number, Link: l, Known: key != nil, Authorized: has}
	side.PID = a.spawnConnection(ctx, l, prefix)
	if a.sides == nil {
		a.sides = sides.Set{}
	}
	a.sides[number] = side
	return side
}

// moveLogin moves the home of a signed-in account: the login is imported over a side
// connection before the home follows, because Telegram does not move it by itself.
func (a *account) moveLogin(ctx actor.Context, dc int) {
	side := a.sides[dc]
	if side == nil {
		side = a.startSide(ctx, dc)
	}
	side.Home = true
	if side.Authorized {
		a.migrate(ctx, dc)
	}
}

// stay ends a move that did not succeed: the calls that asked for it hear why.
func (a *account) stay(err error) {
	if a.home == nil || !a.home.ready {
		return // the queue waits for the connection
	}
	queue := a.queue
	a.queue = nil
	for _, c := range queue {
		c.Done(nil, err)
	}
}

func (a *account) sideReady(ctx actor.Context, side *sides.Side) {
	if !a.authorized() || side.Authorized {
		side.Open(ctx)
		return
	}
	if side.Importing {
		return
	}
	side.Importing = true
	self, root := ctx.Self(), ctx.ActorSystem().Root
	a.invoke(ctx, connection.InternalCall(&tg.AuthExportAuthorizationRequest{DCID: side.DC()}, func(result []byte, err error) {
		var out tg.AuthExportedAuthorization
		if err == nil {
			err = out.Decode(&bin.Buffer{Buf: result})
		}
		root.Send(self, &authorizationExported{side: side.Number, id: out.ID, bytes: out.Bytes, err: err})
	}))
}

type authorizationExported struct {
	side  int
	id    int64
	bytes []byte
	err   error
}

type authorizationImported struct {
	side int
	err  error
}

func (a *account) authorizationExported(ctx actor.Context, m *authorizationExported) {
	side := a.sides[m.side]
	if side == nil || side.Closing {
		return
	}
	if m.err != nil {
		a.authorizationImported(ctx, &authorizationImported{m.side, m.err})
		return
	}
	self, root := ctx.Self(), ctx.ActorSystem().Root
	c := connection.InternalCall(&tg.AuthImportAuthorizationRequest{ID: m.id, Bytes: m.bytes}, func(_ []byte, err error) {
		root.Send(self, &authorizationImported{m.side, err})
	})
	c.DC = side.DC()
	ctx.Send(side.PID, c)
}

func (a *account) authorizationImported(ctx actor.Context, m *authorizationImported) {
	side := a.sides[m.side]
	if side == nil {
		return
	}
	side.Importing = false
	switch {
	case m.err != nil && side.Home && side.Known: // it may be signed in there since it was at home there
		a.migrate(ctx, side.DC())
	case m.err != nil:
		a.failSide(ctx, side, m.err)
	case side.Home:
		side.Authorized = true
		a.migrate(ctx, side.DC())
	default:
		side.Authorized = true
		side.Open(ctx)
	}
}

// sideUnauthorized drops the key of a side DC only; the call is repeated once with a new one.
func (a *account) sideUnauthorized(ctx actor.Context, dc int, c *connection.Call, answer func()) {
	side := a.sides[dc]
	c.Attempts++
	if side == nil || c.Internal || c.Attempts > 1 {
		answer()
		return
	}
	if side.Number == -a.record.HomeDC { // whether the login has ended is for the home DC itself to say
		c.Plain = true
		a.invoke(ctx, c)
		return
	}
	side.Authorized, side.Ready = false, false
	side.Queue = append(side.Queue, c)
	a.sideReady(ctx, side)
}

func (a *account) failSide(ctx actor.Context, side *sides.Side, err error) {
	side.Answer(err)
	if side.Home {
		a.stay(err)
	}
	a.stopSide(ctx, side)
}

func (a *account) stopSide(ctx actor.Context, side *sides.Side) {
	if !side.Closing {
		side.Closing, side.Ready = true, false
		ctx.Send(side.PID, &connection.Close{Now: a.cutting()})
	}
}

// sideFailed ends a side connection; it is made again when it is needed.
func (a *account) sideFailed(in *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, end *connection.EndError) {
	side := a.sides.By(child)
	if side == nil {
		sup.StopChildren(child)
		return
	}
	if side.Files() && !side.Ready {
		a.deps.Directory.FilesFailed(side.DC())
	}
	side.Lost = end.End.Key() && side.DC() != a.record.HomeDC
	side.Closing, side.Ready = true, false
	park(in, sup, child, side.Link)
}

func (a *account) sideEnded(ctx actor.Context, who *actor.PID) {
	side := a.sides.By(who)
	if side == nil {
		return
	}
	delete(a.sides, side.Number)
	if side.Lost {
		a.keys.Drop(side.DC())
		a.save(ctx, nil)
	}
	if w := a.winding; w != nil && w.cut != nil {
		side.Link.Abandon(w.cut)
		side.Answer(w.cut)
	}
	left := side.Left()
	switch {
	case side.Next != nil:
		side.Next(ctx)
	case side.Home:
		a.stay(standing.Unavailable(a.state, fmt.Sprintf("DC %d, to which Telegram moved it, cannot be reached", side.DC()), "repeat the call later"))
	}
	for _, c := range left {
		c.Attempts++
		switch {
		case c.Internal:
			c.Done(nil, context.Canceled)
		case c.Attempts > waiting.MaxAttempts: // not the caller's own doing
			c.Done(nil, standing.Unavailable(a.state, fmt.Sprintf("DC %d cannot be reached", side.DC()), "repeat the call later"))
		default:
			a.invoke(ctx, c)
		}
	}
}
