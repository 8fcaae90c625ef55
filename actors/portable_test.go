package actors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/portable"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/sessionstore/storetest"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
)

// export pauses an account and takes its session away from it: what is stored is deleted, as
// when the account is.
func (r *rig) export(t *testing.T, id fleet.AccountID) *portable.Session {
	t.Helper()
	r.fleet.SetDesired(id, paused(1))
	r.status(t, id, fleet.StatePaused)
	rec, known, err := r.env(t, id).Export(bounded(t), false)
	if err != nil {
		t.Fatalf("%s: export: %v", id, err)
	}
	r.forget(t, id)
	return &portable.Session{Record: rec, Peers: known}
}

// forget deletes what is stored of an account; whoever runs it can store no more.
func (r *rig) forget(t *testing.T, id fleet.AccountID) {
	t.Helper()
	fence := testGrant(id).Fence
	fence.CreateRevision = 1 << 40
	if err := r.store.Delete(bounded(t), fence, id); err != nil {
		t.Fatalf("%s: delete session: %v", id, err)
	}
}

func wantReason(t *testing.T, what string, err error, reason string) {
	t.Helper()
	var e *fleet.Error
	if !errors.As(err, &e) || e.Reason != reason || e.Remedy == "" {
		t.Errorf("%s: %v, want %s with a remedy", what, err, reason)
	}
}

// TestSessionGoesOnInAnotherAccount: the same login, no code, peers known, and what came
// meanwhile is delivered.
func TestSessionGoesOnInAnotherAccount(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 51})
	_, bob := r.pair(t)
	key := r.key(t, "ann")
	p := r.export(t, "ann")
	if p.Record.UserID != r.users["ann"] || len(p.Record.Keys) == 0 || len(p.Record.Checkpoint) == 0 {
		t.Fatalf("exported %v", p.Record)
	}
	r.send(t, "bob", "@user_ann", "while ann is away")

	r.own("moved")
	env := r.env(t, "moved")
	if err := env.Import(bounded(t), p.Record, p.Peers); err != nil {
		t.Fatal(err)
	}
	if st := r.status(t, "moved", fleet.StateOnline); st.UserID != r.users["ann"] {
		t.Errorf("online as %d, want %d", st.UserID, r.users["ann"])
	}
	r.users["moved"] = r.users["ann"]
	if got := r.key(t, "moved"); got != key {
		t.Error("another key was made")
	}
	peer, ok := env.Peers().Get(telegram.PeerUser, r.users["bob"])
	if !ok || peer.AccessHash == 0 {
		t.Fatalf("bob is not known: %v", peer)
	}
	if _, err := telegram.SendMessage(bounded(t), env, peer, telegram.Outgoing{Text: "here I am"}); err != nil {
		t.Errorf("send to a peer that came along: %v", err)
	}
	r.sync(t, "moved")
	if got := r.log.ids("moved", tlupdates.KindMessageNew); len(got) < 2 {
		t.Errorf("events %v, want the message that came while nobody was connected, and the own one", got)
	}
	if _, err := telegram.GetMe(bounded(t), bob); err != nil {
		t.Error(err)
	}
}

// TestUnknownUserOfAnImportedSessionIsAskedFor: formats such as Telethon's do not say whose a
// session is.
func TestUnknownUserOfAnImportedSessionIsAskedFor(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 52})
	r.person(t, "ann", 2)
	p := r.export(t, "ann")
	p.Record.UserID, p.Record.Checkpoint, p.Peers = 0, nil, nil
	r.own("moved")
	if err := r.env(t, "moved").Import(bounded(t), p.Record, p.Peers); err != nil {
		t.Fatal(err)
	}
	if st := r.status(t, "moved", fleet.StateOnline); st.UserID != r.users["ann"] {
		t.Errorf("online as %d, want %d", st.UserID, r.users["ann"])
	}
	rec := r.stored(t, "moved", func(rec *sessionstore.Record) bool { return !rec.Unverified })
	if rec.UserID != r.users["ann"] || rec.UpdatesOf != rec.UserID {
		t.Errorf("stored user %d, updates of %d", rec.UserID, rec.UpdatesOf)
	}
}

