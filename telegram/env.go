package telegram

import (
	"context"
	"fmt"

	"github.com/gotd/td/bin"

	"github.com/telefleet/orchestrator/fleet"
)

// Env is what a method needs of the account that it runs for. Implementations observe every
// decoded answer: see CollectPeers, AuthorizationOf and LoggedOut.
//
// Invoke and InvokeOn return an RPC error of the server as *tgerr.Error, short flood waits
// excepted, which they wait out; other errors are *fleet.Error or wrap a context error. They
// follow *_MIGRATE_X of the login by moving the account, so that callers do not see it, and
// LoginMove before the caller sees the answer.
//
// An Env may also be a LoginWatcher and a TokenKeeper.
type Env interface {
	// Invoke calls a method on the account's home DC. It is a tg.Invoker.
	Invoke(ctx context.Context, in bin.Encoder, out bin.Decoder) error
	// InvokeOn calls a method on DC dc, with the account's authorization there.
	InvokeOn(ctx context.Context, dc int, in bin.Encoder, out bin.Decoder) error
	// Peers is the account's peer cache.
	Peers() Peers
	// Account names the account.
	Account() fleet.AccountID
	// App is the app profile that the account runs with.
	App() AppProfile
}

// TokenKeeper is an Env that keeps the future auth token of the account's last login.
type TokenKeeper interface {
	// LogoutTokens are the tokens kept, which RequestCode offers in place of a code; secrets.
	LogoutTokens(ctx context.Context) [][]byte
}

// Erasure is what became of the auth keys of an account that was signed out. What was stored of it is
// gone.
type Erasure struct {
	// KeysDestroyed are those that their DCs have forgotten (destroy_auth_key); KeysLeft could not be
	// destroyed, or Telegram had not said that the login has ended.
	KeysDestroyed, KeysLeft int
}

// AppProfile is the application that an account presents itself as (initConnection).
type AppProfile struct {
	// APIID and APIHash identify the application (my.telegram.org); APIHash is a secret.
	APIID   int
	APIHash string
	// Layer is the TL layer announced; 0 = that of the built-in schema.
	Layer int
	// DeviceModel, SystemVersion, AppVersion, SystemLangCode, LangPack and LangCode are shown to
	// the person in the list of sessions.
	DeviceModel    string
	SystemVersion  string
	AppVersion     string
	SystemLangCode string
	LangPack       string
	LangCode       string
}

// Anonymous is the profile without what tells of the device, as CDN DCs are to see it: they belong
// to others.
func (p AppProfile) Anonymous() AppProfile {
	p.DeviceModel, p.SystemVersion, p.LangPack, p.LangCode = "n/a", "n/a", "", ""
	return p
}

// String shows the profile without its secret.
func (p AppProfile) String() string {
	return fmt.Sprintf("app %d (%s, %s, %s)", p.APIID, p.DeviceModel, p.SystemVersion, p.AppVersion)
}

// GoString shows the profile without its secret.
func (p AppProfile) GoString() string { return p.String() }
