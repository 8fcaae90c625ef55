package calls_test

import (
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/gotd/td/crypto/srp"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/simtest"
	half "github.com/telefleet/orchestrator/simulator/srp"
)

func TestLoginFlowRefusesWhatTelegramRefuses(t *testing.T) {
	b := simtest.New(t, model.Config{})
	u := simtest.Must(b.AddUser(model.UserSpec{Phone: "15550001", FirstName: "Ann", HomeDC: 2}))(t)
	away, home := b.Session(1), b.Session(2)
	code := func(s *simtest.Session, phone string) (tg.AuthSentCodeClass, error) {
		return s.AuthSendCode(simtest.Ctx, &tg.AuthSendCodeRequest{PhoneNumber: phone, APIID: 1, APIHash: "h"})
	}
	_, err := home.AuthSendCode(simtest.Ctx, &tg.AuthSendCodeRequest{PhoneNumber: u.Phone, APIHash: "h"})
	simtest.Refused(t, err, 400, "API_ID_INVALID")
	_, err = code(away, u.Phone)
	simtest.Refused(t, err, 303, "PHONE_MIGRATE_2")
	_, err = code(home, "12")
	simtest.Refused(t, err, 406, "PHONE_NUMBER_INVALID")
	_, err = home.UsersGetUsers(simtest.Ctx, []tg.InputUserClass{&tg.InputUserSelf{}})
	simtest.Refused(t, err, 401, "AUTH_KEY_UNREGISTERED")

	sent := simtest.Must(code(home, u.Phone))(t).(*tg.AuthSentCode)
	signIn := func(hash, code string) error {
		q := &tg.AuthSignInRequest{PhoneNumber: u.Phone, PhoneCodeHash: hash}
		q.SetPhoneCode(code)
		_, err := home.AuthSignIn(simtest.Ctx, q)
		return err
	}
	simtest.Refused(t, signIn(sent.PhoneCodeHash, ""), 400, "PHONE_CODE_EMPTY")
	simtest.Refused(t, signIn(sent.PhoneCodeHash, "x"), 400, "PHONE_CODE_INVALID")
	simtest.Refused(t, signIn("other", "x"), 400, "PHONE_CODE_EXPIRED")
	resent := simtest.Must(home.AuthResendCode(simtest.Ctx, &tg.AuthResendCodeRequest{PhoneNumber: u.Phone, PhoneCodeHash: sent.PhoneCodeHash}))(t)
	right, _ := b.Rooms.Auth.LoginCode(u.Phone)
	b.Time = b.Time.Add(time.Hour)
	simtest.Refused(t, signIn(resent.(*tg.AuthSentCode).PhoneCodeHash, right), 400, "PHONE_CODE_EXPIRED")
	sent = simtest.Must(code(home, u.Phone))(t).(*tg.AuthSentCode)
	simtest.Must(home.AuthCancelCode(simtest.Ctx, &tg.AuthCancelCodeRequest{PhoneNumber: u.Phone, PhoneCodeHash: sent.PhoneCodeHash}))(t)
	simtest.Refused(t, signIn(sent.PhoneCodeHash, right), 400, "PHONE_CODE_EXPIRED")

	sent = simtest.Must(code(home, u.Phone))(t).(*tg.AuthSentCode)
	right, _ = b.Rooms.Auth.LoginCode(u.Phone)
	if err := signIn(sent.PhoneCodeHash, right); err != nil {
		t.Fatal(err)
	}
	if !b.Rec.Home[home.Key] {
		t.Error("the key was not marked as a home key")
	}
	out := simtest.Must(home.AuthLogOut(simtest.Ctx))(t)
	if b.Rec.Home[home.Key] {
		t.Error("the key is still marked after logOut")
	}
	again, err := home.AuthSendCode(simtest.Ctx, &tg.AuthSendCodeRequest{
		PhoneNumber: u.Phone, APIID: 1, APIHash: "h", Settings: tg.CodeSettings{LogoutTokens: [][]byte{out.FutureAuthToken}},
	})
	if _, ok := again.(*tg.AuthSentCodeSuccess); !ok {
		t.Errorf("with a logout token: got %T, %v", again, err)
	}
}

