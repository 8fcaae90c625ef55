package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/fleet"
)

// Limits of ours for what is shown.
const (
	// shortWait is not worth showing: a flood wait or a difference that ends before it was read.
	shortWait = 5 * time.Second
	// restrictedFor is how long a refusal for spam or a freeze is shown: Telegram gives no end, and
	// says so again at the next try.
	restrictedFor = 24 * time.Hour
)

// ownConditions are those that an account judges itself: all but Ready, which follows from them.
var ownConditions = [...]fleet.ConditionType{
	fleet.ConditionOwned, fleet.ConditionAuthorized, fleet.ConditionConnected, fleet.ConditionUpdatesFlowing, fleet.ConditionCaughtUp,
	fleet.ConditionProxyHealthy, fleet.ConditionRateLimited, fleet.ConditionRestricted,
}

// conditions remembers since when each own condition has its answer, and what it follows from
// besides the state.
type conditions struct {
	held [len(ownConditions)]struct {
		status fleet.Truth
		since  int64 // in ns since 1970; an account is to be small
	}
	shown [len(ownConditions)]fleet.ConditionReason // as last reported

	level      bool      // the stream has been even once since it began
	behind     time.Time // since when it is not; zero while it is
	stuck      bool      // the log takes nothing
	restricted fleet.ConditionReason
	until      time.Time // of restricted
}

func (a *account) streamLevel(ctx actor.Context, m *updatestream.Level) {
	c := &a.conditions
	c.stuck = m.Stuck
	switch {
	case m.Even:
		c.level, c.behind = true, time.Time{}
	case c.behind.IsZero():
		c.behind = a.deps.Now()
	}
	a.showConditions(ctx)
}

// showConditions reports the account when an answer or its reason has changed.
func (a *account) showConditions(ctx actor.Context) {
	now := a.deps.Now()
	for i, t := range ownConditions {
		if a.judge(t, now).Reason != a.conditions.shown[i] {
			a.reportSoon(ctx)
			return
		}
	}
	a.plan(ctx)
}

// judged are the own conditions now.
func (a *account) judged() []fleet.Condition {
	now, c := a.deps.Now(), &a.conditions
	all := make([]fleet.Condition, 0, len(ownConditions))
	for i, t := range ownConditions {
		one := a.judge(t, now)
		h := &c.held[i]
		if h.since == 0 || h.status != one.Status {
			h.status, h.since = one.Status, now.UnixNano()
		}
		one.Since, c.shown[i] = time.Unix(0, h.since), one.Reason
		all = append(all, one)
	}
	return all
}

func (a *account) judge(t fleet.ConditionType, now time.Time) fleet.Condition {
	reason, until, message := fleet.ReasonNotReported, time.Time{}, ""
	switch t {
	case fleet.ConditionOwned:
		reason = fleet.ReasonOwned
	case fleet.ConditionProxyHealthy:
		switch reason, message = a.proxy.Reason, a.proxy.Message; {
		case reason != "":
		case a.desired.Load().Route == "":
			reason = fleet.ReasonNoProxy
		default:
			reason = fleet.ReasonProxyUntried
		}
	case fleet.ConditionAuthorized:
		reason = a.authorizedBy()
	case fleet.ConditionConnected:
		reason, until = a.connectedBy()
	case fleet.ConditionUpdatesFlowing:
		reason = a.flowingBy()
	case fleet.ConditionCaughtUp:
		reason = a.caughtUpBy(now)
	case fleet.ConditionRateLimited:
		if reason, until = a.limitedBy(now); reason == fleet.ReasonFloodWait {
			message = a.status.Limited.Reason + " of " + a.status.Limited.Method
		}
	case fleet.ConditionRestricted:
		reason = fleet.ReasonUnrestricted
		if now.Before(a.conditions.until) {
			reason, until = a.conditions.restricted, a.conditions.until
		}
	}
	c := fleet.NewCondition(t, reason)
	c.Until = until
	if t == fleet.ConditionAuthorized && a.state.terminal() && c.Status == fleet.False ||
		t == fleet.ConditionConnected && c.Status == fleet.False && a.state != StateDraining {
		message = a.status.Message
	}
	c.Message = message
	return c
}

