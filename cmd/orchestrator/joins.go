package main

import (
	"context"
	"errors"
	"iter"
	"path"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/telefleet/orchestrator/actors"
	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/cluster"
	clusteretcd "github.com/telefleet/orchestrator/cluster/etcd"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// eventLog is the event log as the actors want it.
type eventLog struct{ *eventlog.Log }

// Claim implements actors.EventLog.
func (e eventLog) Claim(ctx context.Context, id fleet.AccountID, token fleet.FencingToken) (actors.EventWriter, error) {
	return e.Log.Claim(ctx, id, token)
}

// localFleet is the accounts of this node as the API wants them.
type localFleet struct{ n *node }

// ownerWait is how long a call waits for an account that is about to start here.
const ownerWait = 2 * time.Second

// Env implements control.Fleet. An account that was just created or is moving here is waited
// for a moment.
func (f localFleet) Env(ctx context.Context, id fleet.AccountID) (telegram.Env, error) {
	if env, ok := f.n.fleet.Running(ctx, id); ok {
		return env, nil
	}
	wait, cancel := context.WithTimeout(ctx, ownerWait)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			if env, ok := f.n.fleet.Running(wait, id); ok {
				return env, nil
			}
		case <-wait.Done():
			return nil, fleet.Errorf(fleet.CodeUnavailable, "ACCOUNT_NOT_RUNNING", "account %s is not running on this node yet", id).
				WithRemedy("repeat the call in a moment; `orchestrator account get " + string(id) + "` shows its state")
		}
	}
}

// Local implements control.Fleet.
func (f localFleet) Local(id fleet.AccountID) bool {
	owner, err := f.n.member.Owner(id)
	return err == nil && owner.Node == f.n.member.Node()
}

// resources is the accounts in etcd as the API wants them.
type resources struct{ store *clusteretcd.Accounts }

// Create implements control.Accounts.
func (r resources) Create(ctx context.Context, a *v1.Account) (*v1.Account, error) {
	desired := cluster.DesiredRunning
	if a.GetSpec().GetPaused() {
		return nil, fleet.Errorf(fleet.CodeUnimplemented, "PAUSE_UNSUPPORTED", "spec.paused: accounts cannot be paused by this version (got true)").
			WithRemedy("leave spec.paused out")
	}
	if p := a.GetSpec().GetProxy(); p != "" {
		return nil, fleet.Errorf(fleet.CodeUnimplemented, "PROXY_UNSUPPORTED", "spec.proxy: proxies are not supported by this version (got %q)", p).
			WithRemedy("leave spec.proxy out")
	}
	if app := a.GetSpec().GetApp(); app != "" {
		return nil, fleet.Errorf(fleet.CodeUnimplemented, "APP_UNSUPPORTED", "spec.app: this version knows the node's default app profile only (got %q)", app).
			WithRemedy("leave spec.app out")
	}
	if dc := a.GetSpec().GetDc(); dc != 0 {
		return nil, fleet.Errorf(fleet.CodeUnimplemented, "DC_UNSUPPORTED", "spec.dc: accounts start on telegram.default_dc in this version (got %d)", dc).
			WithRemedy("leave spec.dc out: signing in moves the account to its home DC")
	}
	s, err := r.store.CreateSpec(ctx, cluster.Spec{
		Account: fleet.AccountID(a.GetId()), Labels: a.GetLabels(), Desired: desired, CreatedAt: time.Now().UTC(),
	})
	if err != nil {
		return nil, err
	}
	return accountOf(s, cluster.Status{}), nil
}

// Get implements control.Accounts.
func (r resources) Get(ctx context.Context, id fleet.AccountID) (*v1.Account, error) {
	s, err := r.store.GetSpec(ctx, id)
	if errors.Is(err, cluster.ErrNotFound) {
		return nil, fleet.Errorf(fleet.CodeNotFound, "ACCOUNT_UNKNOWN", "account: there is none of this name (got %q)", string(id)).
			WithRemedy("see `orchestrator account list`, or add it with `orchestrator account add " + string(id) + "`")
	}
	if err != nil {
		return nil, err
	}
	status, err := r.store.GetStatus(ctx, id)
	if err != nil && !errors.Is(err, cluster.ErrNotFound) {
		return nil, err
	}
	return accountOf(s, status), nil
}

