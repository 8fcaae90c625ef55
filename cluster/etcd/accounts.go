package etcd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// Accounts reads and writes specs and statuses. Any node, and any other program with the
// client, may use it.
type Accounts struct {
	client *clientv3.Client
	keys   keys
}

// NewAccounts makes an Accounts over keys with the prefix that Config.Prefix names.
func NewAccounts(client *clientv3.Client, prefix string) *Accounts {
	return &Accounts{client: client, keys: keys{prefix}}
}

// CreateSpec stores a new spec and returns it as stored; ErrExists when there is one.
func (a *Accounts) CreateSpec(ctx context.Context, s cluster.Spec) (cluster.Spec, error) {
	if err := s.Validate(); err != nil {
		return cluster.Spec{}, err
	}
	s = s.Clone()
	s.Generation = 1
	if s.Desired == "" {
		s.Desired = cluster.DesiredRunning
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
	}
	key := a.keys.spec(s.Account)
	resp, err := a.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, encode(s))).Commit()
	if err != nil {
		return cluster.Spec{}, fmt.Errorf("create account %s: %w", s.Account, err)
	}
	if !resp.Succeeded {
		if old, err := a.GetSpec(ctx, s.Account); err == nil && !old.DeletedAt.IsZero() {
			return cluster.Spec{}, deleting(s.Account)
		}
		return cluster.Spec{}, fleet.Errorf(cluster.ErrExists.Code, cluster.ErrExists.Reason,
			"account: %s exists already", s.Account).WithRemedy("choose another name, or use the existing account")
	}
	s.ResourceVersion = resp.Header.Revision
	return s, nil
}

// GetSpec reads one spec; ErrNotFound.
func (a *Accounts) GetSpec(ctx context.Context, id fleet.AccountID) (cluster.Spec, error) {
	kv, err := a.one(ctx, a.keys.spec(id), id)
	if err != nil {
		return cluster.Spec{}, err
	}
	return specOf(kv)
}

// ListSpecs reads all specs, sorted by account.
func (a *Accounts) ListSpecs(ctx context.Context) ([]cluster.Spec, error) {
	kvs, _, err := list(ctx, a.client, a.keys.specs())
	if err != nil {
		return nil, err
	}
	specs := make([]cluster.Spec, 0, len(kvs))
	for _, kv := range kvs {
		s, err := specOf(kv)
		if err != nil {
			return nil, err
		}
		specs = append(specs, s)
	}
	return specs, nil
}

// UpdateSpec replaces labels, desired state and app of a spec that was read before;
// ErrConflict when it has changed since, ErrNotFound when it is gone, ErrDeleting when it is
// about to be.
func (a *Accounts) UpdateSpec(ctx context.Context, s cluster.Spec) (cluster.Spec, error) {
	if err := s.Validate(); err != nil {
		return cluster.Spec{}, err
	}
	current, err := a.GetSpec(ctx, s.Account)
	if err != nil {
		return cluster.Spec{}, err
	}
	if !current.DeletedAt.IsZero() {
		return cluster.Spec{}, deleting(s.Account)
	}
	if current.ResourceVersion != s.ResourceVersion {
		return cluster.Spec{}, conflict(s)
	}
	s = s.Clone()
	s.CreatedAt, s.Generation = current.CreatedAt, current.Generation+1
	if s.Desired == "" {
		s.Desired = cluster.DesiredRunning
	}
	key := a.keys.spec(s.Account)
	resp, err := a.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", s.ResourceVersion)).
		Then(clientv3.OpPut(key, encode(s))).Commit()
	if err != nil {
		return cluster.Spec{}, fmt.Errorf("update account %s: %w", s.Account, err)
	}
	if !resp.Succeeded {
		return cluster.Spec{}, conflict(s)
	}
	s.ResourceVersion = resp.Header.Revision
	return s, nil
}

// PutStatus stores what the owner observed; ErrFenced when fence is not the account's
// current one, ErrNotFound when its spec is gone.
func (a *Accounts) PutStatus(ctx context.Context, fence fleet.Fence, s cluster.Status) error {
	spec := a.keys.spec(s.Account)
	resp, err := a.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(a.keys.own(s.Account)), "=", fence.CreateRevision),
			clientv3.Compare(clientv3.CreateRevision(spec), ">", 0)).
		Then(clientv3.OpPut(a.keys.status(s.Account), encode(s))).
		Else(clientv3.OpGet(spec, clientv3.WithCountOnly())).Commit()
	if err != nil {
		return fmt.Errorf("put status of %s: %w", s.Account, err)
	}
	if resp.Succeeded {
		return nil
	}
	if resp.Responses[0].GetResponseRange().Count == 0 {
		return notFound(s.Account)
	}
	return fencedError(s.Account, fence)
}

