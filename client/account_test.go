package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
)

func TestSendOptionsFillTheMessage(t *testing.T) {
	w := newWorld()
	var got *v1.SendMessageRequest
	on(w, func(_ context.Context, req *v1.SendMessageRequest) (*v1.SendMessageReply, error) {
		got = req
		return &v1.SendMessageReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN}, nil
	})
	c := dial(t, w.node(t))
	at := time.Unix(1_900_000_000, 0)
	sent, err := c.Account("alice").SendMessage(client.WithRequestID(t.Context(), "mine"), "@bob", client.Text("bold text"),
		client.Entities(&client.Entity{Type: v1.EntityType_ENTITY_TYPE_BOLD, Length: 4}),
		client.ReplyTo(5), client.Quote("q"), client.Topic(3), client.Silent(), client.Background(), client.ClearDraft(),
		client.NoWebpage(), client.InvertMedia(), client.Noforwards(), client.Schedule(at))
	if err != nil || sent.Message != nil || sent.RequestID != "mine" {
		t.Fatalf("got %v, %v", sent, err)
	}
	m := got.GetMessage()
	if got.GetAccount() != "alice" || got.GetPeer() != "@bob" || !slices.Equal(w.given(), []string{"mine"}) || m.GetText() != "bold text" ||
		len(m.GetEntities()) != 1 || m.GetReply().GetMessageId() != 5 || m.GetReply().GetQuote() != "q" || m.GetReply().GetTopId() != 3 ||
		!m.GetSilent() || !m.GetBackground() || !m.GetClearDraft() || !m.GetNoWebpage() || !m.GetInvertMedia() || !m.GetNoforwards() ||
		!m.GetScheduleDate().AsTime().Equal(at) {
		t.Errorf("the node got %v", got)
	}
}

// chat answers GetHistory from messages numbered from 1 to n, of which some are not readable, at
// most page at once.
func chat(w *world, n, page int32, missing ...int32) *[]*v1.GetHistoryRequest {
	asked := new([]*v1.GetHistoryRequest)
	on(w, func(_ context.Context, req *v1.GetHistoryRequest) (*v1.GetHistoryReply, error) {
		*asked = append(*asked, req)
		from := n
		if req.GetOffsetId() > 0 {
			from = req.GetOffsetId() - 1
		}
		reply := &v1.GetHistoryReply{Total: n}
		for id := from; id > max(0, from-min(req.GetLimit(), page)); id-- {
			if !slices.Contains(missing, id) {
				reply.Messages = append(reply.Messages, &v1.Message{Id: id})
			}
		}
		return reply, nil
	})
	return asked
}

func TestHistoryReadsPagesAsTheLoopGoesOn(t *testing.T) {
	w := newWorld()
	asked := chat(w, 250, 100, 240, 100)
	a := dial(t, w.node(t)).Account("a")
	read := func(o client.HistoryOptions, stop int) (ids []int32) {
		t.Helper()
		*asked = nil
		for m, err := range a.History(t.Context(), "@c", o) {
			if err != nil {
				t.Fatal(err)
			}
			if ids = append(ids, m.GetId()); len(ids) == stop {
				break
			}
		}
		return ids
	}
	if ids := read(client.HistoryOptions{}, 0); len(ids) != 248 || ids[0] != 250 || ids[247] != 1 || !slices.IsSortedFunc(ids, func(a, b int32) int { return int(b - a) }) {
		t.Errorf("all: %d messages", len(ids))
	}
	if ids := read(client.HistoryOptions{Limit: 120}, 0); len(ids) != 120 || len(*asked) != 2 || (*asked)[1].GetLimit() != 21 {
		t.Errorf("120: %d messages by %v", len(ids), *asked)
	}
	if ids := read(client.HistoryOptions{Before: 50, PageSize: 7}, 5); !slices.Equal(ids, []int32{49, 48, 47, 46, 45}) || len(*asked) != 1 {
		t.Errorf("five before 50: %v by %v", ids, *asked)
	}
	page, err := a.HistoryPage(t.Context(), "@c", 3, 10)
	if err != nil || page.Total != 250 || len(page.Messages) != 2 {
		t.Errorf("page: %v, %v", page, err)
	}
}