// List implements control.Accounts.
func (r resources) List(ctx context.Context, o control.ListOptions) ([]*v1.Account, string, error) {
	specs, err := r.store.ListSpecs(ctx)
	if err != nil {
		return nil, "", err
	}
	statuses, err := r.store.ListStatus(ctx)
	if err != nil {
		return nil, "", err
	}
	known := make(map[fleet.AccountID]cluster.Status, len(statuses))
	for _, s := range statuses {
		known[s.Account] = s
	}
	var page []*v1.Account
	for _, s := range specs {
		if len(page) == o.Limit {
			break
		}
		if s.Account > o.After && (o.Match == nil || o.Match(s.Labels)) {
			page = append(page, accountOf(s, known[s.Account]))
		}
	}
	return page, "", nil
}

// Update implements control.Accounts.
func (r resources) Update(context.Context, *v1.Account) (*v1.Account, error) {
	return nil, fleet.Errorf(fleet.CodeUnimplemented, "UNSUPPORTED", "accounts cannot be changed by this version")
}

// Delete implements control.Accounts.
func (r resources) Delete(context.Context, fleet.AccountID, string) (bool, error) {
	return false, fleet.Errorf(fleet.CodeUnimplemented, "UNSUPPORTED", "accounts cannot be deleted by this version")
}

func accountOf(s cluster.Spec, status cluster.Status) *v1.Account {
	a := &v1.Account{
		Id: string(s.Account), Labels: s.Labels, Generation: s.Generation,
		ResourceVersion: strconv.FormatInt(s.ResourceVersion, 10),
		CreateTime:      timestamppb.New(s.CreatedAt),
		Spec:            &v1.AccountSpec{App: s.App, Paused: s.Desired == cluster.DesiredPaused},
		Status: &v1.AccountStatus{
			State: methods.AccountState(status.State), Reason: status.Reason, Message: status.Message,
			UserId: status.UserID, Bot: status.Bot, HomeDc: int32(status.HomeDC), Node: string(status.Node),
		},
	}
	if !status.UpdatedAt.IsZero() {
		a.Status.ChangeTime = timestamppb.New(status.UpdatedAt)
	}
	return a
}

// feed is the event log as the API wants it.
type feed struct{ log *eventlog.Log }

// Subscribe implements control.Events.
func (f feed) Subscribe(ctx context.Context, o control.SubscribeOptions) (iter.Seq2[control.Event, error], error) {
	from := eventlog.FromNew()
	switch o.From {
	case "":
	case control.Begin:
		from = eventlog.FromBeginning()
	default:
		cursor, err := eventlog.ParseCursor(o.From)
		if err != nil {
			return nil, fleet.Errorf(fleet.CodeInvalidArgument, "POSITION_INVALID", "position: must be %q or the cursor of an event (got %q)", control.Begin, o.From).
				WithRemedy("give back the cursor of the last event exactly as it was sent")
		}
		from = eventlog.FromCursor(cursor)
	}
	records := f.log.Subscribe(ctx, eventlog.SubscribeOptions{From: from, Accounts: o.Accounts, Follow: !o.UntilNow})
	return func(yield func(control.Event, error) bool) {
		for r, err := range records {
			if err != nil && r.Seq == 0 {
				yield(control.Event{}, err)
				return
			}
			e := eventOf(r, err)
			if wanted(e.Kind, o.Kinds) && !yield(e, nil) {
				return
			}
		}
	}, nil
}

// eventOf converts a record; one that cannot be read is a gap of its own.
func eventOf(r eventlog.Record, unreadable error) control.Event {
	e := control.Event{Cursor: r.Cursor().String(), Account: r.Account, Kind: r.Kind, ID: r.ID, Time: r.Time, Payload: r.Payload}
	var gap *updates.Gap
	switch {
	case r.Gap != nil:
		gap = &updates.Gap{From: int(r.Gap.From), To: int(r.Gap.To), Reason: "these events are no longer retained"}
	case unreadable != nil:
		gap = &updates.Gap{From: int(r.Seq), To: int(r.Seq), Reason: "this event cannot be read"}
	}
	if gap != nil {
		e.Kind, e.ID = updates.KindGap, "log:"+e.Cursor
		if payload, err := tlupdates.Encode(tlupdates.Payload{Gap: gap}); err == nil {
			e.Payload = payload
		}
	}
	return e
}

// wanted matches a kind against names and patterns such as message_*; gaps are always wanted.
func wanted(kind string, patterns []string) bool {
	return len(patterns) == 0 || kind == updates.KindGap || slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, kind)
		return err == nil && ok
	})
}
