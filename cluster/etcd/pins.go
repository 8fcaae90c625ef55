package etcd

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// Pin asks the leader to run an account on a node, and to keep it there while the node lives
// and takes accounts; an empty node ends that. ErrNotFound, ErrNodeNotFound, ErrNodeCordoned,
// ErrDeleting.
func (m *Member) Pin(ctx context.Context, id fleet.AccountID, node fleet.NodeID) error {
	spec, err := NewAccounts(m.client, m.keys.prefix).GetSpec(ctx, id)
	switch {
	case err != nil:
		return err
	case !spec.DeletedAt.IsZero():
		return deleting(id)
	case node == "":
		if _, err := m.client.Delete(ctx, m.keys.pin(id)); err != nil {
			return fmt.Errorf("unpin account %s: %w", id, err)
		}
		return nil
	}
	kv, n, err := m.readNode(ctx, node)
	if err != nil {
		return err
	}
	if n.Cordoned || n.Draining {
		return fleet.Errorf(cluster.ErrNodeCordoned.Code, cluster.ErrNodeCordoned.Reason, "node: %s takes no accounts", node).
			WithRemedy("choose another node, or uncordon this one")
	}
	resp, err := m.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(m.keys.spec(id)), ">", 0),
			clientv3.Compare(clientv3.CreateRevision(m.keys.node(node)), "=", kv.CreateRevision)).
		Then(clientv3.OpPut(m.keys.pin(id), string(node))).Commit()
	if err != nil {
		return fmt.Errorf("pin account %s: %w", id, err)
	}
	if !resp.Succeeded { // one of the two went just now
		if _, _, err := m.readNode(ctx, node); err != nil {
			return err
		}
		return notFound(id)
	}
	return nil
}

// WaitOwnedBy waits until a node owns an account and reports whether it came to that before ctx
// ended.
func (m *Member) WaitOwnedBy(ctx context.Context, id fleet.AccountID, node fleet.NodeID) bool {
	for {
		_, changed := m.owners.state()
		if own, ok := m.owners.get(string(id)); ok && own.value == node {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// stalePin is a pin whose node or account is gone, as far as the leader knows.
type stalePin struct {
	account fleet.AccountID
	mod     int64
	absent  string // the key that is gone
}

// pinned is what placement is told, and the pins that should go.
func (v view) pinned(k keys) (pins map[fleet.AccountID]fleet.NodeID, stale []stalePin) {
	alive := make(map[fleet.NodeID]bool, len(v.nodes))
	for _, n := range v.nodes {
		alive[n.ID] = true
	}
	pins = make(map[fleet.AccountID]fleet.NodeID, len(v.pins))
	for key, pin := range v.pins {
		id := fleet.AccountID(key)
		switch _, exists := v.specs[key]; {
		case !exists:
			stale = append(stale, stalePin{id, pin.mod, k.spec(id)})
		case !alive[pin.value]:
			stale = append(stale, stalePin{id, pin.mod, k.node(pin.value)})
		default:
			pins[id] = pin.value
		}
	}
	return pins, stale
}

// unpin deletes stale pins. Those whose node or account the leader has only not seen yet stay.
func (m *Member) unpin(ctx context.Context, leader int64, stale []stalePin) error {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	for _, s := range stale {
		_, err := m.client.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision(m.keys.leader()), "=", leader),
				clientv3.Compare(clientv3.ModRevision(m.keys.pin(s.account)), "=", s.mod),
				clientv3.Compare(clientv3.CreateRevision(s.absent), "=", 0)).
			Then(clientv3.OpDelete(m.keys.pin(s.account))).Commit()
		if err != nil {
			return fmt.Errorf("unpin account %s: %w", s.account, err)
		}
	}
	return nil
}
