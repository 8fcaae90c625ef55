package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/nodes"
	"github.com/telefleet/orchestrator/client/internal/retry"
	"github.com/telefleet/orchestrator/fleet"
)

// Error is an error of a call.
type Error struct {
	// Code is the class.
	Code fleet.Code
	// Reason is a stable upper-case name: Telegram's own error name without its argument
	// (FLOOD_WAIT), one of the node's (PEER_UNKNOWN), or one of this package's.
	Reason Reason
	// Message says what happened. No secrets.
	Message string
	// RetryAfter is how long to wait before the same call can succeed; 0 when unknown.
	RetryAfter time.Duration
	// Remedy is the next step, one sentence, or empty.
	Remedy string
	// Method is the TL method that failed, such as messages.sendMessage; empty when the call
	// did not come that far.
	Method string
	// Argument is the number in Telegram's error (FLOOD_WAIT_30: 30), else 0.
	Argument int
	// Node is the address of the node that was called; empty when none was.
	Node string

	cause error
}

// Reason is an error's stable name. As a target of errors.Is it matches every *Error with it.
type Reason string

// Reasons of this package. Those of the nodes and of Telegram are strings of theirs.
const (
	// ReasonUnreachable says that a node could not be reached, or that the connection broke
	// before it answered.
	ReasonUnreachable Reason = "UNREACHABLE"
	// ReasonUntrusted says that TLS failed: the node's certificate is not trusted, or it does
	// not speak TLS.
	ReasonUntrusted Reason = "UNTRUSTED"
	// ReasonNotServing says that a node runs and takes no calls.
	ReasonNotServing Reason = "NOT_SERVING"
	// ReasonClosed says that the client was closed.
	ReasonClosed Reason = "CLIENT_CLOSED"
	// ReasonCanceled says that the call's context was cancelled.
	ReasonCanceled Reason = "CANCELED"
	// ReasonDeadline says that the call's deadline passed.
	ReasonDeadline Reason = "DEADLINE_EXCEEDED"
	// ReasonOptions says that an address, an option or an argument cannot be used.
	ReasonOptions Reason = "ARGUMENT_INVALID"
	// ReasonReply says that a node answered what its contract does not allow.
	ReasonReply Reason = "REPLY_INVALID"
)

// Error implements error, so that a Reason can be a target of errors.Is.
func (r Reason) Error() string { return string(r) }

// Error implements error.
func (e *Error) Error() string {
	if e.Reason == "" {
		return e.Message
	}
	return string(e.Reason) + ": " + e.Message
}

// Unwrap gives the cause, if any.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is this error's Reason, or an *Error or *fleet.Error with it.
func (e *Error) Is(target error) bool {
	var want Reason
	switch t := target.(type) {
	case Reason:
		want = t
	case *Error:
		want = t.Reason
	case *fleet.Error:
		want = Reason(t.Reason)
	}
	return want != "" && want == e.Reason
}

// As gives the error as a *fleet.Error to who asks for one by errors.As.
func (e *Error) As(target any) bool {
	t, ok := target.(**fleet.Error)
	if !ok {
		return false
	}
	*t = &fleet.Error{
		Code: e.Code, Reason: string(e.Reason), Message: e.Message, Argument: e.Argument,
		Method: e.Method, RetryAfter: e.RetryAfter, Remedy: e.Remedy,
	}
	return true
}

// ofFleet gives an error of a room of this package.
func ofFleet(e *fleet.Error) *Error {
	return &Error{
		Code: e.Code, Reason: Reason(e.Reason), Message: e.Message, Argument: e.Argument,
		Method: e.Method, RetryAfter: e.RetryAfter, Remedy: e.Remedy, cause: e.Unwrap(),
	}
}

