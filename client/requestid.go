package client

import (
	"context"
	"crypto/rand"
	"errors"
)

// WithRequestID names the command that is given with the context, so that it is carried out once
// however often it is given: within 24 hours the same id of the same account, or of the fleet where
// the command is none of an account's, gives the outcome of the first call, on any node and after
// restarts of nodes and of the caller. [A-Za-z0-9_-], 1 to 64 characters. A call with an id is tried
// again when its answer is lost. Reads take no notice of it.
//
// Each command needs an id of its own: reason REQUEST_ID_REUSED when the id belongs to another one.
// Reason OUTCOME_UNKNOWN when the first call has left no outcome, and repeating might do the command
// twice. REPLY_LOST when it was done and only the answer is gone.
//
// SendMessage draws a random id by itself where the context has none; the empty id keeps it from
// that.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

type requestIDKey struct{}

// requestID is the id in the context, and whether there is one, which may be empty.
func requestID(ctx context.Context) (id string, given bool) {
	id, given = ctx.Value(requestIDKey{}).(string)
	return id, given
}

// command makes a call that must take effect once, under a request id: that of the context, or a
// random one, which makes its retries safe.
func command[Req, Rep any](
	ctx context.Context, c *Client, method func(*node) func(context.Context, *Req) (*Rep, error), req *Req,
) (reply *Rep, repeated bool, id string, err error) {
	id, given := requestID(ctx)
	if !given {
		id = rand.Text()
	}
	reply, repeated, err = callNamed(WithRequestID(ctx, id), c, once, method, req)
	if !given && errors.Is(err, reasonNoRequests) { // the node does without
		id = ""
		reply, repeated, err = callNamed(WithRequestID(ctx, id), c, once, method, req)
	}
	return reply, repeated, id, err
}
