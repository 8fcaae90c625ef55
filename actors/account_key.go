package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
)

// An auth key with a login is not given up because a server says that it does not know it:
//
//	-404 ─doubtAfter times─> a temporary key is bound to it ─bound─> known after all
//	                              └─refused─> backoff, tried again ─lostAfter times, and for keyTrust─> logged_out
//
// The stored key stays even then, until somebody signs in again.
const (
	doubtAfter = 4
	lostAfter  = 3
	// keyYouth: a server may not know yet what another one has just made.
	keyYouth = time.Minute
	// keyTrust is how long a key is trusted that Telegram has known, or that nobody has tried.
	keyTrust = 24 * time.Hour
)

const (
	messageKeyLost = "Telegram does not know its auth key any more, and so not its login"
	remedyKeyLost  = "sign in again with `orchestrator login`; to try the stored key once more, restart the node or move the account"
)

// keyUnknown counts what the server says against the key of a login, and reports whether that is
// enough to stop.
func (a *account) keyUnknown(end connection.End) (lost bool) {
	h, now, dc := a.home, a.deps.Now(), a.home.link.DC()
	if h.link.Known() { // until this connection
		a.proven, h.unknown, h.refused = now, 0, 0
	}
	h.unknown++
	if end == connection.KeyRefused {
		h.refused++
	}
	if h.unknown >= doubtAfter {
		h.link.Doubt()
	}
	a.log().Warn("server does not know the auth key; the key is kept and tried again", "dc", dc, "times", h.unknown, "refused_to_bind", h.refused)
	return h.refused >= lostAfter && now.Sub(a.record.Keys[dc].CreatedAt) >= keyYouth && now.Sub(a.proven) >= keyTrust
}

// explained is what is shown of a connection that has ended.
func (a *account) explained(end *connection.EndError) string {
	if end.End != connection.KeyRefused || !a.record.Authorised() {
		return end.Error()
	}
	return end.Error() + "; unless that changes, its login is taken for lost at " + a.proven.Add(keyTrust).UTC().Format(time.RFC3339)
}

// keyDoubted reports whether somebody may sign in anew although the login is not known to be lost.
func (a *account) keyDoubted() bool {
	return a.home != nil && a.home.refused > 0 && !a.home.ready && !a.home.closing && a.winding == nil
}

// signInAnew gives up what is left of a login, because somebody begins another, and connects.
func (a *account) signInAnew(ctx actor.Context, c *connection.Call) {
	a.queue = append(a.queue, c)
	if a.record.Authorised() {
		a.forgetLogin()
		a.save(ctx, nil)
	}
	a.revive(ctx)
}