func invalid(remedy, format string, args ...any) *Error {
	return &Error{Code: fleet.CodeInvalidArgument, Reason: ReasonOptions, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

func badReply(format string, args ...any) *Error {
	return &Error{
		Code: fleet.CodeInternal, Reason: ReasonReply, Message: fmt.Sprintf(format, args...),
		Remedy: "use a client of the node's version",
	}
}

// Reasons of the nodes that this package acts upon.
const (
	reasonOutcomeUnknown   Reason = "OUTCOME_UNKNOWN"
	reasonNoRequests       Reason = "REQUEST_ID_UNSUPPORTED"
	reasonVersionTooOld    Reason = "RESOURCE_VERSION_TOO_OLD"
	reasonConflict         Reason = "CONFLICT"
	reasonPasswordWrong    Reason = "PASSWORD_HASH_INVALID"
	reasonCodeWrong        Reason = "PHONE_CODE_INVALID"
	reasonOwnerUnreachable Reason = "OWNER_UNREACHABLE"
)

// refusals are the nodes' reasons that come before a call is begun, or an account's while it moves.
var refusals = map[Reason]retry.Fault{
	"NO_OWNER": retry.Wait, "ACCOUNT_NOT_OWNED": retry.Wait, "ACCOUNT_NOT_RUNNING": retry.Wait,
	reasonOwnerUnreachable: retry.Wait, "REQUESTS_UNAVAILABLE": retry.Wait,
	"ACCOUNT_DRAINING": retry.Busy, "ACCOUNT_FENCED": retry.Busy, // of a command of several steps some may have been taken
	"NOT_OWNER": retry.Other, "SHUTTING_DOWN": retry.Leaves, "NODE_FENCED": retry.Leaves, ReasonNotServing: retry.Leaves,
}

// judge types the error of one attempt at a node after a former one, and says what it means for the
// next. ctx is the call's.
func judge(ctx context.Context, former error, node string, err error) (retry.Fault, error) {
	e, f := judged(ctx, node, err)
	if former != nil && (e.Reason == ReasonDeadline || e.Reason == ReasonCanceled) {
		if why := ended(ctx, former); why != nil { // why it took so long says more
			return retry.Final, why
		}
	}
	return f, e
}

// judged is judge of one attempt alone.
func judged(ctx context.Context, node string, err error) (*Error, retry.Fault) {
	if errors.Is(err, nodes.ErrNotServing) {
		return &Error{
			Code: fleet.CodeUnavailable, Reason: ReasonNotServing, Message: "node " + node + " takes no calls", Node: node,
			Remedy: "it shuts down or starts: call another node, or try again in a moment",
		}, retry.Leaves
	}
	var own *fleet.Error // of a room of this package
	if errors.As(err, &own) {
		e := ofFleet(own)
		e.Node = node
		return e, retry.Final
	}
	var sent *connect.Error
	if errors.As(err, &sent) && connect.IsWireError(sent) {
		return answered(ctx, node, sent)
	}
	if e := ended(ctx, err); e != nil {
		e.Node = node
		return e, retry.Final
	}
	if sent != nil { // what is no node of ours says by its HTTP status, or an answer that is not taken
		switch code := sent.Code(); code {
		case connect.CodeResourceExhausted, connect.CodeUnimplemented, connect.CodeInvalidArgument,
			connect.CodeUnauthenticated, connect.CodePermissionDenied:
			e := badReply("node %s: %s", node, sent.Message())
			e.Code, e.Node, e.Remedy = fleet.Code(code.String()), node, "check the address: it must be that of a node's API"
			return e, retry.Final
		}
	}
	return unreachable(node, err)
}

// answered types an error that the node sent.
func answered(ctx context.Context, node string, sent *connect.Error) (*Error, retry.Fault) {
	e := &Error{Code: fleet.Code(sent.Code().String()), Message: sent.Message(), Node: node}
	detailed := false
	for _, d := range sent.Details() {
		value, err := d.Value()
		if err != nil {
			continue
		}
		if detail, ok := value.(*v1.ErrorDetail); ok {
			e.Reason, e.Remedy, e.Method = Reason(detail.GetReason()), detail.GetRemedy(), detail.GetMethod()
			e.RetryAfter, e.Argument = detail.GetRetryAfter().AsDuration(), int(detail.GetArgument())
			detailed = true
		}
	}
	switch e.Code { // the node ends calls whose deadline, which it was told, has passed
	case fleet.CodeCanceled:
		e.cause = context.Canceled
	case fleet.CodeDeadlineExceeded:
		e.cause = context.DeadlineExceeded
	}
	if closed(ctx) {
		return closedError(), retry.Final
	}
	if f, ok := refusals[e.Reason]; ok {
		return e, f
	}
	if e.Reason == reasonOutcomeUnknown {
		return e, retry.Unclear
	}
	if e.Code != fleet.CodeUnavailable || e.Method != "" { // Telegram's errors were repeated by the owner
		return e, retry.Final
	}
	if !detailed { // something between us and the node
		e.Reason = ReasonUnreachable
		return e, retry.Broken
	}
	return e, retry.Busy
}

// unreachable types an error of the connection.
func unreachable(node string, err error) (*Error, retry.Fault) {
	e := &Error{
		Code: fleet.CodeUnavailable, Reason: ReasonUnreachable, Node: node, cause: plain(err),
		Remedy: "check that the node runs and that the address is right",
	}
	e.Message = fmt.Sprintf("node %s: %s", node, e.cause)
	var (
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
		op     *net.OpError
	)
	switch {
	case errors.As(err, &cert), errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		e.Reason, e.Remedy = ReasonUntrusted, "check the address's scheme and the authority given by WithTLS"
		return e, retry.Untrusted
	case errors.As(err, &op) && op.Op == "dial":
		return e, retry.Unsent
	}
	return e, retry.Broken
}

// plain strips what the RPC library and net/http put around an error.
func plain(err error) error {
	var rpc *connect.Error
	if errors.As(err, &rpc) && rpc.Unwrap() != nil {
		err = rpc.Unwrap()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	return err
}

// ended is the error of a call whose context has ended; nil while it lasts.
func ended(ctx context.Context, last error) *Error {
	switch err := ctx.Err(); {
	case err == nil:
		return nil
	case closed(ctx):
		return closedError()
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{
			Code: fleet.CodeDeadlineExceeded, Reason: ReasonDeadline, cause: errors.Join(err, last),
			Message: "the call took longer than its deadline" + lastly(last),
			Remedy:  "repeat it with a longer deadline; a command may have been carried out",
		}
	default:
		return &Error{
			Code: fleet.CodeCanceled, Reason: ReasonCanceled, cause: errors.Join(err, last),
			Message: "the call was cancelled" + lastly(last),
		}
	}
}

// endedOrNil is ended, an untyped nil for none.
func endedOrNil(ctx context.Context, last error) error {
	if e := ended(ctx, last); e != nil {
		return e
	}
	return nil
}

// lastly tells of the last attempt where it failed by itself.
func lastly(err error) string {
	var own *Error
	if errors.As(err, &own) {
		return " (" + own.Error() + ")"
	}
	return ""
}

// errClosed is the cause of contexts that Close ended.
var errClosed = errors.New("the client was closed")

func closed(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errClosed) }

func closedError() *Error {
	return &Error{Code: fleet.CodeCanceled, Reason: ReasonClosed, Message: errClosed.Error(), cause: context.Canceled}
}
