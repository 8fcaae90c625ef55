package model

import (
	"testing"
	"time"

	"github.com/gotd/td/crypto/srp"
	"github.com/gotd/td/tg"
)

func TestLoginFlowRefusesWhatTelegramRefuses(t *testing.T) {
	b := newBench(t, Config{})
	u := must(b.AddUser(UserSpec{Phone: "15550001", FirstName: "Ann", HomeDC: 2}))(t)
	away, home := b.session(1), b.session(2)
	code := func(s *session, phone string) (tg.AuthSentCodeClass, error) {
		return s.AuthSendCode(ctx, &tg.AuthSendCodeRequest{PhoneNumber: phone, APIID: 1, APIHash: "h"})
	}
	_, err := home.AuthSendCode(ctx, &tg.AuthSendCodeRequest{PhoneNumber: u.Phone, APIHash: "h"})
	refused(t, err, 400, "API_ID_INVALID")
	_, err = code(away, u.Phone)
	refused(t, err, 303, "PHONE_MIGRATE_2")
	_, err = code(home, "12")
	refused(t, err, 406, "PHONE_NUMBER_INVALID")
	_, err = home.UsersGetUsers(ctx, []tg.InputUserClass{&tg.InputUserSelf{}})
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")

	sent := must(code(home, u.Phone))(t).(*tg.AuthSentCode)
	signIn := func(hash, code string) error {
		q := &tg.AuthSignInRequest{PhoneNumber: u.Phone, PhoneCodeHash: hash}
		q.SetPhoneCode(code)
		_, err := home.AuthSignIn(ctx, q)
		return err
	}
	refused(t, signIn(sent.PhoneCodeHash, ""), 400, "PHONE_CODE_EMPTY")
	refused(t, signIn(sent.PhoneCodeHash, "x"), 400, "PHONE_CODE_INVALID")
	refused(t, signIn("other", "x"), 400, "PHONE_CODE_EXPIRED")
	resent := must(home.AuthResendCode(ctx, &tg.AuthResendCodeRequest{PhoneNumber: u.Phone, PhoneCodeHash: sent.PhoneCodeHash}))(t)
	right, _ := b.LoginCode(u.Phone)
	b.time = b.time.Add(time.Hour)
	refused(t, signIn(resent.(*tg.AuthSentCode).PhoneCodeHash, right), 400, "PHONE_CODE_EXPIRED")
	sent = must(code(home, u.Phone))(t).(*tg.AuthSentCode)
	must(home.AuthCancelCode(ctx, &tg.AuthCancelCodeRequest{PhoneNumber: u.Phone, PhoneCodeHash: sent.PhoneCodeHash}))(t)
	refused(t, signIn(sent.PhoneCodeHash, right), 400, "PHONE_CODE_EXPIRED")

	sent = must(code(home, u.Phone))(t).(*tg.AuthSentCode)
	right, _ = b.LoginCode(u.Phone)
	if err := signIn(sent.PhoneCodeHash, right); err != nil {
		t.Fatal(err)
	}
	if !b.rec.home[home.key] {
		t.Error("the key was not marked as a home key")
	}
	out := must(home.AuthLogOut(ctx))(t)
	if b.rec.home[home.key] {
		t.Error("the key is still marked after logOut")
	}
	again, err := home.AuthSendCode(ctx, &tg.AuthSendCodeRequest{
		PhoneNumber: u.Phone, APIID: 1, APIHash: "h", Settings: tg.CodeSettings{LogoutTokens: [][]byte{out.FutureAuthToken}},
	})
	if _, ok := again.(*tg.AuthSentCodeSuccess); !ok {
		t.Errorf("with a logout token: got %T, %v", again, err)
	}
}

func TestUnknownPhoneMustSignUp(t *testing.T) {
	b := newBench(t, Config{})
	s := b.session(1)
	sent := must(s.AuthSendCode(ctx, &tg.AuthSendCodeRequest{PhoneNumber: "+15559999", APIID: 1, APIHash: "h"}))(t).(*tg.AuthSentCode)
	code, _ := b.LoginCode("+15559999")
	q := &tg.AuthSignInRequest{PhoneNumber: "+15559999", PhoneCodeHash: sent.PhoneCodeHash}
	q.SetPhoneCode(code)
	if a := must(s.AuthSignIn(ctx, q))(t); a.TypeID() != tg.AuthAuthorizationSignUpRequiredTypeID {
		t.Fatalf("got %T", a)
	}
	must(s.AuthSignUp(ctx, &tg.AuthSignUpRequest{PhoneNumber: "+15559999", PhoneCodeHash: sent.PhoneCodeHash, FirstName: "New"}))(t)
	if us := must(s.UsersGetUsers(ctx, []tg.InputUserClass{&tg.InputUserSelf{}}))(t); us[0].(*tg.User).FirstName != "New" {
		t.Errorf("got %v", us[0])
	}
}

