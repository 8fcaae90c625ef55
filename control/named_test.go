package control

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/requests"
	"github.com/telefleet/orchestrator/fleet"
)

// streamingCommands change something and are streams: they take no request id, for the reason given.
var streamingCommands = map[protoreflect.FullName]string{
	"orchestrator.v1.ControlService.Exchange":       "carries commands, each with an id of its own",
	"orchestrator.v1.BatchService.RunBatch":         "names each account's command by its field request_id",
	"orchestrator.v1.ConsumerService.ConsumeEvents": "hands out events, each of which is settled by a command of its own",
	"orchestrator.v1.MediaService.Upload":           "goes on by its field upload; what is uploaded twice is a file that no message has",
	"orchestrator.v1.AuthService.QrLogin":           "shows codes that a person confirms: what is shown again is another code",
}

// commands are the unary methods that change something.
func commands(t *testing.T) (list []protoreflect.MethodDescriptor) {
	t.Helper()
	for rpc := range methods.RPCs() {
		switch m := (methods.Method{Descriptor: rpc}); {
		case m.Reads():
		case !rpc.IsStreamingClient() && !rpc.IsStreamingServer():
			list = append(list, rpc)
		case streamingCommands[rpc.FullName()] == "":
			t.Errorf("%s changes something and is a stream: it takes no request id", rpc.FullName())
		}
	}
	return list
}

// idOf is a request id for a method.
func idOf(rpc protoreflect.MethodDescriptor) string {
	return strings.ReplaceAll(string(rpc.FullName()), ".", "-")
}

// asking notes what the ledger is asked.
type asking struct {
	*requests.Ledger
	mu   sync.Mutex
	last requests.Command
}

func (a *asking) Begin(ctx context.Context, c requests.Command) (*requests.Attempt, error) {
	a.mu.Lock()
	a.last = c
	a.mu.Unlock()
	return a.Ledger.Begin(ctx, c)
}

// namedNodes are nodes that share a store and whose methods count how often they are carried out.
type namedNodes struct {
	carriedOut sync.Map // full name of the method -> *atomic.Int32
	ledger     *asking  // of the first node
	urls       []string
	client     *http.Client
}

