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
	// keyTrust is how long a key is trusted after Telegram has begun to refuse bindings to it, over restarts and moves.
	keyTrust = 24 * time.Hour
)

const (
	messageKeyLost = "Telegram does not know its auth key any more, and so not its login"
	remedyKeyLost  = "sign in again with `orchestrator login`; to try the stored key a few times more, restart the node or move the account"
)

// keyUnknown counts what the server says against the key of a login, and reports whether that is
// enough to stop.
func (a *account) keyUnknown(end connection.End) (lost bool) {
	h, now, dc := a.home, a.deps.Now(), a.home.link.DC()
	if h.link.Known() { // until this connection
		h.unknown, h.refused = 0, 0
		a.doubtKey(dc, time.Time{})
	}
	h.unknown++
	if end == connection.KeyRefused {
		h.refused++
		if a.keys.Get(dc).DoubtedSince.IsZero() {
			a.doubtKey(dc, now)
		}
	}
	if h.unknown >= doubtAfter {
		h.link.Doubt()
	}
	a.log().Warn("server does not know the auth key; the key is kept and tried again", "dc", dc, "times", h.unknown, "refused_to_bind", h.refused)
	key := a.keys.Get(dc)
	return h.refused >= lostAfter && now.Sub(key.CreatedAt) >= keyYouth && now.Sub(key.DoubtedSince) >= keyTrust
}

// doubtKey notes since when a key is doubted, the zero time for not at all.
func (a *account) doubtKey(dc int, since time.Time) {
	if key := a.keys.Find(dc); key != nil && !key.DoubtedSince.Equal(since) {
		key.DoubtedSince = since
		a.keys.Put(*key)
		a.dirty = true
	}
}

// explained is what is shown of a connection that has ended.
func (a *account) explained(end *connection.EndError) string {
	if end.End != connection.KeyRefused || !a.record.Authorised() {
		return end.Error()
	}
	since := a.keys.Get(end.DC).DoubtedSince
	return end.Error() + "; unless that changes, its login is taken for lost at " + since.Add(keyTrust).UTC().Format(time.RFC3339)
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
