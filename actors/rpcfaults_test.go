package actors

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram"
)

const sendMethod, nearestMethod = "messages.sendMessage", "help.getNearestDc"

// sendRaw sends a message without the helpers of package telegram.
func sendRaw(t *testing.T, env *Env, text string, randomID int64) error {
	t.Helper()
	peer, err := telegram.ResolvePeer(bounded(t), env, "@user_bob")
	if err != nil {
		t.Fatal(err)
	}
	_, err = telegram.SendMessage(bounded(t), env, peer, telegram.Outgoing{Text: text, RandomID: randomID})
	return err
}

// TestASecondSendWithOneRandomIDFindsTheFirst: Telegram calls it a 500, but it is a success.
func TestASecondSendWithOneRandomIDFindsTheFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 34})
	ann, _ := r.pair(t)
	p := r.tap(nil)
	for range 2 {
		if err := sendRaw(t, ann, "only once", 77); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.count(sendMethod); n != 2 {
		t.Errorf("%d sends reached the server, want 2: the duplicate is no reason to try again", n)
	}
	r.verify(t)
}

// TestMigrationOfASignedInAccount: USER_MIGRATE can come at any time. The home moves with the
// login, and back when Telegram says so; no call fails and nobody has to sign in.
func TestMigrationOfASignedInAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 35})
	ann, _ := r.pair(t)
	r.tap(once(1, sendMethod, 303, "USER_MIGRATE_3"))
	if err := sendRaw(t, ann, "moving", 1); err != nil {
		t.Errorf("a call during the migration: %v", err)
	}
	r.chatter(t, 5)
	r.verify(t)
	r.stored(t, "ann", func(rec *sessionstore.Record) bool { // home DC 2 again, and a key of DC 3 beside
		return rec.UserID == r.users["ann"] && rec.HomeDC == 2 && len(rec.Keys) == 2
	})
}

// TestMigrationToAnUnknownDCIsAnAnswer: not a reason to move.
func TestMigrationToAnUnknownDCIsAnAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 36})
	ann, _ := r.pair(t)
	r.tap(once(1, sendMethod, 303, "USER_MIGRATE_9"))
	if got := reason(sendRaw(t, ann, "nowhere", 1)); got != "USER_MIGRATE" {
		t.Errorf("got %q, want USER_MIGRATE", got)
	}
	r.verify(t)
}

func TestBotLoginMovesToTheBotsHome(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 37})
	bot, err := r.sim.AddBot(simulator.BotSpec{Username: "helper_bot", Name: "Helper", HomeDC: 3})
	if err != nil {
		t.Fatal(err)
	}
	r.fleet.Owned(testGrant("bot"))
	if _, err := telegram.BotSignIn(bounded(t), r.env(t, "bot"), bot.Token); err != nil {
		t.Fatal(err)
	}
	r.users["bot"] = bot.ID
	r.person(t, "ann", 2)
	r.send(t, "ann", "@helper_bot", "/start")
	r.verify(t)
	if rec := r.record(t, "bot"); rec.HomeDC != 3 || !rec.Bot || rec.UserID != bot.ID {
		t.Errorf("stored session %v, want a bot at home on DC 3", rec)
	}
}

// TestEndOfASessionIsFinal: a named state with a remedy, no login loop, and no dial any more.
func TestEndOfASessionIsFinal(t *testing.T) {
	for _, tc := range []struct {
		name  string
		code  int
		error string
		state fleet.State
	}{
		{"revoked", 401, "SESSION_REVOKED", fleet.StateLoggedOut},
		{"unregistered", 401, "AUTH_KEY_UNREGISTERED", fleet.StateLoggedOut},
		{"banned", 401, "USER_DEACTIVATED_BAN", fleet.StateBanned},
		{"duplicated", 406, "AUTH_KEY_DUPLICATED", fleet.StateConflict},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Seed: 38})
			ann, _ := r.pair(t)
			if tc.error == "SESSION_REVOKED" {
				r.sim.World().Revoke(r.users["ann"])
			} else {
				r.tap(func(key int64, method string) (int, string) {
					if method == "users.getUsers" {
						return tc.code, tc.error
					}
					return 0, ""
				})
			}
			delete(r.users, "ann")
			if _, err := telegram.GetMe(bounded(t), ann); reason(err) != tc.error {
				t.Errorf("the call that met it gave %v, want %s", err, tc.error)
			}
			st := r.status(t, "ann", tc.state)
			if st.Reason != tc.error || st.Remedy == "" {
				t.Errorf("status %+v, want the reason %s and a remedy", st, tc.error)
			}
			before := r.dials()
			r.fleet.NetworkRestored("")
			if _, err := nearest(bounded(t), ann); reason(err) != "ACCOUNT_"+strings.ToUpper(string(tc.state)) {
				t.Errorf("a later call gave %v", err)
			}
			gone := make(chan struct{})
			r.fleet.Lost("ann", time.Now().Add(time.Second), func() { close(gone) })
			<-gone
			if n := r.dials(); n != before {
				t.Errorf("%d dials after the end of the session", n-before)
			}
			if n := r.fleet.Sockets(); n != 1 {
				t.Errorf("%d sockets are open, want the neighbour's only", n)
			}
			r.verify(t)
		})
	}
}

// TestF19TwoOwnersOfOneKey: what ownership must prevent. The simulator kills the key as Telegram
// does; both sides stop in a named state, and nobody tries to sign in or to dial.
func TestF19TwoOwnersOfOneKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 39})
	ann, _ := r.pair(t)
	r.killed = 1
	other, reports := r.deps, newStates()
	other.Events, other.Report = newJournal(), reports.report
	f, err := Start(other)
	if err != nil {
		t.Fatal(err)
	}
	f.Owned(testGrant("ann"))
	second, ok := f.Running(bounded(t), "ann")
	if !ok {
		t.Fatal("the second owner does not run")
	}
	delete(r.users, "ann")
	envs := []*Env{ann, second}
	for met := 0; met < 2; {
		met = 0
		for _, env := range envs {
			switch _, err := nearest(bounded(t), env); reason(err) {
			case "":
			case "ACCOUNT_CONFLICT":
				met++
			default:
				if !tgerr.Is(err, "AUTH_KEY_DUPLICATED") {
					t.Fatalf("got %v, want AUTH_KEY_DUPLICATED", err)
				}
			}
		}
	}
	if st := r.status(t, "ann", fleet.StateConflict); st.Reason != "AUTH_KEY_DUPLICATED" || st.Remedy == "" {
		t.Errorf("status %+v, want AUTH_KEY_DUPLICATED with a remedy", st)
	}
	before := r.dials()
	r.fleet.NetworkRestored("")
	f.NetworkRestored("")
	r.end(t, f)
	r.verify(t)
	if n := r.dials(); n != before {
		t.Errorf("%d dials after the conflict", n-before)
	}
}

// TestCallOfAnAccountThatEnds: what may be repeated is asked to be; of the rest nobody knows whether
// it was sent.
func TestCallOfAnAccountThatEnds(t *testing.T) {
	for idempotent, want := range map[bool]string{true: "ACCOUNT_DRAINING", false: "OUTCOME_UNKNOWN"} {
		err := ended(&connection.Call{Method: "auth.sendCode", Idempotent: idempotent})
		if !errors.Is(err, &fleet.Error{Reason: want}) {
			t.Errorf("idempotent %v: %v, want %s", idempotent, err, want)
		}
	}
}
