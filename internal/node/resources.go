package node

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/cluster"
	clusteretcd "github.com/telefleet/orchestrator/cluster/etcd"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/proxyvault"
	"github.com/telefleet/orchestrator/internal/uplink"
)

// finishWait is how long a deletion or a move is waited for before the caller is told that it
// goes on by itself. A clean hand-over takes well under this.
const finishWait = 10 * time.Second

// resources is the accounts in etcd as the API wants them.
type resources struct {
	store   *clusteretcd.Accounts
	uplink  *uplink.Uplink
	proxies proxyvault.Pools
}

// Create implements control.Accounts.
func (r resources) Create(ctx context.Context, a *v1.Account) (*v1.Account, error) {
	s, err := r.specOf(ctx, a, cluster.Spec{})
	if err != nil {
		return nil, err
	}
	s, err = r.store.CreateSpec(ctx, s)
	if err != nil {
		return nil, err
	}
	return accountOf(cluster.Account{Spec: s}), nil
}

// Get implements control.Accounts.
func (r resources) Get(ctx context.Context, id fleet.AccountID) (*v1.Account, error) {
	a, err := r.store.Get(ctx, id)
	if err != nil {
		return nil, unknownAccount(id, err)
	}
	return accountOf(a), nil
}

// List implements control.Accounts.
func (r resources) List(ctx context.Context, o control.ListOptions) ([]*v1.Account, string, error) {
	at, err := revisionOf("page_token", o.Version)
	if err != nil {
		return nil, "", err
	}
	list, at, err := r.store.List(ctx, clusteretcd.ListOptions{After: o.After, Limit: o.Limit, Match: o.Match, Revision: at})
	if err != nil {
		return nil, "", err
	}
	page := make([]*v1.Account, len(list))
	for i, a := range list {
		page[i] = accountOf(a)
	}
	return page, strconv.FormatInt(at, 10), nil
}

// Update implements control.Accounts.
func (r resources) Update(ctx context.Context, a *v1.Account) (*v1.Account, error) {
	stored, err := r.store.GetSpec(ctx, fleet.AccountID(a.GetId()))
	if err != nil {
		return nil, unknownAccount(fleet.AccountID(a.GetId()), err)
	}
	s, err := r.specOf(ctx, a, stored)
	if err != nil {
		return nil, err
	}
	if s.ResourceVersion, err = revisionOf("resource_version", a.GetResourceVersion()); err != nil {
		return nil, err
	}
	if _, err = r.store.UpdateSpec(ctx, s); err != nil {
		return nil, unknownAccount(s.Account, err)
	}
	return r.Get(ctx, s.Account)
}

// Delete implements control.Accounts.
func (r resources) Delete(ctx context.Context, id fleet.AccountID, resourceVersion string) (bool, error) {
	version, err := revisionOf("resource_version", resourceVersion)
	if err != nil {
		return false, err
	}
	if _, err := r.store.DeleteSpec(ctx, id, version); err != nil {
		return false, unknownAccount(id, err)
	}
	ctx, cancel := context.WithTimeout(ctx, finishWait)
	defer cancel()
	return r.store.WaitGone(ctx, id), nil
}

// Watch implements control.AccountWatcher.
func (r resources) Watch(ctx context.Context, o control.WatchOptions) iter.Seq2[*v1.WatchAccountsReply, error] {
	return func(yield func(*v1.WatchAccountsReply, error) bool) {
		from, err := revisionOf("resource_version", o.From)
		if err != nil {
			yield(nil, err)
			return
		}
		for change, err := range r.store.Watch(ctx, clusteretcd.WatchOptions{Revision: from, Match: o.Match}) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(watched(change), nil) {
				return
			}
		}
	}
}

func watched(c cluster.AccountChange) *v1.WatchAccountsReply {
	at := &v1.WatchPosition{ResourceVersion: strconv.FormatInt(c.Revision, 10)}
	switch c.Kind {
	case cluster.Added:
		return &v1.WatchAccountsReply{Item: &v1.WatchAccountsReply_Added{Added: accountOf(c.Account)}}
	case cluster.Modified:
		return &v1.WatchAccountsReply{Item: &v1.WatchAccountsReply_Modified{Modified: accountOf(c.Account)}}
	case cluster.Deleted:
		return &v1.WatchAccountsReply{Item: &v1.WatchAccountsReply_Deleted{Deleted: accountOf(c.Account)}}
	case cluster.Synced:
		return &v1.WatchAccountsReply{Item: &v1.WatchAccountsReply_Synced{Synced: at}}
	}
	return &v1.WatchAccountsReply{Item: &v1.WatchAccountsReply_Bookmark{Bookmark: at}}
}

// revisionOf reads a resource version; 0 for none.
func revisionOf(field, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	rev, err := strconv.ParseInt(text, 10, 64)
	if err != nil || rev <= 0 {
		return 0, fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", "%s: is none that was handed out (got %q)", field, text).
			WithRemedy("give it back exactly as it was sent")
	}
	return rev, nil
}

func unknownAccount(id fleet.AccountID, err error) error {
	if !errors.Is(err, cluster.ErrNotFound) {
		return err
	}
	return fleet.Errorf(fleet.CodeNotFound, "ACCOUNT_UNKNOWN", "account: there is none of this name (got %q)", string(id)).
		WithRemedy("see `orchestrator account list`, or add it with `orchestrator account add " + string(id) + "`")
}

