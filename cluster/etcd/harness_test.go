package etcd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/cluster/embedded"
	"github.com/telefleet/orchestrator/fleet"
)

// endpoint is the one etcd of this package's tests.
var endpoint string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "etcd")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	s, err := embedded.Start(context.Background(), embedded.Config{Dir: dir, Listen: "http://127.0.0.1:0", UnsafeNoFsync: true})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	endpoint = s.Endpoint()
	code := m.Run()
	if err := s.Close(); err != nil {
		fmt.Println(err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	return code
}

// patience is how long a test waits for an event before it gives up.
const patience = 60 * time.Second

func dial(t *testing.T, addr string) *clientv3.Client {
	t.Helper()
	c, err := Dial(DialConfig{Endpoints: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// world is one test's prefix in etcd and its referee: who owns what, as the handlers were
// told.
type world struct {
	t        *testing.T
	client   *clientv3.Client
	accounts *Accounts
	prefix   string

	mu     sync.Mutex
	owner  map[fleet.AccountID]*testNode
	tokens map[fleet.AccountID]fleet.FencingToken
}

func newWorld(t *testing.T) *world {
	prefix := t.Name() + "/" + rand.Text() + "/" // -count repeats names
	c := dial(t, endpoint)
	return &world{
		t: t, client: c, prefix: prefix, accounts: NewAccounts(c, prefix),
		owner: make(map[fleet.AccountID]*testNode), tokens: make(map[fleet.AccountID]fleet.FencingToken),
	}
}

func (w *world) create(ids ...fleet.AccountID) {
	w.t.Helper()
	for _, id := range ids {
		if _, err := w.accounts.CreateSpec(w.t.Context(), cluster.Spec{Account: id}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func accountIDs(n int) []fleet.AccountID {
	ids := make([]fleet.AccountID, n)
	for i := range ids {
		ids[i] = fleet.AccountID(fmt.Sprintf("a%04d", i))
	}
	return ids
}

// event is one call of a handler.
type event struct {
	kind   string // owned, changed, lost, fenced, network, deleted
	grant  cluster.Grant
	spec   cluster.Spec
	reason cluster.LostReason
}

// testNode is a member under test with a handler that records.
type testNode struct {
	w    *world
	m    *Member
	stop context.CancelFunc
	done chan error
	// keep makes the handler not release what it loses.
	keep bool
	// onFenced runs inside Fenced.
	onFenced func()

	releases sync.WaitGroup
	mu       sync.Mutex
	events   []event
	more     chan struct{}
	held     map[fleet.AccountID]cluster.Grant
}

// testProfile has short times; L is long enough to be seen and never waited for.
func testProfile() cluster.Profile {
	return cluster.Profile{Name: "test", TTL: 10 * time.Second, Margin: time.Second, Linger: time.Hour}
}

func (w *world) join(c *clientv3.Client, cfg Config, prepare ...func(*testNode)) *testNode {
	w.t.Helper()
	cfg.Prefix = w.prefix
	if cfg.Profile.TTL == 0 {
		cfg.Profile = testProfile()
	}
	if os.Getenv("ETCD_TEST_LOG") != "" {
		cfg.Log = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: os.Stderr})
	}
	m, err := Join(w.t.Context(), c, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	n := &testNode{w: w, m: m, done: make(chan error, 1), more: make(chan struct{}), held: make(map[fleet.AccountID]cluster.Grant)}
	for _, p := range prepare {
		p(n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	go func() { n.done <- m.Run(ctx, n.handler()) }()
	w.t.Cleanup(func() {
		cancel()
		n.releases.Wait()
		<-n.done
	})
	return n
}

func (n *testNode) handler() cluster.Handler {
	return cluster.Handler{
		Owned: func(_ context.Context, g cluster.Grant) {
			n.w.own(n, g)
			n.record(event{kind: "owned", grant: g})
		},
		Changed:         func(s cluster.Spec) { n.record(event{kind: "changed", spec: s}) },
		NetworkRestored: func(id fleet.AccountID) { n.record(event{kind: "network", spec: cluster.Spec{Account: id}}) },
		Deleted:         func(id fleet.AccountID) { n.record(event{kind: "deleted", spec: cluster.Spec{Account: id}}) },
		Lost: func(g cluster.Grant, reason cluster.LostReason) {
			n.record(event{kind: "lost", grant: g, reason: reason})
			n.mu.Lock()
			keep := n.keep
			n.mu.Unlock()
			if !keep {
				n.releases.Go(func() {
					if reason == cluster.LostDeleted {
						n.complete(g)
					}
					n.release(g)
				})
			}
		},
		Fenced: func() {
			if n.onFenced != nil {
				n.onFenced()
			}
			n.w.drop(n)
			n.record(event{kind: "fenced"})
		},
	}
}

func (n *testNode) record(e event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch e.kind {
	case "owned":
		n.held[e.grant.Account] = e.grant
	case "lost":
		delete(n.held, e.grant.Account)
	}
	n.events = append(n.events, e)
	close(n.more)
	n.more = make(chan struct{})
}

// complete ends a deletion, as a handler that has cleaned up.
func (n *testNode) complete(g cluster.Grant) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.w.accounts.CompleteDelete(ctx, g.Fence, g.Account); err != nil {
		n.w.t.Errorf("complete deletion: %v", err)
	}
}

// release lets an account go, as a handler that has drained it.
func (n *testNode) release(g cluster.Grant) {
	n.w.let(n, g.Account)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.m.Release(ctx, g); err != nil {
		n.w.t.Errorf("release: %v", err)
	}
	if g.Guard.Check() == nil {
		n.w.t.Errorf("the guard of %s lets through after release", g)
	}
}

// own is the referee: nobody else owns the account, and tokens grow.
func (w *world) own(n *testNode, g cluster.Grant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other := w.owner[g.Account]; other != nil {
		w.t.Errorf("%s: owned by %s while %s owns it", g, n.m.Node(), other.m.Node())
	}
	if last := w.tokens[g.Account]; g.Token() <= last {
		w.t.Errorf("%s: token after %d", g, last)
	}
	w.owner[g.Account], w.tokens[g.Account] = n, g.Token()
}

func (w *world) let(n *testNode, id fleet.AccountID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owner[id] == n {
		delete(w.owner, id)
	}
}

// drop is let for all accounts of a node: it is fenced or dead.
func (w *world) drop(n *testNode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, owner := range w.owner {
		if owner == n {
			delete(w.owner, id)
		}
	}
}

// await returns the first event from index from on that fits.
func (n *testNode) await(from int, what string, fits func(event) bool) (event, int) {
	n.w.t.Helper()
	deadline := time.After(patience)
	for {
		n.mu.Lock()
		i := slices.IndexFunc(n.events[min(from, len(n.events)):], fits)
		var e event
		if i >= 0 {
			e = n.events[from+i]
		}
		more, count := n.more, len(n.events)
		n.mu.Unlock()
		if i >= 0 {
			return e, from + i + 1
		}
		select {
		case <-more:
		case <-deadline:
			n.w.t.Fatalf("%s: no %s after %d events", n.m.Node(), what, count)
		}
	}
}

func (n *testNode) awaitOwned(from int, id fleet.AccountID) (cluster.Grant, int) {
	n.w.t.Helper()
	e, next := n.await(from, "owned "+string(id), func(e event) bool { return e.kind == "owned" && e.grant.Account == id })
	return e.grant, next
}

func (n *testNode) awaitKind(from int, kind string) (event, int) {
	n.w.t.Helper()
	return n.await(from, kind, func(e event) bool { return e.kind == kind })
}

// awaitHeld waits until the nodes hold n accounts together and returns how many each has.
func awaitHeld(t *testing.T, total int, nodes ...*testNode) []int {
	t.Helper()
	deadline := time.After(patience)
	for {
		sum, counts := 0, make([]int, len(nodes))
		wake := make(chan struct{}, len(nodes))
		ctx, cancel := context.WithCancel(t.Context())
		for i, n := range nodes {
			n.mu.Lock()
			counts[i], sum = len(n.held), sum+len(n.held)
			more := n.more
			n.mu.Unlock()
			go func() {
				select {
				case <-more:
					wake <- struct{}{}
				case <-ctx.Done():
				}
			}()
		}
		if sum == total && !slices.Contains(counts, 0) {
			cancel()
			return counts
		}
		select {
		case <-wake:
		case <-deadline:
			t.Fatalf("nodes hold %v of %d", counts, total)
		}
		cancel()
	}
}

// crash ends a node as kill -9 would: nothing is released or revoked.
func (n *testNode) crash() {
	n.mu.Lock()
	n.keep = true
	n.mu.Unlock()
	n.stop()
	err := <-n.done
	n.done <- err
	n.w.drop(n)
}

// gate is a TCP proxy to etcd that can be cut and black-holed.
type proxy struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]bool
	upOpen   chan struct{} // closed while bytes flow to etcd
	downOpen chan struct{} // closed while bytes flow from etcd
}

func newProxy(t *testing.T) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, conns: make(map[net.Conn]bool), upOpen: closedChan(), downOpen: closedChan()}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.hole(false, false)
		p.cut()
		p.wg.Wait()
	})
	return p
}

func closedChan() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		down, err := p.listener.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", endpoint)
		if err != nil {
			down.Close()
			continue
		}
		p.mu.Lock()
		p.conns[down], p.conns[up] = true, true
		p.mu.Unlock()
		p.wg.Go(func() { p.pump(up, down, func() chan struct{} { return p.upOpen }) })
		p.wg.Go(func() { p.pump(down, up, func() chan struct{} { return p.downOpen }) })
	}
}

// pump copies; while the direction is a black hole it holds what it has read.
func (p *proxy) pump(to, from net.Conn, open func() chan struct{}) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		gate := open()
		p.mu.Unlock()
		<-gate
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return
			}
			return
		}
	}
}

// hole makes black holes of the directions, or opens them again.
func (p *proxy) hole(up, down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set := func(gate *chan struct{}, hole bool) {
		select {
		case <-*gate:
			if hole {
				*gate = make(chan struct{})
			}
		default:
			if !hole {
				close(*gate)
			}
		}
	}
	set(&p.upOpen, up)
	set(&p.downOpen, down)
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
		delete(p.conns, c)
	}
}
