package telegram

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// watchedEnv is a script whose codes can be scanned.
type watchedEnv struct {
	*scriptEnv
	scanned chan struct{}
	stopped bool
}

func (e *watchedEnv) WatchLogin() (<-chan struct{}, func()) {
	return e.scanned, func() { e.stopped = true }
}

func loginTokenAt(token string, at time.Time) *tg.AuthLoginToken {
	return &tg.AuthLoginToken{Token: []byte(token), Expires: int(at.Unix())}
}

func TestQRCodeIsRefreshedBeforeItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := &watchedEnv{scriptEnv: script(t, step{"auth.exportLoginToken", loginTokenAt("one", time.Now().Add(30*time.Second))},
			step{"auth.exportLoginToken", loginTokenAt("two", time.Now().Add(60*time.Second))},
			step{"auth.exportLoginToken", &tg.AuthLoginTokenSuccess{Authorization: &tg.AuthAuthorization{User: alice}}},
		), scanned: make(chan struct{}, 1)}
		begun := time.Now()
		var shown []string
		got, err := QRLogin(t.Context(), env, func(c QRCode) error {
			shown = append(shown, fmt.Sprintf("%s %s", time.Since(begun), c.URL))
			if strings.Contains(fmt.Sprintf("%v %+v %#v", c, c, c), "token") {
				t.Error("the code prints its token")
			}
			if len(shown) == 2 {
				time.AfterFunc(7*time.Second, func() { env.scanned <- struct{}{} })
			}
			return nil
		})
		if err != nil || got.Outcome != SignedIn || got.User.ID != alice.ID {
			t.Fatalf("got %+v, %v", got, err)
		}
		wantEqual(t, shown, []string{"0s tg://login?token=b25l", "30s tg://login?token=dHdv"})
		if d := time.Since(begun); d != 37*time.Second {
			t.Errorf("signed in after %s, want at the scan", d)
		}
		if !env.stopped {
			t.Error("the watch goes on")
		}
		req := env.calls[0].(*tg.AuthExportLoginTokenRequest)
		wantEqual(t, [2]any{req.APIID, req.APIHash}, [2]any{17, "hash"})
	})
}

func TestQRLoginFollowsTheUserToAnotherDCAndAsksForThePassword(t *testing.T) {
	pw := passwordParams(1)
	pw.SetHint("pet")
	env := script(t, step{"auth.exportLoginToken", &tg.AuthLoginTokenMigrateTo{DCID: 4, Token: []byte("t")}},
		step{"auth.importLoginToken", rpc(401, "SESSION_PASSWORD_NEEDED")}, step{"account.getPassword", pw})
	got, err := QRLogin(t.Context(), env, func(QRCode) error { return errors.New("shown") })
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, got, SignInResult{Outcome: PasswordRequired, Hint: "pet"})
	wantEqual(t, string(env.calls[1].(*tg.AuthImportLoginTokenRequest).Token), "t")
	move := &tg.AuthLoginTokenMigrateTo{DCID: 4}
	if dc, ok := LoginMove(&tg.AuthLoginTokenBox{LoginToken: move}); !ok || dc != 4 {
		t.Errorf("move to %d, %t", dc, ok)
	}
	if _, ok := LoginMove(&tg.AuthLoginTokenBox{LoginToken: loginTokenAt("x", time.Now())}); ok {
		t.Error("a token is no move")
	}
}

func TestQRLoginEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var steps []step
		for i := range 20 { // each lives 30 s, the last one longer than our patience
			steps = append(steps, step{"auth.exportLoginToken", loginTokenAt("x", time.Now().Add(time.Duration(i+1)*30*time.Second+time.Duration(i/19)*time.Minute))})
		}
		_, err := QRLogin(t.Context(), script(t, steps...), func(QRCode) error { return nil })
		if own := wantReason(t, err, "QR_NOT_ACCEPTED"); own.Code != fleet.CodeDeadlineExceeded || own.Remedy == "" {
			t.Errorf("got %+v", own)
		}
	})
}

func TestQRLoginEndsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := QRLogin(ctx, script(t, step{"auth.exportLoginToken", loginTokenAt("x", time.Now().Add(time.Hour))}), func(QRCode) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	gone := errors.New("the terminal is gone")
	_, err = QRLogin(t.Context(), script(t, step{"auth.exportLoginToken", loginTokenAt("x", time.Now().Add(time.Hour))}), func(QRCode) error { return gone })
	if !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	_, err = QRLogin(t.Context(), script(t, step{"auth.exportLoginToken", rpc(400, "API_ID_INVALID")}), nil)
	wantReason(t, err, "API_ID_INVALID")
}
