package fleet

import "time"

// ConditionType names one aspect of an account that is true, false or not known.
type ConditionType string

// The conditions, in the order in which they are shown.
const (
	// ConditionOwned: a node runs the account.
	ConditionOwned ConditionType = "Owned"
	// ConditionAuthorized: a user or bot is signed in.
	ConditionAuthorized ConditionType = "Authorized"
	// ConditionConnected: its home connection is up.
	ConditionConnected ConditionType = "Connected"
	// ConditionUpdatesFlowing: its updates are received and recorded.
	ConditionUpdatesFlowing ConditionType = "UpdatesFlowing"
	// ConditionCaughtUp: everything that it missed has been fetched.
	ConditionCaughtUp ConditionType = "CaughtUp"
	// ConditionProxyHealthy: the proxy works, where one is set.
	ConditionProxyHealthy ConditionType = "ProxyHealthy"
	// ConditionRateLimited: Telegram makes it wait.
	ConditionRateLimited ConditionType = "RateLimited"
	// ConditionRestricted: Telegram has taken rights from it.
	ConditionRestricted ConditionType = "Restricted"
	// ConditionReady: it takes every command; Owned to UpdatesFlowing are true.
	ConditionReady ConditionType = "Ready"
)

// ConditionTypes are all conditions in their order.
var ConditionTypes = []ConditionType{
	ConditionOwned, ConditionAuthorized, ConditionConnected, ConditionUpdatesFlowing, ConditionCaughtUp,
	ConditionProxyHealthy, ConditionRateLimited, ConditionRestricted, ConditionReady,
}

// Truth is the answer of a condition.
type Truth uint8

// The answers.
const (
	Unknown Truth = iota
	True
	False
)

// ConditionReason says why a condition has its answer. The set is closed: see MeaningOf.
type ConditionReason string

// The reasons. Some serve several conditions.
const (
	ReasonNotReported ConditionReason = "NOT_REPORTED"

	ReasonOwned   ConditionReason = "OWNED"
	ReasonNoOwner ConditionReason = "NO_OWNER"

	ReasonSignedIn     ConditionReason = "SIGNED_IN"
	ReasonNotSignedIn  ConditionReason = "NOT_SIGNED_IN"
	ReasonLoginRunning ConditionReason = "LOGIN_RUNNING"
	ReasonLoggedOut    ConditionReason = "LOGGED_OUT"
	ReasonBanned       ConditionReason = "BANNED"
	ReasonConflict     ConditionReason = "CONFLICT"
	// ReasonSessionCorrupt: what is stored of its session cannot be read.
	ReasonSessionCorrupt ConditionReason = "SESSION_CORRUPT"
	// ReasonKeyLost: Telegram does not know its auth key, and has said so for long enough.
	ReasonKeyLost ConditionReason = "AUTH_KEY_LOST"

	ReasonConnected          ConditionReason = "CONNECTED"
	ReasonConnecting         ConditionReason = "CONNECTING"
	ReasonBackoff            ConditionReason = "BACKOFF"
	ReasonKeyUnknown         ConditionReason = "AUTH_KEY_UNKNOWN"
	ReasonTooManyConnections ConditionReason = "TOO_MANY_CONNECTIONS"
	ReasonPaused             ConditionReason = "PAUSED"
	ReasonLowDiskSpace       ConditionReason = "LOW_DISK_SPACE"
	ReasonDraining           ConditionReason = "DRAINING"
	ReasonQuarantined        ConditionReason = "QUARANTINED"
	ReasonFenced             ConditionReason = "FENCED"
	ReasonStoreUnavailable   ConditionReason = "STORE_UNAVAILABLE"

	ReasonUpdatesFlowing ConditionReason = "UPDATES_FLOWING"
	ReasonNotConnected   ConditionReason = "NOT_CONNECTED"
	ReasonEventLogStuck  ConditionReason = "EVENT_LOG_STUCK"

	ReasonCaughtUp   ConditionReason = "CAUGHT_UP"
	ReasonCatchingUp ConditionReason = "CATCHING_UP"

	ReasonNoProxy          ConditionReason = "NO_PROXY"
	ReasonProxyHealthy     ConditionReason = "PROXY_HEALTHY"
	ReasonProxyUntried     ConditionReason = "PROXY_UNTRIED"
	ReasonProxyUnreachable ConditionReason = "PROXY_UNREACHABLE"
	ReasonProxyRefused     ConditionReason = "PROXY_REFUSED"
	ReasonProxyNoRoute     ConditionReason = "PROXY_CANNOT_REACH_TELEGRAM"
	ReasonProxyUnknown     ConditionReason = "PROXY_UNKNOWN"
	ReasonProxyPoolDown    ConditionReason = "PROXY_POOL_DOWN"

	ReasonNotLimited ConditionReason = "NOT_LIMITED"
	ReasonFloodWait  ConditionReason = "FLOOD_WAIT"

	ReasonUnrestricted   ConditionReason = "UNRESTRICTED"
	ReasonPeerFlood      ConditionReason = "PEER_FLOOD"
	ReasonSpamReported   ConditionReason = "USER_RESTRICTED"
	ReasonFrozen         ConditionReason = "FROZEN"
	ReasonRestrictedUser ConditionReason = "RESTRICTED_BY_TELEGRAM"

	ReasonReady ConditionReason = "READY"
)

