package actors

import (
	"fmt"
	"strings"

	"github.com/telefleet/orchestrator/fleet"
)

// unavailable is the answer of an account that cannot take a call in its state.
func unavailable(s State, reason, remedy string) error {
	return fleet.Errorf(fleet.CodeFailedPrecondition, "ACCOUNT_"+strings.ToUpper(string(s)), "the account is %s: %s", s, reason).
		WithRemedy(remedy)
}

// panicError is what supervision makes of a panic in a child.
func panicError(reason any) error {
	if err, ok := reason.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", reason)
}
