package nodes

import (
	"context"

	"connectrpc.com/connect"

	"github.com/telefleet/orchestrator/fleet"
)

// Call carries the request id of one call, and what its answer says about it.
type Call struct {
	// ID is empty for none.
	ID string
	// Repeated is true when the answer is that of a former call with the id.
	Repeated bool
}

type callKey struct{}

// WithCall is a context for one unary call by that name.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// naming sends the names of calls.
type naming struct{}

// WrapUnary implements connect.Interceptor.
func (naming) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		name, _ := ctx.Value(callKey{}).(*Call)
		if name == nil || name.ID == "" || req.Spec().IdempotencyLevel == connect.IdempotencyNoSideEffects {
			return next(ctx, req)
		}
		req.Header().Set(fleet.HeaderRequestID, name.ID)
		res, err := next(ctx, req)
		if err == nil {
			name.Repeated = res.Header().Get(fleet.HeaderRepeated) != ""
		}
		return res, err
	}
}

// WrapStreamingClient implements connect.Interceptor; streams have no names.
func (naming) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (naming) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
