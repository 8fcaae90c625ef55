package methods

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/fleet"
)

// maxConflicts bounds how often a change that names no resource version is tried again.
const maxConflicts = 10

// updatable are the fields that an update mask may name, and how each is taken over.
var updatable = map[string]func(to, from *v1.Account){
	"labels":            func(to, from *v1.Account) { to.Labels = from.GetLabels() },
	"spec":              func(to, from *v1.Account) { to.Spec = proto.CloneOf(from.GetSpec()) },
	"spec.app":          func(to, from *v1.Account) { to.Spec.App = from.GetSpec().GetApp() },
	"spec.proxy":        func(to, from *v1.Account) { to.Spec.Proxy = from.GetSpec().GetProxy() },
	"spec.dc":           func(to, from *v1.Account) { to.Spec.Dc = from.GetSpec().GetDc() },
	"spec.paused":       func(to, from *v1.Account) { to.Spec.Paused = from.GetSpec().GetPaused() },
	"spec.disconnected": func(to, from *v1.Account) { to.Spec.Disconnected = from.GetSpec().GetDisconnected() },
	"spec.device":       func(to, from *v1.Account) { to.Spec.Device = from.GetSpec().GetDevice() },
	"spec.pfs":          func(to, from *v1.Account) { to.Spec.Pfs = from.GetSpec().GetPfs() },
}

func updateAccount(ctx context.Context, host *Host, req *v1.UpdateAccountRequest) (*v1.UpdateAccountReply, error) {
	wanted := req.GetResource()
	id := fleet.AccountID(wanted.GetId())
	if err := id.Validate(); err != nil {
		return nil, err
	}
	if wanted.GetResourceVersion() == "" {
		return nil, convert.Invalid("resource.resource_version", "read the account, change it, and send it back with its resource_version", "is missing")
	}
	paths := req.GetUpdateMask().GetPaths()
	if len(paths) == 0 {
		paths = []string{"labels", "spec"}
	}
	current, err := host.Accounts.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	next := proto.CloneOf(current)
	next.ResourceVersion = wanted.GetResourceVersion()
	if next.Spec == nil {
		next.Spec = &v1.AccountSpec{}
	}
	for _, path := range paths {
		take := updatable[path]
		if take == nil {
			return nil, convert.Invalid("update_mask", "name some of "+strings.Join(updatablePaths(), ", "), "has a path that cannot be changed (got %q)", path)
		}
		take(next, wanted)
		if next.Spec == nil { // the whole spec was taken over, and it is empty
			next.Spec = &v1.AccountSpec{}
		}
	}
	if err := checkLabels(next.GetLabels()); err != nil {
		return nil, err
	}
	if err := checkSpec(next.GetSpec()); err != nil {
		return nil, err
	}
	stored, err := host.Accounts.Update(ctx, next)
	if isConflict(err) && CommandOf(ctx).Resumed() {
		stored, err = asWanted(ctx, host, next, err)
	}
	if err != nil {
		return nil, err
	}
	return &v1.UpdateAccountReply{Account: stored}, nil
}

