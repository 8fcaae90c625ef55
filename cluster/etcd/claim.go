package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// claimState is how far a claim has come.
//
//	claiming ──► granted ──► owned ──(must go)──► losing
//	                           └──────┬──────────────┘
//	                             Release: gone
type claimState uint8

const (
	claiming claimState = iota // a transaction is under way
	granted                    // it has succeeded, the handler does not know yet
	owned                      // the handler has been told
	losing                     // the handler has been asked to let it go
)

// claim is what this node has of one account. Guarded by Member.mu.
type claim struct {
	state   claimState
	session *session
	grant   cluster.Grant
	specMod int64 // revision of the spec that the handler knows
}

var (
	errNotFree   = errors.New("another node owns the account still")
	errNotOurs   = errors.New("the account is not assigned to this node")
	errUncertain = errors.New("outcome unknown")
)

const (
	// claimTimeout bounds one round trip of a claim or release.
	claimTimeout = 5 * time.Second
	// claimPause is the longest pause before the first repetition of a claim; it doubles up
	// to maxRelistPause.
	claimPause = 50 * time.Millisecond
)

// startClaim notes that a claim is under way. Only the reconciler calls it.
func (m *Member) startClaim(id fleet.AccountID, s *session) *claim {
	c := &claim{state: claiming, session: s}
	m.mu.Lock()
	m.claims[id] = c
	m.mu.Unlock()
	return c
}

// runClaim claims until it is known whether the account is ours, then marks it dirty.
func (m *Member) runClaim(ctx context.Context, id fleet.AccountID, c *claim) {
	grant, specMod, err := m.claim(ctx, id, c.session)
	m.mu.Lock()
	if err == nil {
		c.state, c.grant, c.specMod = granted, grant, specMod
	} else {
		delete(m.claims, id)
		m.wakeLocked()
	}
	m.mu.Unlock()
	m.dirty.add(id)
}

// claim tries until the outcome is certain. A claim whose answer was lost is found again by
// the lease of the ownership key.
func (m *Member) claim(ctx context.Context, id fleet.AccountID, s *session) (cluster.Grant, int64, error) {
	wait := claimPause
	for {
		grant, specMod, err := m.claimOnce(ctx, id, s)
		if err == nil {
			return grant, specMod, nil
		}
		if ctx.Err() != nil || s.gate.Check() != nil {
			return cluster.Grant{}, 0, err
		}
		if !errors.Is(err, errNotFree) && !errors.Is(err, errNotOurs) {
			m.log.Warn("claim not decided yet", "account", string(id), "error", err)
		}
		// The watched tables may be behind what the transaction saw: give them a moment.
		pause(ctx, rand.N(wait)+wait/8)
		if errors.Is(err, errNotFree) || errors.Is(err, errNotOurs) {
			return cluster.Grant{}, 0, err
		}
		wait = min(2*wait, maxRelistPause)
	}
}

// claimRead is what a claim looks at before its transaction.
type claimRead struct {
	own, fence, spec *mvccpb.KeyValue // nil when absent
	held             fenceValue
}

func (m *Member) readClaim(ctx context.Context, id fleet.AccountID) (r claimRead, err error) {
	resp, err := m.client.Txn(ctx).Then(
		clientv3.OpGet(m.keys.own(id)), clientv3.OpGet(m.keys.fence(id)), clientv3.OpGet(m.keys.spec(id)),
	).Commit()
	if err != nil {
		return r, fmt.Errorf("read: %w", err)
	}
	first := func(i int) *mvccpb.KeyValue {
		if kvs := resp.Responses[i].GetResponseRange().Kvs; len(kvs) > 0 {
			return kvs[0]
		}
		return nil
	}
	r.own, r.fence, r.spec = first(0), first(1), first(2)
	if r.fence != nil {
		if err := json.Unmarshal(r.fence.Value, &r.held); err != nil {
			return r, fmt.Errorf("decode fence: %w", err)
		}
	}
	return r, nil
}

