package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/peers"
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

// load reads them. No time bounds the replay as a whole: where all accounts of a node replay at once,
// each waits for its turn, and beginning anew would only make the queue longer.
func load(s *shared) (*loaded, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
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
	pos, err := updatelog.Claim(context.Background(), s.deps.Events, s.id, s.fence.Token(), rec.Checkpoint)
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
	rec, s, self, root, inc := a.whole(), a.shared, ctx.Self(), ctx.ActorSystem().Root, a.inc
	save := s.deps.Sessions.Save
	if a.replaceKey {
		save = s.deps.Sessions.ReplaceKey
	}
	a.savingReplace, a.replaceKey = a.replaceKey, false
	s.deps.lanes.saves.Go(func() {
		c, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		root.Send(self, &sessionSaved{inc: inc, err: save(c, s.fence, rec)})
	})
}

// saveIfDirty stores what was changed where nothing could be sent.
func (a *account) saveIfDirty(ctx actor.Context) {
	if a.dirty && !a.saving {
		a.save(ctx, nil)
	}
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
		a.stop(ctx, fleet.StateFenced, "FENCED", "another node owns the account", "")
	case errors.Is(m.err, sessionstore.ErrKeyInUse):
		a.stop(ctx, fleet.StateConflict, "AUTH_KEY_IN_USE", m.err.Error(), "delete one of the two accounts: they share a session")
	case errors.Is(m.err, sessionstore.ErrKeyReplaced), errors.Is(m.err, sessionstore.ErrCorrupt), errors.Is(m.err, sessionstore.ErrTooLarge):
		a.refusedBy(ctx, m.err)
	case m.err != nil:
		a.log().Warn("session is not stored; it will be tried again", "error", m.err.Error())
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
	a.windStep(ctx)
}

// refusedBy ends an account whose record the store will never take: what is stored is kept, and
// what runs must not go on without being stored.
func (a *account) refusedBy(ctx actor.Context, err error) {
	a.dirty = false
	reason, remedy := "SESSION_NOT_STORED", ""
	var e *fleet.Error
	if errors.As(err, &e) {
		reason, remedy = e.Reason, e.Remedy
	}
	if errors.Is(err, sessionstore.ErrKeyReplaced) {
		remedy = "nothing was overwritten: restart the node or move the account to go on with the stored session, and report the error"
	}
	a.stop(ctx, fleet.StateQuarantined, reason, err.Error(), remedy)
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
	case a.saving || a.dirty || a.appending:
		return // sessionSaved or stateTold goes on
	}
	a.reviving = false
	switch {
	case a.erasing != nil:
		a.erase(ctx)
		return
	case a.importing != nil:
		a.storeImport(ctx)
		return
	}
	a.loaded = nil
	a.load(ctx)
}

// hold takes over a record that has been read, or begun.
func (a *account) hold(rec *sessionstore.Record) {
	a.record, a.keys = rec, connection.KeyringOf(rec.Keys)
	rec.Keys = nil
}

// whole is a copy of the record with its keys.
func (a *account) whole() *sessionstore.Record {
	c := *a.record
	c.Keys = a.keys.Stored()
	return &c
}

// fenced reports whether a store refused us because another node owns the account.
func fenced(err error) bool {
	return errors.Is(err, sessionstore.ErrFenced) || errors.Is(err, eventlog.ErrFenced) ||
		errors.Is(err, &fleet.Error{Reason: "FENCED"})
}
