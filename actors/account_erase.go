package actors

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
)

// An account is signed out by deleting what there is of it:
//
//	auth.logOut answered, or erase asked for ─> record Leaving, sockets and stream closed, all stored
//	  ─> keys destroyed at their DCs, or destroyTimeout ─> stores erased ─> logged_out, or paused
//
// An account whose stored record says Leaving begins with that, on whichever node.

// destroyTimeout bounds the destruction of all auth keys: nobody is signed in with them any more.
const destroyTimeout = 5 * time.Second

type (
	// eraseAccount asks for it, and for no destruction of keys when Telegram has not confirmed that the
	// login has ended; done is called once.
	eraseAccount struct {
		confirmed bool
		done      func(telegram.Erasure, error)
	}
	// erased is the end of it.
	erased struct {
		inc    uint64
		loaded *loaded
		out    telegram.Erasure
		err    error
	}
	// erasing is under way.
	erasing struct {
		confirmed bool
		done      []func(telegram.Erasure, error)
		logins    []*connection.Call // that came meanwhile
	}
)

// Erase deletes what is stored of the account's session, its events and peers included, and waits
// until that is done; the account stays, and can sign in. confirmed says that Telegram has ended the
// login: its auth keys are then destroyed, too.
func (e *Env) Erase(ctx context.Context, confirmed bool) (out telegram.Erasure, err error) {
	err = e.settled(ctx, func(done func(error)) any {
		return &eraseAccount{confirmed, func(o telegram.Erasure, err error) {
			if err == nil {
				out = o
			}
			done(err)
		}}
	})
	if err != nil {
		return telegram.Erasure{}, err
	}
	return out, nil
}

func (a *account) eraseAsked(ctx actor.Context, m *eraseAccount) {
	switch {
	case a.draining || a.ended || a.state == fleet.StateFenced:
		m.done(telegram.Erasure{}, a.refusal())
	case a.erasing != nil:
		a.erasing.done = append(a.erasing.done, m.done)
	case a.winding != nil || a.importing != nil || a.reviving || a.record == nil && a.state != fleet.StateQuarantined:
		m.done(telegram.Erasure{}, errNotYet)
	default:
		if a.record == nil { // it cannot be read
			a.hold(&sessionstore.Record{Account: a.id})
		}
		if out := a.erasure; out != nil && len(a.whole().Keys) == 0 {
			a.erasure = nil
			m.done(*out, nil)
			return
		}
		a.leave(ctx, m.confirmed, nil)
		a.erasing.done = append(a.erasing.done, m.done)
	}
}

// signedOut forgets a session that the server has ended.
func (a *account) signedOut(ctx actor.Context, m *signedOut) {
	if a.record == nil || a.erasing != nil || a.winding != nil {
		m.saved(a.refusal())
		return
	}
	a.record.FutureAuthToken = m.futureToken
	a.leave(ctx, true, m.saved)
}

// leave begins to delete the session; then is called once it is stored that it goes.
func (a *account) leave(ctx actor.Context, confirmed bool, then func(error)) {
	a.record = &sessionstore.Record{
		Account: a.id, HomeDC: a.record.HomeDC, FutureAuthToken: a.record.FutureAuthToken, Leaving: true,
	}
	a.replaceKey = true
	a.erasing = &erasing{confirmed: confirmed}
	a.save(ctx, then)
	a.closeToErase(ctx)
}

// closeToErase closes everything; nobody is signed in any more.
func (a *account) closeToErase(ctx actor.Context) {
	a.status.UserID, a.status.Bot = 0, false
	a.peers.SetSelf(0)
	a.setState(ctx, fleet.StateDraining, "SIGNING_OUT", "it is being signed out", "")
	a.wind(ctx, &winding{until: a.deps.Now(), then: a.revive}) // which goes on by erase
}

