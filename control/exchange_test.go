package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/control/methods"
)

// line is the caller's side of one Exchange.
type line struct {
	t       *testing.T
	send    func(*v1.ExchangeRequest) error
	receive func() (*v1.ExchangeReply, error)
	close   func() error
	hangUp  func()
}

// lines are the protocols that carry an Exchange.
var lines = map[string]func(t *testing.T, url string) *line{
	"grpc":         grpcLine,
	"connect":      func(t *testing.T, url string) *line { return connectLine(t, url) },
	"connect json": func(t *testing.T, url string) *line { return connectLine(t, url, connect.WithProtoJSON()) },
	"connect grpc": func(t *testing.T, url string) *line { return connectLine(t, url, connect.WithGRPC()) },
}

func grpcLine(t *testing.T, url string) *line {
	t.Helper()
	conn, err := grpc.NewClient(strings.TrimPrefix(url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, exchangeProcedure)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{
		t:    t,
		send: func(m *v1.ExchangeRequest) error { return stream.SendMsg(m) },
		receive: func() (*v1.ExchangeReply, error) {
			m := new(v1.ExchangeReply)
			return m, stream.RecvMsg(m)
		},
		close: stream.CloseSend,
		hangUp: sync.OnceFunc(func() {
			cancel()
			_ = conn.Close()
		}),
	}
	t.Cleanup(l.hangUp)
	return l
}

func connectLine(t *testing.T, url string, opts ...connect.ClientOption) *line {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	client := orchestratorv1connect.NewControlServiceClient(&http.Client{Transport: transport}, url, opts...)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.Exchange(ctx)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{
		t: t, send: stream.Send, receive: stream.Receive, close: stream.CloseRequest,
		hangUp: sync.OnceFunc(func() {
			cancel()
			_ = stream.CloseResponse()
			transport.CloseIdleConnections()
		}),
	}
	t.Cleanup(l.hangUp)
	return l
}

func command(t *testing.T, id uint64, method string, req proto.Message) *v1.ExchangeRequest {
	t.Helper()
	packed, err := anypb.New(req)
	if err != nil {
		t.Fatal(err)
	}
	return &v1.ExchangeRequest{Id: id, Content: &v1.ExchangeRequest_Command{
		Command: &v1.ExchangeCommand{Method: method, Request: packed},
	}}
}

func cancelOf(id uint64) *v1.ExchangeRequest {
	return &v1.ExchangeRequest{Id: id, Content: &v1.ExchangeRequest_Cancel{Cancel: &v1.ExchangeCancel{}}}
}

func subscribeTo(id uint64, req *v1.SubscribeRequest) *v1.ExchangeRequest {
	return &v1.ExchangeRequest{Id: id, Content: &v1.ExchangeRequest_Subscribe{Subscribe: req}}
}

func (l *line) say(m *v1.ExchangeRequest) {
	l.t.Helper()
	if err := l.send(m); err != nil {
		l.t.Fatal(err)
	}
}

// hear takes the next message, which must be of this id.
func (l *line) hear(id uint64) *v1.ExchangeReply {
	l.t.Helper()
	m, err := l.receive()
	if err != nil {
		l.t.Fatal(err)
	}
	if m.GetId() != id {
		l.t.Fatalf("got %v, want a message of id %d", m, id)
	}
	return m
}

func (l *line) hearError(id uint64, code, reason string) *v1.ExchangeError {
	l.t.Helper()
	e := l.hear(id).GetError()
	if e.GetCode() != code || e.GetDetail().GetReason() != reason || e.GetMessage() == "" {
		l.t.Fatalf("got %v, want %s %s", e, code, reason)
	}
	return e
}

// hearEnd takes the end of the stream.
func (l *line) hearEnd() {
	l.t.Helper()
	if m, err := l.receive(); !errors.Is(err, io.EOF) {
		l.t.Fatalf("got %v, %v, want the end", m, err)
	}
}

// stub replaces methods by functions of the test; the key is the method's bare or full name.
func stub(fns map[string]func(context.Context, proto.Message) (proto.Message, error)) []methods.Method {
	all := Methods()
	for i, m := range all {
		fn := fns[string(m.Descriptor.FullName())]
		if fn == nil {
			fn = fns[string(m.Descriptor.Name())]
		}
		if fn != nil {
			all[i].Unary = func(ctx context.Context, _ *methods.Host, req proto.Message) (proto.Message, error) {
				return fn(ctx, req)
			}
		}
	}
	return all
}

// exchangeHouse is a house that must leave no goroutine behind.
func exchangeHouse(t *testing.T) *house {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, before)
	})
	return newHouse(t)
}