// specOf is what an account's labels and spec ask for; stored is what it has now.
func (r resources) specOf(ctx context.Context, a *v1.Account, stored cluster.Spec) (cluster.Spec, error) {
	s := cluster.Spec{Account: fleet.AccountID(a.GetId()), Labels: a.GetLabels(), Desired: cluster.DesiredRunning}
	switch {
	case a.GetSpec().GetDisconnected():
		s.Desired = cluster.DesiredDisconnected
	case a.GetSpec().GetPaused():
		s.Desired = cluster.DesiredPaused
	}
	err := r.uplink.Spec(ctx, &s, a.GetSpec(), stored, func(name string) error {
		_, err := r.proxies.Store.Get(ctx, name)
		return err
	})
	return s, err
}

func accountOf(found cluster.Account) *v1.Account {
	s, status := found.Spec, found.Status
	a := &v1.Account{
		Id: string(s.Account), Labels: s.Labels, Generation: s.Generation,
		ResourceVersion: strconv.FormatInt(s.ResourceVersion, 10),
		CreateTime:      timestamppb.New(s.CreatedAt),
		Spec:            uplink.Resource(s),
		Status: &v1.AccountStatus{
			State: convert.AccountState(status.State), Reason: status.Reason, Message: status.Message,
			UserId: status.UserID, Bot: status.Bot, HomeDc: int32(status.HomeDC), Node: string(found.Owner),
			ObservedGeneration: status.Generation,
		},
	}
	if !s.DeletedAt.IsZero() {
		a.DeleteTime = timestamppb.New(s.DeletedAt)
	}
	if !status.UpdatedAt.IsZero() {
		a.Status.ChangeTime = timestamppb.New(status.UpdatedAt)
	}
	methods.SetConditions(a.Status, string(status.Node), status.Conditions)
	return a
}

// steering is the cluster as the API steers it.
type steering struct{ member *clusteretcd.Member }

// List implements control.Nodes.
func (s steering) List(context.Context) ([]*v1.Node, error) {
	infos := s.member.Infos()
	nodes := make([]*v1.Node, len(infos))
	for i, n := range infos {
		nodes[i] = nodeOf(n)
	}
	return nodes, nil
}

// Watch implements control.Nodes.
func (s steering) Watch(ctx context.Context) iter.Seq2[*v1.WatchNodesReply, error] {
	return func(yield func(*v1.WatchNodesReply, error) bool) {
		var known []cluster.NodeInfo // nil before the first list
		for now := range s.member.WatchNodes(ctx) {
			for _, item := range nodeChanges(known, now) {
				if !yield(item, nil) {
					return
				}
			}
			if known == nil && !yield(&v1.WatchNodesReply{Item: &v1.WatchNodesReply_Synced{Synced: &v1.NodesSynced{}}}, nil) {
				return
			}
			known = append([]cluster.NodeInfo{}, now...)
		}
	}
}

// nodeChanges is what is new in a list of nodes.
func nodeChanges(was, is []cluster.NodeInfo) []*v1.WatchNodesReply {
	gone := make(map[fleet.NodeID]cluster.NodeInfo, len(was))
	for _, n := range was {
		gone[n.ID] = n
	}
	var items []*v1.WatchNodesReply
	for _, n := range is {
		old, known := gone[n.ID]
		delete(gone, n.ID)
		switch {
		case !known:
			items = append(items, &v1.WatchNodesReply{Item: &v1.WatchNodesReply_Added{Added: nodeOf(n)}})
		case old != n:
			items = append(items, &v1.WatchNodesReply{Item: &v1.WatchNodesReply_Modified{Modified: nodeOf(n)}})
		}
	}
	for _, n := range gone {
		items = append(items, &v1.WatchNodesReply{Item: &v1.WatchNodesReply_Deleted{Deleted: nodeOf(n)}})
	}
	return items
}

// Set implements control.Nodes.
func (s steering) Set(ctx context.Context, node fleet.NodeID, cordoned, draining bool) (*v1.Node, error) {
	info, err := s.member.SetNode(ctx, node, cordoned, draining)
	if err != nil {
		return nil, err
	}
	return nodeOf(info), nil
}

// Move implements control.Nodes.
func (s steering) Move(ctx context.Context, id fleet.AccountID, node fleet.NodeID) (bool, error) {
	if err := s.member.Pin(ctx, id, node); err != nil {
		return false, unknownAccount(id, err)
	}
	if node == "" {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, finishWait)
	defer cancel()
	return s.member.WaitOwnedBy(ctx, id, node), nil
}

// NetworkRestored implements control.Nodes.
func (s steering) NetworkRestored(ctx context.Context, target control.NetworkTarget) (int, error) {
	return s.member.NetworkRestored(ctx, target.Accounts, target.Node)
}

func nodeOf(n cluster.NodeInfo) *v1.Node {
	return &v1.Node{
		Id: string(n.ID), Name: n.Name, Address: n.Address, Weight: int32(n.Weight), Cordoned: n.Cordoned, Draining: n.Draining,
		Accounts: int32(n.Accounts), StartTime: timestamppb.New(n.StartedAt), Leader: n.Leader,
	}
}
