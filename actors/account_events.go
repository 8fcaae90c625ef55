package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/standing"
)

// tellAgain is the wait after the log has refused state events.
const tellAgain = 2 * time.Second

// telling is what an account has to say of itself while its stream does not run. It outlives
// restarts.
type telling struct {
	standing.News
	again time.Time // when a refused append is repeated
}

// stateTold is the outcome of an append by the account itself.
type stateTold struct {
	inc     uint64
	records []eventlog.Record
	err     error
}

// stateRecord is the event of a change of state; false where it is no news.
func (s *shared) stateRecord(c standing.Change) (eventlog.Record, bool) {
	r, ok, err := s.telling.Record(s.id, s.fence.Token(), s.deps.Now(), c)
	if err != nil {
		s.log().Error("state event is not encoded", "error", err.Error())
	}
	return r, ok
}

// tell records a change of state as an event, from `new` on.
func (a *account) tell(ctx actor.Context, m standing.Change) {
	r, ok := a.stateRecord(m)
	if !ok {
		return
	}
	if a.stream != nil && !a.streamClosing {
		ctx.Send(a.stream, &updatestream.StateEvent{Record: r})
		return
	}
	a.telling.Wait(r)
	a.tellNow(ctx)
}

// untold reports whether events wait that the account itself can append.
func (a *account) untold() bool {
	return a.appending || a.loaded != nil && a.state != fleet.StateFenced && a.telling.Waits()
}

// tellNow appends what waits, unless the stream runs: it takes it over.
func (a *account) tellNow(ctx actor.Context) {
	t := &a.telling
	if a.appending || a.stream != nil || !a.untold() || a.deps.Now().Before(t.again) {
		return
	}
	records := t.Take()
	a.appending = true
	w, self, root, inc := a.loaded.log.Writer, ctx.Self(), ctx.ActorSystem().Root, a.inc
	a.deps.lanes.appends.Go(func() {
		c, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		_, err := w.Append(c, records...)
		root.Send(self, &stateTold{inc, records, err})
	})
}

func (a *account) stateTold(ctx actor.Context, m *stateTold) {
	t := &a.telling
	if m.inc != a.inc { // of an incarnation that has ended
		if m.err != nil {
			t.Return(m.records)
		}
		return
	}
	a.appending, t.again = false, time.Time{}
	var partial *eventlog.AppendError
	switch {
	case m.err == nil:
	case fenced(m.err):
		a.stop(ctx, fleet.StateFenced, "FENCED", "another node owns the account", "")
	default:
		if errors.As(m.err, &partial) {
			m.records = m.records[partial.Done:]
		}
		a.log().Debug("state events are not stored; they are tried again", "error", m.err.Error())
		t.Return(m.records)
		t.again = a.deps.Now().Add(tellAgain)
		a.plan(ctx)
	}
	if a.reviving {
		a.syncLate(ctx)
		a.revive(ctx)
		return
	}
	if a.state == fleet.StateOnline && a.stream == nil && a.winding == nil {
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
		m.Done(standing.Unavailable(a.state, "it receives no updates", "repeat the call in a moment"))
	}
}

// tellStream gives what waits to a stream that begins.
func (a *account) tellStream(ctx actor.Context) {
	for _, r := range a.telling.Take() {
		ctx.Send(a.stream, &updatestream.StateEvent{Record: r})
	}
}
