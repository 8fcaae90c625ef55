package actors

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram"
)

// nothingLeft checks that of a signed-out account there is a session without keys and user, and that
// its events tell of the sign-out alone.
func (r *rig) nothingLeft(t *testing.T, id fleet.AccountID) *sessionstore.Record {
	t.Helper()
	rec := r.record(t, id)
	if rec.Authorised() || rec.Leaving || len(rec.Keys) > 0 || len(rec.Checkpoint) > 0 || rec.UpdatesOf != 0 {
		t.Errorf("%s: stored %v, leaving %t, updates of %d, a checkpoint of %d bytes", id, rec, rec.Leaving, rec.UpdatesOf, len(rec.Checkpoint))
	}
	if known, err := r.deps.Peers.Load(bounded(t), id); err != nil || len(known) > 0 {
		t.Errorf("%s: peers %v, %v", id, known, err)
	}
	r.log.await(t, "the sign-out as an event", func() bool {
		return len(r.log.ids(id, "account_state")) > 0
	})
	r.log.locked(func() {
		var kinds []string
		for _, e := range r.log.records {
			if e.Account == id {
				kinds = append(kinds, e.Kind)
			}
		}
		if got := strings.Join(kinds, " "); got != eventlog.KindErased+" account_state" {
			t.Errorf("%s: its events are %s", id, got)
		}
	})
	return rec
}

// TestSignOutDeletesEverything: at Telegram the login and every auth key, here session, peers and
// events; only the token for a later login stays. Another account keeps its own.
func TestSignOutDeletesEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 320})
	ann, bob := r.pair(t)
	if _, err := nearestOn(t, ann, 3); err != nil { // a key on another DC
		t.Fatal(err)
	}
	keys := r.sim.Server().Stats().Keys
	if ok, _, err := telegram.LogOut(bounded(t), ann); !ok || err != nil {
		t.Fatal(ok, err)
	}
	gone, err := ann.Erase(bounded(t), true)
	if err != nil || gone != (telegram.Erasure{KeysDestroyed: 2}) {
		t.Errorf("got %+v, %v; want two destroyed keys", gone, err)
	}
	if n := r.sim.Server().Stats().Keys; n != keys-2 {
		t.Errorf("the server knows %d keys, before the sign-out %d", n, keys)
	}
	if st := r.status(t, "ann", fleet.StateLoggedOut); st.Reason != "SIGNED_OUT" || st.UserID != 0 {
		t.Errorf("status %+v", st)
	}
	if rec := r.nothingLeft(t, "ann"); len(rec.FutureAuthToken) == 0 {
		t.Error("the token for a later login is gone")
	}
	if _, ok := ann.Peers().Get(telegram.PeerUser, r.users["bob"]); ok {
		t.Error("a peer is still known")
	}
	if _, err := telegram.GetMe(bounded(t), bob); err != nil {
		t.Errorf("the other account: %v", err)
	}
	if again, err := ann.Erase(bounded(t), true); err != nil || again != (telegram.Erasure{}) {
		t.Errorf("once more: %+v, %v", again, err)
	}
	if ok, _, err := telegram.LogOut(bounded(t), ann); !ok || err != nil {
		t.Errorf("signed out once more: %t, %v", ok, err)
	}
	if sent, err := telegram.RequestCode(bounded(t), ann, "+15550001"); err != nil || sent.User == nil {
		t.Errorf("the next login gave %+v, %v", sent, err)
	}
	r.status(t, "ann", fleet.StateOnline)
	r.compare(t, "bob")
}

// TestErasureIsToldToWhoAsksAfterItsEnd, once.
func TestErasureIsToldToWhoAsksAfterItsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 327})
	ann, _ := r.pair(t)
	if ok, _, err := telegram.LogOut(bounded(t), ann); !ok || err != nil {
		t.Fatal(ok, err)
	}
	r.status(t, "ann", fleet.StateLoggedOut)
	for _, want := range []telegram.Erasure{{KeysDestroyed: 1}, {}} {
		if got, err := ann.Erase(bounded(t), true); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}

// failingRenew fails to renew while down is set.
type failingRenew struct {
	sessionstore.Store
	down  atomic.Bool
	tries atomic.Int64
}

func (s *failingRenew) Renew(ctx context.Context, fence fleet.Fence, rec *sessionstore.Record) error {
	s.tries.Add(1)
	if s.down.Load() {
		return errors.New("etcd is away")
	}
	return s.Store.Renew(ctx, fence, rec)
}

