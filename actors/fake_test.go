package actors

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"iter"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// fakeSessions keeps records in memory and counts saves.
type fakeSessions struct {
	mu      sync.Mutex
	records map[fleet.AccountID]*sessionstore.Record
	saves   int
	loadErr error
	saveErr error
}

func newFakeSessions() *fakeSessions {
	return &fakeSessions{records: map[fleet.AccountID]*sessionstore.Record{}}
}

func (f *fakeSessions) Load(_ context.Context, id fleet.AccountID) (*sessionstore.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loadErr != nil {
		return nil, f.loadErr
	}
	r, ok := f.records[id]
	if !ok {
		return nil, sessionstore.ErrNotFound
	}
	return copied(r), nil
}

func (f *fakeSessions) Save(_ context.Context, _ fleet.Fence, r *sessionstore.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.saves++
	if f.saveErr != nil {
		return f.saveErr
	}
	f.records[r.Account] = copied(r)
	return nil
}

func (f *fakeSessions) ReplaceKey(ctx context.Context, fence fleet.Fence, r *sessionstore.Record) error {
	return f.Save(ctx, fence, r)
}

func (f *fakeSessions) Renew(ctx context.Context, fence fleet.Fence, r *sessionstore.Record) error {
	return f.Save(ctx, fence, r)
}

func (f *fakeSessions) Delete(_ context.Context, _ fleet.Fence, id fleet.AccountID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.records, id)
	return nil
}

func (f *fakeSessions) get(id fleet.AccountID) *sessionstore.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.records[id]
}

// fakeEvents keeps each account's records in memory, with the rule of the log: a later claim
// fences the writer.
type fakeEvents struct {
	mu       sync.Mutex
	records  []eventlog.Record
	claims   map[fleet.AccountID]int
	appended chan eventlog.Record // every event record, in order; may be nil
}

func newFakeEvents() *fakeEvents {
	return &fakeEvents{claims: map[fleet.AccountID]int{}, appended: make(chan eventlog.Record, 10000)}
}

func (f *fakeEvents) Claim(_ context.Context, id fleet.AccountID, token fleet.FencingToken) (EventWriter, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.claims[id]++
	f.records = append(f.records, eventlog.Record{
		Account: id, Token: token, Kind: eventlog.KindOwnerChanged, Seq: uint64(len(f.records) + 1), Epoch: 1,
	})
	return &fakeWriter{log: f, id: id, claim: f.claims[id], at: uint64(len(f.records))}, nil
}

func (f *fakeEvents) Durable() eventlog.Cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return eventlog.Cursor{Epoch: 1, Seq: uint64(len(f.records))}
}

func (f *fakeEvents) PublishLive(context.Context, eventlog.Record) error { return nil }

type fakeWriter struct {
	log   *fakeEvents
	id    fleet.AccountID
	claim int
	at    uint64
}

func (f *fakeEvents) Forget(fleet.AccountID) {}

func (w *fakeWriter) Erase(context.Context) error { return nil }

func (w *fakeWriter) Claimed() eventlog.Cursor { return eventlog.Cursor{Epoch: 1, Seq: w.at} }