const getMe, sendMessage = "UserService/GetMe", "MessageService/SendMessage"

// TestEveryUnaryMethodWorksByExchange iterates the descriptors: each method gets the request
// that was sent and its reply arrives, over every protocol, by both forms of its name.
func TestEveryUnaryMethodWorksByExchange(t *testing.T) {
	for name, dial := range lines {
		t.Run(name, func(t *testing.T) {
			h := exchangeHouse(t)
			var mu sync.Mutex
			var got proto.Message
			fns := map[string]func(context.Context, proto.Message) (proto.Message, error){}
			var unary []protoreflect.MethodDescriptor
			for rpc := range methods.RPCs() {
				if rpc.IsStreamingClient() || rpc.IsStreamingServer() {
					continue
				}
				unary = append(unary, rpc)
				fns[string(rpc.FullName())] = func(_ context.Context, req proto.Message) (proto.Message, error) {
					mu.Lock()
					defer mu.Unlock()
					got = proto.Clone(req)
					return filled(rpc.Output()), nil
				}
			}
			h.cfg.Methods = stub(fns)
			url, _ := h.start()
			l := dial(t, url)
			id := uint64(0)
			for _, rpc := range unary {
				short := string(rpc.Parent().Name()) + "/" + string(rpc.Name())
				for _, method := range []string{short, "/" + string(rpc.ParentFile().Package()) + "." + short} {
					id++
					want := filled(rpc.Input())
					l.say(command(t, id, method, want))
					answer, err := l.hear(id).GetReply().UnmarshalNew()
					if err != nil {
						t.Fatalf("%s: %v", method, err)
					}
					mu.Lock()
					if !proto.Equal(got, want) || !proto.Equal(answer, filled(rpc.Output())) {
						t.Errorf("%s: took %v, answered %v", method, got, answer)
					}
					mu.Unlock()
				}
			}
			if err := l.close(); err != nil {
				t.Fatal(err)
			}
			l.hearEnd()
			l.hangUp()
		})
	}
}

// filled is a message with something in every field.
func filled(d protoreflect.MessageDescriptor) proto.Message {
	m := methods.NewMessage(d)
	fill(m.ProtoReflect(), 3)
	return m
}

func fill(m protoreflect.Message, depth int) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		switch {
		case f.ContainingOneof() != nil && f.ContainingOneof().Fields().Get(0) != f:
		case f.IsMap():
			m.Mutable(f).Map().Set(protoreflect.ValueOfString("k").MapKey(), protoreflect.ValueOfString("v"))
		case f.IsList() && f.Message() != nil:
			if depth > 0 {
				fill(m.Mutable(f).List().AppendMutable().Message(), depth-1)
			}
		case f.IsList():
			m.Mutable(f).List().Append(scalar(f))
		case f.Message() != nil:
			if depth > 0 {
				fill(m.Mutable(f).Message(), depth-1)
			}
		default:
			m.Set(f, scalar(f))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("a") // also the account of the house
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{7})
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(5)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(6)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(8)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(9)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1.5)
	}
	panic("no value for " + f.Kind().String())
}

