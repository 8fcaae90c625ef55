package node

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"time"

	"github.com/telefleet/orchestrator/actors"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/dispatch"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
)

// eventLog is the event log as the actors want it.
type eventLog struct{ *eventlog.Log }

// Claim implements actors.EventLog.
func (e eventLog) Claim(ctx context.Context, id fleet.AccountID, token fleet.FencingToken) (actors.EventWriter, error) {
	return e.Log.Claim(ctx, id, token)
}

// readable makes a source of data keys tell the event log of keys that are lost: their events cannot be
// read, today or later, and are told as such. Any other error of the source may pass.
func readable(find findKey) findKey {
	return func(ctx context.Context, id fleet.AccountID, fresh bool) (cipher.AEAD, error) {
		key, err := find(ctx, id, fresh)
		if errors.Is(err, sessionstore.ErrMasterKey) || errors.Is(err, sessionstore.ErrCorrupt) {
			err = fmt.Errorf("%w: %w", eventlog.ErrNoKey, err)
		}
		return key, err
	}
}

// findKey is eventlog.Config.Find.
type findKey = func(ctx context.Context, id fleet.AccountID, fresh bool) (cipher.AEAD, error)

// localFleet is the accounts of this node as the API wants them.
type localFleet struct{ n *Node }

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

// peers are those of an account that runs here, else nil.
func (f localFleet) peers(ctx context.Context, id fleet.AccountID) telegram.Peers {
	if env, ok := f.n.fleet.Running(ctx, id); ok {
		return env.Peers()
	}
	return nil
}

// feed is the event log as the API wants it.
type feed struct{ log *eventlog.Log }

// wantsLive reports whether kinds of events are wanted by name that are told and not stored.
func wantsLive(kinds []string) bool {
	return len(kinds) > 0 && (methods.KindMatches(tlupdates.KindTyping, kinds) || methods.KindMatches(tlupdates.KindUserStatus, kinds))
}

// Subscribe implements control.Events.
func (f feed) Subscribe(ctx context.Context, o control.SubscribeOptions) (control.Subscription, error) {
	position, from := o.From, eventlog.FromBeginning()
	if position != control.Begin {
		cursor, err := dispatch.CursorOf(ctx, f.log, position)
		if err != nil {
			return control.Subscription{}, err
		}
		position, from = cursor.String(), eventlog.FromCursor(cursor)
	}
	records := f.log.Subscribe(ctx, eventlog.SubscribeOptions{From: from, Accounts: o.Accounts, Follow: !o.UntilNow, Live: wantsLive(o.Kinds)})
	events := func(yield func(control.Event, error) bool) {
		for r, err := range records {
			if err != nil && r.Account == "" {
				yield(control.Event{}, err)
				return
			}
			e := dispatch.EventOf(r, err)
			if methods.KindMatches(e.Kind, o.Kinds) && !yield(e, nil) {
				return
			}
		}
	}
	return control.Subscription{Position: position, Events: events}, nil
}