func TestUnknownPhoneMustSignUp(t *testing.T) {
	b := simtest.New(t, model.Config{})
	s := b.Session(1)
	sent := simtest.Must(s.AuthSendCode(simtest.Ctx, &tg.AuthSendCodeRequest{PhoneNumber: "+15559999", APIID: 1, APIHash: "h"}))(t).(*tg.AuthSentCode)
	code, _ := b.Rooms.Auth.LoginCode("+15559999")
	q := &tg.AuthSignInRequest{PhoneNumber: "+15559999", PhoneCodeHash: sent.PhoneCodeHash}
	q.SetPhoneCode(code)
	if a := simtest.Must(s.AuthSignIn(simtest.Ctx, q))(t); a.TypeID() != tg.AuthAuthorizationSignUpRequiredTypeID {
		t.Fatalf("got %T", a)
	}
	simtest.Must(s.AuthSignUp(simtest.Ctx, &tg.AuthSignUpRequest{PhoneNumber: "+15559999", PhoneCodeHash: sent.PhoneCodeHash, FirstName: "New"}))(t)
	if us := simtest.Must(s.UsersGetUsers(simtest.Ctx, []tg.InputUserClass{&tg.InputUserSelf{}}))(t); us[0].(*tg.User).FirstName != "New" {
		t.Errorf("got %v", us[0])
	}
}

// The foreign implementation of SRP is the judge of half.
func TestPasswordIsProvenByRealMath(t *testing.T) {
	b := simtest.New(t, model.Config{})
	u := simtest.Must(b.AddUser(model.UserSpec{Phone: "15550001", FirstName: "Ann", HomeDC: 1, Password: "pä55", Hint: "h"}))(t)
	s := b.Session(1)
	sent := simtest.Must(s.AuthSendCode(simtest.Ctx, &tg.AuthSendCodeRequest{PhoneNumber: u.Phone, APIID: 1, APIHash: "h"}))(t).(*tg.AuthSentCode)
	code, _ := b.Rooms.Auth.LoginCode(u.Phone)
	q := &tg.AuthSignInRequest{PhoneNumber: u.Phone, PhoneCodeHash: sent.PhoneCodeHash}
	q.SetPhoneCode(code)
	_, err := s.AuthSignIn(simtest.Ctx, q)
	simtest.Refused(t, err, 401, "SESSION_PASSWORD_NEEDED")
	_, err = s.UpdatesGetState(simtest.Ctx)
	simtest.Refused(t, err, 401, "AUTH_KEY_UNREGISTERED")

	prove := func(password string, offer *tg.AccountPassword) *tg.InputCheckPasswordSRP {
		algo := offer.CurrentAlgo.(*tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow)
		a, err := srp.NewSRP(&zeroReader{}).Hash([]byte(password), offer.SRPB, half.Random(256), srp.Input{
			Salt1: algo.Salt1, Salt2: algo.Salt2, G: algo.G, P: algo.P,
		})
		if err != nil {
			t.Fatal(err)
		}
		return &tg.InputCheckPasswordSRP{SRPID: offer.SRPID, A: a.A, M1: a.M1}
	}
	offer := simtest.Must(s.AccountGetPassword(simtest.Ctx))(t)
	_, err = s.AuthCheckPassword(simtest.Ctx, prove("wrong", offer))
	simtest.Refused(t, err, 400, "PASSWORD_HASH_INVALID")
	_, err = s.AuthCheckPassword(simtest.Ctx, prove("pä55", offer))
	simtest.Refused(t, err, 400, "SRP_ID_INVALID") // each offer is good for one try
	offer = simtest.Must(s.AccountGetPassword(simtest.Ctx))(t)
	zero := &tg.InputCheckPasswordSRP{SRPID: offer.SRPID, A: make([]byte, 256), M1: make([]byte, 32)}
	_, err = s.AuthCheckPassword(simtest.Ctx, zero)
	simtest.Refused(t, err, 400, "PASSWORD_HASH_INVALID")
	offer = simtest.Must(s.AccountGetPassword(simtest.Ctx))(t)
	simtest.Must(s.AuthCheckPassword(simtest.Ctx, prove("pä55", offer)))(t)
	simtest.Must(s.UpdatesGetState(simtest.Ctx))(t)
}