// TestExchangeNamesWhatIsWrong and goes on.
func TestExchangeNamesWhatIsWrong(t *testing.T) {
	me := &v1.GetMeRequest{Account: "a"}
	typed := func(url string) *v1.ExchangeRequest {
		return &v1.ExchangeRequest{Id: 5, Content: &v1.ExchangeRequest_Command{
			Command: &v1.ExchangeCommand{Method: getMe, Request: &anypb.Any{TypeUrl: url}},
		}}
	}
	timeout := command(t, 5, getMe, me)
	timeout.GetCommand().Timeout = durationpb.New(-time.Second)
	damaged := command(t, 5, getMe, me)
	damaged.GetCommand().Request.Value = []byte{0xff}
	for name, c := range map[string]struct {
		say          *v1.ExchangeRequest
		id           uint64
		code, reason string
		names        string
	}{
		"unknown method":  {command(t, 5, "UserService/GetYou", me), 5, "unimplemented", "METHOD_UNKNOWN", "UserService/GetYou"},
		"no method":       {command(t, 5, "", me), 5, "unimplemented", "METHOD_UNKNOWN", `""`},
		"a stream":        {command(t, 5, "EventService/Subscribe", me), 5, "invalid_argument", "EXCHANGE_INVALID", "EventService/Subscribe"},
		"itself":          {command(t, 5, exchangeProcedure, me), 5, "invalid_argument", "EXCHANGE_INVALID", exchangeProcedure},
		"unknown type":    {typed("type.googleapis.com/some.Thing"), 5, "invalid_argument", "TYPE_UNKNOWN", "some.Thing"},
		"no type":         {typed(""), 5, "invalid_argument", "EXCHANGE_INVALID", "orchestrator.v1.GetMeRequest"},
		"other type":      {command(t, 5, getMe, &v1.GetMeReply{}), 5, "invalid_argument", "EXCHANGE_INVALID", "orchestrator.v1.GetMeReply"},
		"damaged request": {damaged, 5, "invalid_argument", "REQUEST_INVALID", "orchestrator.v1.GetMeRequest"},
		"timeout":         {timeout, 5, "invalid_argument", "EXCHANGE_INVALID", "-1s"},
		"id 0":            {command(t, 0, getMe, me), 0, "invalid_argument", "EXCHANGE_INVALID", "id"},
		"no content":      {&v1.ExchangeRequest{Id: 5}, 5, "invalid_argument", "EXCHANGE_INVALID", "content"},
		"unknown account": {command(t, 5, getMe, &v1.GetMeRequest{Account: "b"}), 5, "not_found", "ACCOUNT_UNKNOWN", `"b"`},
		"no request":      {&v1.ExchangeRequest{Id: 5, Content: &v1.ExchangeRequest_Command{Command: &v1.ExchangeCommand{Method: getMe}}}, 5, "invalid_argument", "ACCOUNT_ID_INVALID", "account"},
	} {
		t.Run(name, func(t *testing.T) {
			h := exchangeHouse(t)
			h.envs["a"].on = answers(alice)
			url, _ := h.start()
			l := grpcLine(t, url)
			l.say(c.say)
			if e := l.hearError(c.id, c.code, c.reason); !strings.Contains(e.GetMessage(), c.names) {
				t.Errorf("%q does not name %q", e.GetMessage(), c.names)
			}
			l.say(cancelOf(99)) // of nothing
			l.say(command(t, 5, getMe, me))
			if l.hear(5).GetReply() == nil {
				t.Error("the stream did not go on")
			}
			l.hangUp()
		})
	}
}

// rawJSON sends text as it is.
type rawJSON struct{}

func (rawJSON) Name() string { return "json" }

func (rawJSON) Marshal(v any) ([]byte, error) { return v.(*raw).data, nil }

func (rawJSON) Unmarshal(data []byte, v any) error {
	v.(*raw).data = bytes.Clone(data)
	return nil
}

