package telegram

import (
	"context"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

func sent() *tg.AuthSentCode {
	code := &tg.AuthSentCode{Type: &tg.AuthSentCodeTypeApp{Length: 5}, PhoneCodeHash: "hash"}
	code.SetNextType(&tg.AuthCodeTypeSMS{})
	code.SetTimeout(60)
	return code
}

func TestRequestCodeTellsHowTheCodeComes(t *testing.T) {
	env := script(t, step{"auth.sendCode", rpc(500, "AUTH_RESTART")}, step{"auth.sendCode", sent()})
	got, err := RequestCode(context.Background(), env, "+1 (555) 000-2000")
	if err != nil {
		t.Fatal(err)
	}
	token, err := parseLoginToken(got.Token)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, token, loginToken{Phone: "15550002000", Hash: "hash"})
	got.Token = ""
	wantEqual(t, got, SentCode{Type: CodeApp, NextType: CodeSMS, Timeout: time.Minute, Length: 5})
	req := env.calls[1].(*tg.AuthSendCodeRequest)
	wantEqual(t, [3]any{req.PhoneNumber, req.APIID, req.APIHash}, [3]any{"15550002000", 17, "hash"})
}

func TestRequestCodeWithoutAPIIDNeverCalls(t *testing.T) {
	env := script(t)
	env.app = AppProfile{}
	_, err := RequestCode(context.Background(), env, "+15550002")
	wantReason(t, err, "API_ID_MISSING")
}

func TestBadPhoneIsNotEchoed(t *testing.T) {
	for _, phone := range []string{"", "12", "abc", "+1555000x2", strings.Repeat("1", 21)} {
		_, err := RequestCode(context.Background(), script(t), phone)
		own := wantReason(t, err, "PHONE_NUMBER_INVALID")
		if phone != "" && len(phone) > 2 && strings.Contains(own.Error(), phone) {
			t.Errorf("error shows the number: %v", own)
		}
	}
}

