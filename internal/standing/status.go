package standing

import (
	"strings"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

// Status is what the fleet shows of an account.
type Status struct {
	Account fleet.AccountID
	State   fleet.State
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

// Unavailable is the answer of an account that cannot take a call in its state.
func Unavailable(s fleet.State, reason, remedy string) error {
	return fleet.Errorf(fleet.CodeFailedPrecondition, "ACCOUNT_"+strings.ToUpper(string(s)), "the account is %s: %s", s, reason).
		WithRemedy(remedy)
}

// Ending is what an error that ends a session makes of its account.
type Ending struct {
	State  fleet.State
	Remedy string
}

// EndingBy returns the ending that an RPC error of this name brings, split from its number.
func EndingBy(name string) (Ending, bool) {
	e, ok := endings[name]
	return e, ok
}

const signInAgain = "sign in again with `orchestrator login`"

var endings = map[string]Ending{
	"AUTH_KEY_UNREGISTERED": {fleet.StateLoggedOut, signInAgain},
	"AUTH_KEY_INVALID":      {fleet.StateLoggedOut, signInAgain},
	"SESSION_REVOKED":       {fleet.StateLoggedOut, "somebody ended this session; " + signInAgain},
	"SESSION_EXPIRED":       {fleet.StateLoggedOut, signInAgain},
	"USER_DEACTIVATED":      {fleet.StateBanned, "the user was deleted; write to Telegram's support"},
	"USER_DEACTIVATED_BAN":  {fleet.StateBanned, "the user was banned; write to Telegram's support"},
	"AUTH_KEY_DUPLICATED":   {fleet.StateConflict, "this session ran in two places and Telegram ended it: find the other copy, then sign in again"},
}
