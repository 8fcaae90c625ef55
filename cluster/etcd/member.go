package etcd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// Config of a member.
type Config struct {
	// Prefix is put before every key; normally empty.
	Prefix string
	// Profile gives TTL, margin and L; the zero value is the default profile.
	Profile cluster.Profile
	// Name, Address and Weight are published for other nodes. Name defaults to the host's.
	Name    string
	Address string
	Weight  int
	// Settle is how long a leader that sees no other node waits for some before it assigns:
	// a few seconds in a cluster, 0 for a single node.
	Settle time.Duration
	// MovesPerSecond bounds the moves that even out load or empty a draining node; 0 is 20.
	MovesPerSecond float64
	// LeaseFile is where a single node with an etcd of its own keeps its lease id, to
	// revoke it at the next start. The caller holds the data directory's lock. Empty in a
	// cluster.
	LeaseFile string
	// Witness is checked at each join and kept up to date; nil for none.
	Witness *Witness
	// Clock defaults to cluster.BootClock.
	Clock cluster.Clock
	// Log gets membership and ownership changes.
	Log hclog.Logger
}

const (
	defaultMovesPerSecond = 20
	// claimsInFlight bounds the claiming transactions of one node.
	claimsInFlight = 16
)

func (c Config) withDefaults() Config {
	if c.Profile.TTL == 0 {
		c.Profile, _ = cluster.ProfileByName("")
	}
	if c.Name == "" {
		c.Name, _ = os.Hostname()
	}
	if c.MovesPerSecond <= 0 {
		c.MovesPerSecond = defaultMovesPerSecond
	}
	if c.Clock == nil {
		c.Clock = cluster.BootClock
	}
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	return c
}

// errLeft ends Run after Leave.
var errLeft = errors.New("left")

// Member is this process in the cluster. Its sessions follow each other:
//
//	joined ──(deadline passed, lease lost)──► fenced ──(etcd is back)──► joined
//	   └──(Leave: all released)──► left
type Member struct {
	cfg    Config
	client *clientv3.Client
	log    hclog.Logger
	keys   keys
	node   fleet.NodeID

	specs   *table[cluster.Spec]
	assigns *table[fleet.NodeID]
	owners  *table[fleet.NodeID]
	members *table[cluster.Node]
	leaders *table[fleet.NodeID]
	pins    *table[fleet.NodeID]
	signals *table[signal]
	slots   chan struct{} // one for each claim in flight

	dirty dirtySet   // accounts to look at
	heard restored   // signals that the handler does not know yet
	gone  tombstones // ownership keys seen deleted

	mu       sync.Mutex
	self     cluster.Node // as published
	session  *session
	claims   map[fleet.AccountID]*claim
	released chan struct{} // closed and replaced when a claim has gone
	joined   chan struct{} // closed and replaced when session or leaving change
	running  bool
	leaving  bool
	stop     context.CancelCauseFunc // ends Run

	deleted func(fleet.AccountID) // Handler.Deleted; set before Run follows the tables
}

// Join takes a lease and publishes this node. The deadline runs from here on: call Run soon.
func Join(ctx context.Context, client *clientv3.Client, cfg Config) (*Member, error) {
	cfg = cfg.withDefaults()
	var id [6]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("draw a node id: %w", err)
	}
	m := &Member{
		cfg: cfg, client: client, keys: keys{cfg.Prefix},
		node:     fleet.NodeID("n-" + hex.EncodeToString(id[:])),
		claims:   make(map[fleet.AccountID]*claim),
		released: make(chan struct{}),
		joined:   make(chan struct{}),
		slots:    make(chan struct{}, claimsInFlight),
	}
	m.dirty.init()
	m.log = cfg.Log.With("node", string(m.node))
	m.self = cluster.Node{
		ID: m.node, Name: cfg.Name, Address: cfg.Address, Weight: cfg.Weight,
		StartedAt: time.Now().UTC().Truncate(time.Millisecond),
	}
	m.specs = newTable(client, m.log, m.keys.specs(), decodeSpec, m.specChanged)
	m.assigns = newTable(client, m.log, m.keys.assigns(), decodeNodeID, touch[fleet.NodeID](m))
	m.owners = newTable(client, m.log, m.keys.owns(), decodeNodeID, m.ownerChanged)
	m.owners.onList = m.lookAtAssigned // who is assigned may have been known before who owns
	m.members = newTable(client, m.log, m.keys.nodes(), decodeNode, m.nodeChanged)
	m.leaders = newTable(client, m.log, m.keys.leader(), decodeNodeID, ignore[fleet.NodeID])
	m.pins = newTable(client, m.log, m.keys.pins(), decodeNodeID, ignore[fleet.NodeID])
	m.signals = newTable(client, m.log, m.keys.signals(), decodeSignal, m.signalled)
	if err := m.revokeStored(ctx); err != nil {
		return nil, err
	}
	s, err := m.open(ctx)
	if err != nil {
		return nil, err
	}
	m.session = s
	return m, nil
}

func ignore[T any](string, *row[T], *row[T]) {}

// specChanged also tells of accounts that are gone, of those created again too.
func (m *Member) specChanged(key string, was, is *row[cluster.Spec]) {
	id := fleet.AccountID(key)
	if was != nil && (is == nil || is.create != was.create) && m.deleted != nil {
		m.deleted(id)
	}
	m.dirty.add(id)
}

