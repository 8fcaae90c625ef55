package actors

import (
	"errors"

	"github.com/gotd/td/bin"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/tlcall"
)

var errStreamEnded = errors.New("the update stream ended and starts again from the log")

// internalCall is a call that the account makes itself: it reads, overtakes the queue, and may
// be repeated.
func internalCall(req bin.Encoder, done func([]byte, error)) *connection.Call {
	body, method, err := tlcall.Encode(req)
	if err != nil { // only a nil required field can do this: a mistake in this package
		body = nil
	}
	return &connection.Call{
		Method: method, TypeID: tlcall.Constructor(body), Body: body,
		Idempotent: true, Internal: true, Done: done,
	}
}

func unknownDC(dc int) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "DC_UNKNOWN", "dc: no address of this DC is known (got %d)", dc).
		WithRemedy("use a DC of help.getConfig")
}
