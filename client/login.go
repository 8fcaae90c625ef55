package client

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/retry"
)

// LoginStep is where a login has come: *CodeSent, *PasswordRequired, *SignUpRequired or
// *SignedIn.
type LoginStep interface{ loginStep() }

// CodeSent says that a login code is under way. Its token holds the phone number, so it is a
// secret; it does not print.
type CodeSent struct {
	// Type is how the code is delivered.
	Type v1.CodeType
	// NextType is how Resend would deliver it; unspecified when it cannot.
	NextType v1.CodeType
	// Timeout is when Resend may be called; 0 when Telegram did not say.
	Timeout time.Duration
	// Length is how many characters the code has; 0 when not known.
	Length int
	// Pattern is what Telegram shows of the delivery, such as an e-mail pattern; may be empty.
	Pattern string

	account *Account
	token   string
}

// PasswordRequired says that the code was right and the two-step verification password is
// missing.
type PasswordRequired struct {
	// Hint is what the person wrote for it; may be empty.
	Hint string
	// HasRecovery says that a recovery e-mail address is set.
	HasRecovery bool

	account *Account
}

// SignUpRequired says that the phone number has no Telegram account: sign up with an official
// client first.
type SignUpRequired struct{}

// SignedIn says that the account is logged in.
type SignedIn struct {
	// User is the account's own user.
	User *User
}

func (*CodeSent) loginStep()         {}
func (*PasswordRequired) loginStep() {}
func (*SignUpRequired) loginStep()   {}
func (*SignedIn) loginStep()         {}

// String hides the token.
func (c CodeSent) String() string { return "code sent by " + c.Type.String() }

// GoString hides the token.
func (c CodeSent) GoString() string { return c.String() }

// Token names this login, to go on with it in another process by Account.SignIn. A secret.
func (c *CodeSent) Token() string { return c.token }

// ResumeLogin goes on with a login by the token of a CodeSent of another process. Only the token is
// known of the code; nothing is sent.
func (a *Account) ResumeLogin(token string) *CodeSent { return &CodeSent{account: a, token: token} }

// SignIn gives the code, see Account.SignIn.
func (c *CodeSent) SignIn(ctx context.Context, code string) (LoginStep, error) {
	return c.account.SignIn(ctx, c.token, code)
}

// Resend asks for the code by the next delivery type (auth.resendCode): *CodeSent with a token of
// its own, or *SignedIn.
func (c *CodeSent) Resend(ctx context.Context) (LoginStep, error) {
	reply, err := call(ctx, c.account.client, once, on(authService.ResendCode), &v1.ResendCodeRequest{Account: c.account.id, Token: c.token})
	if err != nil {
		return nil, err
	}
	return c.account.codeStep(reply.GetCode(), reply.GetUser())
}

// Cancel drops the code (auth.cancelCode).
func (c *CodeSent) Cancel(ctx context.Context) error {
	_, err := call(ctx, c.account.client, once, on(authService.CancelCode), &v1.CancelCodeRequest{Account: c.account.id, Token: c.token})
	return err
}

// Check gives the password, see Account.CheckPassword.
func (p *PasswordRequired) Check(ctx context.Context, password string) (*SignedIn, error) {
	user, err := p.account.CheckPassword(ctx, password)
	if err != nil {
		return nil, err
	}
	return &SignedIn{User: user}, nil
}

// RequestCode asks Telegram to send a login code (auth.sendCode): *CodeSent, or *SignedIn where
// none is needed. Reasons: PHONE_NUMBER_INVALID, PHONE_NUMBER_BANNED, PHONE_NUMBER_FLOOD,
// FLOOD_WAIT.
func (a *Account) RequestCode(ctx context.Context, phone string) (LoginStep, error) {
	reply, err := call(ctx, a.client, once, on(authService.RequestCode), &v1.RequestCodeRequest{Account: a.id, PhoneNumber: phone})
	if err != nil {
		return nil, err
	}
	return a.codeStep(reply.GetCode(), reply.GetUser())
}

func (a *Account) codeStep(code *v1.LoginCode, user *User) (LoginStep, error) {
	switch {
	case user != nil:
		return &SignedIn{User: user}, nil
	case code != nil:
		return &CodeSent{
			Type: code.GetType(), NextType: code.GetNextType(), Timeout: code.GetTimeout().AsDuration(),
			Length: int(code.GetLength()), Pattern: code.GetPattern(), account: a, token: code.GetToken(),
		}, nil
	}
	return nil, badReply("the node named neither a code nor a user")
}

