package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/internal/standing"
)

// facts is what the answers of the account's conditions follow from now.
func (a *account) facts() standing.Facts {
	f := standing.Facts{
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
	if f := a.facts(); a.judge.Changed(&f, a.deps.Now()) {
		a.reportSoon(ctx)
		return
	}
	a.plan(ctx)
}

// selfSeen is what Telegram says of the account's own user.
type selfSeen struct {
	restricted bool
	reason     string
}

// restricted shows and stores what a refusal or selfSeen has changed.
func (a *account) restricted(ctx actor.Context, news bool) {
	if news && a.record != nil {
		a.record.Restriction = a.judge.Restriction()
		a.save(ctx, nil)
		a.reportSoon(ctx)
	}
}