// GetStatus reads one status; ErrNotFound when the account has never had one.
func (a *Accounts) GetStatus(ctx context.Context, id fleet.AccountID) (cluster.Status, error) {
	kv, err := a.one(ctx, a.keys.status(id), id)
	if err != nil {
		return cluster.Status{}, err
	}
	return statusOf(kv)
}

// ListStatus reads all statuses, sorted by account.
func (a *Accounts) ListStatus(ctx context.Context) ([]cluster.Status, error) {
	kvs, _, err := list(ctx, a.client, a.keys.statuses())
	if err != nil {
		return nil, err
	}
	statuses := make([]cluster.Status, 0, len(kvs))
	for _, kv := range kvs {
		s, err := statusOf(kv)
		if err != nil {
			return nil, err
		}
		statuses = append(statuses, s)
	}
	return statuses, nil
}

// Owner reads who owns an account right now; ErrNoOwner. Member.Owner answers the same from
// memory.
func (a *Accounts) Owner(ctx context.Context, id fleet.AccountID) (cluster.Owner, error) {
	key := a.keys.own(id)
	resp, err := a.client.Get(ctx, key)
	if err != nil {
		return cluster.Owner{}, fmt.Errorf("read owner of %s: %w", id, err)
	}
	if len(resp.Kvs) == 0 {
		return cluster.Owner{}, noOwner(id)
	}
	o := cluster.Owner{
		Account: id, Node: fleet.NodeID(resp.Kvs[0].Value),
		Fence: fleet.Fence{Key: key, CreateRevision: resp.Kvs[0].CreateRevision},
	}
	node, err := a.client.Get(ctx, a.keys.node(o.Node))
	if err != nil {
		return cluster.Owner{}, fmt.Errorf("read node %s: %w", o.Node, err)
	}
	for _, kv := range node.Kvs {
		n, err := decodeNode(string(o.Node), kv.Value)
		if err != nil {
			return cluster.Owner{}, err
		}
		o.Address = n.Address
	}
	return o, nil
}

func (a *Accounts) one(ctx context.Context, key string, id fleet.AccountID) (*mvccpb.KeyValue, error) {
	resp, err := a.client.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", strings.TrimPrefix(key, a.keys.prefix), err)
	}
	if len(resp.Kvs) == 0 {
		return nil, notFound(id)
	}
	return resp.Kvs[0], nil
}

func specOf(kv *mvccpb.KeyValue) (cluster.Spec, error) {
	s, err := decodeSpec("", kv.Value)
	if err != nil {
		return s, unreadable(kv, err)
	}
	s.ResourceVersion = kv.ModRevision
	return s, nil
}

func statusOf(kv *mvccpb.KeyValue) (cluster.Status, error) {
	s, err := decodeStatus("", kv.Value)
	if err != nil {
		return s, unreadable(kv, err)
	}
	s.ResourceVersion = kv.ModRevision
	return s, nil
}

func unreadable(kv *mvccpb.KeyValue, err error) error {
	return fleet.Errorf(fleet.CodeDataLoss, "ETCD_VALUE_UNREADABLE", "etcd key %s: %w", kv.Key, err).
		WithRemedy("repair the key's value or restore etcd from a backup")
}

func notFound(id fleet.AccountID) error {
	return fleet.Errorf(cluster.ErrNotFound.Code, cluster.ErrNotFound.Reason, "account: no account is called %s", id).
		WithRemedy("list the accounts to see their names")
}

func conflict(s cluster.Spec) error {
	return fleet.Errorf(cluster.ErrConflict.Code, cluster.ErrConflict.Reason,
		"account: %s has changed since resource version %d", s.Account, s.ResourceVersion).
		WithRemedy("read the account again and repeat the change")
}

func deleting(id fleet.AccountID) error {
	return fleet.Errorf(cluster.ErrDeleting.Code, cluster.ErrDeleting.Reason, "account: %s is being deleted", id).
		WithRetryAfter(time.Second).WithRemedy("wait until it is gone; its owner is cleaning up")
}

func noOwner(id fleet.AccountID) error {
	return fleet.Errorf(cluster.ErrNoOwner.Code, cluster.ErrNoOwner.Reason, "account: no node owns %s at the moment", id).
		WithRetryAfter(time.Second).WithRemedy("repeat the call in a moment; if it lasts, look at the list of nodes")
}

func fencedError(id fleet.AccountID, fence fleet.Fence) error {
	return fleet.Errorf(cluster.ErrFenced.Code, cluster.ErrFenced.Reason,
		"account: this node no longer owns %s (token %d)", id, fence.CreateRevision)
}