// TestImportedSessionThatTelegramHasEnded: a named state, no loop of logins.
func TestImportedSessionThatTelegramHasEnded(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 53})
	r.own("fresh")
	r.status(t, "fresh", fleet.StateUnauthorized)
	rec := r.stored(t, "fresh", func(rec *sessionstore.Record) bool { return len(rec.Keys) > 0 })
	r.fleet.SetDesired("fresh", paused(1))
	r.status(t, "fresh", fleet.StatePaused)
	r.forget(t, "fresh")
	r.own("moved")
	if err := r.env(t, "moved").Import(bounded(t), rec, nil); err != nil {
		t.Fatal(err)
	}
	if st := r.status(t, "moved", fleet.StateLoggedOut); st.Reason != "AUTH_KEY_UNREGISTERED" || st.Remedy == "" {
		t.Errorf("status %+v", st)
	}
}

// TestImportedKeyIsNotReplaced: a server that does not know the key of a session whose user is
// not known yet must not make us forget the key (F18).
func TestImportedKeyIsNotReplaced(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 54})
	r.own("moved")
	key := storetest.Key(9)
	rec := &sessionstore.Record{HomeDC: 2, Keys: map[int]sessionstore.DCKey{2: {Key: key}}}
	if err := r.env(t, "moved").Import(bounded(t), rec, nil); err != nil {
		t.Fatal(err)
	}
	if st := r.status(t, "moved", fleet.StateBackoff); st.Reason != "AUTH_KEY_UNKNOWN" {
		t.Errorf("status %+v", st)
	}
	if rec := r.record(t, "moved"); rec.Keys[2].Key != key || !rec.Unverified {
		t.Errorf("stored %v", rec)
	}
}

// TestImportNeverTakesASessionAway: whoever is signed in stays, and one auth key belongs to one
// account.
func TestImportNeverTakesASessionAway(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 55})
	ann, _ := r.pair(t)
	before := r.record(t, "ann")
	other := &sessionstore.Record{HomeDC: 2, Keys: map[int]sessionstore.DCKey{2: {Key: storetest.Key(1)}}}
	wantReason(t, "over a signed-in session", ann.Import(bounded(t), other, nil), "SESSION_EXISTS")
	if err := ann.Import(bounded(t), before, nil); err != nil {
		t.Errorf("the same session once more: %v", err)
	}
	r.own("copy")
	env := r.env(t, "copy")
	err := env.Import(bounded(t), before, nil)
	wantReason(t, "the session of another account", err, "AUTH_KEY_IN_USE")
	if err != nil && !strings.Contains(err.Error(), "account ann") {
		t.Errorf("%v does not name the other account", err)
	}
	// Nothing of it stays: the account can sign in.
	r.status(t, "copy", fleet.StateUnauthorized)
	if rec := r.record(t, "copy"); rec.Keys[2].Key == before.Keys[2].Key {
		t.Error("the refused key was stored")
	}
	if err := env.Import(bounded(t), &sessionstore.Record{}, nil); err != nil {
		t.Errorf("a fresh session: %v", err)
	}
	if _, err := telegram.GetMe(bounded(t), ann); err != nil {
		t.Errorf("ann: %v", err)
	}
}

// TestExportNeedsAPause: two clients with one session end it.
func TestExportNeedsAPause(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 56})
	ann := r.person(t, "ann", 2)
	_, _, err := ann.Export(bounded(t), false)
	wantReason(t, "online", err, "ACCOUNT_ONLINE")
	rec, _, err := ann.Export(bounded(t), true)
	if err != nil || rec.UserID != r.users["ann"] {
		t.Errorf("while online: %v, %v", rec, err)
	}
	r.fleet.SetDesired("ann", paused(1))
	r.status(t, "ann", fleet.StatePaused)
	rec, _, err = ann.Export(bounded(t), false)
	if err != nil || rec.UserID != r.users["ann"] {
		t.Fatalf("paused: %v, %v", rec, err)
	}
	if n := r.fleet.Sockets(); n != 0 {
		t.Errorf("%d sockets are open", n)
	}
	if _, at, err := updatelog.DecodeCheckpoint(rec.Checkpoint); err != nil || at != (eventlog.Cursor{}) {
		t.Errorf("the update state points into our log: %v, %v", at, err)
	}
}