// SignIn gives the code that came for the login with this token (auth.signIn): *SignedIn,
// *PasswordRequired or *SignUpRequired. Reasons: PHONE_CODE_INVALID, PHONE_CODE_EXPIRED,
// PHONE_CODE_EMPTY.
func (a *Account) SignIn(ctx context.Context, token, code string) (LoginStep, error) {
	reply, err := call(ctx, a.client, once, on(authService.SignIn), &v1.SignInRequest{Account: a.id, Token: token, Code: code})
	if err != nil {
		return nil, err
	}
	switch reply.GetOutcome() {
	case v1.SignInOutcome_SIGN_IN_OUTCOME_SIGNED_IN:
		return &SignedIn{User: reply.GetUser()}, nil
	case v1.SignInOutcome_SIGN_IN_OUTCOME_PASSWORD_REQUIRED:
		p := reply.GetPassword()
		return &PasswordRequired{Hint: p.GetHint(), HasRecovery: p.GetHasRecovery(), account: a}, nil
	case v1.SignInOutcome_SIGN_IN_OUTCOME_SIGN_UP_REQUIRED:
		return &SignUpRequired{}, nil
	}
	return nil, badReply("the node named an unknown outcome %d", reply.GetOutcome())
}

// CheckPassword gives the two-step verification password (account.getPassword,
// auth.checkPassword). The node proves it to Telegram and never sends it there. Reason
// PASSWORD_HASH_INVALID: it is wrong and may be tried again.
func (a *Account) CheckPassword(ctx context.Context, password string) (*User, error) {
	reply, err := call(ctx, a.client, once, on(authService.CheckPassword), &v1.CheckPasswordRequest{Account: a.id, Password: password})
	return reply.GetUser(), err
}

// Prompts ask the person who logs in. An error of theirs ends the login.
type Prompts struct {
	// Code gives the code that was sent. It is asked again after a wrong one; failed is the
	// error of the former answer, nil at first.
	Code func(ctx context.Context, sent *CodeSent, failed error) (string, error)
	// Password gives the two-step verification password; as Code. Without it an account that
	// has one gives ErrPasswordRequired.
	Password func(ctx context.Context, required *PasswordRequired, failed error) (string, error)
}

// Errors of LogIn.
var (
	// ErrPasswordRequired says that the account has a password and Prompts no way to ask for it.
	ErrPasswordRequired = errors.New("the account has a two-step verification password: Prompts.Password is needed")
	// ErrSignUpRequired says that the phone number has no Telegram account.
	ErrSignUpRequired = errors.New("the phone number has no Telegram account: sign up with an official client first")
)

// LogIn runs a whole login: it requests a code, asks for it, and for the password where there is
// one.
func (a *Account) LogIn(ctx context.Context, phone string, ask Prompts) (*User, error) {
	if ask.Code == nil {
		return nil, invalid("set it", "Prompts.Code: is missing")
	}
	step, err := a.RequestCode(ctx, phone)
	if err != nil {
		return nil, err
	}
	for {
		switch s := step.(type) {
		case *SignedIn:
			return s.User, nil
		case *CodeSent:
			step, err = insist(ctx, s, reasonCodeWrong, ask.Code, s.SignIn)
		case *PasswordRequired:
			if ask.Password == nil {
				return nil, ErrPasswordRequired
			}
			step, err = insist(ctx, s, reasonPasswordWrong, ask.Password, s.check)
		default:
			return nil, ErrSignUpRequired
		}
		if err != nil {
			return nil, err
		}
	}
}

// check is Check as a step.
func (p *PasswordRequired) check(ctx context.Context, password string) (LoginStep, error) {
	in, err := p.Check(ctx, password)
	if err != nil {
		return nil, err
	}
	return in, nil
}

// insist asks for a secret and gives it, again while Telegram says that it is wrong.
func insist[S any](
	ctx context.Context, step S, wrong Reason,
	ask func(context.Context, S, error) (string, error), give func(context.Context, string) (LoginStep, error),
) (LoginStep, error) {
	var failed error
	for {
		secret, err := ask(ctx, step, failed)
		if err != nil {
			return nil, err
		}
		next, err := give(ctx, secret)
		if !errors.Is(err, wrong) {
			return next, err
		}
		failed = err
	}
}

