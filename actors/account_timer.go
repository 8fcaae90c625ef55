package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
)

const (
	reportEvery = time.Second           // a status is stored at most so often
	reportAgain = 4 * time.Second       // beyond that, after the store has refused it
	drainPoll   = 20 * time.Millisecond // how soon a drain sees that the last call has ended
)

// statusReported says that a status is stored or is to be reported again; reportDue that it is
// time; peersLearnt that peers wait to be stored.
type (
	statusReported struct{ again bool }
	reportDue      struct{}
	peersLearnt    struct{}
)

// plan sets the account's one timer to whatever is due next.
func (a *account) plan(ctx actor.Context) {
	var next time.Time
	earliest := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, d := range a.delayed {
		earliest(d.at)
	}
	if a.home != nil {
		earliest(a.home.retry)
	}
	earliest(a.sides.Due())
	earliest(a.saveAgain)
	earliest(a.status.Limited.Until)
	earliest(a.waits.Due(a.deps.Now()))
	earliest(a.judge.Due(a.deps.Now()))
	if !a.appending && a.untold() {
		earliest(a.telling.again)
	}
	if a.report && !a.reporting {
		earliest(a.reported.Add(reportEvery))
	}
	if a.winding != nil && !a.ended {
		earliest(a.deps.Now().Add(drainPoll))
	}
	a.peersDue = false
	if a.loaded != nil && !a.flushing {
		if at, ok := a.loaded.peers.Due(); ok {
			if at.Before(a.peersAgain) {
				at = a.peersAgain
			}
			earliest(at)
			a.peersDue = true
		}
	}
	if next.IsZero() {
		return
	}
	a.conn.Clock.Set(&a.alarm, next.Sub(a.deps.Now()), ctx.Self(), &tick{})
}

func (a *account) tick(ctx actor.Context) {
	now := a.deps.Now()
	if a.home != nil && !a.home.retry.IsZero() && !now.Before(a.home.retry) {
		a.redial(ctx)
	}
	var due []*connection.Call
	kept := a.delayed[:0]
	for _, d := range a.delayed {
		if now.Before(d.at) {
			kept = append(kept, d)
			continue
		}
		due = append(due, d.call)
	}
	a.delayed = kept
	for _, c := range due {
		a.invoke(ctx, c)
	}
	for _, side := range a.sides.Idle(now) {
		a.stopSide(ctx, side)
	}
	a.sendScouts(ctx)
	if a.report && !a.reporting && now.Sub(a.reported) >= reportEvery {
		a.sendReport(ctx)
	}
	if !a.saveAgain.IsZero() && !now.Before(a.saveAgain) {
		a.saveAgain = time.Time{}
		a.save(ctx, nil)
	}
	a.showLimit(ctx)
	a.tellNow(ctx)
	a.showConditions(ctx)
	a.windStep(ctx)
	if a.loaded != nil && !now.Before(a.peersAgain) {
		if at, ok := a.loaded.peers.Due(); ok && !now.Before(at) {
			a.flushPeers(ctx)
		}
	}
	a.plan(ctx)
}

// reportSoon stores the status, at most once a second.
func (a *account) reportSoon(ctx actor.Context) {
	a.report = true
	if !a.reporting && a.deps.Now().Sub(a.reported) >= reportEvery {
		ctx.Send(ctx.Self(), &reportDue{}) // after all that changes with this
		return
	}
	a.plan(ctx)
}

func (a *account) reportNow(ctx actor.Context) {
	if a.report && !a.reporting {
		a.sendReport(ctx)
	}
}

// statusReported repeats a report that was not stored.
func (a *account) statusReported(ctx actor.Context, m *statusReported) {
	a.reporting = false
	if m.again {
		a.report, a.reported = true, a.deps.Now().Add(reportAgain)
	}
	a.plan(ctx)
}

func (a *account) sendReport(ctx actor.Context) {
	a.report, a.reporting, a.reported = false, true, a.deps.Now()
	status, acc := a.status, a.shared
	facts := a.facts()
	status.Conditions = a.judge.Conditions(&facts, a.reported)
	self, root := ctx.Self(), ctx.ActorSystem().Root
	acc.deps.lanes.reports.Go(func() {
		c, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		err := acc.deps.Report(c, acc.fence, status)
		if err != nil {
			acc.log().Debug("status is not stored", "error", err.Error())
		}
		root.Send(self, &statusReported{again: err != nil && !fenced(err)})
	})
}
