package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
)

func ExampleDial() {
	n1, n2, stop := demoNodes()
	defer stop()
	ctx := context.Background()

	// Any node takes any call: the client stays with one and goes on to the next when it fails.
	c, err := client.Dial(ctx, []string{n1, n2}, client.WithRetry(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	me, err := c.Account("alice").Me(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(me.GetFirstName(), "@"+me.GetUsername())
	// Output: Alice @alice
}

func ExampleAccount_SendMessage() {
	c, stop := demo()
	defer stop()
	ctx := context.Background()

	sent, err := c.Account("alice").SendMessage(ctx, "@bob", client.Text("hello"), client.Silent(), client.ReplyTo(41))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.Message.GetId(), sent.Message.GetText())

	// The same request id gives the same outcome, however often the command is given.
	for range 2 {
		sent, err = c.Account("alice").SendMessage(client.WithRequestID(ctx, "order-7-ready"), "@bob", client.Text("order 7 is ready"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(sent.Message.GetId(), sent.Repeated)
	}
	// Output:
	// 42 hello
	// 43 false
	// 43 true
}

func ExampleAccount_LogIn() {
	c, stop := demo()
	defer stop()

	user, err := c.Account("alice").LogIn(context.Background(), "+15550001", client.Prompts{
		Code: func(_ context.Context, sent *client.CodeSent, failed error) (string, error) {
			if failed != nil {
				return "", failed // or ask again
			}
			fmt.Println("the code has", sent.Length, "digits")
			return "22222", nil
		},
		Password: func(_ context.Context, required *client.PasswordRequired, failed error) (string, error) {
			if failed != nil {
				return "", failed
			}
			fmt.Println("the password's hint is", required.Hint)
			return "rex", nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed in as", user.GetFirstName())
	// Output:
	// the code has 5 digits
	// the password's hint is pet
	// signed in as Alice
}

func ExampleAccount_RequestCode() {
	c, stop := demo()
	defer stop()
	ctx := context.Background()

	step, err := c.Account("alice").RequestCode(ctx, "+15550001")
	if err != nil {
		log.Fatal(err)
	}
	switch step := step.(type) {
	case *client.SignedIn:
		fmt.Println("signed in as", step.User.GetFirstName())
	case *client.CodeSent:
		// Keep step.Token() to go on in another process with Account.SignIn.
		fmt.Println("a code is under way; resend after", step.Timeout)
	}
	// Output: a code is under way; resend after 1m0s
}

func ExampleAccount_History() {
	c, stop := demo()
	defer stop()

	for message, err := range c.Account("alice").History(context.Background(), "@bob", client.HistoryOptions{Limit: 3}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(message.GetId())
	}
	// Output:
	// 250
	// 249
	// 248
}

func ExampleAccount_InvokeJSON() {
	c, stop := demo()
	defer stop()

	answer, err := c.Account("alice").InvokeJSON(context.Background(), json.RawMessage(`{"_":"help.getNearestDc"}`), client.Repeatable())
	if err != nil {
		log.Fatal(err)
	}
	var nearest struct {
		Country string `json:"country"`
	}
	if err := json.Unmarshal(answer, &nearest); err != nil {
		log.Fatal(err)
	}
	fmt.Println(nearest.Country)
	// Output: NL
}

func ExampleClient_Events() {
	c, stop := demo()
	defer stop()

	// Store the cursor of what was handled to go on behind it after a restart.
	position := client.Begin
	for event, err := range c.Events(context.Background(), client.EventOptions{From: position, Kinds: []string{"message_*"}}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.GetAccount(), event.GetKind(), event.GetMessageNew().GetText())
		position = event.GetCursor()
		if position == "2" {
			break
		}
	}
	// Output:
	// alice message_new hi
	// alice message_new how are you?
}

func ExampleClient_Accounts() {
	c, stop := demo()
	defer stop()

	for account, err := range c.Accounts(context.Background(), "role=support") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(account.GetId(), account.GetStatus().GetNode())
	}
	// Output:
	// alice n1
	// bob n2
}

func ExampleClient_WatchAccounts() {
	c, stop := demo()
	defer stop()

	for change, err := range c.WatchAccounts(context.Background(), client.WatchOptions{Selector: "role=support"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(change.Kind, change.Resource.GetId())
		if change.Kind == client.Synced { // from here on it is what changes
			break
		}
	}
	// Output:
	// added a
	// synced
}

func ExampleError() {
	c, stop := demo()
	defer stop()

	_, err := c.Account("alice").ResolvePeer(context.Background(), "@nobody")
	var e *client.Error
	switch {
	case errors.Is(err, client.Reason("USERNAME_NOT_OCCUPIED")):
		fmt.Println("there is nobody of that name")
	case errors.As(err, &e) && e.RetryAfter > 0:
		fmt.Println("again in", e.RetryAfter, "-", e.Remedy)
	}
	// Output: again in 30s - wait 30s, then repeat
}

// demo is a client of a node that answers the examples.
func demo() (*client.Client, func()) {
	n1, n2, stop := demoNodes()
	c, err := client.New([]string{n1, n2})
	if err != nil {
		log.Fatal(err)
	}
	return c, func() { c.Close(); stop() }
}

// cleanups stands in for a test where nodes are started for an example.
type cleanups struct{ list []func() }

func (*cleanups) Helper()             {}
func (*cleanups) Fatal(args ...any)   { log.Fatal(args...) }
func (c *cleanups) Cleanup(fn func()) { c.list = append(c.list, fn) }

func demoNodes() (n1, n2 string, stop func()) {
	w := newWorld()
	telegramLogin(w)
	chat(w, 250, 100)
	alice := &v1.User{Id: 1001, FirstName: "Alice", Username: "alice"}
	on(w, func(context.Context, *v1.GetMeRequest) (*v1.GetMeReply, error) {
		return &v1.GetMeReply{User: alice}, nil
	})
	on(w, func(_ context.Context, r *v1.RequestCodeRequest) (*v1.RequestCodeReply, error) {
		return &v1.RequestCodeReply{Code: &v1.LoginCode{Token: "t", Length: 5, Timeout: durationpb.New(time.Minute)}}, nil
	})
	on(w, func(context.Context, *v1.CheckPasswordRequest) (*v1.CheckPasswordReply, error) {
		return &v1.CheckPasswordReply{User: alice}, nil
	})
	last := int32(41)
	on(w, func(_ context.Context, r *v1.SendMessageRequest) (*v1.SendMessageReply, error) {
		last++
		return &v1.SendMessageReply{Message: &v1.Message{Id: last, Text: r.GetMessage().GetText()}}, nil
	})
	on(w, func(_ context.Context, r *v1.EditMessageRequest) (*v1.EditMessageReply, error) {
		return &v1.EditMessageReply{Message: &v1.Message{Id: r.GetMessageId(), Text: r.GetMessage().GetText()}}, nil
	})
	on(w, func(_ context.Context, r *v1.ForwardMessagesRequest) (*v1.ForwardMessagesReply, error) {
		reply := &v1.ForwardMessagesReply{}
		for i, id := range r.GetMessageIds() {
			m := &v1.ForwardedMessage{OriginalId: id}
			if i == 0 {
				m.Outcome, m.Message = v1.SendOutcome_SEND_OUTCOME_DONE, &v1.Message{Id: 70}
			}
			reply.Messages = append(reply.Messages, m)
		}
		return reply, nil
	})
	on(w, func(_ context.Context, r *v1.SendReactionRequest) (*v1.SendReactionReply, error) {
		return &v1.SendReactionReply{Counts: []*v1.ReactionCount{{Reaction: r.GetReactions()[0], Count: 3, Chosen: true}}}, nil
	})
	on(w, func(_ context.Context, r *v1.SendChatActionRequest) (*v1.SendChatActionReply, error) {
		return &v1.SendChatActionReply{}, nil
	})
	on(w, func(context.Context, *v1.GetScheduledMessagesRequest) (*v1.GetScheduledMessagesReply, error) {
		return &v1.GetScheduledMessagesReply{Messages: []*v1.Message{{Id: 3, Text: "water the plants"}}}, nil
	})
	on(w, func(context.Context, *v1.InvokeRequest) (*v1.InvokeReply, error) {
		return &v1.InvokeReply{Reply: &v1.InvokeReply_Json{Json: `{"_":"nearestDc","country":"NL"}`}}, nil
	})
	on(w, func(context.Context, *v1.ListAccountsRequest) (*v1.ListAccountsReply, error) {
		return &v1.ListAccountsReply{Accounts: []*v1.Account{
			{Id: "alice", Status: &v1.AccountStatus{Node: "n1"}}, {Id: "bob", Status: &v1.AccountStatus{Node: "n2"}},
		}}, nil
	})
	on(w, func(context.Context, *v1.ResolvePeerRequest) (*v1.ResolvePeerReply, error) {
		return nil, fleet.Errorf(fleet.CodeResourceExhausted, "FLOOD_WAIT", "too many").WithRetryAfter(30 * time.Second).WithRemedy("wait 30s, then repeat")
	})
	streams(w, func(_ context.Context, _ *v1.WatchAccountsRequest, send func(*v1.WatchAccountsReply) error) error {
		return errors.Join(send(added("a", 1)), send(synced("1")))
	})
	streams(w, func(ctx context.Context, _ *v1.SubscribeRequest, send func(*v1.SubscribeReply) error) error {
		for i, text := range []string{"hi", "how are you?"} {
			event := &v1.Event{
				Cursor: fmt.Sprint(i + 1), Account: "alice", Kind: "message_new", Id: fmt.Sprint("pts:", i),
				Payload: &v1.Event_MessageNew{MessageNew: &v1.Message{Id: int32(i + 1), Text: text}},
			}
			if err := send(&v1.SubscribeReply{Item: &v1.SubscribeReply_Event{Event: event}}); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return ctx.Err()
	})
	var c cleanups
	n1, n2 = w.node(&c).url, w.node(&c).url
	return n1, n2, func() {
		for _, fn := range c.list {
			fn()
		}
	}
}
