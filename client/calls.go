package client

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/client/internal/nodes"
	"github.com/telefleet/orchestrator/client/internal/retry"
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

type node = nodes.Node

// The services by short names, for on.
type (
	authService      = orchestratorv1connect.AuthServiceClient
	botService       = orchestratorv1connect.BotServiceClient
	chatService      = orchestratorv1connect.ChatServiceClient
	consumerService  = orchestratorv1connect.ConsumerServiceClient
	dialogService    = orchestratorv1connect.DialogServiceClient
	fleetService     = orchestratorv1connect.FleetServiceClient
	mediaService     = orchestratorv1connect.MediaServiceClient
	messageService   = orchestratorv1connect.MessageServiceClient
	peerService      = orchestratorv1connect.PeerServiceClient
	proxyService     = orchestratorv1connect.ProxyServiceClient
	rawService       = orchestratorv1connect.RawServiceClient
	reactionService  = orchestratorv1connect.ReactionServiceClient
	scheduledService = orchestratorv1connect.ScheduledServiceClient
	searchService    = orchestratorv1connect.SearchServiceClient
	securityService  = orchestratorv1connect.SecurityServiceClient
	sessionService   = orchestratorv1connect.SessionServiceClient
	userService      = orchestratorv1connect.UserServiceClient
	webhookService   = orchestratorv1connect.WebhookServiceClient
)

// on is a method of a service, to be called at a node: on(messageService.SendMessage).
func on[S, Req, Rep any](method func(S, context.Context, *Req) (*Rep, error)) func(*node) func(context.Context, *Req) (*Rep, error) {
	return func(n *node) func(context.Context, *Req) (*Rep, error) {
		s, ok := nodes.Service[S](n)
		if !ok {
			panic("a node without this service") // for mistakes of this package
		}
		return func(ctx context.Context, req *Req) (*Rep, error) { return method(s, ctx, req) }
	}
}

// Whether a call may be tried again when its outcome is not known.
const (
	once       = retry.Once
	repeatable = retry.Repeatable
)

// call makes one unary call with retries.
func call[Req, Rep any](
	ctx context.Context, c *Client, r retry.Repetition, method func(*node) func(context.Context, *Req) (*Rep, error), req *Req,
) (*Rep, error) {
	reply, _, err := callNamed(ctx, c, r, method, req)
	return reply, err
}

// callNamed is call that also tells whether the answer is that of a former call with the same
// request id.
func callNamed[Req, Rep any](
	ctx context.Context, c *Client, r retry.Repetition, method func(*node) func(context.Context, *Req) (*Rep, error), req *Req,
) (reply *Rep, repeated bool, err error) {
	name := &nodes.Call{}
	name.ID, _ = requestID(ctx)
	if name.ID != "" {
		r = repeatable
	}
	err = c.calls.Do(nodes.WithCall(ctx, name), r, func(ctx context.Context, n *node) (err error) {
		reply, err = method(n)(ctx, req)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return reply, name.Repeated, nil
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
