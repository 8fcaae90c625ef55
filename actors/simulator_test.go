package actors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// simulated is a harness whose accounts talk to the simulator over real TCP.
type simulated struct {
	*harness
	sim   *simulator.Simulator
	fleet *Fleet
}

func newSimulated(t *testing.T, cfg simulator.Config) *simulated {
	t.Helper()
	sim, err := simulator.Start(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Errorf("close simulator: %v", err)
		}
	})
	s := &simulated{harness: newHarness(t), sim: sim}
	s.deps.DCs = dcs.List{}
	for _, dc := range sim.DCs() {
		s.deps.DCs.Options = append(s.deps.DCs.Options, dcs.Option{ID: dc.ID, Addr: dc.Addr, MediaOnly: dc.MediaOnly})
		s.deps.DCs.Keys = append(s.deps.DCs.Keys, dc.Key)
	}
	s.deps.Transport.Obfuscated = true
	s.start(t)
	t.Cleanup(func() { s.shutdown(t) })
	return s
}

func (s *simulated) start(t *testing.T) {
	t.Helper()
	f, err := Start(s.deps)
	if err != nil {
		t.Fatal(err)
	}
	s.fleet = f
}

func (s *simulated) shutdown(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	if err := s.fleet.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if c := s.sim.Referee().Counts(); c.Duplicated != 0 || c.Overlaps != 0 {
		t.Errorf("referee: %d keys killed, %d overlapping home connections; want none", c.Duplicated, c.Overlaps)
	}
}

func (s *simulated) env(t *testing.T, id fleet.AccountID) *Env {
	t.Helper()
	env, ok := s.fleet.Running(t.Context(), id)
	if !ok {
		t.Fatalf("%s is not running", id)
	}
	return env
}

// user adds a user and signs the account in by phone, code and password.
func (s *simulated) user(t *testing.T, id fleet.AccountID, spec simulator.UserSpec, change ...func(*Grant)) {
	t.Helper()
	if _, err := s.sim.AddUser(spec); err != nil {
		t.Fatal(err)
	}
	grant := testGrant(id)
	for _, c := range change {
		c(&grant)
	}
	s.fleet.Owned(grant)
	env := s.env(t, id)
	sent, err := telegram.RequestCode(t.Context(), env, spec.Phone)
	if err != nil {
		t.Fatalf("%s: request code: %v", id, err)
	}
	code, ok := s.sim.LoginCode(spec.Phone)
	if !ok {
		t.Fatalf("%s: no code was sent", id)
	}
	res, err := telegram.SignIn(t.Context(), env, sent.Token, code)
	if err != nil {
		t.Fatalf("%s: sign in: %v", id, err)
	}
	if spec.Password != "" {
		if res.Outcome != telegram.PasswordRequired {
			t.Fatalf("%s: outcome %v, want a password", id, res.Outcome)
		}
		if _, err := telegram.CheckPassword(t.Context(), env, []byte(spec.Password)); err != nil {
			t.Fatalf("%s: check password: %v", id, err)
		}
	}
}

func (s *simulated) send(t *testing.T, from fleet.AccountID, to, text string) int {
	t.Helper()
	env := s.env(t, from)
	peer, err := telegram.ResolvePeer(t.Context(), env, to)
	if err != nil {
		t.Fatalf("%s: resolve %s: %v", from, to, err)
	}
	m, err := telegram.SendMessage(t.Context(), env, peer, telegram.Outgoing{Text: text})
	if err != nil {
		t.Fatalf("%s: send: %v", from, err)
	}
	return m.ID
}

// events waits for the next n message_new events of an account.
func (s *simulated) awaitMessages(t *testing.T, id fleet.AccountID, n int) []string {
	t.Helper()
	var ids []string
	for len(ids) < n {
		select {
		case r := <-s.events.appended:
			if r.Account == id && strings.HasPrefix(r.Kind, "message") {
				ids = append(ids, r.ID)
			}
		case <-t.Context().Done():
			t.Fatalf("%s: %d of %d messages", id, len(ids), n)
		}
	}
	return ids
}