func TestRequestCodeCanSignInAtOnce(t *testing.T) {
	env := script(t, step{"auth.sendCode", &tg.AuthSentCodeSuccess{Authorization: &tg.AuthAuthorization{User: alice}}})
	got, err := RequestCode(context.Background(), env, "15550001")
	if err != nil || got.User == nil || got.User.ID != alice.ID || got.Token != "" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

// keeperEnv is a script of an account that has logged out before.
type keeperEnv struct{ *scriptEnv }

func (keeperEnv) LogoutTokens(context.Context) [][]byte { return [][]byte{[]byte("future")} }

func TestFutureAuthTokenIsSentWithTheNextLogin(t *testing.T) {
	env := script(t, step{"auth.sendCode", &tg.AuthSentCodeSuccess{Authorization: &tg.AuthAuthorization{User: alice}}})
	if got, err := RequestCode(t.Context(), keeperEnv{env}, "15550001"); err != nil || got.User == nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	tokens, _ := env.calls[0].(*tg.AuthSendCodeRequest).Settings.GetLogoutTokens()
	wantEqual(t, tokens, [][]byte{[]byte("future")})
}

func TestSignInOutcomes(t *testing.T) {
	token := loginToken{Phone: "15550001", Hash: "hash"}.encode()
	ctx := context.Background()

	got, err := SignIn(ctx, script(t, step{"auth.signIn", &tg.AuthAuthorization{User: alice}}), token, " 12-345 ")
	if err != nil || got.Outcome != SignedIn || got.User.ID != alice.ID {
		t.Fatalf("signed in: %+v, %v", got, err)
	}
	pw := passwordParams(1)
	pw.HasRecovery = true
	pw.SetHint("pet")
	got, err = SignIn(ctx, script(t, step{"auth.signIn", rpc(401, "SESSION_PASSWORD_NEEDED")}, step{"account.getPassword", pw}), token, "12345")
	wantEqual(t, got, SignInResult{Outcome: PasswordRequired, Hint: "pet", HasRecovery: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []any{&tg.AuthAuthorizationSignUpRequired{}, rpc(400, "PHONE_NUMBER_UNOCCUPIED")} {
		got, err = SignIn(ctx, script(t, step{"auth.signIn", answer}), token, "12345")
		if err != nil || got.Outcome != SignUpRequired {
			t.Fatalf("sign up: %+v, %v", got, err)
		}
	}
}

func TestSignInErrorsAreDistinct(t *testing.T) {
	token := loginToken{Phone: "15550001", Hash: "hash"}.encode()
	ctx := context.Background()
	for name, code := range map[string]fleet.Code{
		"PHONE_CODE_INVALID": fleet.CodeInvalidArgument, "PHONE_CODE_EXPIRED": fleet.CodeFailedPrecondition,
	} {
		_, err := SignIn(ctx, script(t, step{"auth.signIn", rpc(400, name)}), token, "12345")
		own := wantReason(t, err, name)
		if own.Code != code || own.Remedy == "" || own.Method != "auth.signIn" {
			t.Errorf("%s: %+v", name, own)
		}
	}
	_, err := SignIn(ctx, script(t), token, " ")
	wantReason(t, err, "PHONE_CODE_EMPTY")
	for _, bad := range []string{"", "x", "e30", "!"} {
		_, err := SignIn(ctx, script(t), bad, "12345")
		wantReason(t, err, "LOGIN_TOKEN_INVALID")
	}
}

func TestBotSignIn(t *testing.T) {
	bot := &tg.User{Bot: true, Self: true, ID: 7, Username: "robot"}
	env := script(t, step{"auth.importBotAuthorization", &tg.AuthAuthorization{User: bot}})
	user, err := BotSignIn(context.Background(), env, " 7:secret ")
	if err != nil || user.Username != "robot" {
		t.Fatalf("got %v, %v", user, err)
	}
	for _, bad := range []string{"", "7", "x:secret", ":secret", "7:"} {
		_, err := BotSignIn(context.Background(), script(t), bad)
		if own := wantReason(t, err, "ACCESS_TOKEN_INVALID"); strings.Contains(own.Error(), "secret") {
			t.Errorf("error shows the token: %v", own)
		}
	}
}

func TestIsAuthorizedGivesTheReason(t *testing.T) {
	ctx := context.Background()
	got, err := IsAuthorized(ctx, script(t, step{"users.getUsers", &tg.UserClassVector{Elems: []tg.UserClass{alice}}}))
	if err != nil || !got.OK || got.User.ID != alice.ID {
		t.Fatalf("got %+v, %v", got, err)
	}
	for name, code := range map[string]int{"AUTH_KEY_UNREGISTERED": 401, "SESSION_REVOKED": 401, "USER_DEACTIVATED_BAN": 401, "SESSION_PASSWORD_NEEDED": 401} {
		got, err := IsAuthorized(ctx, script(t, step{"users.getUsers", rpc(code, name)}))
		if err != nil || got.OK || got.Reason != name || got.Remedy == "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	_, err = IsAuthorized(ctx, script(t, step{"users.getUsers", rpc(420, "FLOOD_WAIT_30")}))
	if own := wantReason(t, err, "FLOOD_WAIT"); own.RetryAfter != 30*time.Second {
		t.Errorf("retry after %s", own.RetryAfter)
	}
}

func TestLogOut(t *testing.T) {
	loggedOut := &tg.AuthLoggedOut{}
	loggedOut.SetFutureAuthToken([]byte("later"))
	ok, token, err := LogOut(context.Background(), script(t, step{"auth.logOut", loggedOut}))
	if !ok || string(token) != "later" || err != nil {
		t.Fatal(ok, token, err)
	}
	ok, _, err = LogOut(context.Background(), script(t, step{"auth.logOut", rpc(401, "AUTH_KEY_UNREGISTERED")}))
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
}

func TestPasswordIsWipedAndChecked(t *testing.T) {
	password := []byte("secret")
	none := &tg.AccountPassword{NewAlgo: &tg.PasswordKdfAlgoUnknown{}, NewSecureAlgo: &tg.SecurePasswordKdfAlgoUnknown{}}
	_, err := CheckPassword(context.Background(), script(t, step{"account.getPassword", none}), password)
	wantReason(t, err, "PASSWORD_MISSING")
	if string(password) != strings.Repeat("\x00", 6) {
		t.Error("the password was not wiped")
	}
	_, err = CheckPassword(context.Background(), script(t), nil)
	wantReason(t, err, "PASSWORD_EMPTY")
}

// primeHex is Telegram's 2048-bit modulus (core.telegram.org/mtproto/security_guidelines).
const primeHex = "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f642477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b"

// passwordParams is the answer of account.getPassword with an SRP id.
func passwordParams(id int64) *tg.AccountPassword {
	prime, _ := new(big.Int).SetString(primeHex, 16)
	pw := &tg.AccountPassword{HasPassword: true, NewAlgo: &tg.PasswordKdfAlgoUnknown{}, NewSecureAlgo: &tg.SecurePasswordKdfAlgoUnknown{}}
	pw.SetCurrentAlgo(&tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow{
		Salt1: []byte("salt1"), Salt2: []byte("salt2"), G: 3, P: prime.Bytes(),
	})
	pw.SetSRPB(new(big.Int).Exp(big.NewInt(3), big.NewInt(1_000_003), prime).Bytes())
	pw.SetSRPID(id)
	return pw
}

func TestPasswordIsTriedWithFreshParameters(t *testing.T) {
	env := script(t, step{"account.getPassword", passwordParams(1)}, step{"auth.checkPassword", rpc(400, "SRP_ID_INVALID")},
		step{"account.getPassword", passwordParams(2)}, step{"auth.checkPassword", &tg.AuthAuthorization{User: alice}})
	user, err := CheckPassword(context.Background(), env, []byte("secret"))
	if err != nil || user.ID != alice.ID {
		t.Fatalf("got %v, %v", user, err)
	}
	proof := env.calls[3].(*tg.AuthCheckPasswordRequest).Password.(*tg.InputCheckPasswordSRP)
	if proof.SRPID != 2 || len(proof.A) != 256 || len(proof.M1) != 32 {
		t.Errorf("proof for id %d with %d and %d bytes", proof.SRPID, len(proof.A), len(proof.M1))
	}
	env = script(t, step{"account.getPassword", passwordParams(1)}, step{"auth.checkPassword", rpc(400, "PASSWORD_HASH_INVALID")})
	_, err = CheckPassword(context.Background(), env, []byte("wrong"))
	wantReason(t, err, "PASSWORD_HASH_INVALID")
	unsafe := passwordParams(1)
	unsafe.SRPB = []byte{1}
	_, err = CheckPassword(context.Background(), script(t, step{"account.getPassword", unsafe}), []byte("secret"))
	wantReason(t, err, "SRP_UNSAFE")
}

func TestAuthorizationIsFoundInAnswers(t *testing.T) {
	auth := &tg.AuthAuthorization{User: alice}
	for _, answer := range []any{
		auth, &tg.AuthAuthorizationBox{Authorization: auth}, &tg.AuthSentCodeBox{SentCode: &tg.AuthSentCodeSuccess{Authorization: auth}},
		&tg.AuthLoginTokenBox{LoginToken: &tg.AuthLoginTokenSuccess{Authorization: auth}},
	} {
		if user, ok := AuthorizationOf(answer); !ok || user.ID != alice.ID {
			t.Errorf("%T: not found", answer)
		}
	}
	if _, ok := AuthorizationOf(&tg.AuthSentCodeBox{SentCode: sent()}); ok {
		t.Error("a sent code is no authorization")
	}
}

func TestCodeIsResentByTheNextTypeAndCancelled(t *testing.T) {
	ctx, token := t.Context(), loginToken{Phone: "15550001", Hash: "hash"}.encode()
	next := &tg.AuthSentCode{Type: &tg.AuthSentCodeTypeSMS{Length: 6}, PhoneCodeHash: "second"}
	env := script(t, step{"auth.resendCode", next})
	got, err := ResendCode(ctx, env, token)
	if err != nil {
		t.Fatal(err)
	}
	resent, err := parseLoginToken(got.Token)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, resent, loginToken{Phone: "15550001", Hash: "second"})
	wantEqual(t, [2]any{got.Type, got.Length}, [2]any{CodeSMS, 6})
	asked := env.calls[0].(*tg.AuthResendCodeRequest)
	wantEqual(t, [2]string{asked.PhoneNumber, asked.PhoneCodeHash}, [2]string{"15550001", "hash"})

	env = script(t, step{"auth.cancelCode", &tg.BoolBox{Bool: &tg.BoolTrue{}}})
	if err := CancelCode(ctx, env, token); err != nil {
		t.Fatal(err)
	}
	cancelled := env.calls[0].(*tg.AuthCancelCodeRequest)
	wantEqual(t, [2]string{cancelled.PhoneNumber, cancelled.PhoneCodeHash}, [2]string{"15550001", "hash"})
	if err := CancelCode(ctx, script(t), "bad"); err == nil {
		t.Error("a bad token was taken")
	}
	_, err = ResendCode(ctx, script(t, step{"auth.resendCode", rpc(406, "SEND_CODE_UNAVAILABLE")}), token)
	if own := wantReason(t, err, "SEND_CODE_UNAVAILABLE"); own.Remedy == "" {
		t.Error("no remedy")
	}
}

func TestRefusedPhonesAreTyped(t *testing.T) {
	for name, want := range map[string]fleet.Code{
		"PHONE_NUMBER_BANNED": fleet.CodePermissionDenied, "PHONE_NUMBER_INVALID": fleet.CodeInvalidArgument,
		"PHONE_NUMBER_FLOOD": fleet.CodeResourceExhausted, "PHONE_PASSWORD_FLOOD": fleet.CodeResourceExhausted,
	} {
		_, err := RequestCode(t.Context(), script(t, step{"auth.sendCode", rpc(400, name)}), "+15550001")
		if own := wantReason(t, err, name); own.Code != want || own.Remedy == "" || strings.Contains(own.Error(), "15550001") {
			t.Errorf("%s: %+v", name, own)
		}
	}
	_, err := RequestCode(t.Context(), script(t, step{"auth.sendCode", rpc(420, "FLOOD_WAIT_86400")}), "+15550001")
	if own := wantReason(t, err, "FLOOD_WAIT"); own.RetryAfter != 24*time.Hour {
		t.Errorf("retry after %s", own.RetryAfter)
	}
	again := step{"auth.sendCode", rpc(500, "AUTH_RESTART")}
	_, err = RequestCode(t.Context(), script(t, again, again, again), "+15550001")
	wantReason(t, err, "AUTH_RESTART") // not for ever
}