func updatablePaths() []string {
	paths := make([]string, 0, len(updatable))
	for path := range updatable {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

func deleteAccount(ctx context.Context, host *Host, req *v1.DeleteAccountRequest) (*v1.DeleteAccountReply, error) {
	id := fleet.AccountID(req.GetId())
	if err := id.Validate(); err != nil {
		return nil, err
	}
	done, err := host.Accounts.Delete(ctx, id, req.GetResourceVersion())
	if err != nil {
		return nil, err
	}
	return &v1.DeleteAccountReply{Done: done}, nil
}

// How long a pause is waited for, and how often its owner's report is read.
const (
	pauseWait = 20 * time.Second
	pausePoll = 50 * time.Millisecond
)

func pauseAccount(ctx context.Context, host *Host, req *v1.PauseAccountRequest) (*v1.PauseAccountReply, error) {
	account, err := setPaused(ctx, host, fleet.AccountID(req.GetId()), func(s *v1.AccountSpec) { s.Paused = true })
	if err != nil {
		return nil, err
	}
	reply := &v1.PauseAccountReply{Account: account}
	if req.GetWait() {
		reply.Account, reply.Done, err = awaitPaused(ctx, host, account)
	}
	return reply, err
}

func disconnectAccount(ctx context.Context, host *Host, req *v1.DisconnectAccountRequest) (*v1.DisconnectAccountReply, error) {
	account, err := setPaused(ctx, host, fleet.AccountID(req.GetId()), func(s *v1.AccountSpec) { s.Paused, s.Disconnected = true, true })
	if err != nil {
		return nil, err
	}
	reply := &v1.DisconnectAccountReply{}
	reply.Account, reply.Done, err = awaitPaused(ctx, host, account)
	return reply, err
}

func resumeAccount(ctx context.Context, host *Host, req *v1.ResumeAccountRequest) (*v1.ResumeAccountReply, error) {
	account, err := setPaused(ctx, host, fleet.AccountID(req.GetId()), func(s *v1.AccountSpec) { s.Paused, s.Disconnected = false, false })
	if err != nil {
		return nil, err
	}
	return &v1.ResumeAccountReply{Account: account}, nil
}

// setPaused changes only what change does, whatever else is changed at the same time.
func setPaused(ctx context.Context, host *Host, id fleet.AccountID, change func(*v1.AccountSpec)) (*v1.Account, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		account, err := host.Accounts.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		next := proto.CloneOf(account)
		if next.Spec == nil {
			next.Spec = &v1.AccountSpec{}
		}
		change(next.Spec)
		if proto.Equal(next.GetSpec(), account.GetSpec()) {
			return account, nil
		}
		stored, err := host.Accounts.Update(ctx, next)
		if err == nil || try == maxConflicts || !isConflict(err) {
			return stored, err
		}
	}
}

// awaitPaused waits until the owner of an account says that it holds no socket, for pauseWait at
// most. An account without owner holds none.
func awaitPaused(ctx context.Context, host *Host, account *v1.Account) (*v1.Account, bool, error) {
	wanted := account.GetGeneration()
	ctx, cancel := context.WithTimeout(ctx, pauseWait)
	defer cancel()
	poll := time.NewTicker(pausePoll)
	defer poll.Stop()
	for {
		s := account.GetStatus()
		if s.GetNode() == "" || s.GetObservedGeneration() >= wanted && socketless(s.GetState()) {
			return account, true, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return account, false, nil
		}
		now, err := host.Accounts.Get(ctx, fleet.AccountID(account.GetId()))
		switch {
		case ctx.Err() != nil:
		case err != nil:
			return nil, false, err
		default:
			account = now
		}
	}
}

// socketless are the states in which an account holds no socket and wants none.
func socketless(s v1.AccountState) bool {
	switch s {
	case v1.AccountState_ACCOUNT_STATE_PAUSED, v1.AccountState_ACCOUNT_STATE_QUARANTINED, v1.AccountState_ACCOUNT_STATE_LOGGED_OUT,
		v1.AccountState_ACCOUNT_STATE_BANNED, v1.AccountState_ACCOUNT_STATE_CONFLICT:
		return true
	}
	return false
}

func moveAccount(ctx context.Context, host *Host, req *v1.MoveAccountRequest) (*v1.MoveAccountReply, error) {
	id := fleet.AccountID(req.GetId())
	if err := id.Validate(); err != nil {
		return nil, err
	}
	nodes, err := host.nodes()
	if err != nil {
		return nil, err
	}
	done, err := nodes.Move(ctx, id, fleet.NodeID(req.GetNode()))
	if err != nil {
		return nil, err
	}
	account, err := host.Accounts.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &v1.MoveAccountReply{Account: account, Done: done}, nil
}

func watchAccounts(ctx context.Context, host *Host, req *v1.WatchAccountsRequest, send func(*v1.WatchAccountsReply) error) error {
	match, err := parseSelector(req.GetSelector())
	if err != nil {
		return err
	}
	if host.Watcher == nil {
		return Unsupported("watching accounts")
	}
	for item, err := range host.Watcher.Watch(ctx, WatchOptions{From: req.GetResourceVersion(), Match: match}) {
		if err != nil {
			return err
		}
		if err := send(item); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func Unsupported(what string) error {
	return fleet.Errorf(fleet.CodeUnimplemented, "UNSUPPORTED", "this server does not offer %s", what).
		WithRemedy("ask a node of the fleet that runs `orchestrator serve`")
}
