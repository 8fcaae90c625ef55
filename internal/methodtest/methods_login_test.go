package methodtest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator"
)

func TestMethod10_RequestLoginCode(t *testing.T) {
	t.Parallel()
	p := start(t)
	anna := p.signedOut(t, func(s *simulator.UserSpec) { s.HomeDC = 3 }) // not where a node begins
	if err := p.sim.Refuse("auth.sendCode", 500, "AUTH_RESTART", 1); err != nil {
		t.Fatal(err)
	}
	sent, ok := must(anna.RequestCode(deadline(t), anna.Phone))(t).(*client.CodeSent)
	code, there := p.sim.LoginCode(anna.Phone)
	if !ok || sent.Type == v1.CodeType_CODE_TYPE_UNSPECIFIED || sent.Token() == "" || !there || sent.Length != len(code) {
		t.Fatalf("got %+v; the simulator sent a code of %d characters", sent, len(code))
	}
	for name, code := range map[string]int{"PHONE_NUMBER_BANNED": 400, "PHONE_NUMBER_FLOOD": 400} {
		if err := p.sim.Refuse("auth.sendCode", code, name, 1); err != nil {
			t.Fatal(err)
		}
		_, err := anna.RequestCode(deadline(t), anna.Phone)
		refused(t, err, client.Reason(name))
	}
	_, err := anna.RequestCode(deadline(t), "+12")
	refused(t, err, "PHONE_NUMBER_INVALID")
}

func TestMethod11_SignIn(t *testing.T) {
	t.Parallel()
	anna := here.signedOut(t)
	request := func() *client.CodeSent {
		t.Helper()
		sent, ok := must(anna.RequestCode(deadline(t), anna.Phone))(t).(*client.CodeSent)
		if !ok {
			t.Fatal("no code was sent")
		}
		return sent
	}
	first := request()
	if err := first.Cancel(deadline(t)); err != nil {
		t.Fatal(err)
	}
	_, err := first.SignIn(deadline(t), "12345")
	refused(t, err, "PHONE_CODE_EXPIRED")
	sent := request()
	for code, want := range map[string]client.Reason{"": "PHONE_CODE_EMPTY", "nonsense": "PHONE_CODE_INVALID"} {
		_, err := sent.SignIn(deadline(t), code)
		refused(t, err, want)
	}
	code, _ := sim.LoginCode(anna.Phone)
	user := signedIn(must(anna.SignIn(deadline(t), sent.Token(), code))(t))
	if user.GetId() != anna.UserID || len(sim.World().Keys(anna.UserID)) != 1 {
		t.Errorf("signed in as %v with the keys %x", user, sim.World().Keys(anna.UserID))
	}

	nobody := here.open(t, anna.ID()+"-nobody")
	phone := anna.Phone + "9"
	sent, _ = must(nobody.RequestCode(deadline(t), phone))(t).(*client.CodeSent)
	code, _ = sim.LoginCode(phone)
	if step := must(sent.SignIn(deadline(t), code))(t); step == nil || signedIn(step) != nil {
		t.Errorf("a number without a user: %T", step)
	} else if _, ok := step.(*client.SignUpRequired); !ok {
		t.Errorf("a number without a user: %T", step)
	}
}

func TestMethod12_CheckPassword(t *testing.T) {
	t.Parallel()
	anna := here.signedOut(t, func(s *simulator.UserSpec) { s.Password, s.Hint = "correct horse", "battery" })
	sent := must(anna.RequestCode(deadline(t), anna.Phone))(t).(*client.CodeSent)
	code, _ := sim.LoginCode(anna.Phone)
	needed, ok := must(sent.SignIn(deadline(t), code))(t).(*client.PasswordRequired)
	if !ok || needed.Hint != "battery" || len(sim.World().Keys(anna.UserID)) > 0 {
		t.Fatalf("got %+v, keys %x", needed, sim.World().Keys(anna.UserID))
	}
	_, err := needed.Check(deadline(t), "wrong")
	refused(t, err, "PASSWORD_HASH_INVALID")
	if user := must(anna.CheckPassword(deadline(t), "correct horse"))(t); user.GetId() != anna.UserID || len(sim.World().Keys(anna.UserID)) != 1 {
		t.Errorf("signed in as %v", user)
	}
}

func TestMethod13_BotSignIn(t *testing.T) {
	t.Parallel()
	n := numbers.Add(1)
	robot := here.open(t, fmt.Sprintf("robot-%d", n))
	made := must(sim.AddBot(simulator.BotSpec{Name: "Robot", Username: fmt.Sprintf("method13_%d_bot", n), HomeDC: 3}))(t)
	_, err := robot.BotSignIn(deadline(t), "1:nonsense")
	refused(t, err, "ACCESS_TOKEN_INVALID")
	user := must(robot.BotSignIn(deadline(t), made.Token))(t)
	if user.GetUsername() != made.Username || !user.GetBot() || len(sim.World().Keys(made.ID)) != 1 {
		t.Errorf("signed in as %v", user)
	}
	robot.awaitStatus(t, func(s *v1.AccountStatus) bool { return s.GetBot() && s.GetHomeDc() == 3 && s.GetUserId() == made.ID })
}

func TestMethod13a_QRLogin(t *testing.T) {
	t.Parallel()
	phone := account(t, func(s *simulator.UserSpec) { s.HomeDC = 1 })
	desk := here.open(t, phone.ID()+"-desk")
	scan := func(code client.QRCode) error {
		link, err := url.Parse(code.URL)
		if err != nil {
			return err
		}
		token, err := base64.RawURLEncoding.DecodeString(link.Query().Get("token"))
		if err != nil || link.Scheme != "tg" {
			return errors.Join(err, errors.New("the code is no login link"))
		}
		_, err = phone.InvokeTL(deadline(t), encoded(t, &tg.AuthAcceptLoginTokenRequest{Token: token}))
		return err
	}
	if user := signedIn(must(desk.QRLogin(deadline(t), scan))(t)); user.GetId() != phone.UserID || len(sim.World().Keys(phone.UserID)) != 2 {
		t.Errorf("signed in as %v; keys %x", user, sim.World().Keys(phone.UserID))
	}
}

func TestMethod14_GetMe(t *testing.T) {
	t.Parallel()
	anna := account(t, func(s *simulator.UserSpec) { s.LastName = "Karenina" })
	me := must(anna.Me(deadline(t)))(t)
	if me.GetId() != anna.UserID || "+"+me.GetPhone() != anna.Phone || me.GetUsername() != anna.Username || me.GetLastName() != "Karenina" || !me.GetSelf() {
		t.Errorf("got %v", me)
	}
	if out, err := cli(t, "me", anna.ID()); err != nil || !contains(out, anna.Username, "Karenina") {
		t.Errorf("%v: %s", err, out)
	}
}