// Condition is the answer of one condition of an account.
type Condition struct {
	Type   ConditionType   `json:"type"`
	Status Truth           `json:"status"`
	Reason ConditionReason `json:"reason"`
	// Message says more than the reason, where there is more to say. No secrets, no phone numbers.
	Message string `json:"message,omitempty"`
	// Since is when the answer last changed; zero when nobody has reported.
	Since time.Time `json:"since,omitzero"`
	// Until is when it is expected to change by itself: the end of a wait, the next try. Zero when
	// that is not known.
	Until time.Time `json:"until,omitzero"`
}

// Meaning is what a reason of a condition says in words.
type Meaning struct {
	Status Truth
	// Text completes "the account ...".
	Text string
	// Remedy is the next step for a person; empty when there is nothing to do. ACCOUNT stands for
	// the account's id.
	Remedy string
}

const (
	waitForOwner = "wait a moment; if it stays so, see `orchestrator node list` and the log of the node that owns it"
	signIn       = "sign in: `orchestrator login ACCOUNT`"
	signInAgain  = "sign in again: `orchestrator login ACCOUNT`"
	byItself     = "it is tried again by itself; `orchestrator network restored ACCOUNT` tries now"
	restore      = "restore the session store from a backup, or delete the account and sign in again"
	freeSpace    = "free disk space on its node, or lower events.max_bytes; it goes on by itself, and Telegram keeps the updates meanwhile"
	resume       = "resume it: `orchestrator account resume ACCOUNT`"
)

