package actors

import (
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

// State is where an account stands; docs/states/account.md draws it.
type State string

// The states. In the last six an account holds no socket.
const (
	StateNew            State = "new"
	StateConnecting     State = "connecting"
	StateUnauthorized   State = "unauthorized"
	StateCodeSent       State = "code_sent"
	StatePasswordNeeded State = "password_needed"
	StateQRPending      State = "qr_pending"
	StateOnline         State = "online"
	StateBackoff        State = "backoff"
	StateRateLimited    State = "rate_limited"
	StateDraining       State = "draining"
	StatePaused         State = "paused"
	StateQuarantined    State = "quarantined"
	StateLoggedOut      State = "logged_out"
	StateBanned         State = "banned"
	StateConflict       State = "conflict"
	StateFenced         State = "fenced"
)

// terminal states last until somebody acts upon their remedy; they never lead to another login.
func (s State) terminal() bool {
	switch s {
	case StatePaused, StateQuarantined, StateLoggedOut, StateBanned, StateConflict, StateFenced:
		return true
	}
	return false
}

// Status is what the fleet shows of an account.
type Status struct {
	Account fleet.AccountID
	State   State
	// Reason is a stable upper-case name, Message a sentence, Remedy the next step.
	Reason, Message, Remedy string
	UserID                  int64
	Bot                     bool
	HomeDC                  int
	// Generation is that of the spec that the account acts upon.
	Generation int64
	Since      time.Time
	// Limited is the wait that Telegram has asked for and that ends last; zero for none. Waits of a
	// few seconds are not shown.
	Limited sessionstore.Wait
	// Conditions are those that the account judges itself; filled in for a report.
	Conditions []fleet.Condition
}

// remedies say what to do about the errors that end a session.
var remedies = map[string]struct {
	state  State
	remedy string
}{
	"AUTH_KEY_UNREGISTERED": {StateLoggedOut, "sign in again with `orchestrator login`"},
	"AUTH_KEY_INVALID":      {StateLoggedOut, "sign in again with `orchestrator login`"},
	"SESSION_REVOKED":       {StateLoggedOut, "somebody ended this session; sign in again with `orchestrator login`"},
	"SESSION_EXPIRED":       {StateLoggedOut, "sign in again with `orchestrator login`"},
	"USER_DEACTIVATED":      {StateBanned, "the user was deleted; write to Telegram's support"},
	"USER_DEACTIVATED_BAN":  {StateBanned, "the user was banned; write to Telegram's support"},
	"AUTH_KEY_DUPLICATED":   {StateConflict, "this session ran in two places and Telegram ended it: find the other copy, then sign in again"},
}
