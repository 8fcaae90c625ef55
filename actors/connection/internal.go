package connection

import (
	"github.com/gotd/td/bin"

	"github.com/telefleet/orchestrator/internal/tlcall"
)

// InternalCall is a call that an account makes itself: it reads, overtakes the queue, and may be
// repeated.
func InternalCall(req bin.Encoder, done func([]byte, error)) *Call {
	body, method, err := tlcall.Encode(req)
	if err != nil { // only a nil required field can do this: a mistake of the house
		body = nil
	}
	return &Call{
		Method: method, TypeID: tlcall.Constructor(body), Body: body,
		Idempotent: true, Internal: true, Done: done,
	}
}
