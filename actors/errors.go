package actors

import (
	"errors"
	"fmt"

	"github.com/telefleet/orchestrator/fleet"
)

// panicError is what supervision makes of a panic in a child.
func panicError(reason any) error {
	if err, ok := reason.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", reason)
}

var errStreamEnded = errors.New("the update stream ended and starts again from the log")

func unknownDC(dc int) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "DC_UNKNOWN", "dc: no address of this DC is known (got %d)", dc).
		WithRemedy("use a DC of help.getConfig")
}