func TestHistoryEndsWithItsError(t *testing.T) {
	w := newWorld()
	on(w, func(context.Context, *v1.GetHistoryRequest) (*v1.GetHistoryReply, error) {
		return nil, fleet.Errorf(fleet.CodeNotFound, "PEER_UNKNOWN", "peer: is not known")
	})
	n := 0
	for m, err := range dial(t, w.node(t)).Account("a").History(t.Context(), "@c", client.HistoryOptions{}) {
		if n++; m != nil || !errors.Is(err, client.Reason("PEER_UNKNOWN")) {
			t.Errorf("got %v, %v", m, err)
		}
	}
	if n != 1 {
		t.Errorf("%d items", n)
	}
}

func TestInvoke(t *testing.T) {
	w := newWorld()
	on(w, func(_ context.Context, req *v1.InvokeRequest) (*v1.InvokeReply, error) {
		if tl := req.GetTl(); tl != nil {
			return &v1.InvokeReply{Reply: &v1.InvokeReply_Tl{Tl: append(tl, 9)}}, nil
		}
		return &v1.InvokeReply{Reply: &v1.InvokeReply_Json{Json: `{"got":` + req.GetJson() + `}`}}, nil
	})
	a := dial(t, w.node(t)).Account("a")
	answer, err := a.InvokeJSON(t.Context(), json.RawMessage(`{"_":"help.getConfig"}`), client.Repeatable())
	if err != nil || string(answer) != `{"got":{"_":"help.getConfig"}}` {
		t.Errorf("json: %s, %v", answer, err)
	}
	tl, err := a.InvokeTL(t.Context(), []byte{1, 2})
	if err != nil || !slices.Equal(tl, []byte{1, 2, 9}) {
		t.Errorf("tl: %v, %v", tl, err)
	}
}

// telegramLogin answers the login of one phone number.
func telegramLogin(w *world) {
	user := &v1.User{Id: 1001, FirstName: "Alice"}
	on(w, func(_ context.Context, r *v1.RequestCodeRequest) (*v1.RequestCodeReply, error) {
		switch r.GetPhoneNumber() {
		case "+10":
			return &v1.RequestCodeReply{User: user}, nil
		case "+11":
			return &v1.RequestCodeReply{}, nil
		}
		return &v1.RequestCodeReply{Code: &v1.LoginCode{
			Token: "secret-token", Type: v1.CodeType_CODE_TYPE_APP, NextType: v1.CodeType_CODE_TYPE_SMS, Length: 5,
			Timeout: durationpb.New(time.Minute),
		}}, nil
	})
	on(w, func(_ context.Context, r *v1.ResendCodeRequest) (*v1.ResendCodeReply, error) {
		return &v1.ResendCodeReply{Code: &v1.LoginCode{Token: r.GetToken() + "-2", Type: v1.CodeType_CODE_TYPE_SMS}}, nil
	})
	on(w, func(_ context.Context, r *v1.CancelCodeRequest) (*v1.CancelCodeReply, error) {
		if r.GetToken() != "secret-token-2" {
			return nil, fleet.Errorf(fleet.CodeInvalidArgument, "TOKEN_INVALID", "token: is none")
		}
		return &v1.CancelCodeReply{}, nil
	})
	on(w, func(_ context.Context, r *v1.SignInRequest) (*v1.SignInReply, error) {
		switch r.GetCode() {
		case "11111":
			return &v1.SignInReply{Outcome: v1.SignInOutcome_SIGN_IN_OUTCOME_SIGNED_IN, User: user}, nil
		case "22222":
			return &v1.SignInReply{
				Outcome:  v1.SignInOutcome_SIGN_IN_OUTCOME_PASSWORD_REQUIRED,
				Password: &v1.PasswordChallenge{Hint: "pet", HasRecovery: true},
			}, nil
		case "33333":
			return &v1.SignInReply{Outcome: v1.SignInOutcome_SIGN_IN_OUTCOME_SIGN_UP_REQUIRED}, nil
		case "44444":
			return &v1.SignInReply{}, nil
		}
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "PHONE_CODE_INVALID", "the code is wrong")
	})
	on(w, func(_ context.Context, r *v1.CheckPasswordRequest) (*v1.CheckPasswordReply, error) {
		if r.GetPassword() != "rex" {
			return nil, fleet.Errorf(fleet.CodeInvalidArgument, "PASSWORD_HASH_INVALID", "the password is wrong")
		}
		return &v1.CheckPasswordReply{User: user}, nil
	})
	on(w, func(_ context.Context, r *v1.BotSignInRequest) (*v1.BotSignInReply, error) {
		return &v1.BotSignInReply{User: &v1.User{Username: "bot" + r.GetBotToken()}}, nil
	})
	on(w, func(context.Context, *v1.GetAuthorizationRequest) (*v1.GetAuthorizationReply, error) {
		return &v1.GetAuthorizationReply{Reason: "SESSION_REVOKED", Remedy: "log in again"}, nil
	})
	on(w, func(context.Context, *v1.LogOutRequest) (*v1.LogOutReply, error) {
		return &v1.LogOutReply{Confirmed: true, KeysDestroyed: 2, KeysLeft: 1}, nil
	})
}

