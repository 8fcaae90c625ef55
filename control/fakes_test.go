package control

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/peertest"
	"github.com/telefleet/orchestrator/telegram"
)

// house is a node with one account, "a", and fakes for the rest.
type house struct {
	t    *testing.T
	mu   sync.Mutex
	envs map[fleet.AccountID]*fakeEnv
	list map[string]*v1.Account
	log  []Event
	more chan struct{} // closed when log grows
	cfg  Config
	// conflict refuses updates as made from an old version.
	conflict atomic.Bool
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, envs: map[fleet.AccountID]*fakeEnv{}, list: map[string]*v1.Account{}, more: make(chan struct{})}
	h.cfg = Config{Listen: "127.0.0.1:0", Node: "n1", Fleet: h, Accounts: h, Events: events{h}, Log: hclog.NewNullLogger()}
	h.own("a", nil)
	return h
}

// own adds an account that this node runs.
func (h *house) own(id fleet.AccountID, on func(context.Context, bin.Encoder) (bin.Encoder, error)) {
	env := &fakeEnv{id: id, peers: peertest.New(), on: on}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.envs[id] = env
	h.list[string(id)] = &v1.Account{Id: string(id), Spec: &v1.AccountSpec{}, Status: &v1.AccountStatus{Node: "n1"}}
}

// start runs the server and gives its URL.
func (h *house) start() (string, *Server) {
	h.t.Helper()
	s, err := NewServer(h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	addr, err := s.Start()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			h.t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return "http://" + addr.String(), s
}

func (h *house) Local(id fleet.AccountID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.envs[id] != nil
}

func (h *house) Env(_ context.Context, id fleet.AccountID) (telegram.Env, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if env := h.envs[id]; env != nil {
		return env, nil
	}
	return nil, errors.New("not owned")
}

func (h *house) Create(_ context.Context, a *v1.Account) (*v1.Account, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.list[a.GetId()] != nil {
		return nil, fleet.Errorf(fleet.CodeAlreadyExists, "ACCOUNT_EXISTS", "account: %s exists", a.GetId())
	}
	stored := proto.CloneOf(a)
	stored.Generation = 1
	h.list[a.GetId()] = stored
	return stored, nil
}

func (h *house) Get(_ context.Context, id fleet.AccountID) (*v1.Account, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a := h.list[string(id)]; a != nil {
		return a, nil
	}
	return nil, fleet.Errorf(fleet.CodeNotFound, "ACCOUNT_UNKNOWN", "account: there is no account %q", id).
		WithRemedy("create it with `orchestrator account add`")
}

func (h *house) Update(_ context.Context, a *v1.Account) (*v1.Account, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conflict.Load() {
		return nil, fleet.Errorf(fleet.CodeAborted, "CONFLICT", "account: %s has changed", a.GetId())
	}
	h.list[a.GetId()] = a
	return a, nil
}

func (h *house) Delete(_ context.Context, id fleet.AccountID, _ string) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.list, string(id))
	return true, nil
}

func (h *house) List(_ context.Context, opts ListOptions) ([]*v1.Account, string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []string
	for id, a := range h.list {
		if id > string(opts.After) && (opts.Match == nil || opts.Match(a.GetLabels())) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var out []*v1.Account
	for _, id := range ids[:min(len(ids), opts.Limit)] {
		out = append(out, h.list[id])
	}
	return out, "1", nil
}

func (h *house) append(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, e)
	close(h.more)
	h.more = make(chan struct{})
}

// events is the house's event log.
type events struct{ *house }

func (h events) Subscribe(ctx context.Context, opts SubscribeOptions) (Subscription, error) {
	h.mu.Lock()
	next, end := len(h.log), len(h.log)
	h.mu.Unlock()
	switch {
	case opts.From == Begin:
		next = 0
	case opts.From != "":
		next = slices.IndexFunc(h.log, func(e Event) bool { return e.Cursor == opts.From }) + 1
		if next == 0 {
			return Subscription{}, fleet.Errorf(fleet.CodeInvalidArgument, "POSITION_INVALID", "position: is no cursor (got %q)", opts.From)
		}
	}
	position := opts.From
	if position == "" && next > 0 {
		position = h.log[next-1].Cursor
	}
	return Subscription{Position: position, Events: func(yield func(Event, error) bool) {
		for ; ; next++ {
			if opts.UntilNow && next >= end {
				return
			}
			h.mu.Lock()
			wait := h.more
			var e *Event
			if next < len(h.log) {
				e = &h.log[next]
			}
			h.mu.Unlock()
			if e == nil {
				select {
				case <-wait:
					next--
					continue
				case <-ctx.Done():
					return
				}
			}
			if !yield(*e, nil) {
				return
			}
		}
	}}, nil
}

// fakeEnv answers calls by a function of the test.
type fakeEnv struct {
	id    fleet.AccountID
	peers *peertest.Peers
	on    func(ctx context.Context, in bin.Encoder) (bin.Encoder, error)
}

func (e *fakeEnv) Invoke(ctx context.Context, in bin.Encoder, out bin.Decoder) error {
	if e.on == nil {
		return tgerr.New(401, "AUTH_KEY_UNREGISTERED")
	}
	answer, err := e.on(ctx, in)
	if err != nil {
		return err
	}
	var b bin.Buffer
	if err := answer.Encode(&b); err != nil {
		return err
	}
	return out.Decode(&b)
}

func (e *fakeEnv) InvokeOn(ctx context.Context, _ int, in bin.Encoder, out bin.Decoder) error {
	return e.Invoke(ctx, in, out)
}
func (e *fakeEnv) Peers() telegram.Peers    { return e.peers }
func (e *fakeEnv) Account() fleet.AccountID { return e.id }
func (e *fakeEnv) App() telegram.AppProfile { return telegram.AppProfile{APIID: 1, APIHash: "h"} }

// answers makes a fixed answer to any call.
func answers(v bin.Encoder) func(context.Context, bin.Encoder) (bin.Encoder, error) {
	return func(context.Context, bin.Encoder) (bin.Encoder, error) { return v, nil }
}

var alice = &tg.UserClassVector{Elems: []tg.UserClass{&tg.User{Self: true, ID: 1001, FirstName: "Alice", Username: "alice"}}}
