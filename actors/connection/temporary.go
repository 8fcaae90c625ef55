package connection

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/internal/tlcall"
	"github.com/telefleet/orchestrator/mtproto"
)

// With perfect forward secrecy a link sends everything under a temporary key, which is bound to its
// permanent one and lives in memory only:
//
//	exchanged ─bind─> bound ─renewalDue─> no further calls ─all answered─> replaced on a new socket
//	    │               └──-404, AUTH_KEY_PERM_EMPTY──> replaced on a new socket
//	    └──refused──> replaced; ENCRYPTED_MESSAGE_INVALID is for the account to judge (KeyRefused)
//
// A temporary key has MTProto sessions and server salts of its own, and the first socket under it
// announces the application again.
type tempKey struct {
	key     Key // while there is no engine, which holds it too
	expires time.Time
	bound   bool
	dead    bool // the server does not take it any more
}

// Times of a temporary key, as parts of its life.
const (
	defaultTempLife = 24 * time.Hour
	renewPart       = 8  // it is renewed when an eighth is left, once no call runs
	renewLastPart   = 16 // and when a sixteenth is left, whatever runs
)

const boolTrue = 0x997275b5

var errNotBound = errors.New("the temporary auth key was not bound")

// Doubt makes the next incarnations ask the server whether it knows the permanent key, by binding a
// temporary one to it. A link that finds it alive goes on with that.
func (l *Link) Doubt() { l.doubted = true }

// Known reports whether the server has shown since the last time that it knows the permanent key.
func (l *Link) Known() bool {
	known := l.known
	l.known = false
	return known
}

// wantsTemp reports whether the link has to use a temporary key.
func (c *connection) wantsTemp() bool { return !c.conn.CDN && (c.acc.pfs.Load() || c.link.doubted) }

func (c *connection) tempLife() time.Duration {
	if c.acc.TempKeyLife > 0 {
		return c.acc.TempKeyLife
	}
	return defaultTempLife
}

// left reports whether less than this part of the temporary key's life is left.
func (c *connection) left(part time.Duration) bool {
	return !c.acc.Now().Before(c.link.temp.expires.Add(-c.tempLife() / part))
}

// settleTemp gives the link's temporary key up where it is of no more use, and reports whether a new
// one is wanted.
func (c *connection) settleTemp() (wanted bool) {
	l := c.link
	t := l.temp
	if t != nil && t.bound && c.left(renewPart) {
		l.doubted = false // answered long ago
	}
	wanted = c.wantsTemp()
	if t != nil && (!wanted || t.dead || c.left(renewPart)) || t == nil && wanted && l.engine != nil {
		l.held = l.collect(false)
		l.temp = nil
	}
	return wanted && l.temp == nil
}

// bind tells the server which permanent key the temporary one serves; nothing else may be asked
// before.
func (c *connection) bind(ctx actor.Context) {
	c.phase = phaseBinding
	c.link.nextID++
	c.bindID = c.link.nextID
	c.step(ctx, mtproto.Bind{ID: c.bindID, Permanent: (*[256]byte)(c.link.key.Secret), ExpiresAt: c.link.temp.expires})
	c.flushSoon(ctx)
}

// bound is the answer to that.
func (c *connection) bound(ctx actor.Context, e mtproto.CallDone) {
	var refused *mtproto.RPCError
	end := &EndError{c.link.dc, Reconnect, errNotBound}
	switch {
	case c.phase != phaseBinding: // the socket has ended meanwhile
		return
	case errors.As(e.Err, &refused):
		end.Err = engineError("auth.bindTempAuthKey", e.Err)
		switch {
		case refused.Message == "ENCRYPTED_MESSAGE_INVALID":
			end.End = KeyRefused
		case refused.Code == 401:
			ctx.Send(ctx.Parent(), &CallRefused{DC: c.link.Number(), Err: refused})
		}
	case e.Err != nil:
		end.Err = e.Err
	case tlcall.Constructor(e.Result) == boolTrue:
		c.link.temp.bound = true
		c.announce(ctx)
		return
	}
	c.loseTemp(ctx, end)
}

// loseTemp ends the connection, so that the next one makes another temporary key.
func (c *connection) loseTemp(ctx actor.Context, end *EndError) {
	c.link.temp.dead, c.link.stale = true, true
	c.close(ctx, end)
}

// tempGone takes the end of a connection whose temporary key the server has forgotten: that says
// nothing of the permanent one.
func (c *connection) tempGone(end *EndError) {
	if t := c.link.temp; t != nil && end.End == KeyUnknown {
		t.dead, c.link.stale = true, true
		end.End = Reconnect
	}
}

// unbound takes a call that was refused because the temporary key is bound to nothing any more: it
// goes again, under another.
func (c *connection) unbound(ctx actor.Context, call *Call, refused *mtproto.RPCError) bool {
	if c.link.temp == nil || refused.Message != "AUTH_KEY_PERM_EMPTY" {
		return false
	}
	if call != nil {
		c.link.held = append(c.link.held, call)
	}
	c.loseTemp(ctx, &EndError{c.link.dc, Reconnect, engineError("auth.bindTempAuthKey", refused)})
	return true
}

// renewIfDue begins to replace a temporary key that ends soon.
func (c *connection) renewIfDue(ctx actor.Context) {
	if c.phase == phaseReady && c.link.temp != nil && c.left(renewPart) {
		c.renewing = true
		c.flushSoon(ctx)
	}
}

// renewWhenQuiet leaves for another socket once no call runs that could be lost with the session, and
// no update waits for its acknowledgement. It comes after each flush.
func (c *connection) renewWhenQuiet(ctx actor.Context) {
	if !c.renewing || c.redial || c.asked || c.phase != phaseReady {
		return
	}
	late := c.link.temp != nil && c.left(renewLastPart)
	if late || len(c.link.calls) == 0 && c.inStream == 0 {
		c.redial = true
		c.leave(ctx)
	}
}
