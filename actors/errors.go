package actors

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/mtproto/exchange"
)

// errFenced marks the end of a connection whose account is no longer ours.
var errFenced = errors.New("ownership lost")

// unknownOutcome is the answer to a call that was sent and may or may not have been executed.
func unknownOutcome(method string, cause error) error {
	return withMethod(fleet.Errorf(fleet.CodeAborted, "OUTCOME_UNKNOWN",
		"%s was sent, and its answer is lost: %w", method, cause).
		WithRemedy("look whether it took effect before you repeat it"), method)
}

// engineError turns what the engine says of a call into an answer for its caller.
func engineError(method string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mtproto.ErrUnknownOutcome):
		return unknownOutcome(method, err)
	case errors.Is(err, mtproto.ErrCancelled):
		return context.Canceled
	}
	return withMethod(fleet.Errorf(fleet.CodeInternal, "PROTOCOL", "%s: %w", method, err), method)
}

func withMethod(e *fleet.Error, method string) *fleet.Error {
	e.Method = method
	return e
}

// unavailable is the answer of an account that cannot take a call in its state.
func unavailable(s State, reason, remedy string) error {
	return fleet.Errorf(fleet.CodeFailedPrecondition, "ACCOUNT_"+strings.ToUpper(string(s)), "the account is %s: %s", s, reason).
		WithRemedy(remedy)
}

// endOf says what the engine's reason for closing asks of the account.
func endOf(dc int, reason error) error {
	end := &connError{dc: dc, action: endReconnect, err: reason}
	var ce *mtproto.CloseError
	if !errors.As(reason, &ce) {
		return end
	}
	switch ce.Action {
	case mtproto.NewSession:
		end.action = endNewSession
	case mtproto.KeyUnknown:
		end.action = endKeyUnknown
	case mtproto.Flood:
		end.action = endFlood
	case mtproto.WrongDC:
		end.action = endWrongDC
	}
	return end
}

// staleAfter reports whether the engine must be replaced by a new session.
func staleAfter(reason error) bool {
	var ce *mtproto.CloseError
	return errors.As(reason, &ce) && ce.Action == mtproto.NewSession
}

// actionOf says what a failed dial, write or key exchange asks of the account.
func actionOf(err error) endAction {
	if errors.Is(err, errFenced) {
		return endFenced
	}
	if refused, ok := errors.AsType[*exchange.TransportError](err); ok {
		switch refused.Code {
		case -429:
			return endFlood
		case -444:
			return endWrongDC
		}
	}
	return endReconnect // -404, too: the exchange begins anew
}

// panicError is what supervision makes of a panic in a child.
func panicError(reason any) error {
	if err, ok := reason.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", reason)
}
