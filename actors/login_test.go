package actors

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram"
)

// scanBy lets a signed-in account scan the codes that it is shown, and counts them.
func scanBy(t *testing.T, env *Env, shown *int) func(telegram.QRCode) error {
	return func(code telegram.QRCode) error {
		*shown++
		token, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(code.URL, "tg://login?token="))
		if err != nil {
			return err
		}
		var accepted tg.Authorization
		return env.Invoke(bounded(t), &tg.AuthAcceptLoginTokenRequest{Token: token}, &accepted)
	}
}

// TestQRLoginHearsTheScanFollowsTheDCAndAsksForThePassword: the scan is heard by updateLoginToken;
// had it waited for the code to expire, a second one would have been shown.
func TestQRLoginHearsTheScanFollowsTheDCAndAsksForThePassword(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 101})
	spec := simulator.UserSpec{Phone: "+15550001", FirstName: "Bob", Username: "user_phone", HomeDC: 3, Password: "secret", Hint: "not public"}
	r.user(t, "phone", spec)
	r.fleet.Owned(testGrant("desk"))
	desk, shown := r.env(t, "desk"), 0
	res, err := telegram.QRLogin(bounded(t), desk, scanBy(t, r.env(t, "phone"), &shown))
	if err != nil || res.Outcome != telegram.PasswordRequired || res.Hint != "not public" {
		t.Fatalf("got %+v, %v; want a password", res, err)
	}
	if shown != 1 {
		t.Errorf("%d codes were shown, want one", shown)
	}
	r.status(t, "desk", fleet.StatePasswordNeeded)
	user, err := telegram.CheckPassword(bounded(t), desk, []byte(spec.Password))
	if err != nil {
		t.Fatal(err)
	}
	if st := r.status(t, "desk", fleet.StateOnline); st.HomeDC != 3 || st.UserID != user.ID {
		t.Errorf("status %+v, want user %d at home on DC 3", st, user.ID)
	}
	if rec := r.record(t, "desk"); rec.UserID != user.ID || rec.HomeDC != 3 {
		t.Errorf("stored %v", rec)
	}
}

// TestQRLoginIsSeenInTheState: while a code is shown, and no longer.
func TestQRLoginIsSeenInTheState(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 102})
	r.fleet.Owned(testGrant("desk"))
	closed := errors.New("the window is closed")
	_, err := telegram.QRLogin(bounded(t), r.env(t, "desk"), func(telegram.QRCode) error {
		r.status(t, "desk", fleet.StateQRPending)
		return closed
	})
	if !errors.Is(err, closed) {
		t.Fatalf("got %v", err)
	}
	r.status(t, "desk", fleet.StateUnauthorized)
}

// TestSignInStoresTheSessionAndFetchesTheUpdateState right after.
func TestSignInStoresTheSessionAndFetchesTheUpdateState(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 103})
	p := r.tap(nil)
	r.user(t, "ann", simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", HomeDC: 2})
	if rec := r.record(t, "ann"); !rec.Authorised() { // before the caller heard of it
		t.Errorf("stored %v, want a signed-in session", rec)
	}
	p.await(t, "updates.getState", 1)
}

func TestCodeIsResentAndCancelled(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 104})
	if _, err := r.sim.AddUser(simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", HomeDC: 3}); err != nil {
		t.Fatal(err)
	}
	r.fleet.Owned(testGrant("ann"))
	ann, ctx := r.env(t, "ann"), bounded(t)
	sent, err := telegram.RequestCode(ctx, ann, "+15550001") // PHONE_MIGRATE to DC 3
	if err != nil || sent.Type != telegram.CodeSMS || sent.NextType != telegram.CodeCall {
		t.Fatalf("sent %+v, %v", sent, err)
	}
	r.status(t, "ann", fleet.StateCodeSent)
	first, _ := r.sim.LoginCode("+15550001")
	again, err := telegram.ResendCode(ctx, ann, sent.Token)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := r.sim.LoginCode("+15550001"); first == second {
		t.Error("no other code was sent")
	}
	if err := telegram.CancelCode(ctx, ann, again.Token); err != nil {
		t.Fatal(err)
	}
	r.status(t, "ann", fleet.StateUnauthorized)
	code, _ := r.sim.LoginCode("+15550001")
	if _, err := telegram.SignIn(ctx, ann, again.Token, code); reason(err) != "PHONE_CODE_EXPIRED" {
		t.Errorf("a cancelled code gave %v", err)
	}
}

func TestUnknownPhoneNumberIsAnOutcome(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 105})
	r.fleet.Owned(testGrant("new"))
	env, ctx := r.env(t, "new"), bounded(t)
	sent, err := telegram.RequestCode(ctx, env, "+15559999")
	if err != nil {
		t.Fatal(err)
	}
	code, _ := r.sim.LoginCode("+15559999")
	if res, err := telegram.SignIn(ctx, env, sent.Token, code); err != nil || res.Outcome != telegram.SignUpRequired {
		t.Errorf("got %+v, %v; want sign-up", res, err)
	}
}

// TestFutureAuthTokenSkipsTheCode: after a sign-out the next login of the same account needs no
// code; the token is used once.
func TestFutureAuthTokenSkipsTheCode(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 106})
	ann, ctx := r.person(t, "ann", 3), bounded(t)
	if ok, _, err := telegram.LogOut(ctx, ann); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if rec := r.record(t, "ann"); len(rec.FutureAuthToken) == 0 || rec.Authorised() {
		t.Errorf("stored %v, want the token and no login", rec)
	}
	sent, err := telegram.RequestCode(ctx, ann, "+15550001")
	if err != nil || sent.User == nil || sent.User.ID != r.users["ann"] || sent.Token != "" {
		t.Fatalf("got %+v, %v; want a login without a code", sent, err)
	}
	r.status(t, "ann", fleet.StateOnline)
	r.stored(t, "ann", func(rec *sessionstore.Record) bool { return rec.Authorised() && len(rec.FutureAuthToken) == 0 })
	r.verify(t)
}

// TestLoginIsNotSentToAnUnknownDC: a loginTokenMigrateTo is checked like any other move.
func TestLoginIsNotSentToAnUnknownDC(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 107})
	r.fleet.Owned(testGrant("a"))
	if err := r.env(t, "a").await(bounded(t), func(done func(error)) any { return &moveHome{9, done} }); !errors.Is(err, &fleet.Error{Reason: "DC_UNKNOWN"}) {
		t.Errorf("a move to DC 9 gave %v", err)
	}
}