func (w *fakeWriter) Replay(_ context.Context, from eventlog.Cursor) iter.Seq2[eventlog.Record, error] {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	var mine []eventlog.Record
	for _, r := range w.log.records {
		if r.Account == w.id && r.Seq > from.Seq && r.Seq <= w.at {
			mine = append(mine, r)
		}
	}
	return func(yield func(eventlog.Record, error) bool) {
		for _, r := range mine {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (w *fakeWriter) Append(_ context.Context, recs ...eventlog.Record) (uint64, error) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if w.log.claims[w.id] != w.claim {
		return 0, eventlog.ErrFenced
	}
	for _, r := range recs {
		r.Seq, r.Epoch = uint64(len(w.log.records)+1), 1
		w.log.records = append(w.log.records, r)
		if w.log.appended != nil && !r.Internal() {
			w.log.appended <- r
		}
	}
	return uint64(len(w.log.records)), nil
}

// states collects what accounts report.
type states struct {
	mu   sync.Mutex
	last map[fleet.AccountID]standing.Status
	seen chan standing.Status
}

func newStates() *states {
	return &states{last: map[fleet.AccountID]standing.Status{}, seen: make(chan standing.Status, 1000)}
}

func (s *states) report(_ context.Context, _ fleet.Fence, st standing.Status) error {
	s.mu.Lock()
	s.last[st.Account] = st
	s.mu.Unlock()
	select {
	case s.seen <- st:
	default:
	}
	return nil
}

func (s *states) of(id fleet.AccountID) standing.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last[id]
}

// await waits until an account reports a state; the test's deadline bounds it.
func (s *states) await(t *testing.T, id fleet.AccountID, want fleet.State) standing.Status {
	t.Helper()
	for {
		select {
		case st := <-s.seen:
			if st.Account == id && st.State == want {
				return st
			}
		case <-t.Context().Done():
			t.Fatalf("%s: no state %s; the last was %+v", id, want, s.of(id))
		}
	}
}

// harness is a node of actors over fakes.
type harness struct {
	deps     Deps
	sessions *fakeSessions
	events   *fakeEvents
	states   *states
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{sessions: newFakeSessions(), events: newFakeEvents(), states: newStates()}
	h.deps = Deps{
		Sessions: h.sessions, Events: h.events, Peers: peers.NewMemory(), Report: h.states.report,
		DCs: dcs.List{Options: []dcs.Option{{ID: 2, Addr: "127.0.0.1:1"}}, Keys: testKeys(t)}, DefaultDC: 2,
		App:       telegram.AppProfile{APIID: 1, APIHash: "hash", DeviceModel: "test", SystemVersion: "1", AppVersion: "1", SystemLangCode: "en", LangCode: "en"},
		Transport: transport.Options{Framing: transport.Intermediate},
		Ping:      Ping{Interval: 60 * time.Second, Disconnect: 75 * time.Second},
		Pace:      func(context.Context, int, string) error { return nil },
		Redial:    backoff.Policy{Base: time.Second, Max: time.Minute, Factor: 2},
		FloodWait: time.Minute,
		Rand:      rand.Reader, Now: time.Now, Log: hclog.NewNullLogger(),
	}
	return h
}

var testKeys = func() func(*testing.T) []*rsa.PublicKey {
	key := sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	return func(t *testing.T) []*rsa.PublicKey {
		k, err := key()
		if err != nil {
			t.Fatal(err)
		}
		return []*rsa.PublicKey{&k.PublicKey}
	}
}()

func testGrant(id fleet.AccountID) Grant {
	return Grant{
		Account: id, Fence: fleet.Fence{Key: "own/" + string(id), CreateRevision: 7},
		Check: func() error { return nil }, Renewed: func(context.Context) error { return nil },
	}
}

var errNetwork = errors.New("network is unreachable")

// pipeDialer gives net.Pipe connections whose server side is handed to serve; it counts how
// many are open at a time.
type pipeDialer struct {
	mu         sync.Mutex
	open, most int
	dials      []time.Time
	serve      func(net.Conn)
}

func (d *pipeDialer) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	d.mu.Lock()
	d.open++
	d.most = max(d.most, d.open)
	d.dials = append(d.dials, time.Now())
	d.mu.Unlock()
	go d.serve(server)
	return &countedConn{Conn: client, d: d}, nil
}

type countedConn struct {
	net.Conn
	d    *pipeDialer
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.d.mu.Lock()
		c.d.open--
		c.d.mu.Unlock()
	})
	return c.Conn.Close()
}

// swallow reads until the end: a server that never answers.
func swallow(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func (f *fakeSessions) Holder(context.Context, sessionstore.KeyID) (fleet.AccountID, error) {
	return "", nil
}

func copied(r *sessionstore.Record) *sessionstore.Record {
	c := *r
	c.Keys = maps.Clone(r.Keys)
	return &c
}
