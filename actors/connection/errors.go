package connection

import (
	"context"
	"errors"
	"fmt"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/mtproto/exchange"
)

// ErrFenced marks the end of a connection whose account is no longer ours.
var ErrFenced = errors.New("ownership lost")

// EndError is how a connection tells its account why it ended. It is not a panic.
type EndError struct {
	DC  int
	End End
	Err error
}

func (e *EndError) Error() string { return fmt.Sprintf("connection to DC %d: %v", e.DC, e.Err) }
func (e *EndError) Unwrap() error { return e.Err }

// End is what the end of a connection asks of the account.
type End uint8

// The ends.
const (
	Reconnect  End = iota // dial again after the backoff
	Again                 // dial again at once, as Redial asked
	NewSession            // dial again, in a new MTProto session
	KeyUnknown            // transport error -404 for the permanent auth key
	KeyRefused            // the server knows no such permanent key: it would not bind a temporary one to it
	Flood                 // transport error -429: too many connections from this address
	WrongDC               // transport error -444
	Fenced                // ownership is lost: nothing may be sent any more
)

// Key reports whether the server does not know the permanent auth key.
func (e End) Key() bool { return e == KeyUnknown || e == KeyRefused }

// UnknownOutcome is the answer to a call that was sent and may or may not have been executed.
func UnknownOutcome(method string, cause error) error {
	return fleet.Errorf(fleet.CodeAborted, "OUTCOME_UNKNOWN",
		"%s was sent, and its answer is lost: %w", method, cause).
		WithRemedy("look whether it took effect before you repeat it").WithMethod(method)
}

// engineError turns what the engine says of a call into an answer for its caller.
func engineError(method string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mtproto.ErrUnknownOutcome):
		return UnknownOutcome(method, err)
	case errors.Is(err, mtproto.ErrCancelled):
		return context.Canceled
	}
	return fleet.Errorf(fleet.CodeInternal, "PROTOCOL", "%s: %w", method, err).WithMethod(method)
}

// endOf says what the engine's reason for closing asks of the account.
func endOf(dc int, reason error) *EndError {
	end := &EndError{DC: dc, Err: reason}
	var ce *mtproto.CloseError
	if !errors.As(reason, &ce) {
		return end
	}
	switch ce.Action {
	case mtproto.NewSession:
		end.End = NewSession
	case mtproto.KeyUnknown:
		end.End = KeyUnknown
	case mtproto.Flood:
		end.End = Flood
	case mtproto.WrongDC:
		end.End = WrongDC
	}
	return end
}

// staleAfter reports whether the engine must be replaced by a new session.
func staleAfter(reason error) bool {
	var ce *mtproto.CloseError
	return errors.As(reason, &ce) && ce.Action == mtproto.NewSession
}

// actionOf says what a failed dial, write or key exchange asks of the account.
func actionOf(err error) End {
	if errors.Is(err, ErrFenced) {
		return Fenced
	}
	if refused, ok := errors.AsType[*exchange.TransportError](err); ok {
		switch refused.Code {
		case -429:
			return Flood
		case -444:
			return WrongDC
		}
	}
	return Reconnect // -404, too: the exchange begins anew
}
