package etcd

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// Owner says who owns an account, from the watched table; ErrNoOwner.
func (m *Member) Owner(id fleet.AccountID) (cluster.Owner, error) {
	own, ok := m.owners.get(string(id))
	if !ok {
		return cluster.Owner{}, noOwner(id)
	}
	o := cluster.Owner{
		Account: id, Node: own.value,
		Fence: fleet.Fence{Key: m.keys.own(id), CreateRevision: own.create},
	}
	if node, ok := m.members.get(string(own.value)); ok {
		o.Address = node.value.Address
	}
	return o, nil
}

// WaitOwner is Owner, waiting for one until ctx ends.
func (m *Member) WaitOwner(ctx context.Context, id fleet.AccountID) (cluster.Owner, error) {
	for {
		_, changed := m.owners.state()
		o, err := m.Owner(id)
		if err == nil {
			return o, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return cluster.Owner{}, fmt.Errorf("%w (%w)", err, ctx.Err())
		}
	}
}

// Nodes lists the nodes that are alive, from the watched table.
func (m *Member) Nodes() []cluster.Node { return nodesOf(m.members) }

func nodesOf(t *table[cluster.Node]) []cluster.Node {
	rows, _, _ := t.snapshot()
	nodes := make([]cluster.Node, 0, len(rows))
	for _, r := range rows {
		nodes = append(nodes, r.value)
	}
	slices.SortFunc(nodes, func(a, b cluster.Node) int { return cmp.Compare(a.ID, b.ID) })
	return nodes
}

// SetNode says whether a node takes accounts (not cordoned) and whether it is to lose those that
// it has (draining); ErrNodeNotFound.
func (m *Member) SetNode(ctx context.Context, id fleet.NodeID, cordoned, draining bool) (cluster.NodeInfo, error) {
	node, err := m.updateNode(ctx, id, func(n *cluster.Node) { n.Cordoned, n.Draining = cordoned, draining })
	if err != nil {
		return cluster.NodeInfo{}, err
	}
	return m.info(node, m.counts()), nil
}

// updateNode changes what a node published, keeping the key on that node's lease.
func (m *Member) updateNode(ctx context.Context, id fleet.NodeID, change func(*cluster.Node)) (cluster.Node, error) {
	key := m.keys.node(id)
	for {
		kv, n, err := m.readNode(ctx, id)
		if err != nil {
			return n, err
		}
		change(&n)
		txn, err := m.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", kv.ModRevision)).
			Then(clientv3.OpPut(key, encode(n), clientv3.WithIgnoreLease())).Commit()
		if err != nil {
			return n, fmt.Errorf("update node %s: %w", id, err)
		}
		if txn.Succeeded {
			return n, nil
		}
	}
}

// readNode reads what a node published; ErrNodeNotFound.
func (m *Member) readNode(ctx context.Context, id fleet.NodeID) (*mvccpb.KeyValue, cluster.Node, error) {
	resp, err := m.client.Get(ctx, m.keys.node(id))
	if err != nil {
		return nil, cluster.Node{}, fmt.Errorf("read node %s: %w", id, err)
	}
	if len(resp.Kvs) == 0 {
		return nil, cluster.Node{}, fleet.Errorf(cluster.ErrNodeNotFound.Code, cluster.ErrNodeNotFound.Reason,
			"node: no node is called %s", id).WithRemedy("list the nodes; a node has a new id after each start")
	}
	n, err := decodeNode(string(id), resp.Kvs[0].Value)
	if err != nil {
		return nil, n, unreadable(resp.Kvs[0], err)
	}
	return resp.Kvs[0], n, nil
}

// counts is how many accounts each node owns.
func (m *Member) counts() map[fleet.NodeID]int {
	rows, _, _ := m.owners.snapshot()
	counts := make(map[fleet.NodeID]int)
	for _, r := range rows {
		counts[r.value]++
	}
	return counts
}

func (m *Member) info(n cluster.Node, counts map[fleet.NodeID]int) cluster.NodeInfo {
	leader, ok := m.leader()
	n.Weight = max(1, n.Weight)
	return cluster.NodeInfo{Node: n, Accounts: counts[n.ID], Leader: ok && leader.value == n.ID}
}

// Infos lists the nodes that are alive with what they do, from the watched tables.
func (m *Member) Infos() []cluster.NodeInfo {
	counts, nodes := m.counts(), m.Nodes()
	infos := make([]cluster.NodeInfo, len(nodes))
	for i, n := range nodes {
		infos[i] = m.info(n, counts)
	}
	return infos
}

// countsEvery is how often WatchNodes looks at the numbers of accounts.
const countsEvery = time.Second

// WatchNodes yields all nodes, and all of them again whenever something has changed, until ctx
// ends; numbers of accounts at most once a second.
func (m *Member) WatchNodes(ctx context.Context) iter.Seq[[]cluster.NodeInfo] {
	return func(yield func([]cluster.NodeInfo) bool) {
		if m.members.waitRev(ctx, 1) != nil {
			return
		}
		for ctx.Err() == nil {
			_, members := m.members.state()
			_, leaders := m.leaders.state()
			_, owners := m.owners.state()
			if !yield(m.Infos()) {
				return
			}
			pace := time.NewTimer(countsEvery)
			select {
			case <-members:
			case <-leaders:
			case <-pace.C:
				select {
				case <-members:
				case <-leaders:
				case <-owners:
				case <-ctx.Done():
				}
			case <-ctx.Done():
			}
			pace.Stop()
		}
	}
}