// TestExchangeRefusesUnreadableJSON by name and goes on.
func TestExchangeRefusesUnreadableJSON(t *testing.T) {
	h := exchangeHouse(t)
	h.envs["a"].on = answers(alice)
	url, _ := h.start()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	stream := connect.NewClient[raw, raw](&http.Client{Transport: transport}, url+exchangeProcedure, connect.WithCodec(rawJSON{})).CallBidiStream(t.Context())
	for _, c := range []struct{ say, hear string }{
		{`{"id":"1","comand":{}}`, `comand`},
		{`{"id":"1","command":{"method":"UserService/GetMe","request":{"@type":"type.googleapis.com/some.Thing"}}}`, `some.Thing`},
		{`{"id":"1","command":{"method":"UserService/GetMe","request":{"@type":"type.googleapis.com/orchestrator.v1.GetMeRequest","acount":"a"}}}`, `acount`},
		{`{"id":`, `REQUEST_INVALID`},
		{`{"id":"1","command":{"method":"UserService/GetMe","request":{"@type":"type.googleapis.com/orchestrator.v1.GetMeRequest","account":"a"}}}`, `"username":"alice"`},
	} {
		if err := stream.Send(&raw{[]byte(c.say)}); err != nil {
			t.Fatal(err)
		}
		got, err := stream.Receive()
		if err != nil || !strings.Contains(strings.ReplaceAll(string(got.data), " ", ""), c.hear) {
			t.Errorf("to %s: got %s, %v", c.say, got.data, err)
		}
	}
	if err := errors.Join(stream.CloseRequest(), stream.CloseResponse()); err != nil {
		t.Error(err)
	}
	transport.CloseIdleConnections()
}

// gate is a method that waits until the test lets it go.
type gate struct {
	entered chan string
	left    chan error
	open    chan struct{}
	running atomic.Int64
	most    atomic.Int64
}

func newGate() *gate {
	return &gate{entered: make(chan string, 10_000), left: make(chan error, 10_000), open: make(chan struct{})}
}

func (g *gate) method(ctx context.Context, req proto.Message) (proto.Message, error) {
	n := g.running.Add(1)
	defer g.running.Add(-1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
	g.entered <- req.(*v1.SendMessageRequest).GetPeer()
	select {
	case <-g.open:
		g.left <- nil
		return &v1.SendMessageReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE}, nil
	case <-ctx.Done():
		g.left <- ctx.Err()
		return nil, ctx.Err()
	}
}

func (h *house) gated() *gate {
	g := newGate()
	h.cfg.Methods = stub(map[string]func(context.Context, proto.Message) (proto.Message, error){"SendMessage": g.method})
	return g
}

func TestExchangeAnswersInTheOrderOfEnding(t *testing.T) {
	for name, dial := range lines {
		t.Run(name, func(t *testing.T) {
			h := exchangeHouse(t)
			h.envs["a"].on = answers(alice)
			g := h.gated()
			url, _ := h.start()
			l := dial(t, url)
			send := &v1.SendMessageRequest{Account: "a", Peer: "x"}
			l.say(command(t, 1, sendMessage, send))
			<-g.entered
			l.say(command(t, 1, getMe, &v1.GetMeRequest{Account: "a"}))
			l.hearError(0, "invalid_argument", "EXCHANGE_INVALID") // id 1 is in use
			l.say(command(t, 2, getMe, &v1.GetMeRequest{Account: "a"}))
			if l.hear(2).GetReply() == nil {
				t.Error("the second command waited for the first")
			}
			l.say(command(t, 3, sendMessage, send))
			<-g.entered
			l.say(cancelOf(3))
			l.hearError(3, "canceled", "CANCELED")
			short := command(t, 3, sendMessage, send) // the id is free again
			short.GetCommand().Timeout = durationpb.New(time.Millisecond)
			l.say(short)
			l.hearError(3, "deadline_exceeded", "DEADLINE_EXCEEDED")
			if err := l.close(); err != nil { // what runs is still answered
				t.Fatal(err)
			}
			close(g.open)
			if l.hear(1).GetReply() == nil {
				t.Error("no reply")
			}
			l.hearEnd()
			l.hangUp()
		})
	}
}