func TestLoginSteps(t *testing.T) {
	w := newWorld()
	telegramLogin(w)
	a := dial(t, w.node(t)).Account("a")
	ctx := t.Context()
	if step, err := a.RequestCode(ctx, "+10"); err != nil || step.(*client.SignedIn).User.GetId() != 1001 {
		t.Errorf("signed in at once: %v, %v", step, err)
	}
	_, err := a.RequestCode(ctx, "+11")
	want(t, err, client.ReasonReply, fleet.CodeInternal)
	step, err := a.RequestCode(ctx, "+1555")
	if err != nil {
		t.Fatal(err)
	}
	code := step.(*client.CodeSent)
	if code.Type != v1.CodeType_CODE_TYPE_APP || code.NextType != v1.CodeType_CODE_TYPE_SMS || code.Length != 5 || code.Timeout != time.Minute || code.Token() != "secret-token" {
		t.Errorf("code: %v", code)
	}
	for _, text := range []string{fmt.Sprint(code), fmt.Sprintf("%+v %#v %s", *code, *code, code)} {
		if strings.Contains(text, "secret") {
			t.Errorf("the token is printed: %s", text)
		}
	}
	again, err := code.Resend(ctx)
	if err != nil || again.(*client.CodeSent).Cancel(ctx) != nil {
		t.Errorf("resend and cancel: %v, %v", again, err)
	}
	if step, err := code.SignIn(ctx, "33333"); err != nil || step == nil {
		t.Errorf("sign up: %v", err)
	} else if _, ok := step.(*client.SignUpRequired); !ok {
		t.Errorf("sign up: %T", step)
	}
	_, err = code.SignIn(ctx, "44444")
	want(t, err, client.ReasonReply, fleet.CodeInternal)
	step, err = code.SignIn(ctx, "22222")
	if err != nil {
		t.Fatal(err)
	}
	password := step.(*client.PasswordRequired)
	if password.Hint != "pet" || !password.HasRecovery {
		t.Errorf("password: %v", password)
	}
	_, err = password.Check(ctx, "max")
	want(t, err, "PASSWORD_HASH_INVALID", fleet.CodeInvalidArgument)
	if in, err := password.Check(ctx, "rex"); err != nil || in.User.GetId() != 1001 {
		t.Errorf("password: %v, %v", in, err)
	}
	if bot, err := a.BotSignIn(ctx, "7"); err != nil || bot.GetUsername() != "bot7" {
		t.Errorf("bot: %v, %v", bot, err)
	}
	if auth, err := a.Authorization(ctx); err != nil || auth.OK || auth.Reason != "SESSION_REVOKED" || auth.Remedy == "" {
		t.Errorf("authorization: %v, %v", auth, err)
	}
	if out, err := a.LogOut(ctx, false); err != nil || out != (client.LoggedOut{Confirmed: true, KeysDestroyed: 2, KeysLeft: 1}) {
		t.Errorf("log out: %v, %v", out, err)
	}
}