type zeroReader struct{}

func (*zeroReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i*7 + 1)
	}
	return len(p), nil
}

func TestAuthorizationIsExportedToAnotherDC(t *testing.T) {
	b := simtest.New(t, model.Config{})
	ann, there := b.Person("ann"), b.Session(2)
	_, err := ann.AuthExportAuthorization(simtest.Ctx, 1)
	simtest.Refused(t, err, 400, "DC_ID_INVALID")
	e := simtest.Must(ann.AuthExportAuthorization(simtest.Ctx, 2))(t)
	_, err = there.AuthImportAuthorization(simtest.Ctx, &tg.AuthImportAuthorizationRequest{ID: e.ID, Bytes: []byte("x")})
	simtest.Refused(t, err, 400, "AUTH_BYTES_INVALID")
	simtest.Must(there.AuthImportAuthorization(simtest.Ctx, &tg.AuthImportAuthorizationRequest{ID: e.ID, Bytes: e.Bytes}))(t)
	_, err = there.AuthImportAuthorization(simtest.Ctx, &tg.AuthImportAuthorizationRequest{ID: e.ID, Bytes: e.Bytes})
	simtest.Refused(t, err, 400, "AUTH_BYTES_INVALID")
	simtest.Must(there.UsersGetUsers(simtest.Ctx, []tg.InputUserClass{&tg.InputUserSelf{}}))(t)
	_, err = there.UpdatesGetState(simtest.Ctx)
	simtest.Refused(t, err, 303, "USER_MIGRATE_1")
	if b.Rec.Home[there.Key] {
		t.Error("a key of another DC was marked as a home key")
	}
}

func TestEndedLoginsAreRefused(t *testing.T) {
	b := simtest.New(t, model.Config{})
	ann, eve, cut := b.Person("ann"), b.Person("eve"), b.Person("cut")
	b.Revoke(ann.ID)
	_, err := ann.UpdatesGetState(simtest.Ctx)
	simtest.Refused(t, err, 401, "SESSION_REVOKED")
	b.Deactivate(eve.ID)
	_, err = eve.UpdatesGetState(simtest.Ctx)
	simtest.Refused(t, err, 401, "USER_DEACTIVATED_BAN")
	b.KillKey(cut.Key)
	_, err = cut.UpdatesGetState(simtest.Ctx)
	simtest.Refused(t, err, 406, "AUTH_KEY_DUPLICATED")
}

func TestBotsAreBots(t *testing.T) {
	b := simtest.New(t, model.Config{})
	ann, bot := b.Person("ann"), b.Robot("bot")
	other := b.Session(2)
	_, err := other.AuthImportBotAuthorization(simtest.Ctx, &tg.AuthImportBotAuthorizationRequest{APIID: 1, APIHash: "h", BotAuthToken: "1:x"})
	simtest.Refused(t, err, 400, "ACCESS_TOKEN_INVALID")
	_, err = other.AuthImportBotAuthorization(simtest.Ctx, &tg.AuthImportBotAuthorizationRequest{APIID: 1, APIHash: "h", BotAuthToken: b.Users[bot.ID].Token})
	simtest.Refused(t, err, 303, "USER_MIGRATE_1")
	_, err = bot.MessagesGetHistory(simtest.Ctx, &tg.MessagesGetHistoryRequest{Peer: bot.To(ann), Limit: 1})
	simtest.Refused(t, err, 400, "BOT_METHOD_INVALID")
	_, err = bot.Write(bot.To(ann), "hi")
	simtest.Refused(t, err, 400, "PEER_ID_INVALID") // a bot cannot begin
	simtest.Must(ann.Write(ann.To(bot), "/start"))(t)
	simtest.Must(bot.Write(bot.To(ann), "hi"))(t)
	_, err = ann.MessagesSetBotCallbackAnswer(simtest.Ctx, &tg.MessagesSetBotCallbackAnswerRequest{})
	simtest.Refused(t, err, 400, "USER_BOT_REQUIRED")
}
