package etcd

import (
	"cmp"
	"context"
	"fmt"
	"slices"

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

// Cordon says whether a node takes new accounts; ErrNodeNotFound. It keeps those it has.
func (m *Member) Cordon(ctx context.Context, node fleet.NodeID, on bool) error {
	return m.updateNode(ctx, node, func(n *cluster.Node) { n.Cordoned = on })
}

// Drain says whether a node is to lose all its accounts and take none; ErrNodeNotFound.
func (m *Member) Drain(ctx context.Context, node fleet.NodeID, on bool) error {
	return m.updateNode(ctx, node, func(n *cluster.Node) { n.Draining = on })
}

// updateNode changes what a node published, keeping the key on that node's lease.
func (m *Member) updateNode(ctx context.Context, id fleet.NodeID, change func(*cluster.Node)) error {
	key := m.keys.node(id)
	for {
		resp, err := m.client.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("read node %s: %w", id, err)
		}
		if len(resp.Kvs) == 0 {
			return fleet.Errorf(cluster.ErrNodeNotFound.Code, cluster.ErrNodeNotFound.Reason,
				"node: no node is called %s", id).WithRemedy("list the nodes; a node has a new id after each start")
		}
		n, err := decodeNode(string(id), resp.Kvs[0].Value)
		if err != nil {
			return unreadable(resp.Kvs[0], err)
		}
		change(&n)
		txn, err := m.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", resp.Kvs[0].ModRevision)).
			Then(clientv3.OpPut(key, encode(n), clientv3.WithIgnoreLease())).Commit()
		if err != nil {
			return fmt.Errorf("update node %s: %w", id, err)
		}
		if txn.Succeeded {
			return nil
		}
	}
}