func TestExchangeMultiplexesSubscriptions(t *testing.T) {
	for name, dial := range lines {
		t.Run(name, func(t *testing.T) {
			h := exchangeHouse(t)
			h.own("b", nil)
			h.append(messageEvent(t, "1", "old"))
			url, _ := h.start()
			l := dial(t, url)
			// One until now, one live, one that does not begin.
			l.say(subscribeTo(1, &v1.SubscribeRequest{Position: Begin, UntilNow: true}))
			if l.hear(1).GetItem().GetStarted() == nil || l.hear(1).GetItem().GetEvent().GetMessageNew().GetText() != "old" || l.hear(1).GetDone() == nil {
				t.Fatal("the first subscription is not started, one event, done")
			}
			l.say(subscribeTo(2, &v1.SubscribeRequest{Accounts: []string{"a"}}))
			if l.hear(2).GetItem().GetStarted() == nil {
				t.Fatal("not started")
			}
			l.say(subscribeTo(3, &v1.SubscribeRequest{Position: "nonsense"}))
			l.hearError(3, "invalid_argument", "POSITION_INVALID")
			h.append(messageEvent(t, "2", "new"))
			if got := l.hear(2).GetItem().GetEvent(); got.GetMessageNew().GetText() != "new" || got.GetCursor() != "2" {
				t.Errorf("got %v", got)
			}
			l.say(cancelOf(2))
			l.hearError(2, "canceled", "CANCELED")
			l.say(subscribeTo(2, &v1.SubscribeRequest{Position: "1"}))
			l.hear(2)
			if got := l.hear(2).GetItem().GetEvent(); got.GetMessageNew().GetText() != "new" {
				t.Errorf("got %v", got)
			}
			if err := l.close(); err != nil {
				t.Fatal(err)
			}
			if l.hear(2).GetDone() == nil {
				t.Error("the subscription did not end with the caller's side")
			}
			l.hearEnd()
			l.hangUp()
		})
	}
}

func TestExchangeBoundsSubscriptions(t *testing.T) {
	h := exchangeHouse(t)
	url, _ := h.start()
	l := grpcLine(t, url)
	for id := range uint64(maxSubscriptions) {
		l.say(subscribeTo(id+1, &v1.SubscribeRequest{}))
		l.hear(id + 1)
	}
	l.say(subscribeTo(1000, &v1.SubscribeRequest{}))
	l.hearError(0, "resource_exhausted", "SUBSCRIPTIONS_EXHAUSTED")
	l.say(cancelOf(1))
	l.hearError(1, "canceled", "CANCELED")
	l.say(subscribeTo(1000, &v1.SubscribeRequest{}))
	l.hear(1000)
	l.hangUp()
}

// TestExchangeStopsReadingAtItsLimit: of 1000 commands 256 run, and the caller cannot push more
// than the protocol's buffers hold.
func TestExchangeStopsReadingAtItsLimit(t *testing.T) {
	const all, size = 1000, 64 << 10
	h := exchangeHouse(t)
	g := h.gated()
	url, _ := h.start()
	l := grpcLine(t, url)
	var said atomic.Int64
	sender := make(chan error, 1)
	pad := strings.Repeat("x", size)
	go func() {
		for id := range uint64(all) {
			packed, err := anypb.New(&v1.SendMessageRequest{Account: "a", Peer: pad})
			if err == nil {
				err = l.send(&v1.ExchangeRequest{Id: id + 1, Content: &v1.ExchangeRequest_Command{
					Command: &v1.ExchangeCommand{Method: sendMessage, Request: packed},
				}})
			}
			if err != nil {
				sender <- err
				return
			}
			said.Add(1)
		}
		sender <- nil
	}()
	for range maxInFlight {
		<-g.entered
	}
	// One message read ahead, and what both ends buffer: far less than 8 MiB.
	if n := said.Load(); n > maxInFlight+(8<<20)/size {
		t.Errorf("%d commands went out while %d ran", n, maxInFlight)
	}
	seen := map[uint64]bool{}
	for i := range all { // each answer makes room for one command
		g.open <- struct{}{}
		m, err := l.receive()
		if err != nil || m.GetReply() == nil {
			t.Fatalf("got %v, %v", m, err)
		}
		seen[m.GetId()] = true
		if i < all-maxInFlight {
			<-g.entered
		}
	}
	if err := <-sender; err != nil {
		t.Fatal(err)
	}
	if len(seen) != all || g.most.Load() != maxInFlight {
		t.Errorf("%d ids answered, %d ran at a time", len(seen), g.most.Load())
	}
	l.hangUp()
}