func TestQRLoginShowsEachCodeAndEndsWithTheOutcome(t *testing.T) {
	w := newWorld()
	streams(w, func(_ context.Context, r *v1.QrLoginRequest, send func(*v1.QrLoginReply) error) error {
		for _, url := range []string{"tg://login?token=one", "tg://login?token=two"} {
			if err := send(&v1.QrLoginReply{Step: &v1.QrLoginReply_Code{Code: &v1.QrCode{Url: url}}}); err != nil {
				return err
			}
		}
		switch r.GetAccount() {
		case "late":
			return fleet.Errorf(fleet.CodeDeadlineExceeded, "QR_NOT_ACCEPTED", "nobody scanned it")
		case "locked":
			return send(&v1.QrLoginReply{Step: &v1.QrLoginReply_Password{Password: &v1.PasswordChallenge{Hint: "pet"}}})
		}
		return send(&v1.QrLoginReply{Step: &v1.QrLoginReply_User{User: &v1.User{Id: 7}}})
	})
	c, ctx := dial(t, w.node(t)), t.Context()
	var shown []string
	show := func(code client.QRCode) error {
		if text := fmt.Sprintf("%v %#v", code, code); strings.Contains(text, "token") {
			t.Errorf("the code is printed: %s", text)
		}
		shown = append(shown, code.URL)
		return nil
	}
	step, err := c.Account("a").QRLogin(ctx, show)
	if in, ok := step.(*client.SignedIn); err != nil || !ok || in.User.GetId() != 7 || len(shown) != 2 || shown[1] != "tg://login?token=two" {
		t.Errorf("got %v, %v after %v", step, err, shown)
	}
	step, err = c.Account("locked").QRLogin(ctx, show)
	if p, ok := step.(*client.PasswordRequired); err != nil || !ok || p.Hint != "pet" {
		t.Errorf("got %v, %v", step, err)
	}
	_, err = c.Account("late").QRLogin(ctx, show)
	want(t, err, "QR_NOT_ACCEPTED", fleet.CodeDeadlineExceeded)
	closed := errors.New("the window was closed")
	if _, err = c.Account("a").QRLogin(ctx, func(client.QRCode) error { return closed }); !errors.Is(err, closed) {
		t.Errorf("got %v", err)
	}
}

func TestLogInAsksAgainForWhatIsWrong(t *testing.T) {
	w := newWorld()
	telegramLogin(w)
	a := dial(t, w.node(t)).Account("a")
	var asked []string
	ask := func(kind string, answers ...string) func(failed error) (string, error) {
		return func(failed error) (string, error) {
			var e *client.Error
			reason := ""
			if errors.As(failed, &e) {
				reason = string(e.Reason)
			}
			asked = append(asked, kind+" "+reason)
			if len(answers) == 0 {
				return "", failed
			}
			text := answers[0]
			answers = answers[1:]
			return text, nil
		}
	}
	logIn := func(code, password func(error) (string, error)) (*client.User, error) {
		p := client.Prompts{Code: func(_ context.Context, _ *client.CodeSent, failed error) (string, error) { return code(failed) }}
		if password != nil {
			p.Password = func(_ context.Context, _ *client.PasswordRequired, failed error) (string, error) {
				return password(failed)
			}
		}
		return a.LogIn(t.Context(), "+1555", p)
	}
	user, err := logIn(ask("code", "00000", "22222"), ask("password", "max", "rex"))
	if err != nil || user.GetId() != 1001 {
		t.Errorf("got %v, %v", user, err)
	}
	if !slices.Equal(asked, []string{"code ", "code PHONE_CODE_INVALID", "password ", "password PASSWORD_HASH_INVALID"}) {
		t.Errorf("asked %q", asked)
	}
	if _, err := logIn(ask("code", "22222"), nil); !errors.Is(err, client.ErrPasswordRequired) {
		t.Errorf("no way to ask for the password: %v", err)
	}
	if _, err := logIn(ask("code", "33333"), nil); !errors.Is(err, client.ErrSignUpRequired) {
		t.Errorf("no account: %v", err)
	}
	_, err = logIn(ask("code", "00000"), nil) // who gives the failure back is not asked for ever
	want(t, err, "PHONE_CODE_INVALID", fleet.CodeInvalidArgument)
	_, err = a.LogIn(t.Context(), "+1555", client.Prompts{})
	want(t, err, client.ReasonOptions, fleet.CodeInvalidArgument)
}
