// Package fleet is the vocabulary that all rooms of the orchestrator share: names of
// accounts and nodes, the fencing token, and the one error type that crosses the control
// API. It holds values only and imports nothing but the standard library.
//
// # Concurrency
//
// All types are immutable values and safe to share.
package fleet

import (
	"fmt"
	"time"
)

// MaxAccountIDLength is the longest AccountID, in bytes.
const MaxAccountIDLength = 64

// AccountID names one Telegram identity that the fleet operates. It is ours, matches
// [a-z0-9-]{1,64}, and is never a phone number or Telegram's own user id.
type AccountID string

// Fleetwide stands where data are kept by account and belong to none: no account can have this id.
const Fleetwide AccountID = "_fleet"

// Names of headers of the control API, beside its messages.
const (
	// HeaderRequestID names a command, so that it has one outcome however often it is given.
	HeaderRequestID = "Orchestrator-Request-Id"
	// HeaderRepeated is "true" in an answer that is the outcome of a former call.
	HeaderRepeated = "Orchestrator-Repeated"
)

// Validate reports why the id cannot name an account, as an *Error with CodeInvalidArgument.
func (id AccountID) Validate() error {
	if len(id) == 0 || len(id) > MaxAccountIDLength {
		return Errorf(CodeInvalidArgument, "ACCOUNT_ID_INVALID",
			"account: must have 1 to %d characters (got %d)", MaxAccountIDLength, len(id)).
			WithRemedy("choose a short name such as support-1")
	}
	for _, r := range string(id) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return Errorf(CodeInvalidArgument, "ACCOUNT_ID_INVALID",
				"account: may hold a-z, 0-9 and - only (got %q)", string(id)).
				WithRemedy("choose a short lower-case name such as support-1; never a phone number")
		}
	}
	return nil
}

// NodeID names one running process. It is random per process start and never revived.
type NodeID string

// FencingToken is the create revision of an account's ownership key. A later owner's token
// is always greater.
type FencingToken int64

// Fence is what a durable write of an account compares before it takes effect: Key must
// still exist with CreateRevision.
type Fence struct {
	Key            string
	CreateRevision int64
}

// Token is the fence's revision as a token.
func (f Fence) Token() FencingToken { return FencingToken(f.CreateRevision) }

// Code is the closed set of error classes; its names are those of gRPC.
type Code string

// The codes that cross the control API.
const (
	CodeInvalidArgument    Code = "invalid_argument"
	CodeNotFound           Code = "not_found"
	CodeAlreadyExists      Code = "already_exists"
	CodePermissionDenied   Code = "permission_denied"
	CodeUnauthenticated    Code = "unauthenticated"
	CodeFailedPrecondition Code = "failed_precondition"
	CodeResourceExhausted  Code = "resource_exhausted"
	CodeAborted            Code = "aborted"
	CodeOutOfRange         Code = "out_of_range"
	CodeUnimplemented      Code = "unimplemented"
	CodeUnavailable        Code = "unavailable"
	CodeDeadlineExceeded   Code = "deadline_exceeded"
	CodeCanceled           Code = "canceled"
	CodeDataLoss           Code = "data_loss"
	CodeInternal           Code = "internal"
	CodeUnknown            Code = "unknown"
)

// Error is an error that a caller of the control API can act on.
type Error struct {
	// Code is the class.
	Code Code
	// Reason is a stable upper-case name: Telegram's own error name without its argument
	// (FLOOD_WAIT), or one of ours (PEER_UNKNOWN).
	Reason string
	// Message says what happened, naming the field and the value where there is one. No secrets.
	Message string
	// Argument is the number in Telegram's error (FLOOD_WAIT_30: 30), else 0.
	Argument int
	// Method is the TL method that failed, else empty.
	Method string
	// RetryAfter is how long to wait before the same call can succeed; 0 when unknown.
	RetryAfter time.Duration
	// Remedy is the next step for the caller, one sentence, or empty.
	Remedy string

	cause error
}

// Errorf makes an Error; the format may hold %w once.
func Errorf(code Code, reason, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Code: code, Reason: reason, Message: err.Error()}
	if u, ok := err.(interface{ Unwrap() error }); ok {
		e.cause = u.Unwrap()
	}
	return e
}

// WithRemedy returns a copy with the next step set.
func (e *Error) WithRemedy(remedy string) *Error {
	c := *e
	c.Remedy = remedy
	return &c
}

// WithMethod returns a copy with the TL method set.
func (e *Error) WithMethod(method string) *Error {
	c := *e
	c.Method = method
	return &c
}

// WithRetryAfter returns a copy with the wait set.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Error implements error.
func (e *Error) Error() string {
	if e.Reason == "" {
		return e.Message
	}
	return e.Reason + ": " + e.Message
}

// Unwrap gives the cause, if any.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is an *Error with the same Reason, so that a decision on a
// reason reads errors.Is(err, &fleet.Error{Reason: "FLOOD_WAIT"}).
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Reason != "" && t.Reason == e.Reason
}