// meanings is the closed set of reasons of each condition but Ready, which has ReasonReady and
// the reasons of those that it needs.
var meanings = map[ConditionType]map[ConditionReason]Meaning{
	ConditionOwned: {
		ReasonOwned:   {True, "is run by a node", ""},
		ReasonNoOwner: {False, "is run by no node", "see `orchestrator node list`: a node must be alive and neither cordoned nor draining; after a crash the next owner waits until the sockets of the former one are surely closed"},
	},
	ConditionAuthorized: {
		ReasonSignedIn:       {True, "is signed in", ""},
		ReasonNotSignedIn:    {False, "has never been signed in", signIn},
		ReasonLoginRunning:   {False, "is being signed in", "give the code or password: `orchestrator login ACCOUNT`"},
		ReasonLoggedOut:      {False, "is no longer signed in", signInAgain},
		ReasonKeyLost:        {False, "has an auth key that Telegram no longer knows", signInAgain + "; what is stored stays until then, and a restart of the node or a move tries it once more"},
		ReasonBanned:         {False, "was deleted or banned by Telegram", "write to Telegram's support; nothing signs in by itself"},
		ReasonConflict:       {False, "had its session used in two places, and Telegram has ended it", "find and stop the other copy, then sign in again: `orchestrator login ACCOUNT`"},
		ReasonSessionCorrupt: {False, "has a stored session that cannot be read", restore},
		ReasonNotReported:    {Unknown, "has not read its session yet", waitForOwner},
	},
	ConditionConnected: {
		ReasonConnected:          {True, "is connected", ""},
		ReasonConnecting:         {False, "is connecting", "wait a moment"},
		ReasonBackoff:            {False, "waits before it connects again", byItself},
		ReasonKeyUnknown:         {False, "is refused by Telegram, which says that it does not know its auth key", "it is tried again by itself, for a day and longer; to give the key up now, sign in again: `orchestrator login ACCOUNT`"},
		ReasonTooManyConnections: {False, "is not let in by Telegram: too many connections from this address", "it is tried again by itself; use fewer accounts for each address, or proxies"},
		ReasonPaused:             {False, "is paused", resume},
		ReasonLowDiskSpace:       {False, "waits: its node has too little disk space to record updates", freeSpace},
		ReasonDraining:           {False, "is being handed over or shut down", "wait for the next owner"},
		ReasonQuarantined:        {False, "is stopped after repeated faults", "read the node's log, then restart the node or move the account"},
		ReasonSessionCorrupt:     {False, "is stopped: its stored session cannot be read", restore},
		ReasonLoggedOut:          {False, "holds no connection: it is signed out", signInAgain},
		ReasonBanned:             {False, "holds no connection: it was deleted or banned", "write to Telegram's support"},
		ReasonConflict:           {False, "holds no connection: its session was used in two places", "find and stop the other copy, then sign in again: `orchestrator login ACCOUNT`"},
		ReasonFenced:             {False, "was lost to another node", waitForOwner},
		ReasonStoreUnavailable:   {False, "cannot read its session or event log", "see the node's log; it is tried again by itself"},
		ReasonNoOwner:            {False, "is not connected: no node runs it", "see the condition Owned"},
		ReasonNotReported:        {Unknown, "has an owner that has not reported yet", waitForOwner},
	},
	ConditionUpdatesFlowing: {
		ReasonUpdatesFlowing: {True, "receives and records its updates", ""},
		ReasonNotSignedIn:    {False, "receives no updates: nobody is signed in", signIn},
		ReasonNotConnected:   {False, "receives no updates: it is not connected", "see the condition Connected"},
		ReasonEventLogStuck:  {False, "cannot record its updates", "see the node's log: the event log is full or does not answer; nothing is lost, Telegram keeps them"},
		ReasonNoOwner:        {False, "receives no updates: no node runs it", "see the condition Owned"},
		ReasonNotReported:    {Unknown, "has an owner that has not reported yet", waitForOwner},
	},
	ConditionCaughtUp: {
		ReasonCaughtUp:     {True, "has fetched all that it missed", ""},
		ReasonCatchingUp:   {False, "is fetching what it missed", "wait a moment"},
		ReasonNotConnected: {False, "fetches nothing: its updates do not flow", "see the condition UpdatesFlowing"},
		ReasonNoOwner:      {False, "fetches nothing: no node runs it", "see the condition Owned"},
		ReasonNotReported:  {Unknown, "has an owner that has not reported yet", waitForOwner},
	},
	ConditionProxyHealthy: {
		ReasonNoProxy:          {True, "uses no proxy", ""},
		ReasonProxyHealthy:     {True, "reaches Telegram by its proxy", ""},
		ReasonProxyUntried:     {Unknown, "has not used its proxy yet", ""},
		ReasonProxyUnreachable: {False, "cannot reach its proxy, and connects by nothing else", "check that the proxy runs, or set another one"},
		ReasonProxyRefused:     {False, "is refused by its proxy, and connects by nothing else", "check user, password or secret of the proxy"},
		ReasonProxyNoRoute:     {False, "has a proxy that does not reach Telegram, and connects by nothing else", "ask the proxy's provider, or set another one"},
		ReasonProxyUnknown:     {False, "names a proxy that does not exist, and connects by nothing else", "see `orchestrator proxy list`"},
		ReasonProxyPoolDown:    {False, "has a pool without a working proxy, and connects by nothing else", "see `orchestrator proxy list`"},
		ReasonNotReported:      {Unknown, "has not reported of its proxy", waitForOwner},
	},
	ConditionRateLimited: {
		ReasonNotLimited:         {False, "is not limited", ""},
		ReasonFloodWait:          {True, "has to wait: Telegram limits a method", "short waits are waited out, longer ones go to the caller: call less often"},
		ReasonTooManyConnections: {True, "has to wait: too many connections from this address", "use fewer accounts for each address, or proxies"},
		ReasonNotReported:        {Unknown, "has not reported", waitForOwner},
	},
	ConditionRestricted: {
		ReasonUnrestricted:   {False, "was refused no rights in the last day", ""},
		ReasonSpamReported:   {True, "may create no groups and channels: people reported it for spam", "ask @SpamBot from the account; send less to strangers"},
		ReasonRestrictedUser: {True, "is restricted: Telegram shows others a warning in its place, or nothing", "ask @SpamBot from the account; the message says why"},
		ReasonPeerFlood:      {True, "may not write to strangers: Telegram limited it for spam", "ask @SpamBot from the account; send less to strangers"},
		ReasonFrozen:         {True, "is frozen by Telegram: most methods are refused", "ask @SpamBot from the account how to appeal"},
		ReasonNotReported:    {Unknown, "has not reported", waitForOwner},
	},
}