// claimOnce reads, then claims under the condition that what it read still holds.
func (m *Member) claimOnce(ctx context.Context, id fleet.AccountID, s *session) (cluster.Grant, int64, error) {
	select { // bounds the transactions, not the claims that wait
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return cluster.Grant{}, 0, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	r, err := m.readClaim(ctx, id)
	if err != nil {
		return cluster.Grant{}, 0, err
	}
	if r.spec == nil {
		return cluster.Grant{}, 0, errNotOurs
	}
	spec, err := decodeSpec("", r.spec.Value)
	if err != nil {
		return cluster.Grant{}, 0, err
	}
	spec.ResourceVersion = r.spec.ModRevision
	if r.own != nil {
		if clientv3.LeaseID(r.own.Lease) != s.lease || fleet.NodeID(r.own.Value) != m.node {
			return cluster.Grant{}, 0, errNotFree
		}
		return m.grant(id, s, spec, r.own.CreateRevision, time.Now(), r.held.wait()), spec.ResourceVersion, nil
	}
	now := time.Now()
	next := fenceValue{Held: true, Node: m.node, LingerMS: m.cfg.Profile.Linger.Milliseconds()}
	since := now
	if r.held.Held {
		// This node may vanish before the former socket has: its successor waits for both.
		next.LingerMS = max(next.LingerMS, r.held.LingerMS)
		next.WaitMS = r.held.LingerMS
		since = m.gone.seen(id, fleet.FencingToken(r.fence.ModRevision), now)
	}
	token, err := m.claimTxn(ctx, id, s, r.fence, next)
	if err != nil {
		return cluster.Grant{}, 0, err
	}
	return m.grant(id, s, spec, token, since, next.wait()), spec.ResourceVersion, nil
}

// claimTxn takes ownership; its revision is the fencing token.
func (m *Member) claimTxn(ctx context.Context, id fleet.AccountID, s *session, fence *mvccpb.KeyValue, next fenceValue) (int64, error) {
	own, fenceKey, assign := m.keys.own(id), m.keys.fence(id), m.keys.assign(id)
	var fenceMod int64
	if fence != nil {
		fenceMod = fence.ModRevision
	}
	resp, err := m.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(own), "=", 0),
			clientv3.Compare(clientv3.Value(assign), "=", string(m.node)),
			clientv3.Compare(clientv3.ModRevision(fenceKey), "=", fenceMod)).
		Then(clientv3.OpPut(own, string(m.node), clientv3.WithLease(s.lease)),
			clientv3.OpPut(fenceKey, encode(next))).
		Else(clientv3.OpGet(assign)).Commit()
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		s.askRenewal() // which finds out for the whole node
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errUncertain, err)
	}
	if resp.Succeeded {
		return resp.Header.Revision, nil
	}
	if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) == 0 || fleet.NodeID(kvs[0].Value) != m.node {
		return 0, errNotOurs
	}
	return 0, errNotFree
}

// grant makes the grant; since is when the former ownership was seen to vanish.
func (m *Member) grant(id fleet.AccountID, s *session, spec cluster.Spec, token int64, since time.Time, wait time.Duration) cluster.Grant {
	g := cluster.Grant{
		Account: id, Spec: spec,
		Fence: fleet.Fence{Key: m.keys.own(id), CreateRevision: token},
		Guard: cluster.NewGuard(s.gate),
	}
	if wait > 0 {
		g.NotBefore = since.Add(wait)
	}
	return g
}

// Release says that every socket of the account is closed and nothing of it runs here any
// more. The guard refuses from now on; the next owner need not wait, unless this one was
// still waiting for its own predecessor. It repeats until etcd has answered or ctx ends; on
// an error call it again. After LostFenced it does not fail: the next owner may have to
// wait. Releasing twice is no error.
func (m *Member) Release(ctx context.Context, g cluster.Grant) error {
	g.Guard.Revoke()
	m.mu.Lock()
	c := m.claims[g.Account]
	if c == nil || c.grant.Fence != g.Fence {
		m.mu.Unlock()
		return nil
	}
	c.state = losing
	m.mu.Unlock()
	wait := claimPause
	for {
		err := m.releaseOnce(ctx, g)
		if err == nil {
			break
		}
		if c.session.gate.Check() != nil {
			m.log.Debug("fence left held", "account", string(g.Account), "error", err)
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("release %s: %w", g.Account, err)
		}
		pause(ctx, rand.N(wait)+wait/8)
		wait = min(2*wait, maxRelistPause)
	}
	m.mu.Lock()
	if m.claims[g.Account] == c {
		delete(m.claims, g.Account)
		m.wakeLocked()
	}
	m.mu.Unlock()
	m.dirty.add(g.Account)
	return nil
}

// releaseOnce deletes the ownership key and frees the fence, of which only those are touched
// that still are this grant's. The fence of a deleted account goes altogether.
func (m *Member) releaseOnce(ctx context.Context, g cluster.Grant) error {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	own, fence := m.keys.own(g.Account), m.keys.fence(g.Account)
	var ops []clientv3.Op
	if !time.Now().Before(g.NotBefore) {
		noSpec := clientv3.Compare(clientv3.CreateRevision(m.keys.spec(g.Account)), "=", 0)
		ops = []clientv3.Op{clientv3.OpTxn(
			[]clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(fence), "=", g.Fence.CreateRevision)},
			[]clientv3.Op{clientv3.OpTxn([]clientv3.Cmp{noSpec},
				[]clientv3.Op{clientv3.OpDelete(fence)}, []clientv3.Op{clientv3.OpPut(fence, released)})}, nil)}
	}
	_, err := m.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(own), "=", g.Fence.CreateRevision)).
		Then(append([]clientv3.Op{clientv3.OpDelete(own)}, ops...)...).
		Else(ops...).Commit()
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}
