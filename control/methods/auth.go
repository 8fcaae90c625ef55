package methods

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

func requestCode(ctx context.Context, env telegram.Env, req *v1.RequestCodeRequest) (*v1.RequestCodeReply, error) {
	code, err := telegram.RequestCode(ctx, env, req.GetPhoneNumber())
	if err != nil {
		return nil, err
	}
	return &v1.RequestCodeReply{Code: loginCode(code), User: convert.User(code.User)}, nil
}

func resendCode(ctx context.Context, env telegram.Env, req *v1.ResendCodeRequest) (*v1.ResendCodeReply, error) {
	code, err := telegram.ResendCode(ctx, env, req.GetToken())
	if err != nil {
		return nil, err
	}
	return &v1.ResendCodeReply{Code: loginCode(code), User: convert.User(code.User)}, nil
}

func cancelCode(ctx context.Context, env telegram.Env, req *v1.CancelCodeRequest) (*v1.CancelCodeReply, error) {
	if err := telegram.CancelCode(ctx, env, req.GetToken()); err != nil {
		return nil, err
	}
	return &v1.CancelCodeReply{}, nil
}

func signIn(ctx context.Context, env telegram.Env, req *v1.SignInRequest) (*v1.SignInReply, error) {
	res, err := telegram.SignIn(ctx, env, req.GetToken(), req.GetCode())
	if err != nil {
		return nil, err
	}
	switch res.Outcome {
	case telegram.PasswordRequired:
		return &v1.SignInReply{
			Outcome:  v1.SignInOutcome_SIGN_IN_OUTCOME_PASSWORD_REQUIRED,
			Password: challenge(res),
		}, nil
	case telegram.SignUpRequired:
		return &v1.SignInReply{Outcome: v1.SignInOutcome_SIGN_IN_OUTCOME_SIGN_UP_REQUIRED}, nil
	}
	return &v1.SignInReply{Outcome: v1.SignInOutcome_SIGN_IN_OUTCOME_SIGNED_IN, User: convert.User(res.User)}, nil
}

func checkPassword(ctx context.Context, env telegram.Env, req *v1.CheckPasswordRequest) (*v1.CheckPasswordReply, error) {
	user, err := telegram.CheckPassword(ctx, env, []byte(req.GetPassword()))
	if err != nil {
		return nil, err
	}
	return &v1.CheckPasswordReply{User: convert.User(user)}, nil
}

func botSignIn(ctx context.Context, env telegram.Env, req *v1.BotSignInRequest) (*v1.BotSignInReply, error) {
	user, err := telegram.BotSignIn(ctx, env, req.GetBotToken())
	if err != nil {
		return nil, err
	}
	return &v1.BotSignInReply{User: convert.User(user)}, nil
}

func qrLogin(ctx context.Context, host *Host, req *v1.QrLoginRequest, send func(*v1.QrLoginReply) error) error {
	env, err := host.Env(ctx, fleet.AccountID(req.GetAccount()))
	if err != nil {
		return err
	}
	res, err := telegram.QRLogin(ctx, env, func(code telegram.QRCode) error {
		return send(&v1.QrLoginReply{Step: &v1.QrLoginReply_Code{Code: &v1.QrCode{
			Url: code.URL, ExpireTime: timestamppb.New(code.Expires),
		}}})
	})
	switch {
	case err != nil:
		return err
	case res.Outcome == telegram.PasswordRequired:
		return send(&v1.QrLoginReply{Step: &v1.QrLoginReply_Password{Password: challenge(res)}})
	}
	return send(&v1.QrLoginReply{Step: &v1.QrLoginReply_User{User: convert.User(res.User)}})
}

func challenge(res telegram.SignInResult) *v1.PasswordChallenge {
	return &v1.PasswordChallenge{Hint: res.Hint, HasRecovery: res.HasRecovery}
}

func getAuthorization(ctx context.Context, env telegram.Env, _ *v1.GetAuthorizationRequest) (*v1.GetAuthorizationReply, error) {
	a, err := telegram.IsAuthorized(ctx, env)
	if err != nil {
		return nil, err
	}
	return &v1.GetAuthorizationReply{Authorized: a.OK, Reason: a.Reason, Remedy: a.Remedy}, nil
}

// eraser is an account that can delete what is stored of its session.
type eraser interface {
	// Erase deletes it; confirmed says that Telegram has ended the login.
	Erase(ctx context.Context, confirmed bool) (telegram.Erasure, error)
}

const (
	// forcePatience is how long a forced sign-out waits for Telegram.
	forcePatience = 5 * time.Second
	endElsewhere  = "the login may still be valid at Telegram: end it in another client of the user (Settings, Devices), or by a bot's new token from @BotFather"
)

func logOut(ctx context.Context, env telegram.Env, req *v1.LogOutRequest) (*v1.LogOutReply, error) {
	account, ok := Ability[eraser](env)
	if !ok {
		return nil, Unsupported("signing out")
	}
	asking, cancel := ctx, func() {}
	if req.GetForce() {
		asking, cancel = context.WithTimeout(ctx, forcePatience)
	}
	confirmed, _, err := telegram.LogOut(asking, env)
	cancel()
	if err != nil && (!req.GetForce() || ctx.Err() != nil) {
		return nil, err
	}
	gone, err := account.Erase(ctx, confirmed)
	if err != nil {
		return nil, err
	}
	reply := &v1.LogOutReply{Confirmed: confirmed, KeysDestroyed: int32(gone.KeysDestroyed), KeysLeft: int32(gone.KeysLeft)}
	if !confirmed {
		reply.Remedy = endElsewhere
	}
	return reply, nil
}

func getMe(ctx context.Context, env telegram.Env, _ *v1.GetMeRequest) (*v1.GetMeReply, error) {
	user, err := telegram.GetMe(ctx, env)
	if err != nil {
		return nil, err
	}
	return &v1.GetMeReply{User: convert.User(user)}, nil
}

func loginCode(code telegram.SentCode) *v1.LoginCode {
	if code.User != nil {
		return nil
	}
	out := &v1.LoginCode{
		Token: code.Token, Type: codeType(code.Type), NextType: codeType(code.NextType),
		Length: int32(code.Length), Pattern: code.Pattern,
	}
	if code.Timeout > 0 {
		out.Timeout = durationpb.New(code.Timeout)
	}
	return out
}

func codeType(t telegram.CodeType) v1.CodeType {
	return v1.CodeType(v1.CodeType_value["CODE_TYPE_"+strings.ToUpper(string(t))])
}
