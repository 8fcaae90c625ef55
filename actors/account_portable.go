package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/portable"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// A session that comes from elsewhere takes the place of the account's own:
//
//	given ─not signed in─> sockets and stream closed ─stored─> loaded again, as at a start
//	  └──signed in──> refused                           └─refused by the store─> loaded again
//
// When the format does not say whose it is, the first connection asks (users.getUsers).

// Commands about sessions that come from elsewhere or go there.
type (
	// importSession makes a session the account's own; done is called once it is stored.
	importSession struct {
		session *portable.Session
		done    func(error)
	}
	// exportSession asks for the stored record; reply is called once.
	exportSession struct {
		whileOnline bool
		reply       func(*sessionstore.Record, error)
	}
	// saveSession stores record and peers now; done is called with the outcome.
	saveSession struct{ done func(error) }
)

// Events of goroutines of an account.
type (
	importStored struct {
		inc uint64
		err error
	}
	// verified is the answer to whose an imported session is.
	verified struct {
		inc  uint64
		user *tg.User
		err  error
	}
	peersFlushed struct {
		inc uint64
		err error
	}
)

// errNotYet says that a session can be exported in a moment: it is being read, or its connections
// are being closed.
var errNotYet = errors.New("its session is in use for a moment")

// moveSession handles what is about sessions from and for elsewhere; false: it is something else.
func (a *account) moveSession(ctx actor.Context) bool {
	switch m := ctx.Message().(type) {
	case *importSession:
		a.importSession(ctx, m)
	case *exportSession:
		a.exportSession(m)
	case *saveSession:
		a.saveSession(ctx, m)
	case *importStored:
		a.importStored(ctx, m)
	case *verified:
		a.verified(ctx, m)
	case *peersFlushed:
		a.peersFlushed(ctx, m)
	case *updatestream.Noticed:
		a.noticed(ctx, m.Notices)
	case *selfSeen:
		a.restricted(ctx, a.judge.Self(m.restricted, m.reason))
	case *eraseAccount:
		a.eraseAsked(ctx, m)
	case *erased:
		a.erased(ctx, m)
	default:
		return false
	}
	return true
}

func (a *account) importSession(ctx actor.Context, m *importSession) {
	switch {
	case a.draining || a.ended || a.state == fleet.StateFenced || a.state == fleet.StateQuarantined:
		m.done(a.refusal())
	case a.winding != nil || a.erasing != nil:
		m.done(errNotYet)
	case a.importing != nil:
		m.done(standing.Unavailable(a.state, "another session is being imported into it", "repeat the call in a moment"))
	case a.record == nil: // sessionLoaded goes on
		a.importing = m
	default:
		a.importing = m
		a.beginImport(ctx)
	}
}

// beginImport closes everything of the present session, unless somebody is signed in by it.
func (a *account) beginImport(ctx actor.Context) {
	switch rec := a.importing.session.Record; {
	case !a.record.Authorised() && len(rec.Keys) > 0:
	case !a.record.Authorised(): // a fresh session, which it has already
		a.endImport(nil)
		return
	case rec.HomeDC == a.record.HomeDC && rec.Keys[rec.HomeDC].Key == a.whole().Keys[a.record.HomeDC].Key:
		a.endImport(nil) // once more the session that it has
		return
	default:
		a.endImport(fleet.Errorf(fleet.CodeFailedPrecondition, "SESSION_EXISTS", "account %s: it has a session that is signed in", a.id).
			WithRemedy("import into another account, or sign this one out or delete it first"))
		return
	}
	a.answerAll(standing.Unavailable(a.state, "a session is being imported into it", "repeat the call in a moment"))
	for _, side := range a.sides {
		a.stopSide(ctx, side)
	}
	a.revive(ctx)
}

func (a *account) endImport(err error) {
	if m := a.importing; m != nil {
		a.importing = nil
		m.done(err)
	}
}

func (s *shared) stores() portable.Stores {
	return portable.Stores{Sessions: s.deps.Sessions, Events: s.deps.Events, Peers: s.deps.Peers}
}