// TestImportIntoAPausedAccountStaysPaused: bulk imports come before their accounts connect.
func TestImportIntoAPausedAccountStaysPaused(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 57})
	r.person(t, "ann", 2)
	p := r.export(t, "ann")
	r.own("moved", func(g *Grant) { g.Desired = paused(1) })
	if err := r.env(t, "moved").Import(bounded(t), p.Record, p.Peers); err != nil {
		t.Fatal(err)
	}
	if st := r.status(t, "moved", fleet.StatePaused); st.UserID != r.users["ann"] {
		t.Errorf("status %+v", st)
	}
	if n := r.fleet.Sockets(); n != 0 {
		t.Errorf("%d sockets are open", n)
	}
	r.fleet.SetDesired("moved", running(2))
	r.status(t, "moved", fleet.StateOnline)
}

// TestAnotherUserInheritsNothing: neither the place in the former user's updates nor what only
// that user's peers are worth.
func TestAnotherUserInheritsNothing(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 58})
	ann, _ := r.pair(t)
	p := r.export(t, "bob")
	p.Record.Checkpoint = nil
	for i := range 5 {
		r.send(t, "ann", "me", fmt.Sprint("note ", i)) // her counter is beyond his
	}
	var hers tg.UpdatesState
	if err := ann.Invoke(bounded(t), &tg.UpdatesGetStateRequest{}, &hers); err != nil {
		t.Fatal(err)
	}
	r.sim.World().Revoke(r.users["ann"])   // not a sign-out, of which nothing stays at all
	_, _ = telegram.GetMe(bounded(t), ann) // it fails, which is the point
	r.status(t, "ann", fleet.StateLoggedOut)
	if err := ann.Save(bounded(t)); err != nil {
		t.Fatal(err)
	}
	p.Peers = []peers.Peer{{Kind: peers.User, ID: 77, AccessHash: 5}}
	if err := ann.Import(bounded(t), p.Record, p.Peers); err != nil {
		t.Fatal(err)
	}
	if st := r.status(t, "ann", fleet.StateOnline); st.UserID != r.users["bob"] {
		t.Errorf("online as %d", st.UserID)
	}
	rec := r.record(t, "ann")
	state, at, err := updatelog.DecodeCheckpoint(rec.Checkpoint)
	if err != nil || rec.UpdatesOf != r.users["bob"] || state.Pts >= hers.Pts || at.Seq == 0 {
		t.Errorf("updates of %d from %v at %v, %v; the former user's were at %d", rec.UpdatesOf, state, at, err, hers.Pts)
	}
	if _, ok := r.env(t, "ann").Peers().Get(telegram.PeerUser, r.users["bob"]); ok {
		if p, _ := r.env(t, "ann").Peers().Get(telegram.PeerUser, r.users["bob"]); !p.Self {
			t.Error("the former user's peers are still there")
		}
	}
	if _, ok := r.env(t, "ann").Peers().Get(telegram.PeerUser, 77); !ok {
		t.Error("the imported peers are not there")
	}
}

