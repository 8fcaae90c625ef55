package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// ListOptions selects accounts.
type ListOptions struct {
	// After is the account behind which to begin; empty = the first.
	After fleet.AccountID
	// Limit is how many to return at most; 0 = all.
	Limit int
	// Match selects by labels; nil = all.
	Match func(labels map[string]string) bool
	// Revision to read at; 0 = now.
	Revision int64
}

// Get reads everything that is known of one account; ErrNotFound.
func (a *Accounts) Get(ctx context.Context, id fleet.AccountID) (cluster.Account, error) {
	resp, err := a.client.Txn(ctx).Then(
		clientv3.OpGet(a.keys.spec(id)), clientv3.OpGet(a.keys.status(id)), clientv3.OpGet(a.keys.own(id)),
	).Commit()
	if err != nil {
		return cluster.Account{}, fmt.Errorf("read account %s: %w", id, err)
	}
	var found cluster.Account
	for i, r := range resp.Responses {
		kvs := r.GetResponseRange().Kvs
		if len(kvs) == 0 {
			if i == 0 {
				return found, notFound(id)
			}
			continue
		}
		if err := part(i).set(&found, kvs[0]); err != nil {
			return found, err
		}
	}
	return found, nil
}

// List reads accounts in the order of their names, all as they were at the revision that it
// returns; ErrTooOld when Revision is no longer kept.
func (a *Accounts) List(ctx context.Context, o ListOptions) ([]cluster.Account, int64, error) {
	var found []cluster.Account
	after, rev := o.After, o.Revision
	for {
		want := pageSize
		if o.Match == nil && o.Limit > 0 {
			want = min(want, o.Limit-len(found))
		}
		page, at, err := a.page(ctx, after, rev, want)
		if err != nil {
			return nil, 0, err
		}
		rev = at
		for _, acc := range page {
			if o.Match != nil && !o.Match(acc.Spec.Labels) {
				continue
			}
			if found = append(found, acc); len(found) == o.Limit {
				return found, rev, nil
			}
		}
		if len(page) < want {
			return found, rev, nil
		}
		after = page[len(page)-1].Spec.Account
	}
}

// page reads up to want accounts behind one.
func (a *Accounts) page(ctx context.Context, after fleet.AccountID, rev int64, want int) ([]cluster.Account, int64, error) {
	read := func(prefix, from, end string) (*clientv3.GetResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, listTimeout)
		defer cancel()
		resp, err := a.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithRev(rev), clientv3.WithLimit(int64(want)))
		if err != nil {
			return nil, listError(prefix, rev, err)
		}
		return resp, nil
	}
	dir := a.keys.specs()
	from := dir
	if after != "" {
		from = a.keys.spec(after) + "\x00"
	}
	specs, err := read(dir, from, clientv3.GetPrefixRangeEnd(dir))
	if err != nil {
		return nil, 0, err
	}
	if rev == 0 {
		rev = specs.Header.Revision
	}
	if len(specs.Kvs) == 0 {
		return nil, rev, nil
	}
	accounts := make([]cluster.Account, len(specs.Kvs))
	for i, kv := range specs.Kvs {
		if err := specPart.set(&accounts[i], kv); err != nil {
			return nil, 0, err
		}
	}
	first, last := accounts[0].Spec.Account, accounts[len(accounts)-1].Spec.Account
	for p, key := range map[part]func(fleet.AccountID) string{statusPart: a.keys.status, ownPart: a.keys.own} {
		from, end := key(first), key(last)+"\x00"
		for { // keys without a spec may lie between
			resp, err := read(from, from, end)
			if err != nil {
				return nil, 0, err
			}
			if err := join(accounts, p, resp.Kvs, len(key(""))); err != nil {
				return nil, 0, err
			}
			if !resp.More || len(resp.Kvs) == 0 {
				break
			}
			from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
		}
	}
	return accounts, rev, nil
}

// join puts values beside the specs of their accounts.
func join(accounts []cluster.Account, p part, kvs []*mvccpb.KeyValue, prefix int) error {
	for _, kv := range kvs {
		id := fleet.AccountID(kv.Key[prefix:])
		i, ok := slices.BinarySearchFunc(accounts, id, func(a cluster.Account, id fleet.AccountID) int {
			return cmp.Compare(a.Spec.Account, id)
		})
		if !ok {
			continue
		}
		if err := p.set(&accounts[i], kv); err != nil {
			return err
		}
	}
	return nil
}

// part is one of the keys that an account consists of.
type part uint8

const (
	specPart part = iota
	statusPart
	ownPart
	parts
)

// set takes a value over into its part.
func (p part) set(a *cluster.Account, kv *mvccpb.KeyValue) (err error) {
	switch p {
	case specPart:
		a.Spec, err = specOf(kv)
	case statusPart:
		a.Status, err = statusOf(kv)
	case ownPart:
		a.Owner = fleet.NodeID(kv.Value)
	}
	return err
}

// clear forgets a part that was deleted.
func (p part) clear(a *cluster.Account) {
	switch p {
	case specPart:
		a.Spec = cluster.Spec{}
	case statusPart:
		a.Status = cluster.Status{}
	case ownPart:
		a.Owner = ""
	}
}

// listError types what etcd says of a revision.
func listError(what string, rev int64, err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrCompacted):
		return tooOld(rev)
	case errors.Is(err, rpctypes.ErrFutureRev):
		return fleet.Errorf(fleet.CodeInvalidArgument, "RESOURCE_VERSION_INVALID",
			"resource_version: %d has not been reached", rev).WithRemedy("give back what this cluster has sent")
	}
	return fmt.Errorf("list %s: %w", what, err)
}

func tooOld(rev int64) error {
	return fleet.Errorf(cluster.ErrTooOld.Code, cluster.ErrTooOld.Reason,
		"resource_version: the changes since %d are no longer kept", rev).
		WithRemedy("begin again without a resource version: list, then watch from there")
}