func newNamedNodes(t *testing.T, store requests.Store, count int) *namedNodes {
	t.Helper()
	n := &namedNodes{}
	fns := map[string]func(context.Context, proto.Message) (proto.Message, error){}
	for rpc := range methods.RPCs() {
		times := new(atomic.Int32)
		n.carriedOut.Store(rpc.FullName(), times)
		fns[string(rpc.FullName())] = func(context.Context, proto.Message) (proto.Message, error) {
			times.Add(1)
			return filled(rpc.Output()), nil
		}
	}
	for i := range count {
		h := newHouse(t)
		ledger := &asking{Ledger: ledgerOf(t, store, func() int64 { return int64(i + 1) })}
		if i == 0 {
			n.ledger = ledger
		}
		h.cfg.Requests, h.cfg.Methods = ledger, stub(fns)
		url, _ := h.start()
		n.urls = append(n.urls, url)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	n.client = &http.Client{Transport: transport}
	return n
}

// times is how often a method was carried out.
func (n *namedNodes) times(rpc protoreflect.MethodDescriptor) int32 {
	times, _ := n.carriedOut.Load(rpc.FullName())
	return times.(*atomic.Int32).Load()
}

// call makes a call under a request id.
func (n *namedNodes) call(t *testing.T, node int, rpc protoreflect.MethodDescriptor, id string) (reply proto.Message, repeated bool, err error) {
	t.Helper()
	m := methods.Method{Descriptor: rpc}
	data, err := proto.Marshal(filled(rpc.Input()))
	if err != nil {
		t.Fatal(err)
	}
	req := connect.NewRequest(&raw{data})
	req.Header().Set(fleet.HeaderRequestID, id)
	res, err := connect.NewClient[raw, raw](n.client, n.urls[node]+m.Procedure(), connect.WithCodec(rawCodec{})).CallUnary(t.Context(), req)
	if err != nil {
		return nil, false, err
	}
	reply, err = decodeReply(m, res.Msg.data)
	return reply, res.Header().Get(fleet.HeaderRepeated) == "true", err
}

// TestEveryCommandTakesARequestID iterates the descriptors: each method that changes something is
// carried out once for an id and has one outcome, on whichever node and by whichever way in it is
// repeated.
func TestEveryCommandTakesARequestID(t *testing.T) {
	n := newNamedNodes(t, requests.NewMemory(0), 2)
	l := connectLine(t, n.urls[1])
	for i, rpc := range commands(t) {
		id := idOf(rpc)
		for j, node := range []int{0, 0, 1} {
			reply, repeated, err := n.call(t, node, rpc, id)
			if err != nil || repeated != (j > 0) || !proto.Equal(reply, filled(rpc.Output())) {
				t.Errorf("%s, call %d: got %v, repeated %v, %v", rpc.FullName(), j+1, reply, repeated, err)
			}
		}
		say := command(t, uint64(i)+1, methods.Method{Descriptor: rpc}.Procedure(), filled(rpc.Input()))
		say.GetCommand().RequestId = id
		l.say(say)
		if heard := l.hear(uint64(i) + 1); heard.GetReply() == nil || !heard.GetRepeated() {
			t.Errorf("%s by Exchange: got %v", rpc.FullName(), heard)
		}
		if times := n.times(rpc); times != 1 {
			t.Errorf("%s was carried out %d times", rpc.FullName(), times)
		}
	}
	l.hangUp()
}

// TestReadsTakeNoRequestID: an id would promise an outcome that is kept.
func TestReadsTakeNoRequestID(t *testing.T) {
	n := newNamedNodes(t, requests.NewMemory(0), 1)
	reads := 0
	for rpc := range methods.RPCs() {
		if m := (methods.Method{Descriptor: rpc}); !m.Reads() || rpc.IsStreamingServer() {
			continue
		}
		reads++
		_, _, err := n.call(t, 0, rpc, "r1")
		wantError(t, err, connect.CodeInvalidArgument, "REQUEST_ID_UNSUPPORTED")
	}
	if reads == 0 {
		t.Error("nothing reads")
	}
}

// TestCommandsWithoutAnOutcome iterates the descriptors: the first attempt leaves an intent and no
// outcome. What may be carried out again is; of the rest nobody knows, and nothing is done twice.
func TestCommandsWithoutAnOutcome(t *testing.T) {
	s := &failingStore{Store: requests.NewMemory(0)}
	n := newNamedNodes(t, s, 1)
	again, single := 0, 0
	for _, rpc := range commands(t) {
		id := idOf(rpc)
		s.outcomes.Store(true)
		if _, _, err := n.call(t, 0, rpc, id); err != nil {
			t.Fatalf("%s: %v", rpc.FullName(), err)
		}
		s.outcomes.Store(false)
		if n.ledger.last.Again {
			again++
			if _, repeated, err := n.call(t, 0, rpc, id); err != nil || !repeated || n.times(rpc) != 2 {
				t.Errorf("%s: carried out %d times, repeated %v, %v", rpc.FullName(), n.times(rpc), repeated, err)
			}
			continue
		}
		single++
		for range 2 {
			_, _, err := n.call(t, 0, rpc, id)
			wantError(t, err, connect.CodeAborted, "OUTCOME_UNKNOWN")
		}
		if times := n.times(rpc); times != 1 {
			t.Errorf("%s was carried out %d times", rpc.FullName(), times)
		}
	}
	if again == 0 || single == 0 {
		t.Errorf("%d commands are carried out again, %d are not", again, single)
	}
}

// TestWhichCommandsAreCarriedOutAgain names those without a random_id that must never be, and those
// that always may.
func TestWhichCommandsAreCarriedOutAgain(t *testing.T) {
	n := newNamedNodes(t, requests.NewMemory(0), 1)
	want := map[string]bool{
		"RequestCode": false, "SignIn": false, "CheckPassword": false,
		"SendMessage": true, "CreateAccount": true, "UpdateAccount": true, "DeleteAccount": true, "PauseAccount": true, "MoveAccount": true,
	}
	for _, rpc := range commands(t) {
		again, ok := want[string(rpc.Name())]
		if !ok {
			continue
		}
		delete(want, string(rpc.Name()))
		if _, _, err := n.call(t, 0, rpc, string(rpc.Name())); err != nil {
			t.Fatal(err)
		}
		if n.ledger.last.Again != again {
			t.Errorf("%s: again = %v", rpc.FullName(), !again)
		}
	}
	if len(want) > 0 {
		t.Errorf("there is no %v", want)
	}
}

// TestRawCallsAreRepeatedByWhatTheyCall: reads and calls with a random_id of the caller's own.
func TestRawCallsAreRepeatedByWhatTheyCall(t *testing.T) {
	s, c := &failingStore{Store: requests.NewMemory(0)}, newChat()
	h := newHouse(t)
	calls := 0
	h.own("a", func(ctx context.Context, in bin.Encoder) (bin.Encoder, error) {
		calls++
		var b bin.Buffer
		if err := in.Encode(&b); err != nil {
			return nil, err
		}
		var send tg.MessagesSendMessageRequest
		if send.Decode(&b) == nil {
			return c.answer(ctx, &send)
		}
		return &tg.BoolTrue{}, nil
	})
	h.cfg.Requests = ledgerOf(t, s, func() int64 { return 1 })
	url, _ := h.start()
	api := orchestratorv1connect.NewRawServiceClient(http.DefaultClient, url)
	call := func(id, json string) error {
		ctx, info := connect.NewClientContext(t.Context())
		info.RequestHeader().Set(fleet.HeaderRequestID, id)
		_, err := api.Invoke(ctx, &v1.InvokeRequest{Account: "a", Request: &v1.InvokeRequest_Json{Json: json}})
		return err
	}
	lost := func(id, json string) {
		t.Helper()
		s.outcomes.Store(true)
		defer s.outcomes.Store(false)
		if err := call(id, json); err != nil {
			t.Fatal(err)
		}
	}
	const read = `{"_":"account.checkUsername","username":"n"}`
	lost("read", read)
	if err := call("read", read); err != nil || calls != 2 {
		t.Errorf("a read: %d calls, %v", calls, err)
	}
	const send = `{"_":"messages.sendMessage","peer":{"_":"inputPeerSelf"},"message":"hi","random_id":"7"}`
	lost("send", send)
	for range 2 {
		wantError(t, call("send", send), connect.CodeAlreadyExists, "REPLY_LOST")
	}
	const other = `{"_":"account.deleteAccount","reason":"none"}`
	calls = 0
	lost("other", other)
	wantError(t, call("other", other), connect.CodeAborted, "OUTCOME_UNKNOWN")
	if calls != 1 || c.sent() != 1 {
		t.Errorf("%d calls, %d messages", calls, c.sent())
	}
}

// TestResumedResourceCommandsFindOut: an earlier attempt has created or changed an account, and its
// outcome is not known. The repetition sees that the account is as wanted; or that it is not, which
// says nothing about the earlier attempt.
func TestResumedResourceCommandsFindOut(t *testing.T) {
	s := &failingStore{Store: requests.NewMemory(0)}
	h := newHouse(t)
	h.cfg.Requests = ledgerOf(t, s, func() int64 { return 1 })
	url, _ := h.start()
	api := orchestratorv1connect.NewFleetServiceClient(http.DefaultClient, url)
	named := func(id string) context.Context {
		ctx, info := connect.NewClientContext(t.Context())
		info.RequestHeader().Set(fleet.HeaderRequestID, id)
		return ctx
	}
	one, two := map[string]string{"team": "one"}, map[string]string{"team": "two"}
	do := map[string]func(account string) error{
		"create": func(account string) error {
			_, err := api.CreateAccount(named("create-"+account), &v1.CreateAccountRequest{Id: account, Labels: one})
			return err
		},
		"update": func(account string) error {
			_, err := api.UpdateAccount(named("update-"+account), &v1.UpdateAccountRequest{
				Resource: &v1.Account{Id: account, Labels: one, ResourceVersion: "1"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}},
			})
			return err
		},
	}
	for _, what := range []string{"create", "update"} {
		for _, account := range []string{"left", "changed"} {
			s.outcomes.Store(true)
			if err := do[what](account); err != nil {
				t.Fatalf("%s %s: %v", what, account, err)
			}
			s.outcomes.Store(false)
			h.conflict.Store(true) // the resource version is another one since
			if account == "changed" {
				h.list[account].Labels = two
			}
			err := do[what](account)
			h.conflict.Store(false)
			if account == "left" && err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if account == "changed" {
				wantError(t, err, connect.CodeAborted, "OUTCOME_UNKNOWN")
			}
		}
	}
	// Another command finds the name taken; refused at once, its id stays free.
	_, err := api.CreateAccount(named("other"), &v1.CreateAccountRequest{Id: "left", Labels: one})
	wantError(t, err, connect.CodeAlreadyExists, "ACCOUNT_EXISTS")
	if _, err := api.CreateAccount(named("other"), &v1.CreateAccountRequest{Id: "fresh", Labels: one}); err != nil {
		t.Error(err)
	}
}

