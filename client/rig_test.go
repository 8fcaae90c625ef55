package client_test

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/requests"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// world is what the nodes of a test share: answers, and one event log.
type world struct {
	mu       sync.Mutex
	handlers map[string]func(context.Context, proto.Message) (proto.Message, error)
	streams  map[string]func(context.Context, proto.Message, func(proto.Message) error) error
	log      []control.Event
	more     chan struct{} // closed when log grows
	pulled   int           // events that nodes took from the log
	nodes    int
	requests requests.Store
	ids      []string // request ids as the nodes were given them
}

func newWorld() *world {
	return &world{
		handlers: map[string]func(context.Context, proto.Message) (proto.Message, error){},
		streams:  map[string]func(context.Context, proto.Message, func(proto.Message) error) error{},
		more:     make(chan struct{}),
		requests: requests.NewMemory(0),
	}
}

// named is the store of requests as the nodes see it: it notes which ids they were given.
type named struct {
	requests.Store
	w *world
}

func (n named) Get(ctx context.Context, key requests.Key) ([]byte, uint64, error) {
	n.w.mu.Lock()
	n.w.ids = append(n.w.ids, key.ID)
	n.w.mu.Unlock()
	return n.Store.Get(ctx, key)
}

// given are the request ids that the nodes were given.
func (w *world) given() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ids)
}

