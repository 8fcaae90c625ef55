package dispatch

import (
	"context"

	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// EventOf converts a record; one that cannot be read is a gap of its own. That of a live record has
// neither cursor nor id.
func EventOf(r eventlog.Record, unreadable error) methods.Event {
	e := methods.Event{Account: r.Account, Kind: r.Kind, ID: r.ID, Time: r.Time, Payload: r.Payload}
	if r.Seq != 0 { // else it is live: there is no place to go on from
		e.Cursor = r.Cursor().String()
	}
	var gap *updates.Gap
	switch {
	case r.Gap != nil:
		gap = &updates.Gap{From: int(r.Gap.From), To: int(r.Gap.To), Reason: "these events are no longer retained"}
	case unreadable != nil && r.Seq == 0:
		gap = &updates.Gap{Reason: "this live event cannot be read"}
	case unreadable != nil:
		gap = &updates.Gap{From: int(r.Seq), To: int(r.Seq), Reason: "this event cannot be read"}
	}
	if gap != nil {
		if e.Kind = updates.KindGap; e.Cursor != "" {
			e.ID = "log:" + e.Cursor
		}
		if payload, err := tlupdates.Encode(tlupdates.Payload{Gap: gap}); err == nil {
			e.Payload = payload
		}
	}
	return e
}

// CursorOf is a position's place in the log; the end of now for none. It does not know
// methods.Begin.
func CursorOf(ctx context.Context, log *eventlog.Log, position string) (eventlog.Cursor, error) {
	if position == "" {
		return log.Last(ctx)
	}
	cursor, err := eventlog.ParseCursor(position)
	if err != nil {
		return cursor, fleet.Errorf(fleet.CodeInvalidArgument, "POSITION_INVALID", "position: must be %q or the cursor of an event (got %q)", methods.Begin, position).
			WithRemedy("give back the cursor of the last event exactly as it was sent")
	}
	return cursor, nil
}

// fromOf is where a consumer begins.
func fromOf(ctx context.Context, log *eventlog.Log, p methods.Point) (eventlog.From, error) {
	switch {
	case !p.Time.IsZero():
		return eventlog.FromTime(p.Time), nil
	case p.Position == methods.Begin:
		return eventlog.FromBeginning(), nil
	}
	cursor, err := CursorOf(ctx, log, p.Position)
	return eventlog.FromCursor(cursor), err
}
