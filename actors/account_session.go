package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/updates"
)

// storeTimeout bounds one access to a store; maxPeers the peers an account keeps in memory.
const (
	storeTimeout = 10 * time.Second
	maxPeers     = 4096
)

// loaded is what an account reads before it connects.
type loaded struct {
	record *sessionstore.Record
	peers  *peers.Cache
	log    *updatelog.Position
}

func load(ctx context.Context, s *shared) (*loaded, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	rec, err := s.deps.Sessions.Load(ctx, s.id)
	if errors.Is(err, sessionstore.ErrNotFound) {
		rec, err = &sessionstore.Record{Account: s.id}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	cache, err := peers.NewCache(ctx, s.deps.Peers, s.id, maxPeers)
	if err != nil {
		return nil, fmt.Errorf("load peers: %w", err)
	}
	pos, err := updatelog.Claim(ctx, s.deps.Events, s.id, s.grant.Fence.Token(), rec.Checkpoint)
	if errors.Is(err, updatelog.ErrCheckpoint) {
		err = fmt.Errorf("%w: %w", sessionstore.ErrCorrupt, err)
	}
	if err != nil {
		return nil, err
	}
	return &loaded{record: rec, peers: cache, log: pos}, nil
}

// save stores the record; then, if not nil, is called with the outcome. One save is under way
// at a time, and what changes meanwhile goes into the next one.
func (a *account) save(ctx actor.Context, then func(error)) {
	a.dirty = true
	if then != nil {
		a.saved = append(a.saved, then)
	}
	if a.saving || a.record == nil {
		return
	}
	a.saving, a.dirty = true, false
	a.inSave, a.saved = a.saved, nil
	rec, s, self, root, inc := cloneRecord(a.record), a.shared, ctx.Self(), ctx.ActorSystem().Root, a.inc
	save := s.deps.Sessions.Save
	if a.replaceKey {
		save = s.deps.Sessions.ReplaceKey
	}
	a.savingReplace, a.replaceKey = a.replaceKey, false
	go func() {
		c, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		root.Send(self, &sessionSaved{inc: inc, err: save(c, s.grant.Fence, rec)})
	}()
}

func (a *account) sessionSaved(ctx actor.Context, m *sessionSaved) {
	if m.inc != a.inc {
		return
	}
	a.saving = false
	waiting := a.inSave
	a.inSave = nil
	for _, then := range waiting {
		then(m.err)
	}
	switch {
	case fenced(m.err):
		a.stop(ctx, StateFenced, "FENCED", "another node owns the account", "")
	case errors.Is(m.err, sessionstore.ErrKeyInUse):
		a.stop(ctx, StateConflict, "AUTH_KEY_IN_USE", m.err.Error(), "delete one of the two accounts: they share a session")
	case m.err != nil:
		a.log.Warn("session is not stored; it will be tried again", "error", m.err.Error())
		a.dirty, a.replaceKey = true, a.replaceKey || a.savingReplace
		a.saveAgain = a.deps.Now().Add(time.Second)
		a.plan(ctx)
		return
	}
	if a.dirty {
		a.save(ctx, nil)
	}
	if a.reviving {
		a.revive(ctx)
	}
	if a.draining {
		a.drainStep(ctx)
	}
}

// forgetLogin drops what belonged to a session that Telegram has ended. Its keys go too: the
// next login makes new ones.
func (a *account) forgetLogin() {
	a.record.UserID, a.record.Bot, a.record.Checkpoint, a.record.Keys = 0, false, nil, nil
	a.peers.SetSelf(0)
	a.replaceKey = true
}

// canSignIn reports whether a login may start from the account's terminal state.
func (a *account) canSignIn() bool {
	switch a.state {
	case StateLoggedOut, StateConflict, StateBanned:
		return !a.draining && !a.ended && !a.desired.Load().Paused
	}
	return false
}

// opensLogin reports whether a method begins a login.
func opensLogin(method uint32) bool {
	switch method {
	case tg.AuthSendCodeRequestTypeID, tg.AuthImportBotAuthorizationRequestTypeID, tg.AuthExportLoginTokenRequestTypeID:
		return true
	}
	return false
}

// revive connects an account whose session had ended, because somebody signs in again. It
// waits until everything of the former session is closed and stored.
func (a *account) revive(ctx actor.Context) {
	a.reviving = true
	switch {
	case a.home != nil:
		a.stopHome(ctx, a.revive)
		return
	case a.stream != nil:
		a.stopStream(ctx)
		return
	case a.saving || a.dirty:
		return // sessionSaved goes on
	}
	a.reviving = false
	a.loaded = nil
	a.load(ctx)
}

// cloneRecord copies what the account goes on changing; keys are never changed in place.
func cloneRecord(r *sessionstore.Record) *sessionstore.Record {
	c := *r
	c.Keys = maps.Clone(r.Keys)
	return &c
}

// fenced reports whether a store refused us because another node owns the account.
func fenced(err error) bool {
	return errors.Is(err, sessionstore.ErrFenced) || errors.Is(err, eventlog.ErrFenced) ||
		errors.Is(err, &fleet.Error{Reason: "FENCED"})
}

// signedIn makes a session an account's own: it is stored before the caller hears of it.
func (a *account) signedIn(ctx actor.Context, m *signedIn) {
	if a.record == nil || a.home == nil || !a.home.ready {
		m.saved(unavailable(a.state, "the connection was lost while signing in", "sign in again"))
		return
	}
	if a.record.UserID != 0 && a.record.UserID != m.userID { // another person: nothing of the former one stays
		a.record.Checkpoint, a.loaded.log.State = nil, updates.State{}
	}
	a.record.UserID, a.record.Bot = m.userID, m.bot
	a.status.UserID, a.status.Bot = m.userID, m.bot
	a.peers.SetSelf(m.userID)
	a.save(ctx, m.saved)
	a.online(ctx)
}

// signedOut forgets a session whose key the server has revoked.
func (a *account) signedOut(ctx actor.Context, m *signedOut) {
	a.forgetLogin()
	a.record.FutureAuthToken = m.futureToken
	a.save(ctx, m.saved)
	a.stop(ctx, StateLoggedOut, "SIGNED_OUT", "the account was signed out", "sign in again with `orchestrator login`")
}