// ledger is a node's view of the world's requests.
func (w *world) ledger(t try) *requests.Ledger {
	t.Helper()
	l, err := requests.New(requests.Config{
		Store: named{w.requests, w},
		Keys: func(context.Context, fleet.AccountID) (cipher.AEAD, error) {
			return chacha20poly1305.NewX(make([]byte, chacha20poly1305.KeySize))
		},
		Token: func(context.Context, fleet.AccountID) (fleet.FencingToken, error) { return 1, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// request is a pointer to a request message of type T.
type request[T any] interface {
	*T
	proto.Message
}

// on sets the answer of all nodes to the RPC that takes Req.
func on[Req, Rep any, PReq request[Req], PRep request[Rep]](w *world, fn func(context.Context, PReq) (PRep, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := string(PReq(new(Req)).ProtoReflect().Descriptor().FullName())
	w.handlers[name] = func(ctx context.Context, req proto.Message) (proto.Message, error) {
		reply, err := fn(ctx, req.(PReq))
		if err != nil {
			return nil, err
		}
		return reply, nil
	}
}

// streams sets the answer of all nodes to the streaming RPC that takes Req.
func streams[Req, Rep any, PReq request[Req], PRep request[Rep]](w *world, fn func(context.Context, PReq, func(PRep) error) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := string(PReq(new(Req)).ProtoReflect().Descriptor().FullName())
	w.streams[name] = func(ctx context.Context, req proto.Message, send func(proto.Message) error) error {
		return fn(ctx, req.(PReq), func(reply PRep) error { return send(reply) })
	}
}

// table gives a node's methods, with the world's answers where there are any.
func (w *world) table(node string) []methods.Method {
	list := control.Methods()
	for i, m := range list {
		if m.New == nil {
			continue
		}
		name := string(m.New().ProtoReflect().Descriptor().FullName())
		unary, stream := m.Unary, m.Stream
		if unary != nil {
			list[i].Unary = func(ctx context.Context, h *methods.Host, req proto.Message) (proto.Message, error) {
				w.mu.Lock()
				handler := w.handlers[name]
				w.mu.Unlock()
				if handler == nil {
					return unary(ctx, h, req)
				}
				return handler(context.WithValue(ctx, nodeKey{}, node), req)
			}
		}
		if stream != nil {
			list[i].Stream = func(ctx context.Context, h *methods.Host, req proto.Message, send func(proto.Message) error) error {
				w.mu.Lock()
				handler := w.streams[name]
				w.mu.Unlock()
				if handler == nil {
					return stream(ctx, h, req, send)
				}
				return handler(context.WithValue(ctx, nodeKey{}, node), req, send)
			}
		}
	}
	return list
}

type nodeKey struct{}

// servedBy is the node that serves a call.
func servedBy(ctx context.Context) string {
	name, _ := ctx.Value(nodeKey{}).(string)
	return name
}

// testNode is one control server.
type testNode struct {
	name, url string
	server    *control.Server
}

// try is the part of testing.TB that the rig needs; examples have their own.
type try interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

// node starts a server of the world; change may edit its configuration.
func (w *world) node(t try, change ...func(*control.Config)) *testNode {
	t.Helper()
	w.mu.Lock()
	w.nodes++
	name := fmt.Sprintf("n%d", w.nodes)
	w.mu.Unlock()
	cfg := control.Config{
		Listen: "127.0.0.1:0", Node: name, Fleet: everybody{}, Accounts: known{}, Events: events{w}, Methods: w.table(name),
		Requests: w.ledger(t),
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := control.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	n := &testNode{name, "http://" + addr.String(), s}
	if cfg.TLS != nil {
		n.url = "https://" + addr.String()
	}
	t.Cleanup(n.kill)
	return n
}

// kill ends the node without a word to anybody.
func (n *testNode) kill() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = n.server.Shutdown(ctx)
}

// stop ends the node as SIGTERM does.
func (n *testNode) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// everybody owns every account and runs none: what a test does not answer is refused.
type everybody struct{}

func (everybody) Local(fleet.AccountID) bool { return true }
func (everybody) Env(context.Context, fleet.AccountID) (telegram.Env, error) {
	return nil, fleet.Errorf(fleet.CodeInternal, "TEST_UNANSWERED", "the test has no answer")
}

// known knows every account but "unknown".
type known struct{ control.Accounts }

func (known) Get(_ context.Context, id fleet.AccountID) (*v1.Account, error) {
	if id == "unknown" {
		return nil, fleet.Errorf(fleet.CodeNotFound, "ACCOUNT_UNKNOWN", "account: there is no account %q", id).WithRemedy("create it")
	}
	return &v1.Account{Id: string(id)}, nil
}

// append records an event. Its payload is none, which makes it a bare event.
func (w *world) append(cursor, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, control.Event{Cursor: cursor, Account: "a", Kind: "typing", ID: id})
	close(w.more)
	w.more = make(chan struct{})
}

// events is the log as one node reads it.
type events struct{ *world }

// Subscribe implements control.Events.
func (w events) Subscribe(ctx context.Context, o control.SubscribeOptions) (control.Subscription, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next, end := len(w.log), len(w.log)
	if o.From == control.Begin {
		next = 0
	} else if o.From != "" {
		next = slices.IndexFunc(w.log, func(e control.Event) bool { return e.Cursor == o.From }) + 1
		if next == 0 {
			return control.Subscription{}, fleet.Errorf(fleet.CodeInvalidArgument, "POSITION_INVALID", "position: is no cursor (got %q)", o.From)
		}
	}
	position := o.From
	if position == "" && next > 0 {
		position = w.log[next-1].Cursor
	}
	return control.Subscription{Position: position, Events: func(yield func(control.Event, error) bool) {
		for !o.UntilNow || next < end {
			w.mu.Lock()
			wait, have := w.more, next < len(w.log)
			var e control.Event
			if have {
				e = w.log[next]
				next++
				w.pulled++
			}
			w.mu.Unlock()
			if have {
				if !yield(e, nil) {
					return
				}
				continue
			}
			select {
			case <-wait:
			case <-ctx.Done():
				return
			}
		}
	}}, nil
}

// dial makes a client of the nodes whose first call goes to the first one.
func dial(t *testing.T, nodes ...*testNode) *client.Client {
	t.Helper()
	var urls []string
	for _, n := range nodes {
		urls = append(urls, n.url)
	}
	c, err := client.New(urls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.Prefer(nodes[0].url)
	return c
}

func tokens(list ...string) control.Tokens {
	out := control.Tokens{}
	for _, token := range list {
		out[sha256.Sum256([]byte(token))] = token
	}
	return out
}

func withTLS(cfg *tls.Config) func(*control.Config) {
	return func(c *control.Config) { c.TLS = cfg }
}
