package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/internal/standing"
)

// facts is what the answers of the account's conditions follow from now.
func (a *account) facts() *standing.Facts {
	f := &standing.Facts{
		Status: &a.status, State: a.state, Loaded: a.record != nil, SignedIn: a.authorized(), Draining: a.draining,
		Stream: a.stream != nil && !a.streamClosing, Proxy: a.proxy, Direct: a.desired.Load().Route == "",
	}
	if h := a.home; h != nil {
		f.Home, f.Ready, f.Retry = true, h.ready, h.retry
	}
	return f
}

func (a *account) streamLevel(ctx actor.Context, m *updatestream.Level) {
	a.judge.Level(m.Even, m.Stuck, a.deps.Now())
	a.showConditions(ctx)
}

// showConditions reports the account when an answer or its reason has changed.
func (a *account) showConditions(ctx actor.Context) {
	if a.judge.Changed(a.facts(), a.deps.Now()) {
		a.reportSoon(ctx)
		return
	}
	a.plan(ctx)
}

// restrict notes that Telegram has refused a call because of what the account did or is.
func (a *account) restrict(ctx actor.Context, name string) {
	if a.judge.Restrict(name, a.deps.Now()) {
		a.showConditions(ctx)
	}
}