// TestRefusedLoginStepsAreNotRemembered: a wrong code is Telegram's refusal and stays one; a flood
// wait and a node that cannot send leave the id free.
func TestRefusedLoginStepsAreNotRemembered(t *testing.T) {
	h := newHouse(t)
	var answer error
	calls := 0
	h.own("a", func(context.Context, bin.Encoder) (bin.Encoder, error) {
		calls++
		if answer != nil {
			return nil, answer
		}
		return &tg.AuthSentCodeBox{SentCode: &tg.AuthSentCode{PhoneCodeHash: "h", Type: &tg.AuthSentCodeTypeSMS{Length: 5}}}, nil
	})
	h.cfg.Requests = ledgerOf(t, requests.NewMemory(0), func() int64 { return 1 })
	url, _ := h.start()
	api := orchestratorv1connect.NewAuthServiceClient(http.DefaultClient, url)
	ask := func(id string) error {
		ctx, info := connect.NewClientContext(t.Context())
		info.RequestHeader().Set(fleet.HeaderRequestID, id)
		_, err := api.RequestCode(ctx, &v1.RequestCodeRequest{Account: "a", PhoneNumber: "+15550001"})
		return err
	}
	answer = tgerr.New(420, "FLOOD_WAIT_600")
	wantError(t, ask("r1"), connect.CodeResourceExhausted, "FLOOD_WAIT")
	answer = nil
	if err := ask("r1"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	answer = tgerr.New(400, "PHONE_NUMBER_INVALID")
	wantError(t, ask("r2"), connect.CodeInvalidArgument, "PHONE_NUMBER_INVALID")
	answer, calls = nil, 0
	wantError(t, ask("r2"), connect.CodeInvalidArgument, "PHONE_NUMBER_INVALID")
	if calls != 0 {
		t.Error("a refusal was asked for again")
	}
	answer = errors.New("the connection broke after the call was sent")
	if ask("r3") == nil {
		t.Error("a broken call succeeded")
	}
	answer = nil
	wantError(t, ask("r3"), connect.CodeAborted, "OUTCOME_UNKNOWN")
	if calls != 1 {
		t.Errorf("a code was asked for %d times", calls)
	}
}