// TestSignOutGoesOnByItself: while a store fails, and at the next owner after its node has ended in
// the middle of it. Nobody connects with the old session meanwhile.
func TestSignOutGoesOnByItself(t *testing.T) {
	t.Parallel()
	store := &failingRenew{}
	r := newRig(t, simulator.Config{Seed: 321}, func(d *Deps) { store.Store, d.Sessions = d.Sessions, store })
	ann, _ := r.pair(t)
	store.down.Store(true)
	if ok, _, err := telegram.LogOut(bounded(t), ann); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := ann.Erase(bounded(t), true); reason(err) != "ERASE_UNFINISHED" {
		t.Errorf("a failing store gave %v", err)
	}
	if rec := r.record(t, "ann"); !rec.Leaving || rec.Authorised() {
		t.Errorf("stored %v, leaving %t", rec, rec.Leaving)
	}
	r.end(t, r.fleet)
	tries := store.tries.Load()
	store.down.Store(false)
	r.start(t)
	r.own("ann")
	if st := r.status(t, "ann", fleet.StateLoggedOut); st.Reason != "SIGNED_OUT" {
		t.Errorf("at the next owner: %+v", st)
	}
	if store.tries.Load() == tries {
		t.Error("the next owner has deleted nothing")
	}
	r.nothingLeft(t, "ann")
	r.compare(t, "bob")
}

// TestForcedSignOutAsksNobody: a paused account is deleted here, without a word to Telegram, where
// the login lives on; the account can connect again, as a fresh one.
func TestForcedSignOutAsksNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 322})
	ann, _ := r.pair(t)
	r.fleet.SetDesired("ann", paused(2))
	r.status(t, "ann", fleet.StatePaused)
	if ok, _, err := telegram.LogOut(bounded(t), ann); ok || reason(err) != "ACCOUNT_PAUSED" {
		t.Errorf("a paused account: %t, %v", ok, err)
	}
	gone, err := ann.Erase(bounded(t), false)
	if err != nil || gone != (telegram.Erasure{KeysLeft: 1}) {
		t.Errorf("got %+v, %v", gone, err)
	}
	if st := r.status(t, "ann", fleet.StatePaused); st.UserID != 0 {
		t.Errorf("paused as %d", st.UserID)
	}
	if rec := r.record(t, "ann"); rec.Authorised() || rec.Leaving || len(rec.Keys) > 0 {
		t.Errorf("stored %v", rec)
	}
	if len(r.sim.World().Keys(r.users["ann"])) != 1 {
		t.Error("the login at Telegram has ended")
	}
	r.fleet.SetDesired("ann", running(3))
	r.status(t, "ann", fleet.StateUnauthorized)
}

// TestForcedSignOutClearsACorruptSession: it needs no restored backup to sign in again.
func TestForcedSignOutClearsACorruptSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 323})
	r.pair(t)
	gone := make(chan struct{})
	r.fleet.Lost("ann", time.Now().Add(5*time.Second), func() { close(gone) })
	<-gone
	r.store.Tamper("ann", func(s sessionstore.Sealed) sessionstore.Sealed {
		s.Core[len(s.Core)-1] ^= 1
		return s
	})
	r.own("ann")
	r.status(t, "ann", fleet.StateQuarantined)
	ann := r.env(t, "ann")
	if _, err := ann.Erase(bounded(t), false); err != nil {
		t.Fatal(err)
	}
	r.status(t, "ann", fleet.StateLoggedOut)
	sent, err := telegram.RequestCode(bounded(t), ann, "+15550001")
	if err != nil || sent.Token == "" {
		t.Errorf("the next login gave %+v, %v", sent, err)
	}
}