// erase deletes what is stored; nothing of the account runs.
func (a *account) erase(ctx actor.Context) {
	a.saving = true
	s, inc, rec, confirmed := a.shared, a.inc, a.whole(), a.erasing.confirmed
	self, root := ctx.Self(), ctx.ActorSystem().Root
	go func() {
		m := &erased{inc: inc}
		if m.out.KeysLeft = len(rec.Keys); confirmed {
			m.out = s.destroyKeys(rec)
		}
		m.loaded, m.err = s.erase(rec)
		root.Send(self, m)
	}()
}

// destroyKeys makes the DCs forget the auth keys of a session that has ended.
func (s *shared) destroyKeys(rec *sessionstore.Record) telegram.Erasure {
	ctx, cancel := context.WithTimeout(context.Background(), destroyTimeout)
	defer cancel()
	var destroyed atomic.Int64
	var all sync.WaitGroup
	for dc, key := range rec.Keys {
		all.Go(func() {
			if err := connection.DestroyKey(ctx, &s.conn, dc, dc != rec.HomeDC, key); err != nil {
				s.log().Warn("an auth key is not destroyed; nobody is signed in with it", "dc", dc, "error", err.Error())
				return
			}
			destroyed.Add(1)
		})
	}
	all.Wait()
	n := int(destroyed.Load())
	return telegram.Erasure{KeysDestroyed: n, KeysLeft: len(rec.Keys) - n}
}

// erase empties the stores and returns what is there then.
func (s *shared) erase(rec *sessionstore.Record) (*loaded, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	rest := &sessionstore.Record{Account: rec.Account, HomeDC: rec.HomeDC, FutureAuthToken: rec.FutureAuthToken}
	w, err := s.stores().Erase(ctx, s.fence, rest)
	if err != nil {
		return nil, err
	}
	cache, err := peers.NewCache(ctx, s.deps.Peers, s.id, maxPeers)
	if err != nil {
		return nil, err
	}
	return &loaded{record: rest, peers: cache, log: &updatelog.Position{Writer: w, Last: w.Claimed()}}, nil
}

// erased takes over what is left. What could not be deleted is tried again by a new start.
func (a *account) erased(ctx actor.Context, m *erased) {
	if m.inc != a.inc {
		return
	}
	a.saving, a.dirty, a.replaceKey = false, false, false
	for _, then := range a.saved {
		then(standing.Unavailable(a.state, "it was signed out", "repeat the call"))
	}
	a.saved = nil
	switch {
	case fenced(m.err):
		a.endErasing(telegram.Erasure{}, a.refusal())
		a.stop(ctx, fleet.StateFenced, "FENCED", "another node owns the account", "")
		return
	case m.err != nil:
		a.endErasing(telegram.Erasure{}, unfinished(m.err))
		ctx.(actor.Supervisor).EscalateFailure(&storeError{m.err}, nil)
		return
	}
	a.loaded = m.loaded
	a.hold(m.loaded.record)
	a.peers.SetCache(m.loaded.peers)
	a.judge.Restore(sessionstore.Restriction{})
	if d := a.desired.Load(); d.held() {
		a.setState(ctx, fleet.StatePaused, d.why().Reason, d.why().Message, d.why().Remedy)
	} else {
		a.setState(ctx, fleet.StateLoggedOut, "SIGNED_OUT", "the account was signed out", "sign in again with `orchestrator login`")
	}
	a.answerAll(a.refusal())
	a.queue, a.erasing.logins = a.erasing.logins, nil
	a.endErasing(m.out, nil)
	a.sendQueue(ctx)
	if a.reviving {
		a.revive(ctx)
	}
	a.windStep(ctx)
}

func (a *account) endErasing(out telegram.Erasure, err error) {
	if e := a.erasing; e != nil {
		a.erasing, a.erasure = nil, nil
		if len(e.done) == 0 && err == nil {
			a.erasure = &out
		}
		for _, done := range e.done {
			done(out, err)
		}
		for _, c := range e.logins {
			c.Done(nil, err)
		}
	}
}

// unfinished is the answer to whoever waits when a store has failed.
func unfinished(err error) error {
	return fleet.Errorf(fleet.CodeUnavailable, "ERASE_UNFINISHED", "what is stored of the account is not deleted yet: %w", err).
		WithRemedy("it goes on by itself; repeat the command to see its end")
}
