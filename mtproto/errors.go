package mtproto

import (
	"errors"
	"fmt"
)

// Errors that end a call and do not come from the server.
var (
	// ErrUnknownOutcome ends a call that the server may or may not have executed and that
	// must not be repeated, because it is not idempotent.
	ErrUnknownOutcome = errors.New("outcome unknown: the query was sent, but the server no longer knows it")
	// ErrCancelled ends a call that was given up by Cancel.
	ErrCancelled = errors.New("call cancelled")
	// ErrTooLarge refuses a call whose body is longer than MaxBody.
	ErrTooLarge = fmt.Errorf("query longer than %d bytes", MaxBody)
	// ErrMalformed refuses a call whose body is no serialised TL object.
	ErrMalformed = errors.New("query is empty or its length is not divisible by 4")
	// ErrTooManyCalls refuses a call while MaxCalls others wait for their answers.
	ErrTooManyCalls = fmt.Errorf("more than %d calls wait for their answers", MaxCalls)
)

// RPCError is the server's answer rpc_error.
type RPCError struct {
	Code    int    // e.g. 420
	Message string // e.g. FLOOD_WAIT_30
}

// Error implements error.
func (e *RPCError) Error() string { return fmt.Sprintf("rpc error %d: %s", e.Code, e.Message) }

// ResultError ends a call whose answer came but cannot be unpacked.
type ResultError struct{ Err error }

// Error implements error.
func (e *ResultError) Error() string { return fmt.Sprintf("unpack answer: %v", e.Err) }

// Unwrap returns the cause.
func (e *ResultError) Unwrap() error { return e.Err }

// BadMsgError is the server's bad_msg_notification where it shows a fault of ours. It ends
// the calls concerned, closes the session, and deserves an alarm.
type BadMsgError struct{ Code int }

// Error implements error.
func (e *BadMsgError) Error() string {
	return fmt.Sprintf("bad_msg_notification %d: %s", e.Code, badMsgText(e.Code))
}

// TransportError is a transport error: a packet of 4 bytes with a negative code.
type TransportError struct{ Code int }

// Error implements error.
func (e *TransportError) Error() string { return fmt.Sprintf("transport error %d", e.Code) }

// Action says what to do after a Closed.
type Action uint8

const (
	// Reconnect: close the socket, connect again, with this engine.
	Reconnect Action = iota + 1
	// NewSession: this engine has ended; a successor with a new session id takes over.
	NewSession
	// KeyUnknown: the server does not know the auth key (-404). Do not drop a key at once:
	// one such answer proves nothing.
	KeyUnknown
	// Flood: too many connections from this address, or a limit broken (-429). Back off.
	Flood
	// WrongDC: the address belongs to another data centre (-444). A mistake in the configuration.
	WrongDC
)

// String names the action.
func (a Action) String() string {
	switch a {
	case Reconnect:
		return "reconnect"
	case NewSession:
		return "new session"
	case KeyUnknown:
		return "key unknown"
	case Flood:
		return "flood"
	case WrongDC:
		return "wrong DC"
	default:
		return fmt.Sprintf("action %d", uint8(a))
	}
}

// CloseError is the reason of a Closed.
type CloseError struct {
	Action Action
	Err    error
}

// Error implements error.
func (e *CloseError) Error() string { return fmt.Sprintf("close socket (%s): %v", e.Action, e.Err) }

// Unwrap returns the cause.
func (e *CloseError) Unwrap() error { return e.Err }