// TestSignInAsAnotherUserInheritsNothing: after a session that Telegram has ended, another person
// signs in by a code: neither peers, update state nor restrictions of the former one stay.
func TestSignInAsAnotherUserInheritsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 324})
	ann, _ := r.pair(t)
	r.tap(once(1, sendMethod, 400, "PEER_FLOOD"))
	if got := reason(sendRaw(t, ann, "to a stranger", 9)); got != "PEER_FLOOD" {
		t.Errorf("got %s", got)
	}
	r.tap(nil)
	for range 5 {
		r.send(t, "ann", "me", "a note") // her counter is beyond the other's
	}
	if err := ann.Save(bounded(t)); err != nil {
		t.Fatal(err)
	}
	r.sim.World().Revoke(r.users["ann"])
	_, _ = telegram.GetMe(bounded(t), ann) // it fails, which is the point
	r.status(t, "ann", fleet.StateLoggedOut)

	carol, err := r.sim.AddUser(simulator.UserSpec{Phone: "+15550009", FirstName: "Carol", Username: "carol", HomeDC: 2})
	if err != nil {
		t.Fatal(err)
	}
	id := carol.ID
	sent, err := telegram.RequestCode(bounded(t), ann, "+15550009")
	if err != nil {
		t.Fatal(err)
	}
	code, _ := r.sim.LoginCode("+15550009")
	if _, err := telegram.SignIn(bounded(t), ann, sent.Token, code); err != nil {
		t.Fatal(err)
	}
	r.sync(t, "ann")
	if st := r.status(t, "ann", fleet.StateOnline); st.UserID != id {
		t.Errorf("online as %d, want %d", st.UserID, id)
	}
	if p, ok := ann.Peers().Get(telegram.PeerUser, r.users["bob"]); ok {
		t.Errorf("the former user's peer %+v is known", p)
	}
	known, err := r.deps.Peers.Load(bounded(t), "ann")
	for _, p := range known {
		if p.Key() == (peers.Key{Kind: peers.User, ID: r.users["bob"]}) {
			t.Error("the former user's peer is stored")
		}
	}
	rec := r.record(t, "ann")
	if err != nil || rec.UpdatesOf != id || rec.Restriction != (sessionstore.Restriction{}) {
		t.Errorf("stored updates of %d, restriction %+v, %v", rec.UpdatesOf, rec.Restriction, err)
	}
	var state tg.UpdatesState
	if err := ann.Invoke(bounded(t), &tg.UpdatesGetStateRequest{}, &state); err != nil {
		t.Fatal(err)
	}
	if err := ann.Save(bounded(t)); err != nil {
		t.Fatal(err)
	}
	rec = r.stored(t, "ann", func(rec *sessionstore.Record) bool { return len(rec.Checkpoint) > 0 })
	if at, _, err := updatelog.DecodeCheckpoint(rec.Checkpoint); err != nil || at.Pts > state.Pts {
		t.Errorf("checkpoint at %+v, %v; the server is at %d", at, err, state.Pts)
	}
	r.condition(t, "ann", fleet.ConditionRestricted, fleet.ReasonUnrestricted)
	r.users["ann"] = id
	r.compare(t, "bob")
}

// TestRestrictionsOutliveTheProcess: what a refusal has told, and what Telegram says of the user
// itself, which ends when Telegram says so.
func TestRestrictionsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 325})
	ann, _ := r.pair(t)
	r.tap(once(1, sendMethod, 403, "USER_RESTRICTED"))
	if got := reason(sendRaw(t, ann, "a group", 9)); got != "USER_RESTRICTED" {
		t.Errorf("got %s", got)
	}
	r.tap(nil)
	r.condition(t, "ann", fleet.ConditionRestricted, fleet.ReasonSpamReported)
	r.stored(t, "ann", func(rec *sessionstore.Record) bool { return rec.Restriction.Reason == "USER_RESTRICTED" })
	r.restart(t, "ann")
	r.condition(t, "ann", fleet.ConditionRestricted, fleet.ReasonSpamReported)

	own := &tg.User{ID: r.users["ann"], Self: true, Restricted: true, RestrictionReason: []tg.RestrictionReason{
		{Platform: "ios", Reason: "porn", Text: "not shown"}, {Platform: "all", Reason: "terms", Text: "it broke the terms"},
	}}
	seen := func(u *tg.User) { // as with any answer
		r.env(t, "ann").Peers().Put(telegram.CollectPeers(&tg.UserClassVector{Elems: []tg.UserClass{u}})...)
	}
	seen(own)
	st := r.condition(t, "ann", fleet.ConditionRestricted, fleet.ReasonRestrictedUser)
	if c := condition(st, fleet.ConditionRestricted); c.Message != "terms: it broke the terms" || !c.Until.IsZero() {
		t.Errorf("Restricted says %q until %s", c.Message, c.Until)
	}
	r.stored(t, "ann", func(rec *sessionstore.Record) bool { return rec.Restriction.Reason == "RESTRICTED_BY_TELEGRAM" })
	r.restart(t, "ann")
	r.condition(t, "ann", fleet.ConditionRestricted, fleet.ReasonRestrictedUser)

	// updateUser makes the account ask for itself: the server knows of no restriction.
	p := r.tap(nil)
	r.sim.Server().Push(r.key(t, "ann"), encode(t, &tg.UpdateShort{Update: &tg.UpdateUser{UserID: r.users["ann"]}, Date: int(time.Now().Unix())}))
	p.await(t, "users.getUsers", 1)
	r.condition(t, "ann", fleet.ConditionRestricted, fleet.ReasonUnrestricted)
	r.stored(t, "ann", func(rec *sessionstore.Record) bool { return rec.Restriction == (sessionstore.Restriction{}) })
	r.compare(t, "bob")
}

// TestSignOutWithTemporaryKeys: the permanent key is destroyed, which nothing else was sent under.
func TestSignOutWithTemporaryKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 326})
	ann := r.person(t, "ann", 2, func(g *Grant) { g.Desired.PFS = true })
	if ok, _, err := telegram.LogOut(bounded(t), ann); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if gone, err := ann.Erase(bounded(t), true); err != nil || gone != (telegram.Erasure{KeysDestroyed: 1}) {
		t.Errorf("got %+v, %v; want one destroyed key", gone, err)
	}
	r.status(t, "ann", fleet.StateLoggedOut)
	r.nothingLeft(t, "ann")
}