// TestThousandsOfChannelsAreStored: the place in 6,000 channels survives a stop.
func TestThousandsOfChannelsAreStored(t *testing.T) {
	r := newRig(t, simulator.Config{Seed: 59})
	r.person(t, "ann", 2)
	p := r.export(t, "ann")
	state, _, err := updatelog.DecodeCheckpoint(p.Record.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	state.Channels = map[int64]int{}
	for i := range int64(6000) {
		state.Channels[1_000_000_007*(i+1)] = 1_000_000 + int(i)
	}
	if p.Record.Checkpoint, err = updatelog.EncodeCheckpoint(state, eventlog.Cursor{}); err != nil {
		t.Fatal(err)
	}
	r.own("moved")
	if err := r.env(t, "moved").Import(bounded(t), p.Record, p.Peers); err != nil {
		t.Fatal(err)
	}
	r.status(t, "moved", fleet.StateOnline)
	r.sync(t, "moved")
	before := r.record(t, "moved").UpdatedAt
	r.fleet.SetDesired("moved", paused(1)) // the stream reports its last checkpoint
	rec := r.stored(t, "moved", func(rec *sessionstore.Record) bool { return rec.UpdatedAt.After(before) })
	got, at, err := updatelog.DecodeCheckpoint(rec.Checkpoint)
	if err != nil || len(got.Channels) != 6000 || at.Seq == 0 {
		t.Errorf("%d channels at %v, %v; %d bytes", len(got.Channels), at, err, len(rec.Checkpoint))
	}
}

// refusing is a store that refuses or fails saves while err is set.
type refusing struct {
	sessionstore.Store
	err   atomic.Pointer[error]
	saves atomic.Int64
}

func (s *refusing) Save(ctx context.Context, fence fleet.Fence, rec *sessionstore.Record) error {
	s.saves.Add(1)
	if err := s.err.Load(); err != nil {
		return *err
	}
	return s.Store.Save(ctx, fence, rec)
}

// refusable makes the rig's store one that can be told to refuse.
func refusable(store *refusing) func(*Deps) {
	return func(d *Deps) { store.Store, d.Sessions = d.Sessions, store }
}

// TestRefusedSessionEndsTheAccount: what a store will never take is not tried for ever, and what
// it has is kept.
func TestRefusedSessionEndsTheAccount(t *testing.T) {
	for _, refusal := range []*fleet.Error{sessionstore.ErrKeyReplaced, sessionstore.ErrCorrupt, sessionstore.ErrTooLarge} {
		t.Run(refusal.Reason, func(t *testing.T) {
			store := &refusing{}
			r := newRig(t, simulator.Config{Seed: 60}, refusable(store))
			ann := r.person(t, "ann", 2)
			before := r.record(t, "ann")
			err := error(fleet.Errorf(refusal.Code, refusal.Reason, "session of ann: refused").WithRemedy("do something"))
			store.err.Store(&err)
			if got := ann.Save(bounded(t)); !errors.Is(got, refusal) {
				t.Errorf("save: %v", got)
			}
			if st := r.status(t, "ann", fleet.StateQuarantined); st.Reason != refusal.Reason || st.Remedy == "" {
				t.Errorf("status %+v", st)
			}
			n := store.saves.Load()
			store.err.Store(nil)
			r.fleet.SetDesired("ann", paused(1))
			if rec := r.record(t, "ann"); rec.UserID != before.UserID || store.saves.Load() > n+1 {
				t.Errorf("stored %v after %d more saves", rec, store.saves.Load()-n)
			}
		})
	}
}

// TestSaveTellsWhenAStoreIsAway, and nothing is lost when it is back.
func TestSaveTellsWhenAStoreIsAway(t *testing.T) {
	store := &refusing{}
	r := newRig(t, simulator.Config{Seed: 61}, refusable(store))
	ann, _ := r.pair(t)
	away := errors.New("etcd does not answer")
	store.err.Store(&away)
	if err := ann.Save(bounded(t)); !errors.Is(err, away) {
		t.Errorf("save: %v", err)
	}
	if _, err := telegram.GetMe(bounded(t), ann); err != nil {
		t.Errorf("the account goes on: %v", err)
	}
	store.err.Store(nil)
	if err := ann.Save(bounded(t)); err != nil {
		t.Error(err)
	}
	known, err := r.deps.Peers.Load(bounded(t), "ann")
	if err != nil || len(known) == 0 {
		t.Errorf("%d peers are stored, %v", len(known), err)
	}
}

// failingPeers is a peer store that writes nothing.
type failingPeers struct {
	peers.Store
	err atomic.Pointer[error]
}

func (s *failingPeers) Put(ctx context.Context, id fleet.AccountID, ps []peers.Peer) error {
	if err := s.err.Load(); err != nil {
		return *err
	}
	return s.Store.Put(ctx, id, ps)
}

// TestPeersThatCannotBeStoredStay: they are written before the account is given up.
func TestPeersThatCannotBeStoredStay(t *testing.T) {
	store := &failingPeers{}
	r := newRig(t, simulator.Config{Seed: 62}, func(d *Deps) { store.Store, d.Peers = d.Peers, store })
	ann, _ := r.pair(t)
	away := errors.New("NATS does not answer")
	store.err.Store(&away)
	if err := ann.Save(bounded(t)); !errors.Is(err, away) {
		t.Errorf("save: %v", err)
	}
	store.err.Store(nil)
	gone := make(chan struct{})
	r.fleet.Lost("ann", r.deps.Now().Add(patience), func() { close(gone) })
	<-gone
	known, err := store.Load(bounded(t), "ann")
	if err != nil || len(known) == 0 {
		t.Errorf("%d peers are stored, %v", len(known), err)
	}
}