func TestLoginAcrossDCsThenMessagesFlow(t *testing.T) {
	s := newSimulated(t, simulator.Config{Seed: 1})
	s.user(t, "ann", simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", Username: "anna", HomeDC: 2})
	s.user(t, "bob", simulator.UserSpec{Phone: "+15550002", FirstName: "Bob", Username: "bobby", HomeDC: 3, Password: "secret"})
	if st := s.states.await(t, "bob", fleet.StateOnline); st.HomeDC != 3 || st.UserID == 0 {
		t.Errorf("status %+v, want home DC 3", st)
	}
	if rec := s.sessions.get("bob"); rec == nil || rec.HomeDC != 3 || !rec.Authorised() {
		t.Errorf("stored session %v, want an authorised one on DC 3", rec)
	}
	s.send(t, "ann", "@bobby", "hello")
	s.awaitMessages(t, "bob", 1)
}

// TestMessagesFromTheLoginOnAreEvents: what is sent the moment a login is answered is not taken for had.
func TestMessagesFromTheLoginOnAreEvents(t *testing.T) {
	s := newSimulated(t, simulator.Config{Seed: 2})
	s.user(t, "ann", simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", Username: "anna", HomeDC: 2})
	for i := range 10 {
		id, name := fleet.AccountID(fmt.Sprint("bob", i)), fmt.Sprint("bobby", i)
		s.user(t, id, simulator.UserSpec{Phone: fmt.Sprint("+1555001", i), FirstName: "Bob", Username: name, HomeDC: 1})
		s.send(t, "ann", "@"+name, "welcome")
		s.awaitMessages(t, id, 1)
	}
}

func TestRestartNeedsNoLoginAndLosesNothing(t *testing.T) {
	s := newSimulated(t, simulator.Config{Seed: 2})
	s.user(t, "ann", simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", Username: "anna", HomeDC: 2})
	s.user(t, "bob", simulator.UserSpec{Phone: "+15550002", FirstName: "Bob", Username: "bobby", HomeDC: 1})
	s.send(t, "ann", "@bobby", "one")
	s.awaitMessages(t, "bob", 1)

	gone := make(chan struct{})
	s.fleet.Lost("bob", time.Now().Add(5*time.Second), func() { close(gone) })
	<-gone
	s.send(t, "ann", "@bobby", "two")
	s.send(t, "ann", "@bobby", "three")
	s.fleet.Owned(testGrant("bob"))
	if got := s.awaitMessages(t, "bob", 2); got[0] == got[1] {
		t.Errorf("events %v, want two different ones", got)
	}
	s.states.await(t, "bob", fleet.StateOnline)
}

func TestWrongCodeAndPasswordAreTypedAndCanBeRepeated(t *testing.T) {
	s := newSimulated(t, simulator.Config{Seed: 3})
	if _, err := s.sim.AddUser(simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", HomeDC: 2, Password: "right"}); err != nil {
		t.Fatal(err)
	}
	s.fleet.Owned(testGrant("ann"))
	env := s.env(t, "ann")
	sent, err := telegram.RequestCode(t.Context(), env, "+15550001")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := telegram.SignIn(t.Context(), env, sent.Token, "00000"); !errors.Is(err, &fleet.Error{Reason: "PHONE_CODE_INVALID"}) {
		t.Fatalf("wrong code: %v", err)
	}
	code, _ := s.sim.LoginCode("+15550001")
	if res, err := telegram.SignIn(t.Context(), env, sent.Token, code); err != nil || res.Outcome != telegram.PasswordRequired {
		t.Fatalf("right code: %v, %v", res, err)
	}
	s.states.await(t, "ann", fleet.StatePasswordNeeded)
	if _, err := telegram.CheckPassword(t.Context(), env, []byte("wrong")); !errors.Is(err, &fleet.Error{Reason: "PASSWORD_HASH_INVALID"}) {
		t.Fatalf("wrong password: %v", err)
	}
	if _, err := telegram.CheckPassword(t.Context(), env, []byte("right")); err != nil {
		t.Fatalf("right password: %v", err)
	}
}

// TestSignInAgainAfterTheSessionWasRevoked: no login loop, but a new login works without a restart.
func TestSignInAgainAfterTheSessionWasRevoked(t *testing.T) {
	s := newSimulated(t, simulator.Config{Seed: 4})
	s.user(t, "ann", simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", Username: "anna", HomeDC: 2})
	s.user(t, "bob", simulator.UserSpec{Phone: "+15550002", FirstName: "Bob", Username: "bobby", HomeDC: 1})
	env := s.env(t, "bob")
	me, err := telegram.GetMe(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	s.sim.World().Revoke(me.ID)
	if _, err := telegram.GetMe(t.Context(), env); err == nil {
		t.Fatal("a revoked session still answers")
	}
	if st := s.states.await(t, "bob", fleet.StateLoggedOut); st.Remedy == "" {
		t.Errorf("status %+v, want a remedy", st)
	}
	if _, err := telegram.GetMe(t.Context(), env); !errors.Is(err, &fleet.Error{Reason: "ACCOUNT_LOGGED_OUT"}) {
		t.Errorf("a call while logged out gave %v", err)
	}
	sent, err := telegram.RequestCode(t.Context(), env, "+15550002")
	if err != nil {
		t.Fatalf("request code again: %v", err)
	}
	code, _ := s.sim.LoginCode("+15550002")
	if _, err := telegram.SignIn(t.Context(), env, sent.Token, code); err != nil {
		t.Fatalf("sign in again: %v", err)
	}
	s.send(t, "ann", "@bobby", "hello again")
	s.awaitMessages(t, "bob", 1)
}
