package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/time/rate"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

const (
	// batch keeps a transaction within 100 comparisons: up to two for each account.
	batch = 48
	// assignDelay gathers changes that come together, such as many new accounts.
	assignDelay = 10 * time.Millisecond
	// leaderPause is the pause after a failed try to lead or to assign.
	leaderPause = 200 * time.Millisecond
)

var errDeposed = errors.New("no longer the leader, or assignments have changed")

// lead becomes the leader whenever there is none, and assigns accounts while it is. A
// leader's writes compare the leader key's create revision, so that one that was deposed
// without knowing writes nothing.
func (m *Member) lead(ctx context.Context) {
	for ctx.Err() == nil {
		rev, changed := m.leaders.state()
		s, joined := m.watchSession()
		leader, ok := m.leader()
		switch {
		case rev == 0 || s.gate.Check() != nil || m.isLeaving():
		case ok && leader.value == m.node && leader.lease == s.lease:
			m.assign(ctx, s, leader.create)
			continue
		case !ok:
			rev, err := m.campaign(ctx, s)
			if err == nil {
				_ = m.leaders.waitRev(ctx, rev) // it fails only when ctx has ended, which ends the loop
			} else {
				m.log.Debug("not leading", "error", err)
				pause(ctx, leaderPause)
			}
			continue
		}
		select {
		case <-changed:
		case <-joined:
		case <-ctx.Done():
		}
	}
}

// watchSession returns the session and a channel that is closed when it may have changed.
func (m *Member) watchSession() (*session, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session, m.joined
}

func (m *Member) leader() (row[fleet.NodeID], bool) { return m.leaders.get("") }

// Leading says whether this node assigns accounts, as far as it knows.
func (m *Member) Leading() bool {
	l, ok := m.leader()
	s := m.current()
	return ok && l.value == m.node && l.lease == s.lease && s.gate.Check() == nil
}

// campaign takes the leader key when nobody has it, and returns the revision at which
// somebody did.
func (m *Member) campaign(ctx context.Context, s *session) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	key := m.keys.leader()
	resp, err := m.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(m.node), clientv3.WithLease(s.lease))).
		Else(clientv3.OpGet(key)).Commit()
	if err != nil {
		return 0, fmt.Errorf("campaign: %w", err)
	}
	if resp.Succeeded {
		m.log.Info("leading")
		return resp.Header.Revision, nil
	}
	return resp.Responses[0].GetResponseRange().Kvs[0].ModRevision, nil
}

// assign keeps every account assigned until somebody else leads.
func (m *Member) assign(ctx context.Context, s *session, leader int64) {
	moves := rate.NewLimiter(rate.Limit(m.cfg.MovesPerSecond), max(1, int(m.cfg.MovesPerSecond)))
	m.settle(ctx)
	for ctx.Err() == nil && s.gate.Check() == nil && !m.isLeaving() {
		view := m.view()
		if l, ok := m.leader(); !ok || l.create != leader {
			return
		}
		var wait <-chan time.Time
		if view.complete {
			pins, stale := view.pinned(m.keys)
			if err := m.unpin(ctx, leader, stale); err != nil {
				m.log.Debug("pins not deleted", "error", err)
			}
			plan, later := view.plan(moves, pins)
			rev, err := m.write(ctx, leader, plan)
			switch {
			case err != nil:
				m.log.Debug("assignments not written", "error", err)
				wait = time.After(leaderPause)
			case rev > 0:
				if m.assigns.waitRev(ctx, rev) != nil {
					return
				}
				continue
			case later:
				wait = time.After(leaderPause)
			}
		}
		if !view.changed(ctx, wait) {
			return
		}
		pause(ctx, assignDelay)
	}
}

// settle waits for other nodes when there are none yet.
func (m *Member) settle(ctx context.Context) {
	if m.cfg.Settle > 0 && len(m.Nodes()) <= 1 {
		pause(ctx, m.cfg.Settle)
	}
}

