package actors

import (
	"context"
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/waiting"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/standing"
)

// sideConn is a connection to a DC that is not the account's home: it has its own key and gets
// the account's authorization by export and import.
type sideConn struct {
	dc         int
	pid        *actor.PID
	link       *connection.Link
	ready      bool // connected and, where the account has a user, authorized
	authorized bool
	importing  bool
	closing    bool
	known      bool // the key was there before
	home       bool // it is to become the home connection
	lost       bool // the server does not know its key; no login hangs on that, which is imported again
	queue      []*connection.Call
	next       func(actor.Context)
}

func (a *account) invokeSide(ctx actor.Context, c *connection.Call) {
	side := a.sides[c.DC]
	if side == nil {
		known := a.deps.Directory.Known()
		if a.record == nil || !dcdial.Known(known, c.DC) && !dcdial.IsCDN(known, c.DC) {
			c.Done(nil, unknownDC(c.DC))
			return
		}
		side = a.startSide(ctx, c.DC)
	}
	if side.ready && !side.closing {
		ctx.Send(side.pid, c)
		return
	}
	side.queue = append(side.queue, c)
}

func (a *account) startSide(ctx actor.Context, dc int) *sideConn {
	key := a.keys.Find(dc)
	l := connection.NewLink(dc, true, key)
	// A CDN DC takes no authorisation.
	side := &sideConn{dc: dc, link: l, known: key != nil, authorized: dcdial.IsCDN(a.deps.Directory.Known(), dc)}
	side.pid = a.spawnConnection(ctx, l, "side-")
	put(&a.sides, dc, side)
	return side
}

// moveLogin moves the home of a signed-in account: the login is imported over a side
// connection before the home follows, because Telegram does not move it by itself.
func (a *account) moveLogin(ctx actor.Context, dc int) {
	side := a.sides[dc]
	if side == nil {
		side = a.startSide(ctx, dc)
	}
	side.home = true
	if side.authorized {
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

func (a *account) sideReady(ctx actor.Context, side *sideConn) {
	if !a.authorized() || side.authorized {
		a.sideOpen(ctx, side)
		return
	}
	if side.importing {
		return
	}
	side.importing = true
	self, root := ctx.Self(), ctx.ActorSystem().Root
	a.invoke(ctx, connection.InternalCall(&tg.AuthExportAuthorizationRequest{DCID: side.dc}, func(result []byte, err error) {
		var out tg.AuthExportedAuthorization
		if err == nil {
			err = out.Decode(&bin.Buffer{Buf: result})
		}
		root.Send(self, &authorizationExported{dc: side.dc, id: out.ID, bytes: out.Bytes, err: err})
	}))
}

type authorizationExported struct {
	dc    int
	id    int64
	bytes []byte
	err   error
}

type authorizationImported struct {
	dc  int
	err error
}

func (a *account) authorizationExported(ctx actor.Context, m *authorizationExported) {
	side := a.sides[m.dc]
	if side == nil || side.closing {
		return
	}
	if m.err != nil {
		a.authorizationImported(ctx, &authorizationImported{m.dc, m.err})
		return
	}
	self, root := ctx.Self(), ctx.ActorSystem().Root
	c := connection.InternalCall(&tg.AuthImportAuthorizationRequest{ID: m.id, Bytes: m.bytes}, func(_ []byte, err error) {
		root.Send(self, &authorizationImported{m.dc, err})
	})
	c.DC = m.dc
	ctx.Send(side.pid, c)
}

func (a *account) authorizationImported(ctx actor.Context, m *authorizationImported) {
	side := a.sides[m.dc]
	if side == nil {
		return
	}
	side.importing = false
	switch {
	case m.err != nil && side.home && side.known: // it may be signed in there since it was at home there
		a.migrate(ctx, side.dc)
	case m.err != nil:
		a.failSide(ctx, side, m.err)
	case side.home:
		side.authorized = true
		a.migrate(ctx, side.dc)
	default:
		side.authorized = true
		a.sideOpen(ctx, side)
	}
}

func (a *account) sideOpen(ctx actor.Context, side *sideConn) {
	side.ready = true
	queue := side.queue
	side.queue = nil
	for _, c := range queue {
		ctx.Send(side.pid, c)
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
	side.authorized, side.ready = false, false
	side.queue = append(side.queue, c)
	a.sideReady(ctx, side)
}

func (a *account) failSide(ctx actor.Context, side *sideConn, err error) {
	for _, c := range side.queue {
		c.Done(nil, err)
	}
	side.queue = nil
	if side.home {
		a.stay(err)
	}
	a.stopSide(ctx, side)
}

func (a *account) stopSide(ctx actor.Context, side *sideConn) {
	if !side.closing {
		side.closing, side.ready = true, false
		ctx.Send(side.pid, &connection.Close{Now: a.cutting()})
	}
}

// sideFailed ends a side connection; it is made again when it is needed.
func (a *account) sideFailed(in *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, end *connection.EndError) {
	for _, side := range a.sides {
		if side.pid.Equal(child) {
			side.lost = end.End.Key() && side.dc != a.record.HomeDC
			side.closing, side.ready = true, false
			park(in, sup, child, side.link)
			return
		}
	}
	sup.StopChildren(child)
}

func (a *account) sideEnded(ctx actor.Context, who *actor.PID) {
	for dc, side := range a.sides {
		if !side.pid.Equal(who) {
			continue
		}
		delete(a.sides, dc)
		if side.lost {
			a.keys.Drop(dc)
			a.save(ctx, nil)
		}
		if w := a.winding; w != nil && w.cut != nil {
			side.link.Abandon(w.cut)
			for _, c := range side.queue {
				c.Done(nil, w.cut)
			}
			side.queue = nil
		}
		left := slices.Concat(side.link.Orphans(), side.queue)
		switch {
		case side.next != nil:
			side.next(ctx)
		case side.home:
			a.stay(standing.Unavailable(a.state, fmt.Sprintf("DC %d, to which Telegram moved it, cannot be reached", dc), "repeat the call later"))
		}
		for _, c := range left {
			c.Attempts++
			switch {
			case c.Internal:
				c.Done(nil, context.Canceled)
			case c.Attempts > waiting.MaxAttempts: // not the caller's own doing
				c.Done(nil, standing.Unavailable(a.state, fmt.Sprintf("DC %d cannot be reached", dc), "repeat the call later"))
			default:
				a.invoke(ctx, c)
			}
		}
		return
	}
}