// The foreign implementation of SRP is the judge of ours.
func TestPasswordIsProvenByRealMath(t *testing.T) {
	b := newBench(t, Config{})
	u := must(b.AddUser(UserSpec{Phone: "15550001", FirstName: "Ann", HomeDC: 1, Password: "pä55", Hint: "h"}))(t)
	s := b.session(1)
	sent := must(s.AuthSendCode(ctx, &tg.AuthSendCodeRequest{PhoneNumber: u.Phone, APIID: 1, APIHash: "h"}))(t).(*tg.AuthSentCode)
	code, _ := b.LoginCode(u.Phone)
	q := &tg.AuthSignInRequest{PhoneNumber: u.Phone, PhoneCodeHash: sent.PhoneCodeHash}
	q.SetPhoneCode(code)
	_, err := s.AuthSignIn(ctx, q)
	refused(t, err, 401, "SESSION_PASSWORD_NEEDED")
	_, err = s.UpdatesGetState(ctx)
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")

	prove := func(password string, offer *tg.AccountPassword) *tg.InputCheckPasswordSRP {
		algo := offer.CurrentAlgo.(*tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow)
		a, err := srp.NewSRP(&zeroReader{}).Hash([]byte(password), offer.SRPB, random(256), srp.Input{
			Salt1: algo.Salt1, Salt2: algo.Salt2, G: algo.G, P: algo.P,
		})
		if err != nil {
			t.Fatal(err)
		}
		return &tg.InputCheckPasswordSRP{SRPID: offer.SRPID, A: a.A, M1: a.M1}
	}
	offer := must(s.AccountGetPassword(ctx))(t)
	_, err = s.AuthCheckPassword(ctx, prove("wrong", offer))
	refused(t, err, 400, "PASSWORD_HASH_INVALID")
	_, err = s.AuthCheckPassword(ctx, prove("pä55", offer))
	refused(t, err, 400, "SRP_ID_INVALID") // each offer is good for one try
	offer = must(s.AccountGetPassword(ctx))(t)
	zero := &tg.InputCheckPasswordSRP{SRPID: offer.SRPID, A: make([]byte, 256), M1: make([]byte, 32)}
	_, err = s.AuthCheckPassword(ctx, zero)
	refused(t, err, 400, "PASSWORD_HASH_INVALID")
	offer = must(s.AccountGetPassword(ctx))(t)
	must(s.AuthCheckPassword(ctx, prove("pä55", offer)))(t)
	must(s.UpdatesGetState(ctx))(t)
}

type zeroReader struct{}

func (*zeroReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i*7 + 1)
	}
	return len(p), nil
}

func TestAuthorizationIsExportedToAnotherDC(t *testing.T) {
	b := newBench(t, Config{})
	ann, there := b.person("ann"), b.session(2)
	_, err := ann.AuthExportAuthorization(ctx, 1)
	refused(t, err, 400, "DC_ID_INVALID")
	e := must(ann.AuthExportAuthorization(ctx, 2))(t)
	_, err = there.AuthImportAuthorization(ctx, &tg.AuthImportAuthorizationRequest{ID: e.ID, Bytes: []byte("x")})
	refused(t, err, 400, "AUTH_BYTES_INVALID")
	must(there.AuthImportAuthorization(ctx, &tg.AuthImportAuthorizationRequest{ID: e.ID, Bytes: e.Bytes}))(t)
	_, err = there.AuthImportAuthorization(ctx, &tg.AuthImportAuthorizationRequest{ID: e.ID, Bytes: e.Bytes})
	refused(t, err, 400, "AUTH_BYTES_INVALID")
	must(there.UsersGetUsers(ctx, []tg.InputUserClass{&tg.InputUserSelf{}}))(t)
	_, err = there.UpdatesGetState(ctx)
	refused(t, err, 303, "USER_MIGRATE_1")
	if b.rec.home[there.key] {
		t.Error("a key of another DC was marked as a home key")
	}
}

func TestEndedLoginsAreRefused(t *testing.T) {
	b := newBench(t, Config{})
	ann, eve, cut := b.person("ann"), b.person("eve"), b.person("cut")
	b.Revoke(ann.id)
	_, err := ann.UpdatesGetState(ctx)
	refused(t, err, 401, "SESSION_REVOKED")
	b.Deactivate(eve.id)
	_, err = eve.UpdatesGetState(ctx)
	refused(t, err, 401, "USER_DEACTIVATED_BAN")
	b.KillKey(cut.key)
	_, err = cut.UpdatesGetState(ctx)
	refused(t, err, 406, "AUTH_KEY_DUPLICATED")
}

func TestBotsAreBots(t *testing.T) {
	b := newBench(t, Config{})
	ann, bot := b.person("ann"), b.robot("bot")
	other := b.session(2)
	_, err := other.AuthImportBotAuthorization(ctx, &tg.AuthImportBotAuthorizationRequest{APIID: 1, APIHash: "h", BotAuthToken: "1:x"})
	refused(t, err, 400, "ACCESS_TOKEN_INVALID")
	_, err = other.AuthImportBotAuthorization(ctx, &tg.AuthImportBotAuthorizationRequest{APIID: 1, APIHash: "h", BotAuthToken: b.users[bot.id].token})
	refused(t, err, 303, "USER_MIGRATE_1")
	_, err = bot.MessagesGetHistory(ctx, &tg.MessagesGetHistoryRequest{Peer: bot.to(ann), Limit: 1})
	refused(t, err, 400, "BOT_METHOD_INVALID")
	_, err = bot.write(bot.to(ann), "hi")
	refused(t, err, 400, "PEER_ID_INVALID") // a bot cannot begin
	must(ann.write(ann.to(bot), "/start"))(t)
	must(bot.write(bot.to(ann), "hi"))(t)
	_, err = ann.MessagesSetBotCallbackAnswer(ctx, &tg.MessagesSetBotCallbackAnswerRequest{})
	refused(t, err, 400, "USER_BOT_REQUIRED")
}
