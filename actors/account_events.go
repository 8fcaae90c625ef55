package actors

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/eventlog"
)

// kindAccountState is the kind of the events by which an account tells of itself.
const kindAccountState = "account_state"

// stateChanged is an account's change of state; its JSON is the payload of the event.
type stateChanged struct {
	From    State  `json:"from,omitempty"`
	To      State  `json:"to"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Limits of ours.
const (
	maxTold   = 64              // state events that wait for the log; at the limit the oldest go
	tellAgain = 2 * time.Second // after the log has refused them
)

// telling is what an account has to say of itself while its stream does not run, which else says
// it: the log has one append of an account under way at a time. It outlives restarts.
type telling struct {
	records []eventlog.Record
	count   int64 // of state events, for their ids
	last    stateChanged
	again   time.Time // when a refused append is repeated
}

type (
	// stateTold is the outcome of an append by the account itself.
	stateTold struct {
		inc     uint64
		records []eventlog.Record
		err     error
	}
)

// stateRecord is the event of a change of state; false where the last one said the same, as it does
// for an account that starts again and again.
func (s *shared) stateRecord(m stateChanged) (eventlog.Record, bool) {
	t := &s.telling
	if same := t.last; same.To == m.To && same.Reason == m.Reason {
		return eventlog.Record{}, false
	}
	t.last = m
	payload, err := json.Marshal(m)
	if err != nil {
		s.log().Error("state event is not encoded", "error", err.Error())
		return eventlog.Record{}, false
	}
	t.count++
	return eventlog.Record{
		Account: s.id, Kind: kindAccountState, Time: s.deps.Now(), Payload: payload,
		ID: "state:" + strconv.FormatInt(int64(s.fence.Token()), 10) + ":" + strconv.FormatInt(t.count, 10),
	}, true
}

// tell records a change of state as an event, from `new` on.
func (a *account) tell(ctx actor.Context, m stateChanged) {
	t := &a.shared.telling
	r, ok := a.stateRecord(m)
	if !ok {
		return
	}
	if a.stream != nil && !a.streamClosing {
		ctx.Send(a.stream, &updatestream.StateEvent{Record: r})
		return
	}
	if t.records = append(t.records, r); len(t.records) > maxTold {
		t.records = t.records[1:]
	}
	a.tellNow(ctx)
}

// untold reports whether events wait that the account itself can append.
func (a *account) untold() bool {
	return a.appending || a.loaded != nil && a.state != StateFenced && len(a.shared.telling.records) > 0
}

// tellNow appends what waits, unless the stream runs: it takes it over.
func (a *account) tellNow(ctx actor.Context) {
	t := &a.shared.telling
	if a.appending || a.stream != nil || !a.untold() || a.deps.Now().Before(t.again) {
		return
	}
	records := t.records
	t.records, a.appending = nil, true
	w, self, root, inc := a.loaded.log.Writer, ctx.Self(), ctx.ActorSystem().Root, a.inc
	go func() {
		c, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		_, err := w.Append(c, records...)
		root.Send(self, &stateTold{inc, records, err})
	}()
}

func (a *account) stateTold(ctx actor.Context, m *stateTold) {
	t := &a.shared.telling
	if m.inc != a.inc { // of an incarnation that has ended
		if m.err != nil {
			t.records = append(m.records, t.records...)
		}
		return
	}
	a.appending, t.again = false, time.Time{}
	var partial *eventlog.AppendError
	switch {
	case m.err == nil:
	case fenced(m.err):
		a.stop(ctx, StateFenced, "FENCED", "another node owns the account", "")
	default:
		if errors.As(m.err, &partial) {
			m.records = m.records[partial.Done:]
		}
		a.log().Debug("state events are not stored; they are tried again", "error", m.err.Error())
		t.records, t.again = append(m.records, t.records...), a.deps.Now().Add(tellAgain)
		a.plan(ctx)
	}
	if a.reviving {
		a.syncLate(ctx)
		a.revive(ctx)
		return
	}
	if a.state == StateOnline && a.stream == nil && a.winding == nil {
		a.startStream(ctx)
		a.showConditions(ctx)
	}
	a.syncLate(ctx)
	a.tellNow(ctx)
	a.windStep(ctx)
}

// syncLate goes on with the syncs that came before the stream could start.
func (a *account) syncLate(ctx actor.Context) {
	late := a.late
	a.late = nil
	for _, m := range late {
		if a.stream != nil {
			a.sync(ctx, m)
			continue
		}
		m.Done(unavailable(a.state, "it receives no updates", "repeat the call in a moment"))
	}
}

// tellStream gives what waits to a stream that begins.
func (a *account) tellStream(ctx actor.Context) {
	t := &a.shared.telling
	for _, r := range t.records {
		ctx.Send(a.stream, &updatestream.StateEvent{Record: r})
	}
	t.records = nil
}
