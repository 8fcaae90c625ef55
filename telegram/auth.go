package telegram

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// authRestarts is how often AUTH_RESTART is followed before it is returned.
const authRestarts = 2

// CodeType is how a login code is delivered; its values are named in auth.proto, in lower case
// and without prefix.
type CodeType string

// The delivery types.
const (
	CodeNone               CodeType = ""
	CodeApp                CodeType = "app"
	CodeSMS                CodeType = "sms"
	CodeCall               CodeType = "call"
	CodeFlashCall          CodeType = "flash_call"
	CodeMissedCall         CodeType = "missed_call"
	CodeEmail              CodeType = "email"
	CodeEmailSetupRequired CodeType = "email_setup_required"
	CodeFragment           CodeType = "fragment"
	CodeFirebase           CodeType = "firebase"
	CodeSMSWord            CodeType = "sms_word"
	CodeSMSPhrase          CodeType = "sms_phrase"
)

// SentCode is a code that is under way, or a login that needed none.
type SentCode struct {
	// Token resumes the login; a secret.
	Token string
	// Type and NextType say how the code comes and how ResendCode would send it.
	Type, NextType CodeType
	// Timeout is when ResendCode may be called; 0 = Telegram did not say.
	Timeout time.Duration
	// Length of the code in characters; 0 = not known.
	Length int
	// Pattern is what Telegram shows of the delivery: e-mail pattern, phone prefix.
	Pattern string
	// User is set, and all else empty, when the account is signed in already.
	User *tg.User
}

// RequestCode asks for a login code (auth.sendCode). The phone number is international, with or
// without +. Where the account has logged out before, Telegram may sign it in without a code.
func RequestCode(ctx context.Context, env Env, phone string) (SentCode, error) {
	app := env.App()
	if err := checkApp(app); err != nil {
		return SentCode{}, err
	}
	digits, err := phoneDigits(phone)
	if err != nil {
		return SentCode{}, err
	}
	req := &tg.AuthSendCodeRequest{PhoneNumber: digits, APIID: app.APIID, APIHash: app.APIHash}
	if keeper, ok := env.(TokenKeeper); ok {
		if tokens := keeper.LogoutTokens(ctx); len(tokens) > 0 {
			req.Settings.SetLogoutTokens(tokens)
		}
	}
	var res tg.AuthSentCodeBox
	for try := 0; ; try++ {
		err := Invoke(ctx, env, req, &res)
		if IsRPC(err, "AUTH_RESTART") && try < authRestarts {
			continue
		}
		if err != nil {
			return SentCode{}, err
		}
		return sentCode(digits, res.SentCode)
	}
}

// ResendCode asks for the code of a token by the next delivery type (auth.resendCode).
func ResendCode(ctx context.Context, env Env, token string) (SentCode, error) {
	t, err := parseLoginToken(token)
	if err != nil {
		return SentCode{}, err
	}
	var res tg.AuthSentCodeBox
	err = Invoke(ctx, env, &tg.AuthResendCodeRequest{PhoneNumber: t.Phone, PhoneCodeHash: t.Hash}, &res)
	if err != nil {
		return SentCode{}, err
	}
	return sentCode(t.Phone, res.SentCode)
}

// CancelCode drops the code of a token (auth.cancelCode).
func CancelCode(ctx context.Context, env Env, token string) error {
	t, err := parseLoginToken(token)
	if err != nil {
		return err
	}
	var res tg.BoolBox
	return Invoke(ctx, env, &tg.AuthCancelCodeRequest{PhoneNumber: t.Phone, PhoneCodeHash: t.Hash}, &res)
}

// SignIn outcomes.
type Outcome uint8

// The outcomes of SignIn.
const (
	SignedIn Outcome = iota + 1
	PasswordRequired
	SignUpRequired
)

// SignInResult is what a code led to.
type SignInResult struct {
	Outcome Outcome
	// User is set with SignedIn.
	User *tg.User
	// Hint and HasRecovery describe the password, with PasswordRequired.
	Hint        string
	HasRecovery bool
}

