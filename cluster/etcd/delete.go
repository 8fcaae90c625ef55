package etcd

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// A deletion has two steps, so that a crash between them leaves nothing behind:
//
//	spec ──(DeleteSpec: marked)──► owner cleans up under its fence ──(CompleteDelete)──► gone
//
// An account that nobody owns is claimed for that.

// DeleteSpec marks an account to be deleted and returns its spec; marking it again changes
// nothing. version, unless 0, is the resource version that the spec must have, else
// ErrConflict. ErrNotFound when there is none.
func (a *Accounts) DeleteSpec(ctx context.Context, id fleet.AccountID, version int64) (cluster.Spec, error) {
	key := a.keys.spec(id)
	for {
		s, err := a.GetSpec(ctx, id)
		if err != nil || !s.DeletedAt.IsZero() {
			return s, err
		}
		if version != 0 && s.ResourceVersion != version {
			s.ResourceVersion = version
			return cluster.Spec{}, conflict(s)
		}
		s.DeletedAt = time.Now().UTC().Truncate(time.Millisecond)
		s.Generation++
		resp, err := a.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", s.ResourceVersion)).
			Then(clientv3.OpPut(key, encode(s))).Commit()
		if err != nil {
			return cluster.Spec{}, fmt.Errorf("delete account %s: %w", id, err)
		}
		if resp.Succeeded {
			s.ResourceVersion = resp.Header.Revision
			return s, nil
		}
	}
}

// CompleteDelete removes the spec and status of an account that is marked as deleted; its
// owner calls it when nothing else is left of it. ErrFenced when fence is not the account's
// current one. That the spec is gone, or not marked, is no error: there is nothing to do.
func (a *Accounts) CompleteDelete(ctx context.Context, fence fleet.Fence, id fleet.AccountID) error {
	kv, err := a.client.Get(ctx, a.keys.spec(id))
	if err != nil {
		return fmt.Errorf("complete deletion of %s: %w", id, err)
	}
	if len(kv.Kvs) == 0 {
		return nil
	}
	s, err := specOf(kv.Kvs[0])
	if err != nil {
		return err
	}
	if s.DeletedAt.IsZero() {
		return nil
	}
	resp, err := a.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(a.keys.own(id)), "=", fence.CreateRevision),
			clientv3.Compare(clientv3.ModRevision(a.keys.spec(id)), "=", s.ResourceVersion)).
		Then(clientv3.OpDelete(a.keys.spec(id)), clientv3.OpDelete(a.keys.status(id)), clientv3.OpDelete(a.keys.pin(id))).
		Commit()
	if err != nil {
		return fmt.Errorf("complete deletion of %s: %w", id, err)
	}
	if !resp.Succeeded {
		return fencedError(id, fence)
	}
	return nil
}

// WaitGone waits until there is no spec and no owner of an account, and reports whether it
// came to that before ctx ended.
func (a *Accounts) WaitGone(ctx context.Context, id fleet.AccountID) bool {
	for _, key := range []string{a.keys.spec(id), a.keys.own(id)} {
		if !a.waitAbsent(ctx, key) {
			return false
		}
	}
	return true
}

func (a *Accounts) waitAbsent(ctx context.Context, key string) bool {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for ctx.Err() == nil {
		resp, err := a.client.Get(ctx, key)
		if err != nil {
			pause(ctx, relistPause)
			continue
		}
		if len(resp.Kvs) == 0 {
			return true
		}
		for w := range a.client.Watch(ctx, key, clientv3.WithRev(resp.Header.Revision+1)) {
			for _, ev := range w.Events {
				if ev.Type == clientv3.EventTypeDelete {
					return true
				}
			}
		}
	}
	return false
}