// TestSlowReaderHoldsUpItselfOnly: answers wait in the node, a bounded number of them, and other
// callers do not notice.
func TestSlowReaderHoldsUpItselfOnly(t *testing.T) {
	const all, size = 300, 256 << 10
	h := exchangeHouse(t)
	var begun atomic.Int64
	big := strings.Repeat("x", size)
	h.cfg.Methods = stub(map[string]func(context.Context, proto.Message) (proto.Message, error){
		"Invoke": func(context.Context, proto.Message) (proto.Message, error) {
			begun.Add(1)
			return &v1.InvokeReply{Reply: &v1.InvokeReply_Json{Json: big}}, nil
		},
	})
	h.envs["a"].on = answers(alice)
	url, _ := h.start()
	slow, other := grpcLine(t, url), grpcLine(t, url)
	for id := range uint64(all) {
		slow.say(command(t, id+1, "RawService/Invoke", &v1.InvokeRequest{Account: "a"}))
	}
	for id := range uint64(50) {
		other.say(command(t, id+1, getMe, &v1.GetMeRequest{Account: "a"}))
		other.hear(id + 1)
	}
	if n := begun.Load(); n > maxInFlight+(64<<20)/size {
		t.Errorf("%d answers were made for a caller that takes none", n)
	}
	for range all {
		if m, err := slow.receive(); err != nil || len(m.GetReply().GetValue()) < size {
			t.Fatalf("got %d bytes, %v", len(m.GetReply().GetValue()), err)
		}
	}
	slow.hangUp()
	other.hangUp()
}

// TestExchangeEndsWithItsCaller: what runs is cancelled, also when the caller left answers.
func TestExchangeEndsWithItsCaller(t *testing.T) {
	for name, dial := range lines {
		t.Run(name, func(t *testing.T) {
			h := exchangeHouse(t)
			g := h.gated()
			url, _ := h.start()
			l := dial(t, url)
			for id := range uint64(20) {
				l.say(command(t, id+1, sendMessage, &v1.SendMessageRequest{Account: "a"}))
				<-g.entered
			}
			l.say(subscribeTo(100, &v1.SubscribeRequest{}))
			l.hear(100)
			l.hangUp()
			for range 20 {
				if err := <-g.left; !errors.Is(err, context.Canceled) {
					t.Errorf("a command ended with %v", err)
				}
			}
		})
	}
}

// TestExchangeDrains: what runs is answered, subscriptions end with a reason, then the stream.
func TestExchangeDrains(t *testing.T) {
	for name, dial := range lines {
		t.Run(name, func(t *testing.T) {
			h := exchangeHouse(t)
			g := h.gated()
			url, s := h.start()
			l := dial(t, url)
			l.say(subscribeTo(1, &v1.SubscribeRequest{}))
			l.hear(1)
			l.say(command(t, 2, sendMessage, &v1.SendMessageRequest{Account: "a"}))
			<-g.entered
			ended := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				ended <- s.Shutdown(ctx)
			}()
			l.hearError(1, "unavailable", "SHUTTING_DOWN")
			close(g.open)
			if l.hear(2).GetReply() == nil {
				t.Error("the command was not answered")
			}
			_, err := l.receive()
			if status.Code(err) != codes.Unavailable && connect.CodeOf(err) != connect.CodeUnavailable {
				t.Errorf("the stream ended with %v", err)
			}
			l.hangUp()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDrainEndsAnIdleExchange, although nobody says anything.
func TestDrainEndsAnIdleExchange(t *testing.T) {
	h := exchangeHouse(t)
	url, s := h.start()
	l := grpcLine(t, url)
	l.say(cancelOf(1))
	l.say(command(t, 1, getMe, &v1.GetMeRequest{Account: "none"}))
	l.hearError(1, "not_found", "ACCOUNT_UNKNOWN")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	if _, err := l.receive(); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	l.hangUp()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestExchangeOverHTTP1IsRefused(t *testing.T) {
	h := exchangeHouse(t)
	url, _ := h.start()
	client := orchestratorv1connect.NewControlServiceClient(http.DefaultClient, url)
	stream, err := client.Exchange(t.Context())
	if err == nil {
		_ = stream.Send(cancelOf(1))
		_, err = stream.Receive()
		_ = stream.CloseResponse()
	}
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}