// SignIn gives the code of a token (auth.signIn). Missing password and missing sign-up are
// outcomes; a wrong, expired or empty code is an error of that name.
func SignIn(ctx context.Context, env Env, token, code string) (SignInResult, error) {
	t, err := parseLoginToken(token)
	if err != nil {
		return SignInResult{}, err
	}
	code = strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimSpace(code))
	if code == "" {
		return SignInResult{}, fleet.Errorf(fleet.CodeInvalidArgument, "PHONE_CODE_EMPTY", "code: is empty").
			WithRemedy(verdicts["PHONE_CODE_EMPTY"].remedy)
	}
	req := &tg.AuthSignInRequest{PhoneNumber: t.Phone, PhoneCodeHash: t.Hash}
	req.SetPhoneCode(code)
	var res tg.AuthAuthorizationBox
	err = Invoke(ctx, env, req, &res)
	switch {
	case IsRPC(err, "SESSION_PASSWORD_NEEDED"):
		return passwordRequired(ctx, env)
	case IsRPC(err, "PHONE_NUMBER_UNOCCUPIED"):
		return SignInResult{Outcome: SignUpRequired}, nil
	case err != nil:
		return SignInResult{}, err
	}
	if _, ok := res.Authorization.(*tg.AuthAuthorizationSignUpRequired); ok {
		return SignInResult{Outcome: SignUpRequired}, nil
	}
	user, err := authorized(res.Authorization)
	return SignInResult{Outcome: SignedIn, User: user}, err
}

func passwordRequired(ctx context.Context, env Env) (SignInResult, error) {
	var pw tg.AccountPassword
	if err := Invoke(ctx, env, &tg.AccountGetPasswordRequest{}, &pw); err != nil {
		return SignInResult{}, err
	}
	return SignInResult{Outcome: PasswordRequired, Hint: pw.Hint, HasRecovery: pw.HasRecovery}, nil
}

// BotSignIn logs a bot in by its token (auth.importBotAuthorization).
func BotSignIn(ctx context.Context, env Env, botToken string) (*tg.User, error) {
	app := env.App()
	if err := checkApp(app); err != nil {
		return nil, err
	}
	id, secret, ok := strings.Cut(strings.TrimSpace(botToken), ":")
	if !ok || id == "" || secret == "" || strings.Trim(id, "0123456789") != "" {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "ACCESS_TOKEN_INVALID", "bot_token: is not of the form <digits>:<letters>").
			WithRemedy(verdicts["ACCESS_TOKEN_INVALID"].remedy)
	}
	var res tg.AuthAuthorizationBox
	err := Invoke(ctx, env, &tg.AuthImportBotAuthorizationRequest{
		APIID: app.APIID, APIHash: app.APIHash, BotAuthToken: id + ":" + secret,
	}, &res)
	if err != nil {
		return nil, err
	}
	return authorized(res.Authorization)
}

// LogOut ends the login (auth.logOut). It reports whether the server confirmed it; a login that
// the server no longer knows, or has ended for another reason, counts as ended. The token, when there is one, lets a later login
// of the same account skip the password.
func LogOut(ctx context.Context, env Env) (confirmed bool, futureAuthToken []byte, err error) {
	var res tg.AuthLoggedOut
	err = Invoke(ctx, env, &tg.AuthLogOutRequest{}, &res)
	if IsRPC(err, "AUTH_KEY_UNREGISTERED", "SESSION_REVOKED", "SESSION_EXPIRED", "ACCOUNT_LOGGED_OUT", "ACCOUNT_BANNED", "ACCOUNT_CONFLICT") {
		return true, nil, nil
	}
	if err != nil {
		return false, nil, err
	}
	return true, res.FutureAuthToken, nil
}

// Authorization says whether an account is logged in, and why not.
type Authorization struct {
	OK bool
	// Reason is Telegram's error name, such as AUTH_KEY_UNREGISTERED; empty with OK.
	Reason string
	// Remedy is the next step; empty with OK.
	Remedy string
	// User is the account's own user, with OK.
	User *tg.User
}

// IsAuthorized asks the server whether the account is logged in (users.getUsers of itself).
func IsAuthorized(ctx context.Context, env Env) (Authorization, error) {
	user, err := GetMe(ctx, env)
	if err == nil {
		return Authorization{OK: true, User: user}, nil
	}
	var own *fleet.Error
	if errors.As(err, &own) {
		switch {
		case own.Code == fleet.CodeUnauthenticated,
			IsRPC(err, "SESSION_PASSWORD_NEEDED", "USER_DEACTIVATED", "USER_DEACTIVATED_BAN", "AUTH_KEY_DUPLICATED"),
			IsRPC(err, "ACCOUNT_LOGGED_OUT", "ACCOUNT_BANNED", "ACCOUNT_CONFLICT"): // as the account itself says
			return Authorization{Reason: own.Reason, Remedy: own.Remedy}, nil
		}
	}
	return Authorization{}, err
}

