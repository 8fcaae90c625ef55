package telegram

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
)

// scriptEnv answers calls from a script and fails the test on any other call.
type scriptEnv struct {
	t     *testing.T
	steps []step
	calls []bin.Encoder
	peers *memory
	app   AppProfile
}

// memory is peers that are all known in full.
type memory struct{ list []Peer }

func (m *memory) find(is func(Peer) bool) (Peer, bool) {
	i := slices.IndexFunc(m.list, is)
	if i < 0 {
		return Peer{}, false
	}
	return m.list[i], true
}

func (m *memory) Get(kind PeerKind, id int64) (Peer, bool) {
	return m.find(func(p Peer) bool { return p.Kind == kind && (p.ID == id || id == 0 && p.Self) })
}

func (m *memory) ByUsername(name string) (Peer, bool) {
	return m.find(func(p Peer) bool { return p.Username != "" && strings.EqualFold(p.Username, name) })
}

func (m *memory) Put(peers ...Peer) { m.list = append(slices.Clone(peers), m.list...) } // the latest first

// step expects a method and answers it with a TL value or an error.
type step struct {
	method string
	answer any
}

func script(t *testing.T, steps ...step) *scriptEnv {
	t.Helper()
	env := &scriptEnv{t: t, steps: steps, peers: &memory{}, app: AppProfile{APIID: 17, APIHash: "hash"}}
	t.Cleanup(func() {
		if len(env.steps) > 0 {
			t.Errorf("script ended early: %d calls missing, next %s", len(env.steps), env.steps[0].method)
		}
	})
	return env
}

func (e *scriptEnv) Invoke(ctx context.Context, in bin.Encoder, out bin.Decoder) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name := in.(interface{ TypeName() string }).TypeName()
	if len(e.steps) == 0 || e.steps[0].method != name {
		e.t.Errorf("unexpected call %s", name)
		return errors.New("unexpected call")
	}
	next := e.steps[0]
	e.steps = e.steps[1:]
	e.calls = append(e.calls, in)
	if err := in.Encode(&bin.Buffer{}); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if err, ok := next.answer.(error); ok {
		return err
	}
	var b bin.Buffer
	if err := next.answer.(bin.Encoder).Encode(&b); err != nil {
		return err
	}
	if err := out.Decode(&b); err != nil {
		return err
	}
	e.peers.Put(Sightings(out)...)
	return nil
}

func (e *scriptEnv) InvokeOn(ctx context.Context, _ int, in bin.Encoder, out bin.Decoder) error {
	return e.Invoke(ctx, in, out)
}
func (e *scriptEnv) Peers() Peers             { return e.peers }
func (e *scriptEnv) Account() fleet.AccountID { return "test" }
func (e *scriptEnv) App() AppProfile          { return e.app }

func rpc(code int, name string) error { return tgerr.New(code, name) }

// wantReason checks that err is a *fleet.Error with this reason and gives it.
func wantReason(t *testing.T, err error, reason string) *fleet.Error {
	t.Helper()
	var own *fleet.Error
	if !errors.As(err, &own) || own.Reason != reason {
		t.Fatalf("got error %v, want reason %s", err, reason)
	}
	return own
}

func wantEqual(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

var (
	alice = &tg.User{Self: true, ID: 1001, AccessHash: 11, FirstName: "Alice", LastName: "A", Username: "alice"}
	bob   = &tg.User{ID: 1002, AccessHash: 22, FirstName: "Bob", Username: "bobby", Phone: "15550002"}
)

func bobPeer() Peer {
	p, _ := PeerOfUser(bob)
	return p
}
