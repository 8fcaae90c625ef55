package client_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/fleet"
)

// me answers GetMe with the name of the node as first name.
func me(w *world) {
	on(w, func(ctx context.Context, req *v1.GetMeRequest) (*v1.GetMeReply, error) {
		return &v1.GetMeReply{User: &v1.User{Id: 1001, FirstName: servedBy(ctx), Username: req.GetAccount()}}, nil
	})
}

// nowhere is an address at which nothing listens.
func nowhere(t *testing.T) string {
	t.Helper()
	n := newWorld().node(t)
	n.kill()
	return n.url
}

// want checks an error's reason and code.
func want(t *testing.T, err error, reason client.Reason, code fleet.Code) *client.Error {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || !errors.Is(err, reason) || e.Code != code {
		t.Fatalf("got %v, want %s (%s)", err, reason, code)
	}
	return e
}

func TestDialFindsTheNodeThatServes(t *testing.T) {
	w := newWorld()
	me(w)
	c, err := client.Dial(t.Context(), []string{nowhere(t), w.node(t).url, nowhere(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	user, err := c.Account("alice").Me(t.Context())
	if err != nil || user.GetUsername() != "alice" || user.GetFirstName() != "n1" {
		t.Errorf("got %v, %v", user, err)
	}
}

func TestDialSaysThatNobodyAnswers(t *testing.T) {
	address := nowhere(t)
	_, err := client.Dial(t.Context(), []string{address}, client.WithRetry(0))
	e := want(t, err, client.ReasonUnreachable, fleet.CodeUnavailable)
	if e.Node != address || e.Remedy == "" || !strings.Contains(e.Message, "refused") {
		t.Errorf("got %#v", e)
	}
}

func TestWrongTokenIsRefused(t *testing.T) {
	w := newWorld()
	me(w)
	n := w.node(t, func(c *control.Config) { c.Tokens = tokens("right") })
	for _, opts := range [][]client.Option{nil, {client.WithToken("wrong")}} {
		_, err := client.Dial(t.Context(), []string{n.url}, opts...)
		if e := want(t, err, "TOKEN_INVALID", fleet.CodeUnauthenticated); strings.Contains(e.Error()+e.Remedy, "wrong") {
			t.Errorf("the error tells the token: %v", e)
		}
	}
	c, err := client.Dial(t.Context(), []string{n.url}, client.WithToken("right"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Account("a").Me(t.Context()); err != nil {
		t.Error(err)
	}
	stranger, err := client.New([]string{n.url}, client.WithToken("wrong"))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	for _, err := range stranger.Events(t.Context(), client.EventOptions{}) {
		want(t, err, "TOKEN_INVALID", fleet.CodeUnauthenticated)
	}
}

func TestAddressesAreChecked(t *testing.T) {
	for _, addresses := range [][]string{nil, {"127.0.0.1:8420"}, {"ftp://h"}, {"http://"}, {"http://u:secret@h"}, {"http://h?x=1"}, {"://"}} {
		_, err := client.New(addresses)
		if e := want(t, err, client.ReasonOptions, fleet.CodeInvalidArgument); strings.Contains(e.Error(), "secret") {
			t.Errorf("the error tells the password: %v", e)
		}
	}
	_, err := client.New([]string{"http://node.example:8420"}, client.WithToken("t"))
	want(t, err, client.ReasonOptions, fleet.CodeInvalidArgument)
}

func TestReadsGoOnAtAnotherNode(t *testing.T) {
	w := newWorld()
	me(w)
	first, second := w.node(t), w.node(t)
	c := dial(t, first, second)
	for _, node := range []*testNode{first, first, second, second} {
		if node == second {
			first.kill()
		}
		user, err := c.Account("a").Me(t.Context())
		if err != nil || user.GetFirstName() != node.name {
			t.Fatalf("got %v, %v, want %s", user, err, node.name)
		}
	}
}

func TestReadIsRepeatedWhenItsNodeDies(t *testing.T) {
	w := newWorld()
	entered := make(chan struct{})
	on(w, func(ctx context.Context, _ *v1.GetMeRequest) (*v1.GetMeReply, error) {
		if servedBy(ctx) == "n1" {
			close(entered)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &v1.GetMeReply{User: &v1.User{FirstName: servedBy(ctx)}}, nil
	})
	first, second := w.node(t), w.node(t)
	c := dial(t, first, second)
	go func() { <-entered; first.kill() }()
	user, err := c.Account("a").Me(t.Context())
	if err != nil || user.GetFirstName() != second.name {
		t.Errorf("got %v, %v", user, err)
	}
}

// sends records the messages that the nodes got; the first node dies over its first one.
func sends(w *world, first func() *testNode) func() []*v1.SendMessageRequest {
	var mu sync.Mutex
	var got []*v1.SendMessageRequest
	on(w, func(ctx context.Context, req *v1.SendMessageRequest) (*v1.SendMessageReply, error) {
		mu.Lock()
		got = append(got, req)
		mu.Unlock()
		if servedBy(ctx) == "n1" {
			go first().kill()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &v1.SendMessageReply{Message: &v1.Message{Id: 7, Text: req.GetMessage().GetText()}}, nil
	})
	return func() []*v1.SendMessageRequest {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

func TestSendWhoseAnswerIsLostIsRepeatedUnderItsRequestID(t *testing.T) {
	w := newWorld()
	var first *testNode
	got := sends(w, func() *testNode { return first })
	first = w.node(t)
	c := dial(t, first, w.node(t))
	sent, err := c.Account("a").SendMessage(t.Context(), "@bob", client.Text("hello"))
	if err != nil || sent.Message.GetId() != 7 || !sent.Repeated {
		t.Fatalf("got %v, %v", sent, err)
	}
	if ids := w.given(); len(got()) != 2 || sent.RequestID == "" || !slices.Equal(ids, []string{sent.RequestID, sent.RequestID}) {
		t.Errorf("the nodes got %v under %q", got(), ids)
	}
}

// TestNamedCommandIsRepeatedAndCarriedOutOnce: a command that has no random_id and is not idempotent
// by nature. Its caller gives it again, as does the client when an answer is lost.
func TestNamedCommandIsRepeatedAndCarriedOutOnce(t *testing.T) {
	w := newWorld()
	carriedOut := 0
	on(w, func(context.Context, *v1.RequestCodeRequest) (*v1.RequestCodeReply, error) {
		carriedOut++
		return &v1.RequestCodeReply{Code: &v1.LoginCode{Token: "t"}}, nil
	})
	first := w.node(t)
	c := dial(t, first, w.node(t))
	ctx := client.WithRequestID(t.Context(), "login-1")
	for range 2 {
		step, err := c.Account("a").RequestCode(ctx, "+15550001")
		if sent, ok := step.(*client.CodeSent); err != nil || !ok || sent.Token() != "t" {
			t.Fatalf("got %v, %v", step, err)
		}
		first.kill() // the other node knows
	}
	if carriedOut != 1 {
		t.Errorf("carried out %d times", carriedOut)
	}
	_, err := c.Account("a").RequestCode(ctx, "+15550002")
	want(t, err, "REQUEST_ID_REUSED", fleet.CodeInvalidArgument)
	if _, err := c.Account("a").RequestCode(t.Context(), "+15550001"); err != nil || carriedOut != 2 {
		t.Errorf("without an id: carried out %d times, %v", carriedOut, err)
	}
}

// TestReadsTakeNoNotice: a context with a request id may be used for reads, too.
func TestReadsTakeNoNotice(t *testing.T) {
	w := newWorld()
	on(w, func(context.Context, *v1.GetMeRequest) (*v1.GetMeReply, error) {
		return &v1.GetMeReply{User: &v1.User{Id: 1}}, nil
	})
	c := dial(t, w.node(t))
	me, err := c.Account("a").Me(client.WithRequestID(t.Context(), "r1"))
	if err != nil || me.GetId() != 1 || len(w.given()) != 0 {
		t.Errorf("got %v, %v; ids %q", me, err, w.given())
	}
}

// TestUnknownOutcomeIsNotDoneTwice: the node that carried a command out died before it could say
// so; another one does not do it again.
func TestUnknownOutcomeIsNotDoneTwice(t *testing.T) {
	w := newWorld()
	carriedOut := 0
	var first *testNode
	on(w, func(ctx context.Context, _ *v1.RequestCodeRequest) (*v1.RequestCodeReply, error) {
		carriedOut++
		go first.kill()
		<-ctx.Done()
		return nil, ctx.Err()
	})
	first = w.node(t)
	c := dial(t, first, w.node(t))
	_, err := c.Account("a").RequestCode(client.WithRequestID(t.Context(), "login-1"), "+15550001")
	if want(t, err, "OUTCOME_UNKNOWN", fleet.CodeAborted); carriedOut != 1 {
		t.Errorf("carried out %d times", carriedOut)
	}
}

func TestSendWithoutRequestIDIsNotRepeated(t *testing.T) {
	w := newWorld()
	var first *testNode
	got := sends(w, func() *testNode { return first })
	first = w.node(t)
	c := dial(t, first, w.node(t))
	nameless := client.WithRequestID(t.Context(), "")
	_, err := c.Account("a").SendMessage(nameless, "@bob", client.Text("hello"))
	want(t, err, client.ReasonUnreachable, fleet.CodeUnavailable)
	if list := got(); len(list) != 1 {
		t.Errorf("the nodes got %d messages", len(list))
	}
	// A node that cannot be reached got nothing: the same send goes on to another one.
	if _, err := c.Account("a").SendMessage(nameless, "@bob", client.Text("hello")); err != nil {
		t.Error(err)
	}
}

func TestSendDoesWithoutRequestIDsWhereNoneAreKept(t *testing.T) {
	w := newWorld()
	calls := 0
	on(w, func(context.Context, *v1.SendMessageRequest) (*v1.SendMessageReply, error) {
		calls++
		return &v1.SendMessageReply{Message: &v1.Message{Id: 7}}, nil
	})
	c := dial(t, w.node(t, func(cfg *control.Config) { cfg.Requests = nil }))
	sent, err := c.Account("a").SendMessage(t.Context(), client.Self, client.Text("hello"))
	if err != nil || sent.RequestID != "" || calls != 1 {
		t.Errorf("got %v, %v after %d calls", sent, err, calls)
	}
	_, err = c.Account("a").SendMessage(client.WithRequestID(t.Context(), "mine"), client.Self, client.Text("hello"))
	want(t, err, "REQUEST_ID_UNSUPPORTED", fleet.CodeUnimplemented)
}

func TestCommandWhoseOutcomeIsUnknownIsRepeatedAFewTimes(t *testing.T) {
	w := newWorld()
	calls, until := 0, 2
	on(w, func(context.Context, *v1.SendMessageRequest) (*v1.SendMessageReply, error) {
		if calls++; calls <= until {
			e := fleet.Errorf(fleet.CodeAborted, "OUTCOME_UNKNOWN", "its answer is lost")
			e.Method = "messages.sendMessage"
			return nil, e
		}
		return &v1.SendMessageReply{Message: &v1.Message{Id: 7}}, nil
	})
	c := dial(t, w.node(t))
	if _, err := c.Account("a").SendMessage(t.Context(), client.Self, client.Text("x")); err != nil || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
	calls, until = 0, 1000
	_, err := c.Account("a").SendMessage(t.Context(), client.Self, client.Text("x"))
	if want(t, err, "OUTCOME_UNKNOWN", fleet.CodeAborted); calls != 3 {
		t.Errorf("%d calls", calls)
	}
	calls = 0
	_, err = c.Account("a").SendMessage(client.WithRequestID(t.Context(), ""), client.Self, client.Text("x"))
	if want(t, err, "OUTCOME_UNKNOWN", fleet.CodeAborted); calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

func TestCallsWaitForAnOwner(t *testing.T) {
	w := newWorld()
	calls := 0
	on(w, func(context.Context, *v1.RequestCodeRequest) (*v1.RequestCodeReply, error) {
		if calls++; calls < 5 {
			reason := []string{"", "NO_OWNER", "NOT_OWNER", "OWNER_UNREACHABLE", "NODE_FENCED"}[calls]
			return nil, fleet.Errorf(fleet.CodeUnavailable, reason, "the account moves")
		}
		return &v1.RequestCodeReply{User: &v1.User{Id: 1}}, nil
	})
	c := dial(t, w.node(t), w.node(t))
	if _, err := c.Account("a").RequestCode(t.Context(), "+15550001"); err != nil || calls != 5 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// TestCallsOutliveTheFenceOfTheirNode: an account whose node has lost its place refuses, and its next
// owner takes what may be repeated.
func TestCallsOutliveTheFenceOfTheirNode(t *testing.T) {
	w := newWorld()
	calls := 0
	on(w, func(context.Context, *v1.GetMeRequest) (*v1.GetMeReply, error) {
		if calls++; calls == 1 {
			return nil, fleet.Errorf(fleet.CodeFailedPrecondition, "ACCOUNT_FENCED", "the account is fenced: ownership was lost")
		}
		return &v1.GetMeReply{User: &v1.User{Id: 1}}, nil
	})
	c := dial(t, w.node(t), w.node(t))
	if _, err := c.Account("a").Me(t.Context()); err != nil || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	w := newWorld()
	calls := 0
	on(w, func(context.Context, *v1.ResolvePeerRequest) (*v1.ResolvePeerReply, error) {
		calls++
		e := fleet.Errorf(fleet.CodeResourceExhausted, "FLOOD_WAIT", "wait").WithRetryAfter(90 * time.Second).WithRemedy("wait 90 s")
		e.Method, e.Argument = "contacts.resolveUsername", 90
		return nil, e
	})
	n := w.node(t)
	c := dial(t, n)
	_, err := c.Account("a").ResolvePeer(t.Context(), "@x")
	e := want(t, err, "FLOOD_WAIT", fleet.CodeResourceExhausted)
	if e.RetryAfter != 90*time.Second || e.Remedy != "wait 90 s" || e.Method != "contacts.resolveUsername" || e.Argument != 90 || e.Node != n.url || calls != 1 {
		t.Errorf("got %#v after %d calls", e, calls)
	}
	var own *fleet.Error
	if !errors.As(err, &own) || own.Reason != "FLOOD_WAIT" || own.RetryAfter != 90*time.Second {
		t.Errorf("as the fleet's error: %#v", own)
	}
	for target, is := range map[error]bool{
		&client.Error{Reason: "FLOOD_WAIT"}: true, &fleet.Error{Reason: "FLOOD_WAIT"}: true,
		client.Reason("PEER_UNKNOWN"): false, client.Reason(""): false, &client.Error{}: false, context.Canceled: false,
	} {
		if errors.Is(err, target) != is {
			t.Errorf("errors.Is(%v) is not %v", target, is)
		}
	}
	if e.Error() != "FLOOD_WAIT: wait" {
		t.Errorf("printed as %q", e.Error())
	}
}

func TestTelegramsOwnTroubleIsNotRepeated(t *testing.T) {
	w := newWorld()
	calls := 0
	on(w, func(context.Context, *v1.GetMeRequest) (*v1.GetMeReply, error) {
		calls++
		e := fleet.Errorf(fleet.CodeUnavailable, "TIMEOUT", "Telegram answered -503 Timeout")
		e.Method = "users.getUsers"
		return nil, e
	})
	c := dial(t, w.node(t), w.node(t))
	_, err := c.Account("a").Me(t.Context())
	if want(t, err, "TIMEOUT", fleet.CodeUnavailable); calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

func TestContextEndsACall(t *testing.T) {
	w := newWorld()
	entered := make(chan struct{}, 2)
	on(w, func(ctx context.Context, _ *v1.GetMeRequest) (*v1.GetMeReply, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	c := dial(t, w.node(t))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	_, err := c.Account("a").Me(ctx)
	if want(t, err, client.ReasonCanceled, fleet.CodeCanceled); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(50*time.Millisecond))
	defer cancel()
	_, err = c.Account("a").Me(ctx)
	if want(t, err, client.ReasonDeadline, fleet.CodeDeadlineExceeded); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is not context.DeadlineExceeded", err)
	}
}

func TestCloseEndsCallsAndIterators(t *testing.T) {
	w := newWorld()
	entered := make(chan struct{})
	on(w, func(ctx context.Context, _ *v1.GetMeRequest) (*v1.GetMeReply, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	w.append("1", "e1")
	c := dial(t, w.node(t))
	call, watch, begun := make(chan error, 1), make(chan error, 1), make(chan struct{})
	go func() { _, err := c.Account("a").Me(context.Background()); call <- err }()
	go func() {
		var last error
		for _, err := range c.Events(context.Background(), client.EventOptions{From: client.Begin}) {
			if last = err; err == nil {
				close(begun)
			}
		}
		watch <- last
	}()
	<-entered
	<-begun
	c.Close()
	c.Close()
	want(t, <-call, client.ReasonClosed, fleet.CodeCanceled)
	want(t, <-watch, client.ReasonClosed, fleet.CodeCanceled)
	_, err := c.Account("a").Me(context.Background())
	want(t, err, client.ReasonClosed, fleet.CodeCanceled)
}