// GetMe returns the account's own user (users.getUsers of inputUserSelf).
func GetMe(ctx context.Context, env Env) (*tg.User, error) {
	var res tg.UserClassVector
	req := &tg.UsersGetUsersRequest{ID: []tg.InputUserClass{&tg.InputUserSelf{}}}
	if err := Invoke(ctx, env, req, &res); err != nil {
		return nil, err
	}
	if len(res.Elems) == 1 {
		if user, ok := res.Elems[0].(*tg.User); ok {
			return user, nil
		}
	}
	return nil, unexpected(req, "no user")
}

func sentCode(phone string, res tg.AuthSentCodeClass) (SentCode, error) {
	switch res := res.(type) {
	case *tg.AuthSentCode:
		out := SentCode{
			Token:    loginToken{Phone: phone, Hash: res.PhoneCodeHash}.encode(),
			NextType: nextCodeType(res.NextType), Timeout: time.Duration(res.Timeout) * time.Second,
		}
		out.Type, out.Length, out.Pattern = codeType(res.Type)
		return out, nil
	case *tg.AuthSentCodeSuccess:
		user, err := authorized(res.Authorization)
		return SentCode{User: user}, err
	}
	return SentCode{}, fleet.Errorf(fleet.CodeFailedPrecondition, "SENT_CODE_PAYMENT_REQUIRED",
		"phone_number: Telegram wants this login to be paid for").WithRemedy("log in with an official client")
}

func codeType(t tg.AuthSentCodeTypeClass) (CodeType, int, string) {
	switch t := t.(type) {
	case *tg.AuthSentCodeTypeApp:
		return CodeApp, t.Length, ""
	case *tg.AuthSentCodeTypeSMS:
		return CodeSMS, t.Length, ""
	case *tg.AuthSentCodeTypeCall:
		return CodeCall, t.Length, ""
	case *tg.AuthSentCodeTypeFlashCall:
		return CodeFlashCall, 0, t.Pattern
	case *tg.AuthSentCodeTypeMissedCall:
		return CodeMissedCall, t.Length, t.Prefix
	case *tg.AuthSentCodeTypeEmailCode:
		return CodeEmail, t.Length, t.EmailPattern
	case *tg.AuthSentCodeTypeSetUpEmailRequired:
		return CodeEmailSetupRequired, 0, ""
	case *tg.AuthSentCodeTypeFragmentSMS:
		return CodeFragment, t.Length, t.URL
	case *tg.AuthSentCodeTypeFirebaseSMS:
		return CodeFirebase, t.Length, ""
	case *tg.AuthSentCodeTypeSMSWord:
		return CodeSMSWord, 0, t.Beginning
	case *tg.AuthSentCodeTypeSMSPhrase:
		return CodeSMSPhrase, 0, t.Beginning
	}
	return CodeNone, 0, ""
}

func nextCodeType(t tg.AuthCodeTypeClass) CodeType {
	switch t.(type) {
	case *tg.AuthCodeTypeSMS:
		return CodeSMS
	case *tg.AuthCodeTypeCall:
		return CodeCall
	case *tg.AuthCodeTypeFlashCall:
		return CodeFlashCall
	case *tg.AuthCodeTypeMissedCall:
		return CodeMissedCall
	case *tg.AuthCodeTypeFragmentSMS:
		return CodeFragment
	}
	return CodeNone
}

func authorized(res tg.AuthAuthorizationClass) (*tg.User, error) {
	user, ok := AuthorizationOf(res)
	if !ok {
		return nil, fleet.Errorf(fleet.CodeInternal, "ANSWER_UNEXPECTED", "login: Telegram answered without a user (%T)", res)
	}
	return user, nil
}

// Unexpected is the error for an answer of a type that the method has not got in this version.
func Unexpected(req Request, got any) *fleet.Error { return unexpected(req, fmt.Sprintf("%T", got)) }

func unexpected(req Request, got string) *fleet.Error {
	e := fleet.Errorf(fleet.CodeInternal, "ANSWER_UNEXPECTED", "%s: Telegram answered with %s", req.TypeName(), got).
		WithRemedy("report it: this version does not know this answer")
	e.Method = req.TypeName()
	return e
}

func checkApp(app AppProfile) error {
	if app.APIID > 0 && app.APIHash != "" {
		return nil
	}
	return fleet.Errorf(fleet.CodeFailedPrecondition, "API_ID_MISSING", "telegram.api_id, telegram.api_hash: are not set").
		WithRemedy("get both from my.telegram.org and set them in the configuration")
}

// OpensLogin reports whether a method, named by its constructor, begins a login.
func OpensLogin(method uint32) bool {
	switch method {
	case tg.AuthSendCodeRequestTypeID, tg.AuthImportBotAuthorizationRequestTypeID, tg.AuthExportLoginTokenRequestTypeID:
		return true
	}
	return false
}
