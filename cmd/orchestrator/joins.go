package main

import (
	"context"
	"path"
	"slices"
	"time"

	"github.com/telefleet/orchestrator/actors"
	"github.com/telefleet/orchestrator/control"
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

// feed is the event log as the API wants it.
type feed struct{ log *eventlog.Log }

// Subscribe implements control.Events.
func (f feed) Subscribe(ctx context.Context, o control.SubscribeOptions) (control.Subscription, error) {
	position, from := o.From, eventlog.FromBeginning()
	if position != control.Begin {
		cursor, err := f.cursor(ctx, position)
		if err != nil {
			return control.Subscription{}, err
		}
		position, from = cursor.String(), eventlog.FromCursor(cursor)
	}
	records := f.log.Subscribe(ctx, eventlog.SubscribeOptions{From: from, Accounts: o.Accounts, Follow: !o.UntilNow})
	events := func(yield func(control.Event, error) bool) {
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
	}
	return control.Subscription{Position: position, Events: events}, nil
}

// cursor is a position's place in the log; the end of now for none.
func (f feed) cursor(ctx context.Context, position string) (eventlog.Cursor, error) {
	if position == "" {
		return f.log.Last(ctx)
	}
	cursor, err := eventlog.ParseCursor(position)
	if err != nil {
		return cursor, fleet.Errorf(fleet.CodeInvalidArgument, "POSITION_INVALID", "position: must be %q or the cursor of an event (got %q)", control.Begin, position).
			WithRemedy("give back the cursor of the last event exactly as it was sent")
	}
	return cursor, nil
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