func (a *account) authorizedBy() fleet.ConditionReason {
	switch {
	case a.state == StateLoggedOut:
		return fleet.ReasonLoggedOut
	case a.state == StateBanned:
		return fleet.ReasonBanned
	case a.state == StateConflict:
		return fleet.ReasonConflict
	case a.corrupt():
		return fleet.ReasonSessionCorrupt
	case a.record == nil:
		return fleet.ReasonNotReported
	case a.authorized():
		return fleet.ReasonSignedIn
	case a.state.loggingIn() && a.state != StateUnauthorized:
		return fleet.ReasonLoginRunning
	}
	return fleet.ReasonNotSignedIn
}

// unconnected are the reasons of states without a connection.
var unconnected = map[State]fleet.ConditionReason{
	StateNew: fleet.ReasonConnecting, StateConnecting: fleet.ReasonConnecting, StateDraining: fleet.ReasonDraining,
	StatePaused: fleet.ReasonPaused, StateQuarantined: fleet.ReasonQuarantined, StateLoggedOut: fleet.ReasonLoggedOut,
	StateBanned: fleet.ReasonBanned, StateConflict: fleet.ReasonConflict, StateFenced: fleet.ReasonFenced,
}

func (a *account) connectedBy() (fleet.ConditionReason, time.Time) {
	retry := time.Time{}
	if a.home != nil {
		retry = a.home.retry
	}
	switch {
	case a.state == StateNew && a.status.Reason == string(fleet.ReasonStoreUnavailable):
		return fleet.ReasonStoreUnavailable, time.Time{}
	case a.corrupt():
		return fleet.ReasonSessionCorrupt, time.Time{}
	case a.state == StateBackoff:
		return fleet.ReasonBackoff, retry
	case a.state == StateRateLimited:
		return fleet.ReasonTooManyConnections, retry
	case a.state == StateDraining && !a.draining:
		return fleet.ReasonPaused, time.Time{}
	}
	if r, ok := unconnected[a.state]; ok {
		return r, time.Time{}
	}
	if a.home == nil || !a.home.ready {
		return fleet.ReasonConnecting, time.Time{}
	}
	return fleet.ReasonConnected, time.Time{}
}

// corrupt reports whether the account is stopped because its stored session cannot be read.
func (a *account) corrupt() bool {
	return a.state == StateQuarantined && a.status.Reason == string(fleet.ReasonSessionCorrupt)
}

func (a *account) flowingBy() fleet.ConditionReason {
	connected, _ := a.connectedBy()
	switch {
	case connected != fleet.ReasonConnected:
		return fleet.ReasonNotConnected
	case !a.authorized():
		return fleet.ReasonNotSignedIn
	case a.stream == nil || a.streamClosing:
		return fleet.ReasonNotConnected
	case a.conditions.stuck:
		return fleet.ReasonEventLogStuck
	}
	return fleet.ReasonUpdatesFlowing
}

func (a *account) caughtUpBy(now time.Time) fleet.ConditionReason {
	c := &a.conditions
	switch {
	case a.flowingBy() != fleet.ReasonUpdatesFlowing:
		return fleet.ReasonNotConnected
	case !c.level || !c.behind.IsZero() && now.Sub(c.behind) >= shortWait:
		return fleet.ReasonCatchingUp
	}
	return fleet.ReasonCaughtUp
}

// limitedBy is the wait that ends last.
func (a *account) limitedBy(now time.Time) (fleet.ConditionReason, time.Time) {
	if a.state == StateRateLimited && a.home != nil {
		return fleet.ReasonTooManyConnections, a.home.retry
	}
	if w := a.status.Limited; now.Before(w.Until) {
		return fleet.ReasonFloodWait, w.Until
	}
	return fleet.ReasonNotLimited, time.Time{}
}

// restrict notes that Telegram has refused a call because of what the account did or is.
func (a *account) restrict(ctx actor.Context, name string) {
	switch name {
	case "PEER_FLOOD":
		a.conditions.restricted = fleet.ReasonPeerFlood
	case "FROZEN_METHOD_INVALID", "FROZEN_PARTICIPANT_MISSING":
		a.conditions.restricted = fleet.ReasonFrozen
	default:
		return
	}
	a.conditions.until = a.deps.Now().Add(restrictedFor)
	a.showConditions(ctx)
}

// conditionsDue is when an answer changes without anything happening.
func (a *account) conditionsDue(now time.Time) time.Time {
	c := &a.conditions
	next := c.until
	if !next.After(now) {
		next = time.Time{}
	}
	earliest := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if !c.behind.IsZero() && c.level {
		earliest(c.behind.Add(shortWait))
	}
	return next
}