// view is what the leader decides on.
type view struct {
	specs    map[string]row[cluster.Spec]
	assigns  map[string]row[fleet.NodeID]
	pins     map[string]row[fleet.NodeID]
	nodes    []cluster.Node
	complete bool // all tables have been listed
	wakes    [6]<-chan struct{}
}

func (m *Member) view() view {
	var v view
	var revs [4]int64
	v.specs, revs[0], v.wakes[0] = m.specs.snapshot()
	v.assigns, revs[1], v.wakes[1] = m.assigns.snapshot()
	revs[2], v.wakes[2] = m.members.state()
	v.nodes = nodesOf(m.members)
	_, v.wakes[3] = m.leaders.state()
	_, v.wakes[4] = m.watchSession()
	v.pins, revs[3], v.wakes[5] = m.pins.snapshot()
	v.complete = slices.Min(revs[:]) > 0
	return v
}

// changed waits until the view is no longer what it was, or for the timer, and reports
// whether to go on.
func (v view) changed(ctx context.Context, timer <-chan time.Time) bool {
	select {
	case <-v.wakes[0]:
	case <-v.wakes[1]:
	case <-v.wakes[2]:
	case <-v.wakes[3]:
	case <-v.wakes[4]:
	case <-v.wakes[5]:
	case <-timer:
	case <-ctx.Done():
		return false
	}
	return true
}

// assignment is one write: to is empty to delete.
type assignment struct {
	account fleet.AccountID
	to      fleet.NodeID
	mod     int64 // of assign/<id> as seen, 0 when absent
}

// plan is what to write now; later says that some moves wait for the limiter. Accounts
// whose node is gone do not wait.
func (v view) plan(limit *rate.Limiter, pins map[fleet.AccountID]fleet.NodeID) (plan []assignment, later bool) {
	in := cluster.PlacementInput{Nodes: v.nodes, Pinned: pins, Current: make(map[fleet.AccountID]fleet.NodeID, len(v.assigns))}
	for key, a := range v.assigns {
		if _, ok := v.specs[key]; !ok {
			plan = append(plan, assignment{account: fleet.AccountID(key), mod: a.mod})
			continue
		}
		in.Current[fleet.AccountID(key)] = a.value
	}
	for key := range v.specs {
		in.Accounts = append(in.Accounts, fleet.AccountID(key))
	}
	slices.SortFunc(plan, func(a, b assignment) int { return cmp.Compare(a.account, b.account) })
	for _, move := range cluster.Place(in) {
		if move.From != "" && !limit.Allow() {
			later = true
			continue
		}
		plan = append(plan, assignment{account: move.Account, to: move.To, mod: v.assigns[string(move.Account)].mod})
	}
	return plan, later
}

// write writes a plan in batches and returns the last revision, 0 when there was nothing.
func (m *Member) write(ctx context.Context, leader int64, plan []assignment) (rev int64, err error) {
	for part := range slices.Chunk(plan, batch) {
		if rev, err = m.writeBatch(ctx, leader, part); err != nil {
			return 0, err
		}
	}
	return rev, nil
}

func (m *Member) writeBatch(ctx context.Context, leader int64, part []assignment) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	conds := []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(m.keys.leader()), "=", leader)}
	ops := make([]clientv3.Op, 0, len(part))
	for _, a := range part {
		key := m.keys.assign(a.account)
		conds = append(conds, clientv3.Compare(clientv3.ModRevision(key), "=", a.mod))
		if a.to == "" { // unless the account was created again meanwhile
			conds = append(conds, clientv3.Compare(clientv3.CreateRevision(m.keys.spec(a.account)), "=", 0))
			ops = append(ops, clientv3.OpDelete(key))
		} else {
			ops = append(ops, clientv3.OpPut(key, string(a.to)))
		}
	}
	resp, err := m.client.Txn(ctx).If(conds...).Then(ops...).Commit()
	if err != nil {
		return 0, fmt.Errorf("assign: %w", err)
	}
	if !resp.Succeeded {
		return 0, errDeposed
	}
	m.log.Debug("assigned", "accounts", len(part))
	return resp.Header.Revision, nil
}