// BotSignIn logs a bot in by the token from @BotFather (auth.importBotAuthorization). Reasons:
// ACCESS_TOKEN_INVALID, ACCESS_TOKEN_EXPIRED.
func (a *Account) BotSignIn(ctx context.Context, token string) (*User, error) {
	reply, err := call(ctx, a.client, once, on(authService.BotSignIn), &v1.BotSignInRequest{Account: a.id, BotToken: token})
	return reply.GetUser(), err
}

// QRCode is a code to be shown. What it says signs in whoever scans it, so it is a secret until it
// is scanned or expires; it does not print.
type QRCode struct {
	// URL is what the code says: tg://login?token=...
	URL string
	// Expires is when it can no longer be scanned, by Telegram's clock.
	Expires time.Time
}

// String hides what the code says.
func (c QRCode) String() string { return "QR code until " + c.Expires.Format(time.TimeOnly) }

// GoString hides what the code says.
func (c QRCode) GoString() string { return c.String() }

// QRLogin logs a user in by a QR code that another Telegram app of the same user scans
// (auth.exportLoginToken): *SignedIn or *PasswordRequired. It calls show with each code, a new one
// before the former expires; an error of show ends it. Reason QR_NOT_ACCEPTED: nobody scanned it
// within ten minutes.
func (a *Account) QRLogin(ctx context.Context, show func(QRCode) error) (LoginStep, error) {
	var step LoginStep
	var failed error
	f := &retry.Feed[v1.QrLoginReply]{
		Caller: a.client.calls, Ends: true,
		Open: func(ctx context.Context, n *node) (*connect.ServerStreamForClient[v1.QrLoginReply], error) {
			return n.Auth.QrLogin(ctx, &v1.QrLoginRequest{Account: a.id})
		},
		Take: func(reply *v1.QrLoginReply) bool {
			switch s := reply.GetStep().(type) {
			case *v1.QrLoginReply_Code:
				failed = show(QRCode{URL: s.Code.GetUrl(), Expires: s.Code.GetExpireTime().AsTime()})
				return failed == nil
			case *v1.QrLoginReply_User:
				step = &SignedIn{User: s.User}
			case *v1.QrLoginReply_Password:
				step = &PasswordRequired{Hint: s.Password.GetHint(), HasRecovery: s.Password.GetHasRecovery(), account: a}
			}
			return step == nil
		},
	}
	err := f.Run(ctx)
	switch {
	case failed != nil:
		return nil, failed
	case err != nil:
		return nil, err
	case step == nil:
		return nil, badReply("the node ended the login without an outcome")
	}
	return step, nil
}

// Authorization says whether an account is logged in.
type Authorization struct {
	// OK is true when Telegram accepts the login.
	OK bool
	// Reason is why not: AUTH_KEY_UNREGISTERED, SESSION_REVOKED, SESSION_PASSWORD_NEEDED and the
	// like; empty when OK.
	Reason Reason
	// Remedy is the next step; empty when OK.
	Remedy string
}

// Authorization asks Telegram whether the account is logged in, and why not.
func (a *Account) Authorization(ctx context.Context) (Authorization, error) {
	reply, err := call(ctx, a.client, repeatable, on(authService.GetAuthorization), &v1.GetAuthorizationRequest{Account: a.id})
	return Authorization{OK: reply.GetAuthorized(), Reason: Reason(reply.GetReason()), Remedy: reply.GetRemedy()}, err
}

// LoggedOut says what became of a login. What the fleet had stored of it is deleted.
type LoggedOut struct {
	// Confirmed is true when Telegram has said that the login has ended.
	Confirmed bool
	// KeysDestroyed auth keys were forgotten by their DCs; KeysLeft could not be destroyed.
	KeysDestroyed, KeysLeft int
	// Remedy is what to do about a login that may live on; empty when Confirmed.
	Remedy string
}

// LogOut ends the login at Telegram (auth.logOut, destroy_auth_key) and deletes what is stored of it:
// session, peers, events, data key. The account stays and can sign in again. It may be repeated.
// With force it deletes that even if Telegram does not confirm within 5 s, the account is paused or
// its session cannot be read. Reason ERASE_UNFINISHED: a store failed; it goes on by itself.
func (a *Account) LogOut(ctx context.Context, force bool) (LoggedOut, error) {
	reply, err := call(ctx, a.client, repeatable, on(authService.LogOut), &v1.LogOutRequest{Account: a.id, Force: force})
	return LoggedOut{
		Confirmed: reply.GetConfirmed(), KeysDestroyed: int(reply.GetKeysDestroyed()), KeysLeft: int(reply.GetKeysLeft()), Remedy: reply.GetRemedy(),
	}, err
}
