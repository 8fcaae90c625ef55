// Package standing says where an account stands: its status, the answers of its conditions, and
// what an error that ends a session makes of it.
//
// # Usage
//
//	var judge standing.Judge
//	if judge.Changed(&facts, now) {
//		status.Conditions = judge.Conditions(&facts, now)
//	}
//
// The answers follow from Facts, which the account gathers whenever it looks, and from what a
// Judge has been told before (Level, Restrict).
//
// # Concurrency
//
// A Judge has one user at a time; it reads no clock.
//
// # Errors
//
// Unavailable makes a *fleet.Error; nothing else fails.
package standing

import (
	"time"
	"unique"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

// Limits of ours for what is shown.
const (
	// shortWait is not worth showing: a flood wait or a difference that ends before it was read.
	shortWait = 5 * time.Second
	// restrictedFor is how long a refusal for spam or a freeze is shown: Telegram gives no end, and
	// says so again at the next try.
	restrictedFor = 24 * time.Hour
)

// own are the conditions that an account judges itself: all but Ready, which follows from them.
var own = [...]fleet.ConditionType{
	fleet.ConditionOwned, fleet.ConditionAuthorized, fleet.ConditionConnected, fleet.ConditionUpdatesFlowing, fleet.ConditionCaughtUp,
	fleet.ConditionProxyHealthy, fleet.ConditionRateLimited, fleet.ConditionRestricted,
}

// Facts are what an account knows of itself now.
type Facts struct {
	*Status
	State    fleet.State // before the first status, too
	Loaded   bool        // its session has been read
	SignedIn bool
	Draining bool            // it is being handed over
	Home     bool            // it has a home connection, or waits to dial it
	Ready    bool            // that takes calls
	Retry    time.Time       // when it is dialled again; zero while it is not waited for
	Stream   bool            // its update stream runs
	Proxy    fleet.Condition // without reason: nothing is known yet
	Direct   bool            // it uses no proxy
}

// Judge remembers since when each condition has its answer, and what the answers follow from
// besides Facts. The zero value knows nothing.
type Judge struct {
	// An account is to be small: its times are ns since 1970, and its reasons take a word each.
	held  [len(own)]fleet.Truth
	since [len(own)]int64
	shown [len(own)]unique.Handle[fleet.ConditionReason] // as last reported; the zero handle: nothing yet

	level      bool                      // the stream has been even once since it began
	behind     time.Time                 // since when it is not; zero while it is
	stuck      bool                      // the log takes nothing
	restricted *sessionstore.Restriction // nil for none
}

// StreamBegins forgets what was known of a former update stream.
func (j *Judge) StreamBegins() { j.level, j.behind, j.stuck = false, time.Time{}, false }

// Level takes what the stream says of itself: whether it has all that the server has, and whether
// its log takes nothing.
func (j *Judge) Level(even, stuck bool, now time.Time) {
	j.stuck = stuck
	switch {
	case even:
		j.level, j.behind = true, time.Time{}
	case j.behind.IsZero():
		j.behind = now
	}
}

// refusals are the RPC errors that say that Telegram has refused a call because of what the account
// did or is.
var refusals = map[string]fleet.ConditionReason{
	"PEER_FLOOD":                 fleet.ReasonPeerFlood,
	"USER_RESTRICTED":            fleet.ReasonSpamReported,
	"FROZEN_METHOD_INVALID":      fleet.ReasonFrozen,
	"FROZEN_PARTICIPANT_MISSING": fleet.ReasonFrozen,
}

// Restrict takes the name of an RPC error, and reports whether it says that. What Telegram says of
// the user itself counts more.
func (j *Judge) Restrict(name string, now time.Time) bool {
	reason, ok := refusals[name]
	if !ok || j.restricted != nil && j.restricted.Reason == string(fleet.ReasonRestrictedUser) {
		return false
	}
	j.restricted = &sessionstore.Restriction{Reason: string(reason), Until: now.Add(restrictedFor)}
	return true
}

// Self takes what Telegram says of the account's own user: its reason to restrict the user, empty for
// no restriction. It reports whether that is new.
func (j *Judge) Self(restricted bool, reason string) bool {
	was := j.restricted != nil && j.restricted.Reason == string(fleet.ReasonRestrictedUser)
	switch {
	case restricted && was && j.restricted.Message == reason, !restricted && !was:
		return false
	case restricted:
		j.restricted = &sessionstore.Restriction{Reason: string(fleet.ReasonRestrictedUser), Message: reason}
	default:
		j.restricted = nil
	}
	return true
}

// Restore takes over what was known when the account ran last.
func (j *Judge) Restore(r sessionstore.Restriction) {
	if j.restricted = nil; r != (sessionstore.Restriction{}) {
		j.restricted = &r
	}
}

// Restriction is what Restore takes.
func (j *Judge) Restriction() sessionstore.Restriction {
	if j.restricted == nil {
		return sessionstore.Restriction{}
	}
	return *j.restricted
}

// Changed reports whether an answer or its reason is another than Conditions has last said.
func (j *Judge) Changed(f *Facts, now time.Time) bool {
	for i, t := range own {
		if shown := j.shown[i]; shown == (unique.Handle[fleet.ConditionReason]{}) || j.judge(f, t, now).Reason != shown.Value() {
			return true
		}
	}
	return false
}

// Conditions are the account's own conditions now.
func (j *Judge) Conditions(f *Facts, now time.Time) []fleet.Condition {
	all := make([]fleet.Condition, 0, len(own))
	for i, t := range own {
		one := j.judge(f, t, now)
		if j.since[i] == 0 || j.held[i] != one.Status {
			j.held[i], j.since[i] = one.Status, now.UnixNano()
		}
		one.Since, j.shown[i] = time.Unix(0, j.since[i]), unique.Make(one.Reason)
		all = append(all, one)
	}
	return all
}

// Due is when an answer changes without anything happening; zero: never.
func (j *Judge) Due(now time.Time) time.Time {
	var next time.Time
	if r := j.restricted; r != nil && r.Until.After(now) {
		next = r.Until
	}
	if !j.behind.IsZero() && j.level {
		if t := j.behind.Add(shortWait); t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

func (j *Judge) judge(f *Facts, t fleet.ConditionType, now time.Time) fleet.Condition {
	reason, until, message := fleet.ReasonNotReported, time.Time{}, ""
	switch t {
	case fleet.ConditionOwned:
		reason = fleet.ReasonOwned
	case fleet.ConditionProxyHealthy:
		switch reason, message = f.Proxy.Reason, f.Proxy.Message; {
		case reason != "":
		case f.Direct:
			reason = fleet.ReasonNoProxy
		default:
			reason = fleet.ReasonProxyUntried
		}
	case fleet.ConditionAuthorized:
		reason = f.authorizedBy()
	case fleet.ConditionConnected:
		reason, until = f.connectedBy()
	case fleet.ConditionUpdatesFlowing:
		reason = j.flowingBy(f)
	case fleet.ConditionCaughtUp:
		reason = j.caughtUpBy(f, now)
	case fleet.ConditionRateLimited:
		if reason, until = f.limitedBy(now); reason == fleet.ReasonFloodWait {
			message = f.Limited.Reason + " of " + f.Limited.Method
		}
	case fleet.ConditionRestricted:
		reason = fleet.ReasonUnrestricted
		if r := j.restricted; r != nil && (r.Until.IsZero() || now.Before(r.Until)) {
			reason, until, message = fleet.ConditionReason(r.Reason), r.Until, r.Message
		}
	}
	c := fleet.NewCondition(t, reason)
	c.Until = until
	if t == fleet.ConditionAuthorized && f.State.Terminal() && c.Status == fleet.False ||
		t == fleet.ConditionConnected && c.Status == fleet.False && f.State != fleet.StateDraining {
		message = f.Message
	}
	c.Message = message
	return c
}

func (f *Facts) authorizedBy() fleet.ConditionReason {
	switch {
	case f.State == fleet.StateLoggedOut && f.Reason == string(fleet.ReasonKeyLost):
		return fleet.ReasonKeyLost
	case f.State == fleet.StateLoggedOut:
		return fleet.ReasonLoggedOut
	case f.State == fleet.StateBanned:
		return fleet.ReasonBanned
	case f.State == fleet.StateConflict:
		return fleet.ReasonConflict
	case f.corrupt():
		return fleet.ReasonSessionCorrupt
	case !f.Loaded:
		return fleet.ReasonNotReported
	case f.SignedIn:
		return fleet.ReasonSignedIn
	case f.State.LoggingIn() && f.State != fleet.StateUnauthorized:
		return fleet.ReasonLoginRunning
	}
	return fleet.ReasonNotSignedIn
}

// unconnected are the reasons of states without a connection.
var unconnected = map[fleet.State]fleet.ConditionReason{
	fleet.StateNew: fleet.ReasonConnecting, fleet.StateConnecting: fleet.ReasonConnecting, fleet.StateDraining: fleet.ReasonDraining,
	fleet.StatePaused: fleet.ReasonPaused, fleet.StateQuarantined: fleet.ReasonQuarantined, fleet.StateLoggedOut: fleet.ReasonLoggedOut,
	fleet.StateBanned: fleet.ReasonBanned, fleet.StateConflict: fleet.ReasonConflict, fleet.StateFenced: fleet.ReasonFenced,
}

func (f *Facts) connectedBy() (fleet.ConditionReason, time.Time) {
	switch {
	case f.State == fleet.StateNew && f.Reason == string(fleet.ReasonStoreUnavailable):
		return fleet.ReasonStoreUnavailable, time.Time{}
	case f.corrupt():
		return fleet.ReasonSessionCorrupt, time.Time{}
	case f.State == fleet.StatePaused && f.Reason == string(fleet.ReasonLowDiskSpace):
		return fleet.ReasonLowDiskSpace, time.Time{}
	case f.State == fleet.StateBackoff && f.Reason == string(fleet.ReasonKeyUnknown):
		return fleet.ReasonKeyUnknown, f.Retry
	case f.State == fleet.StateBackoff:
		return fleet.ReasonBackoff, f.Retry
	case f.State == fleet.StateRateLimited:
		return fleet.ReasonTooManyConnections, f.Retry
	case f.State == fleet.StateDraining && !f.Draining:
		return fleet.ReasonPaused, time.Time{}
	}
	if r, ok := unconnected[f.State]; ok {
		return r, time.Time{}
	}
	if !f.Ready {
		return fleet.ReasonConnecting, time.Time{}
	}
	return fleet.ReasonConnected, time.Time{}
}

// corrupt reports whether the account is stopped because its stored session cannot be read.
func (f *Facts) corrupt() bool {
	return f.State == fleet.StateQuarantined && f.Reason == string(fleet.ReasonSessionCorrupt)
}

func (j *Judge) flowingBy(f *Facts) fleet.ConditionReason {
	connected, _ := f.connectedBy()
	switch {
	case connected != fleet.ReasonConnected:
		return fleet.ReasonNotConnected
	case !f.SignedIn:
		return fleet.ReasonNotSignedIn
	case !f.Stream:
		return fleet.ReasonNotConnected
	case j.stuck:
		return fleet.ReasonEventLogStuck
	}
	return fleet.ReasonUpdatesFlowing
}

func (j *Judge) caughtUpBy(f *Facts, now time.Time) fleet.ConditionReason {
	switch {
	case j.flowingBy(f) != fleet.ReasonUpdatesFlowing:
		return fleet.ReasonNotConnected
	case !j.level || !j.behind.IsZero() && now.Sub(j.behind) >= shortWait:
		return fleet.ReasonCatchingUp
	}
	return fleet.ReasonCaughtUp
}

// limitedBy is the wait that ends last.
func (f *Facts) limitedBy(now time.Time) (fleet.ConditionReason, time.Time) {
	if f.State == fleet.StateRateLimited && f.Home {
		return fleet.ReasonTooManyConnections, f.Retry
	}
	if w := f.Limited; now.Before(w.Until) {
		return fleet.ReasonFloodWait, w.Until
	}
	return fleet.ReasonNotLimited, time.Time{}
}
