package control

import (
	"context"
	"errors"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
)

var connectCodes = map[fleet.Code]connect.Code{
	fleet.CodeInvalidArgument: connect.CodeInvalidArgument, fleet.CodeNotFound: connect.CodeNotFound,
	fleet.CodeAlreadyExists: connect.CodeAlreadyExists, fleet.CodePermissionDenied: connect.CodePermissionDenied,
	fleet.CodeUnauthenticated: connect.CodeUnauthenticated, fleet.CodeFailedPrecondition: connect.CodeFailedPrecondition,
	fleet.CodeResourceExhausted: connect.CodeResourceExhausted, fleet.CodeAborted: connect.CodeAborted,
	fleet.CodeOutOfRange: connect.CodeOutOfRange, fleet.CodeUnimplemented: connect.CodeUnimplemented,
	fleet.CodeUnavailable: connect.CodeUnavailable, fleet.CodeDeadlineExceeded: connect.CodeDeadlineExceeded,
	fleet.CodeCanceled: connect.CodeCanceled, fleet.CodeDataLoss: connect.CodeDataLoss,
	fleet.CodeInternal: connect.CodeInternal, fleet.CodeUnknown: connect.CodeUnknown,
}

// typed finds the error that the caller gets; nil when nothing of err may leave the process.
func typed(err error) *fleet.Error {
	var own *fleet.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, context.DeadlineExceeded):
		return fleet.Errorf(fleet.CodeDeadlineExceeded, "DEADLINE_EXCEEDED", "the call took longer than its deadline").
			WithRemedy("repeat it with a longer deadline; a command may have been carried out")
	case errors.Is(err, context.Canceled):
		return fleet.Errorf(fleet.CodeCanceled, "CANCELED", "the call was cancelled")
	}
	return nil
}

// toConnect makes the error that travels. A nil *fleet.Error is an internal one.
func toConnect(own *fleet.Error) *connect.Error {
	if own == nil {
		own = fleet.Errorf(fleet.CodeInternal, "INTERNAL", "internal error").WithRemedy("see the node's log")
	}
	code, ok := connectCodes[own.Code]
	if !ok {
		code = connect.CodeUnknown
	}
	out := connect.NewError(code, errors.New(own.Message))
	detail := &v1.ErrorDetail{
		Reason: own.Reason, Remedy: own.Remedy, Method: own.Method, Argument: int32(own.Argument),
	}
	if own.RetryAfter > 0 {
		detail.RetryAfter = durationpb.New(own.RetryAfter)
	}
	if d, err := connect.NewErrorDetail(detail); err == nil {
		out.AddDetail(d)
	}
	return out
}