func touch[T any](m *Member) func(string, *row[T], *row[T]) {
	return func(key string, _, _ *row[T]) { m.dirty.add(fleet.AccountID(key)) }
}

func (m *Member) ownerChanged(key string, was, is *row[fleet.NodeID]) {
	id := fleet.AccountID(key)
	if was != nil && (is == nil || is.create != was.create) {
		m.gone.add(id, fleet.FencingToken(was.create), time.Now())
	}
	m.dirty.add(id)
}

// nodeChanged keeps a cordon of this node over a new lease.
func (m *Member) nodeChanged(key string, _, is *row[cluster.Node]) {
	if fleet.NodeID(key) != m.node || is == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.self.Cordoned, m.self.Draining = is.value.Cordoned, is.value.Draining
}

// Node is this process's id in the cluster.
func (m *Member) Node() fleet.NodeID { return m.node }

// Gate is the node's right to act under its present lease. After a fencing it stays closed;
// ask again for the next one.
func (m *Member) Gate() *cluster.Gate { return m.current().gate }

// Guard makes a check that follows the node over its leases: it fails while the node is
// fenced and works again when it has joined again. Accounts use Grant.Guard instead.
func (m *Member) Guard() func() error { return func() error { return m.Gate().Check() } }

func (m *Member) current() *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session
}

// Run keeps the lease, claims what is assigned to this node and calls the handler, until
// Leave (nil) or until ctx ends: then all guards are closed, Fenced is called and the lease
// is left to expire. Call it once.
func (m *Member) Run(ctx context.Context, h cluster.Handler) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	m.mu.Lock()
	if m.running || m.leaving {
		m.mu.Unlock()
		return errors.New("run member: it has run already or has left")
	}
	m.running, m.stop, m.deleted = true, stop, h.Deleted
	m.mu.Unlock()

	group, ctx := errgroup.WithContext(ctx)
	follow := func(f func(context.Context)) {
		group.Go(func() error { f(ctx); return context.Cause(ctx) })
	}
	follow(m.specs.follow)
	follow(m.assigns.follow)
	follow(m.owners.follow)
	follow(m.members.follow)
	follow(m.leaders.follow)
	follow(m.pins.follow)
	follow(m.signals.follow)
	follow(m.lead)
	follow(func(ctx context.Context) { m.keepSessions(ctx, h) })
	follow(func(ctx context.Context) { m.reconcile(ctx, h) })
	err := group.Wait()
	if errors.Is(err, errLeft) {
		return nil
	}
	m.current().gate.Close()
	if h.Fenced != nil {
		h.Fenced()
	}
	return err
}

// Leave hands over: others may take this node's accounts at once, the handler is told to
// let each go, and when all are released the lease is revoked and Run returns. When ctx ends
// first, the guards of those left are closed, Run ends with an error and their next owner
// waits L.
func (m *Member) Leave(ctx context.Context) error {
	m.mu.Lock()
	m.leaving = true
	m.wakeJoinedLocked()
	running, stop, s := m.running, m.stop, m.session
	m.mu.Unlock()
	m.unpublish(ctx, s)
	if !running {
		return m.close(ctx, s)
	}
	m.dirty.addAll(m.held())
	left, err := m.waitReleased(ctx)
	if err != nil {
		err = fmt.Errorf("leave: %d accounts not released in time: %w", left, err)
		stop(err)
		return err
	}
	s = m.current()
	s.gate.Close()
	stop(errLeft)
	return m.close(ctx, s)
}

// unpublish makes the leader, or the next one, move this node's accounts. That it fails is
// no harm: the lease ends soon.
func (m *Member) unpublish(ctx context.Context, s *session) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	leader := m.keys.leader()
	_, err := m.client.Txn(ctx).
		If(clientv3.Compare(clientv3.Value(leader), "=", string(m.node))).
		Then(clientv3.OpDelete(m.keys.node(m.node)), clientv3.OpDelete(leader)).
		Else(clientv3.OpDelete(m.keys.node(m.node))).Commit()
	if err != nil {
		m.log.Debug("node not unpublished", "lease", int64(s.lease), "error", err)
	}
}

// close gives the lease back.
func (m *Member) close(ctx context.Context, s *session) error {
	s.gate.Close()
	if err := m.revoke(ctx, s.lease); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	if m.cfg.LeaseFile != "" {
		if err := os.Remove(m.cfg.LeaseFile); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("leave: forget the lease: %w", err)
		}
	}
	return nil
}

// held lists the accounts that have a claim.
func (m *Member) held() []fleet.AccountID {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := make([]fleet.AccountID, 0, len(m.claims))
	for id := range m.claims {
		ids = append(ids, id)
	}
	return ids
}

// waitReleased waits until no claim is left.
func (m *Member) waitReleased(ctx context.Context) (left int, err error) {
	for {
		m.mu.Lock()
		left, released := len(m.claims), m.released
		m.mu.Unlock()
		if left == 0 {
			return 0, nil
		}
		select {
		case <-released:
		case <-ctx.Done():
			return left, ctx.Err()
		}
	}
}