// readyNeeds are the conditions that Ready is made of.
var readyNeeds = []ConditionType{ConditionOwned, ConditionAuthorized, ConditionConnected, ConditionUpdatesFlowing}

// MeaningOf says what a reason means for a condition; false when the condition has no such reason.
func MeaningOf(t ConditionType, r ConditionReason) (Meaning, bool) {
	if t != ConditionReady {
		m, ok := meanings[t][r]
		return m, ok
	}
	if r == ReasonReady {
		return Meaning{Status: True, Text: "takes every command"}, true
	}
	for _, need := range readyNeeds {
		if m, ok := meanings[need][r]; ok && m.Status != True {
			return m, true
		}
	}
	return Meaning{}, false
}

// ReasonsOf are the reasons of a condition, in no order; those of Ready are ReasonReady and the
// ones of the conditions that it needs.
func ReasonsOf(t ConditionType) []ConditionReason {
	var reasons []ConditionReason
	for r := range meanings[t] {
		reasons = append(reasons, r)
	}
	if t == ConditionReady {
		reasons = append(reasons, ReasonReady)
	}
	return reasons
}

// NewCondition is a condition with the answer that its reason gives.
func NewCondition(t ConditionType, r ConditionReason) Condition {
	m, _ := MeaningOf(t, r)
	return Condition{Type: t, Status: m.Status, Reason: r}
}

// Good reports whether there is nothing to say about the condition: RateLimited and Restricted are
// false, or the others true.
func (c Condition) Good() bool {
	if c.Type == ConditionRateLimited || c.Type == ConditionRestricted {
		return c.Status == False
	}
	return c.Status == True
}

// Explain says in words what the condition means, without the account's name in front.
func (c Condition) Explain() string {
	m, _ := MeaningOf(c.Type, c.Reason)
	switch {
	case m.Text == "":
		return c.Message
	case c.Message == "":
		return m.Text
	}
	return m.Text + ": " + c.Message
}

// Remedy is what to do about it; empty when there is nothing to do. ACCOUNT stands for the
// account's id.
func (c Condition) Remedy() string {
	m, _ := MeaningOf(c.Type, c.Reason)
	return m.Remedy
}

// ReadyOf is Ready, made of the conditions that it needs: the first that is not true decides.
func ReadyOf(conditions []Condition) Condition {
	ready := Condition{Type: ConditionReady, Status: True, Reason: ReasonReady}
	for _, need := range readyNeeds {
		for _, c := range conditions {
			if c.Type != need {
				continue
			}
			if c.Status != True {
				c.Type = ConditionReady
				return c
			}
			if c.Since.After(ready.Since) {
				ready.Since = c.Since
			}
		}
	}
	return ready
}