// storeImport stores the session in place of the record; nothing of the account runs.
func (a *account) storeImport(ctx actor.Context) {
	a.saving = true
	s, old, in, inc := a.shared, a.whole(), a.importing.session, a.inc
	self, root := ctx.Self(), ctx.ActorSystem().Root
	go func() {
		c, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		root.Send(self, &importStored{inc: inc, err: s.stores().Import(c, s.fence, old, in)})
	}()
}

// importStored begins anew with what is stored now, be it the session that was given or, if the
// store has refused it, the former one.
func (a *account) importStored(ctx actor.Context, m *importStored) {
	if m.inc != a.inc {
		return
	}
	a.saving, a.dirty = false, false
	for _, then := range a.saved {
		then(standing.Unavailable(a.state, "a session was imported into it", "repeat the call"))
	}
	a.saved = nil
	a.endImport(m.err)
	if fenced(m.err) {
		a.stop(ctx, fleet.StateFenced, "FENCED", "another node owns the account", "")
	}
	if a.draining {
		a.windStep(ctx)
		return
	}
	a.loaded = nil
	a.load(ctx)
	a.windStep(ctx)
}

// noticed asks for what Telegram says is new.
func (a *account) noticed(ctx actor.Context, n telegram.Notices) {
	if n.Self {
		a.askSelf(ctx)
	}
	if dir := a.deps.Directory; n.DCs && dir.Outdated() {
		a.invoke(ctx, connection.InternalCall(&tg.HelpGetConfigRequest{}, func(result []byte, err error) {
			var config tg.Config
			if err == nil && config.Decode(&bin.Buffer{Buf: result}) == nil { // else the next connection brings one
				dir.Learn(config.DCOptions)
			}
		}))
	}
}

// askSelf asks for the account's own user; then what is new of it comes as selfSeen.
func (a *account) askSelf(ctx actor.Context) {
	peers := &a.shared.peers
	a.whoAmI(ctx, func(user *tg.User, err error) {
		if err != nil {
			return // it is told of again, or asked for by somebody else
		}
		if p, ok := telegram.PeerOfUser(user); ok {
			peers.Put(p)
		}
	})
}

// verify asks whose an imported session is.
func (a *account) verify(ctx actor.Context) {
	self, root, inc := ctx.Self(), ctx.ActorSystem().Root, a.inc
	a.whoAmI(ctx, func(user *tg.User, err error) { root.Send(self, &verified{inc: inc, user: user, err: err}) })
}

// whoAmI asks for the account's own user; done must not touch the account.
func (a *account) whoAmI(ctx actor.Context, done func(*tg.User, error)) {
	req := &tg.UsersGetUsersRequest{ID: []tg.InputUserClass{&tg.InputUserSelf{}}}
	a.invoke(ctx, connection.InternalCall(req, func(result []byte, err error) {
		var out tg.UserClassVector
		if err == nil {
			err = out.Decode(&bin.Buffer{Buf: result})
		}
		if err != nil {
			done(nil, err)
			return
		}
		user, ok := one(out.Elems).(*tg.User)
		if !ok {
			err = errors.New("the answer does not say whose the session is")
		}
		done(user, err)
	}))
}

func one(users []tg.UserClass) tg.UserClass {
	if len(users) != 1 {
		return nil
	}
	return users[0]
}

func (a *account) verified(ctx actor.Context, m *verified) {
	if m.inc != a.inc || !a.record.Unverified || a.draining || a.state.Terminal() {
		return
	}
	if m.err != nil { // asked again on the next connection
		a.log().Warn("it is not known whose the imported session is", "error", m.err.Error())
		return
	}
	a.signedIn(ctx, &signedIn{userID: m.user.ID, bot: m.user.Bot, saved: func(error) {}})
}

// exportSession gives the record out. Two clients with one session end it (406), so it is closed
// here, unless the caller knows what it does.
func (a *account) exportSession(m *exportSession) {
	switch {
	case a.importing != nil || a.erasing != nil || a.record == nil && !a.state.Terminal() || a.pausing():
		m.reply(nil, errNotYet)
	case a.record == nil || a.draining || a.state == fleet.StateFenced:
		m.reply(nil, a.refusal())
	case m.whileOnline:
		m.reply(a.whole(), nil)
	case !a.state.Terminal():
		m.reply(nil, fleet.Errorf(fleet.CodeFailedPrecondition, "ACCOUNT_ONLINE", "account %s: it may be connected, and a second client with its session would end the session for both (406 AUTH_KEY_DUPLICATED)", a.id).
			WithRemedy("pause it first: `orchestrator account pause "+string(a.id)+"`; or export with --while-online and never let both connect"))
	case a.home != nil || len(a.sides) > 0 || a.stream != nil || a.saving || a.dirty:
		m.reply(nil, errNotYet)
	default:
		m.reply(a.whole(), nil)
	}
}

