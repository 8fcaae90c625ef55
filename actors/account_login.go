package actors

import (
	"context"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/updates"
)

var (
	_ telegram.LoginWatcher = (*Env)(nil)
	_ telegram.TokenKeeper  = (*Env)(nil)
)

// Commands of a login to the account.
type (
	// watchLogin asks for a value in scanned, which has room for one, after each updateLoginToken.
	watchLogin struct{ scanned chan struct{} }
	// unwatchLogin ends that.
	unwatchLogin struct{ scanned chan struct{} }
	// moveHome moves the home of an account that nobody is signed in with.
	moveHome struct {
		dc   int
		done func(error)
	}
	// askTokens asks for the future auth token; the reply has room for one.
	askTokens struct{ reply chan<- [][]byte }
)

// WatchLogin implements telegram.LoginWatcher.
func (e *Env) WatchLogin() (<-chan struct{}, func()) {
	scanned := make(chan struct{}, 1)
	e.send(&watchLogin{scanned})
	return scanned, func() { e.send(&unwatchLogin{scanned}) }
}

// LogoutTokens implements telegram.TokenKeeper.
func (e *Env) LogoutTokens(ctx context.Context) [][]byte {
	reply := make(chan [][]byte, 1)
	e.send(&askTokens{reply})
	select {
	case tokens := <-reply:
		return tokens
	case <-e.gone:
	case <-ctx.Done():
	}
	return nil
}

func (a *account) receiveLogin(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *signedIn:
		a.signedIn(ctx, m)
	case *signedOut:
		a.signedOut(ctx, m)
	case *loginStep:
		if a.state.LoggingIn() {
			a.setState(ctx, m.state, "", "", "")
		}
	case *watchLogin:
		a.scanners = append(a.scanners, m.scanned)
	case *unwatchLogin:
		a.scanners = slices.DeleteFunc(a.scanners, func(c chan struct{}) bool { return c == m.scanned })
		if a.state == fleet.StateQRPending && len(a.scanners) == 0 { // the code is no longer shown
			a.setState(ctx, fleet.StateUnauthorized, "", noUser, remedySignIn)
		}
	case *moveHome:
		m.done(a.moveTo(ctx, m.dc))
	case *askTokens:
		var tokens [][]byte
		if a.record != nil && len(a.record.FutureAuthToken) > 0 {
			tokens = [][]byte{a.record.FutureAuthToken}
		}
		m.reply <- tokens
	}
}

const (
	noUser       = "no user has signed in yet"
	remedySignIn = "sign in with `orchestrator login`"
)

// moveTo follows a login to the DC that its user lives on.
func (a *account) moveTo(ctx actor.Context, dc int) error {
	switch {
	case !dcdial.Known(a.deps.Directory.Known(), dc):
		return unknownDC(dc)
	case a.home == nil || a.home.closing || a.authorized():
		return standing.Unavailable(a.state, "it cannot move to another DC just now", "begin the login again")
	}
	a.migrate(ctx, dc)
	return nil
}

// hear takes updates that come while nobody is signed in: one may say that a QR code was scanned, or
// that there are other DCs; nothing else of them is wanted.
func (a *account) hear(ctx actor.Context, body []byte) {
	n := telegram.NoticesOf(body)
	a.noticed(ctx, n)
	if !n.Scanned {
		return
	}
	for _, scanned := range a.scanners {
		select {
		case scanned <- struct{}{}:
		default: // it has not looked yet
		}
	}
}

// canSignIn reports whether a login may start from the account's terminal state.
func (a *account) canSignIn() bool {
	switch a.state {
	case fleet.StateLoggedOut, fleet.StateConflict, fleet.StateBanned:
		return !a.draining && !a.ended && !a.desired.Load().held()
	}
	return false
}

// signedIn makes a session an account's own: it is stored before the caller hears of it.
func (a *account) signedIn(ctx actor.Context, m *signedIn) {
	if a.record == nil || a.home == nil || !a.home.ready {
		m.saved(standing.Unavailable(a.state, "the connection was lost while signing in", "sign in again"))
		return
	}
	of := a.record.UpdatesOf
	another := of != 0 && of != m.userID // person: nothing of the former one stays
	if another {
		a.forgetUpdates()
		a.loaded.peers.Clear()
		a.judge.Restore(sessionstore.Restriction{})
		a.record.Restriction = sessionstore.Restriction{}
	}
	a.record.UserID, a.record.Bot, a.record.Unverified, a.record.UpdatesOf = m.userID, m.bot, false, m.userID
	a.record.FutureAuthToken = nil // it was of the former login
	a.status.UserID, a.status.Bot = m.userID, m.bot
	a.peers.SetSelf(m.userID)
	if another { // the peers first
		a.saveAfter = append(a.saveAfter, m.saved)
		a.flushPeers(ctx)
	} else {
		a.save(ctx, m.saved)
	}
	a.online(ctx)
}

// forgetUpdates drops the update state of a former user, in the event log as well.
func (a *account) forgetUpdates() {
	a.loaded.log.State, a.loaded.log.Seen = updates.State{}, nil
	at := a.loaded.log.Writer.Claimed()
	var err error
	if a.record.Checkpoint, err = updatelog.EncodeCheckpoint(updates.State{}, at); err != nil {
		a.log().Error("checkpoint is not encoded", "error", err.Error())
	}
}

// forgetLogin drops what belonged to a session that Telegram has ended. Its keys go too: the
// next login makes new ones.
func (a *account) forgetLogin() {
	a.record.UserID, a.record.Bot, a.record.Unverified, a.record.Checkpoint, a.keys = 0, false, false, nil, nil
	a.peers.SetSelf(0)
	a.replaceKey = true
}
