package actors

import (
	"errors"

	"github.com/telefleet/orchestrator/fleet"
)

var errStreamEnded = errors.New("the update stream ended and starts again from the log")

func unknownDC(dc int) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "DC_UNKNOWN", "dc: no address of this DC is known (got %d)", dc).
		WithRemedy("use a DC of help.getConfig")
}