func (a *account) saveSession(ctx actor.Context, m *saveSession) {
	if a.record == nil || a.ended || a.importing != nil || a.state == fleet.StateFenced {
		m.done(a.refusal())
		return
	}
	a.saveAfter = append(a.saveAfter, m.done)
	a.flushPeers(ctx)
}

// flushPeers writes what the account has learnt of peers, in the background.
func (a *account) flushPeers(ctx actor.Context) {
	if a.loaded == nil || a.flushing {
		return
	}
	a.flushing = true
	cache, inc, self, root := a.loaded.peers, a.inc, ctx.Self(), ctx.ActorSystem().Root
	go func() {
		c, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		root.Send(self, &peersFlushed{inc: inc, err: cache.Flush(c)})
	}()
}

func (a *account) peersFlushed(ctx actor.Context, m *peersFlushed) {
	if m.inc != a.inc {
		return
	}
	a.flushing, a.peersAgain = false, time.Time{}
	if m.err != nil {
		a.log().Warn("peers are not stored; they will be tried again", "error", m.err.Error())
		a.peersAgain = a.deps.Now().Add(time.Second)
	}
	waiting := a.saveAfter
	a.saveAfter = nil
	for _, done := range waiting {
		if m.err != nil {
			done(fmt.Errorf("store peers: %w", m.err))
			continue
		}
		a.save(ctx, done)
	}
	a.windStep(ctx)
	a.plan(ctx)
}

// Import makes a session from elsewhere the account's own and returns once it is stored. Reason
// SESSION_EXISTS when somebody is signed in already by another session, AUTH_KEY_IN_USE when
// another account has its auth key. What the record says of the account and of the event log does
// not count.
func (e *Env) Import(ctx context.Context, rec *sessionstore.Record, known []peers.Peer) error {
	return e.settled(ctx, func(done func(error)) any { return &importSession{&portable.Session{Record: rec, Peers: known}, done} })
}

// settlePoll is how often it is tried again what an account cannot do in the moment.
const settlePoll = 20 * time.Millisecond

// settled is await that waits while the account's connections are being closed.
func (e *Env) settled(ctx context.Context, message func(done func(error)) any) error {
	poll := time.NewTicker(settlePoll)
	defer poll.Stop()
	for {
		err := e.await(ctx, message)
		if !errors.Is(err, errNotYet) {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Export returns the stored session, its checkpoint without a place in the event log, and the
// peers. Reason ACCOUNT_ONLINE when the account is not paused, unless whileOnline.
func (e *Env) Export(ctx context.Context, whileOnline bool) (*sessionstore.Record, []peers.Peer, error) {
	var rec *sessionstore.Record
	err := e.settled(ctx, func(done func(error)) any {
		return &exportSession{whileOnline, func(r *sessionstore.Record, err error) { rec = r; done(err) }}
	})
	if err != nil {
		return nil, nil, err
	}
	if err := e.await(ctx, func(done func(error)) any { return &saveSession{done} }); err != nil {
		return nil, nil, err
	}
	if err := e.stores().Place(ctx, e.fence, rec, whileOnline); err != nil {
		return nil, nil, err
	}
	known, err := e.deps.Peers.Load(ctx, e.id)
	if err != nil {
		return nil, nil, fmt.Errorf("load peers of %s: %w", e.id, err)
	}
	return rec, known, nil
}

// Save stores the session record and the peers now. The update state needs no save: it is in the
// event log.
func (e *Env) Save(ctx context.Context) error {
	return e.await(ctx, func(done func(error)) any { return &saveSession{done} })
}

// Network is the DCs that the account may be on.
func (e *Env) Network() dcs.List { return e.deps.Directory.Known() }
