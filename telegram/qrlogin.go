package telegram

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// Limits of ours for a login by QR code.
const (
	// qrPatience bounds the whole login: each code costs Telegram a call.
	qrPatience = 10 * time.Minute
	// qrShortest and qrLongest bound the life of one code when Telegram's clock and ours differ;
	// Telegram gives 30 s.
	qrShortest = 5 * time.Second
	qrLongest  = time.Minute
	// qrMoves is how often the account follows a code to another DC.
	qrMoves = 3
)

// QRCode is a login token to be shown as a QR code.
type QRCode struct {
	// URL is what the code says, tg://login?token=...; a secret until it is scanned or expires.
	URL string
	// Expires is when it can no longer be scanned, by Telegram's clock.
	Expires time.Time
}

// String hides the token.
func (c QRCode) String() string { return "QR code until " + c.Expires.Format(time.TimeOnly) }

// GoString hides the token.
func (c QRCode) GoString() string { return c.String() }

// LoginWatcher is an Env that hears when somebody has scanned the code (updateLoginToken), of which
// Telegram tells sessions that nobody has signed in with.
type LoginWatcher interface {
	// WatchLogin returns a channel that gets a value after each scan from now on, and a function
	// that ends that.
	WatchLogin() (scanned <-chan struct{}, stop func())
}

// QRLogin signs in by a code that another client of the same user scans (auth.exportLoginToken,
// auth.importLoginToken). It calls show with each code, a new one before the former expires, until
// the code was scanned, ctx ends, or ten minutes have passed (QR_NOT_ACCEPTED). An account that
// lives on another DC is followed there. The outcome is SignedIn or PasswordRequired; go on with
// CheckPassword then. An error of show ends it.
func QRLogin(ctx context.Context, env Env, show func(QRCode) error) (SignInResult, error) {
	if err := checkApp(env.App()); err != nil {
		return SignInResult{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, qrPatience, errNotScanned)
	defer cancel()
	var scanned <-chan struct{}
	if w, ok := env.(LoginWatcher); ok {
		var stop func()
		scanned, stop = w.WatchLogin() // before the first code, so that no scan is missed
		defer stop()
	}
	for {
		code, result, err := exportLoginToken(ctx, env)
		switch {
		case err != nil:
			return SignInResult{}, qrEnd(ctx, err)
		case result.Outcome != 0:
			return result, nil
		}
		if err := show(code); err != nil {
			return SignInResult{}, err
		}
		life := time.NewTimer(min(max(time.Until(code.Expires), qrShortest), qrLongest))
		select {
		case <-life.C:
		case <-scanned:
		case <-ctx.Done():
		}
		life.Stop()
		if err := ctx.Err(); err != nil {
			return SignInResult{}, qrEnd(ctx, err)
		}
	}
}

var errNotScanned = fleet.Errorf(fleet.CodeDeadlineExceeded, "QR_NOT_ACCEPTED", "nobody scanned the QR code within %s", qrPatience).
	WithRemedy("begin again, and scan it in another Telegram app of the same user: Settings, Devices, Link Desktop Device")

// qrEnd is why a login ended: our own patience, or err.
func qrEnd(ctx context.Context, err error) error {
	if context.Cause(ctx) == errNotScanned { //nolint:errorlint // the very value that the timeout was given
		return errNotScanned
	}
	return err
}

// exportLoginToken asks for a code, or for what became of the last one.
func exportLoginToken(ctx context.Context, env Env) (QRCode, SignInResult, error) {
	app := env.App()
	var res tg.AuthLoginTokenBox
	err := Invoke(ctx, env, &tg.AuthExportLoginTokenRequest{APIID: app.APIID, APIHash: app.APIHash}, &res)
	for range qrMoves {
		switch {
		case IsRPC(err, "SESSION_PASSWORD_NEEDED"):
			result, err := passwordRequired(ctx, env)
			return QRCode{}, result, err
		case err != nil:
			return QRCode{}, SignInResult{}, err
		}
		switch r := res.LoginToken.(type) {
		case *tg.AuthLoginToken:
			url := "tg://login?token=" + base64.RawURLEncoding.EncodeToString(r.Token)
			return QRCode{URL: url, Expires: time.Unix(int64(r.Expires), 0)}, SignInResult{}, nil
		case *tg.AuthLoginTokenSuccess:
			user, err := authorized(r.Authorization)
			return QRCode{}, SignInResult{Outcome: SignedIn, User: user}, err
		case *tg.AuthLoginTokenMigrateTo: // the Env has moved the account there
			res = tg.AuthLoginTokenBox{}
			err = Invoke(ctx, env, &tg.AuthImportLoginTokenRequest{Token: r.Token}, &res)
		}
	}
	return QRCode{}, SignInResult{}, unexpected(&tg.AuthExportLoginTokenRequest{}, "one move after another")
}

// LoginMove is the DC to which an answer sends a login by QR code (auth.loginTokenMigrateTo). An
// Env moves the account there before the caller goes on.
func LoginMove(result any) (dc int, ok bool) {
	if r, is := Decoded(result).(*tg.AuthLoginTokenMigrateTo); is {
		return r.DCID, true
	}
	return 0, false
}
