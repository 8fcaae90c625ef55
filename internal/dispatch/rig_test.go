package dispatch

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"
	"golang.org/x/crypto/chacha20poly1305"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/cluster/embedded"
	"github.com/telefleet/orchestrator/cluster/etcd"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/webhooks"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	storeetcd "github.com/telefleet/orchestrator/sessionstore/etcd"
	"github.com/telefleet/orchestrator/telegram"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for an event before it gives up.
const patience = 60 * time.Second

// rig is an etcd, an event log and the nodes that share them.
type rig struct {
	t        *testing.T
	etcd     *embedded.Server
	log      *eventlog.Log
	accounts *etcd.Accounts
	policy   webhooks.Policy
	trust    *tls.Config
	tokens   fleet.FencingToken
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	server, err := embedded.Start(t.Context(), embedded.Config{Dir: dir, UnsafeNoFsync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	log, err := eventlog.Open(t.Context(), eventlog.Config{Dir: t.TempDir(), MinFree: -1, Keys: func(_ context.Context, id fleet.AccountID) (cipher.AEAD, error) {
		k := sha256.Sum256([]byte(id))
		return chacha20poly1305.NewX(k[:])
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(context.Background()) })
	return &rig{
		t: t, etcd: server, log: log, accounts: etcd.NewAccounts(server.Client(), ""),
		policy: webhooks.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
}

// testNode is one Dispatch with its membership.
type testNode struct {
	*Dispatch
	api  *control.Dispatch
	stop func()
}

func (r *rig) node() *testNode {
	r.t.Helper()
	member, err := etcd.Join(r.t.Context(), r.etcd.Client(), etcd.Config{
		Profile: cluster.Profile{Name: "test", TTL: 10 * time.Second, Margin: time.Second, Linger: time.Hour},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	master, err := sessionstore.NewMasterKey(make([]byte, 32))
	if err != nil {
		r.t.Fatal(err)
	}
	logger := hclog.NewNullLogger()
	if os.Getenv("DISPATCH_TEST_LOG") != "" {
		logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: os.Stderr})
	}
	d := New(Config{
		Log: r.log, Client: r.etcd.Client(), Member: member,
		Keys:   storeetcd.NewKeyring(r.etcd.Client(), storeetcd.KeyringConfig{Prefix: "secrets/", ClusterID: "test", Masters: sessionstore.Masters{Current: master}}),
		Peers:  func(context.Context, fleet.AccountID) telegram.Peers { return nil },
		Policy: r.policy, TLS: r.trust, Logger: logger,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	handler := cluster.Handler{ // accounts are there for their labels only
		Owned: func(context.Context, cluster.Grant) {}, Changed: func(cluster.Spec) {},
		Lost: func(g cluster.Grant, _ cluster.LostReason) {
			wait.Go(func() { _ = member.Release(context.Background(), g) }) // or its lease ends
		},
	}
	wait.Go(func() { _ = member.Run(ctx, handler) }) // it ends with ctx or by Leave
	wait.Go(func() {
		if err := d.Run(ctx); !errors.Is(err, context.Canceled) {
			r.t.Errorf("dispatch ended: %v", err)
		}
	})
	var once sync.Once
	n := &testNode{Dispatch: d, api: d.API()}
	n.stop = func() {
		once.Do(func() {
			if err := member.Leave(context.Background()); err != nil {
				r.t.Errorf("leave: %v", err)
			}
			cancel()
			wait.Wait()
		})
	}
	r.t.Cleanup(n.stop)
	return n
}

// append stores events of an account, by their ids; the part of an id before ":" is its kind.
func (r *rig) append(account fleet.AccountID, kind string, ids ...string) eventlog.Cursor {
	r.t.Helper()
	r.tokens++
	w, err := r.log.Claim(r.t.Context(), account, r.tokens)
	if err != nil {
		r.t.Fatal(err)
	}
	var last uint64
	for _, id := range ids {
		if last, err = w.Append(r.t.Context(), eventlog.Record{Kind: kind, ID: id}); err != nil {
			r.t.Fatal(err)
		}
	}
	return eventlog.Cursor{Epoch: r.log.Epoch(), Seq: last}
}

func (r *rig) account(id fleet.AccountID, labels map[string]string) {
	r.t.Helper()
	if _, err := r.accounts.CreateSpec(r.t.Context(), cluster.Spec{Account: id, Labels: labels}); err != nil {
		r.t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	var own *fleet.Error
	if !errors.As(err, &own) || own.Reason != reason {
		t.Errorf("got %v, want reason %s", err, reason)
	}
}

func isReason(err error, reason string) bool {
	return errors.Is(err, &fleet.Error{Reason: reason})
}

// take fetches and acknowledges until the events with these ids came, in this order for each
// account; it asks whichever node works on the consumer.
func take(t *testing.T, consumer string, want map[fleet.AccountID][]string, nodes ...*testNode) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	left := 0
	for _, ids := range want {
		left += len(ids)
	}
	for i := 0; left > 0; i++ {
		n := nodes[i%len(nodes)]
		list, err := n.api.Deliveries.Fetch(ctx, consumer, 10)
		if isReason(err, "NOT_OWNER") {
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		if err != nil {
			t.Fatalf("%v; still wanted: %v", err, want)
		}
		for _, d := range list {
			account := fleet.AccountID(d.GetEvent().GetAccount())
			ids := want[account]
			if len(ids) == 0 || ids[0] != d.GetEvent().GetId() {
				t.Fatalf("%s/%s came, want %v", account, d.GetEvent().GetId(), ids)
			}
			if unknown, err := n.api.Deliveries.Settle(ctx, consumer, methods.Ack, []string{d.GetAckId()}, 0); err != nil || len(unknown) > 0 {
				t.Fatalf("ack: %v, unknown %v", err, unknown)
			}
			want[account] = ids[1:]
			left--
		}
	}
}

// received is a webhook's receiver.
type received struct {
	mu     sync.Mutex
	status int
	got    []post
}

type post struct {
	header http.Header
	body   []byte
}

func (r *rig) receiver() (string, *received) {
	in := &received{status: http.StatusOK}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		in.got = append(in.got, post{req.Header.Clone(), body})
		w.WriteHeader(in.status)
	}))
	r.t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	r.trust = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return s.URL, in
}

func (in *received) answer(status int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.status = status
}

func (in *received) posts() []post {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]post(nil), in.got...)
}

func numbered(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprint(i))
	}
	return ids
}

func spec(change func(*v1.ConsumerSpec)) *v1.ConsumerSpec {
	s := &v1.ConsumerSpec{Select: &v1.EventSelector{}}
	change(s)
	return s
}
