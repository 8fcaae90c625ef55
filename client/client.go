package client

import (
	"context"
	"net/http"
	"time"

	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/client/internal/conns"
	"github.com/telefleet/orchestrator/client/internal/nodes"
)

// Client calls the control API.
type Client struct {
	pool    *nodes.Pool
	retry   time.Duration
	http    *http.Client
	sockets *conns.Sockets

	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
}

// New makes a client of the nodes at the addresses, http://host:port or https://host:port each.
// Nothing is sent yet.
func New(addresses []string, opts ...Option) (*Client, error) {
	o := options{retry: DefaultRetry}
	for _, opt := range opts {
		opt(&o)
	}
	bases, err := o.parse(addresses)
	if err != nil {
		return nil, err
	}
	c := &Client{retry: o.retry, sockets: &conns.Sockets{}}
	if o.transport == nil {
		o.transport = conns.NewTransport(o.tls, c.sockets)
	}
	c.http = &http.Client{
		Transport: conns.Bearer{Next: o.transport, Token: o.token},
		// A redirect would carry the token to whoever it names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.pool = nodes.NewPool(c.http, bases)
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c, nil
}

// Dial makes a client and waits for a node that takes calls, as long as WithRetry says.
func Dial(ctx context.Context, addresses []string, opts ...Option) (*Client, error) {
	c, err := New(addresses, opts...)
	if err != nil {
		return nil, err
	}
	err = c.do(ctx, repeatable, func(ctx context.Context, n *node) error { return n.Check(ctx) })
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends running calls and iterators with ReasonClosed and closes the connections. It may be
// called more than once.
func (c *Client) Close() {
	c.cancel(errClosed)
	c.sockets.Close()
	c.http.CloseIdleConnections()
}

// bind makes a context that ends with the client's too.
func (c *Client) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if c.ctx.Err() != nil {
		cancel(errClosed)
	}
	stop := context.AfterFunc(c.ctx, func() { cancel(errClosed) })
	return ctx, func() { stop(); cancel(nil) }
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

// repetition says whether a call may be tried again when its outcome is not known.
type repetition bool

const (
	once       repetition = false
	repeatable repetition = true
)

// call makes one unary call with retries.
func call[Req, Rep any](
	ctx context.Context, c *Client, r repetition, method func(*node) func(context.Context, *Req) (*Rep, error), req *Req,
) (*Rep, error) {
	reply, _, err := callNamed(ctx, c, r, method, req)
	return reply, err
}

// callNamed is call that also tells whether the answer is that of a former call with the same
// request id.
func callNamed[Req, Rep any](
	ctx context.Context, c *Client, r repetition, method func(*node) func(context.Context, *Req) (*Rep, error), req *Req,
) (reply *Rep, repeated bool, err error) {
	name := &nodes.Call{}
	name.ID, _ = requestID(ctx)
	if name.ID != "" {
		r = repeatable
	}
	err = c.do(nodes.WithCall(ctx, name), r, func(ctx context.Context, n *node) (err error) {
		reply, err = method(n)(ctx, req)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return reply, name.Repeated, nil
}

// do tries a call at one node after the other.
func (c *Client) do(ctx context.Context, r repetition, attempt func(context.Context, *node) error) error {
	ctx, stop := c.bind(ctx)
	defer stop()
	return c.try(ctx, &tries{client: c, limit: c.retry}, r, attempt)
}

// try is do for a context that is bound, with the memory of former tries.
func (c *Client) try(ctx context.Context, t *tries, r repetition, attempt func(context.Context, *node) error) error {
	t.begin()
	var last *Error
	for {
		n, err := t.next(ctx, last)
		if err != nil {
			return err
		}
		err = attempt(ctx, n)
		if err == nil {
			c.pool.Answered(n)
			return nil
		}
		former := last
		var f fault
		last, f = judge(ctx, n.Address, err)
		if former != nil && (last.Reason == ReasonDeadline || last.Reason == ReasonCanceled) {
			if e := ended(ctx, former); e != nil { // why it took so long says more
				return e
			}
		}
		t.note(n, f)
		if f == final || r == once && !f.harmless() || t.unclear > maxUnclear {
			return last
		}
	}
}

// Waits between rounds over the nodes.
const (
	waitBase = 50 * time.Millisecond
	waitMax  = 2 * time.Second
)

// maxUnclear is how often a command whose answer Telegram lost is repeated.
const maxUnclear = 2

// forever as a limit tries until the context ends.
const forever time.Duration = -1

// tries is the memory of one call, or of one stream over its connections: which nodes were tried
// in this round, and how many rounds there were.
type tries struct {
	client *Client
	limit  time.Duration // since start; forever = none

	start   time.Time
	tried   map[*node]bool
	rounds  int
	unclear int  // answers that Telegram gave and the node lost
	pause   bool // the next attempt waits, though nodes are left
}

// begin starts the limit, where it was not started.
func (t *tries) begin() {
	if t.start.IsZero() {
		t.start, t.tried = time.Now(), map[*node]bool{}
	}
}

// next is the node to try, after a wait where a round is over; last is why the former attempt
// failed, nil before the first.
func (t *tries) next(ctx context.Context, last *Error) (*node, error) {
	if e := ended(ctx, errorOrNil(last)); e != nil {
		return nil, e
	}
	if !t.pause {
		if n := t.client.pool.Pick(time.Now(), t.tried); n != nil {
			return n, nil
		}
	}
	if last != nil && last.Reason == ReasonUntrusted { // waiting mends no certificate
		return nil, last
	}
	d := nodes.Jitter(waitBase, waitMax, t.rounds)
	if t.limit != forever && time.Since(t.start)+d > t.limit {
		return nil, errorOrNil(last)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, ended(ctx, errorOrNil(last))
	}
	t.rounds++
	t.pause = false
	clear(t.tried)
	return t.client.pool.Pick(time.Now(), t.tried), nil
}

// note remembers a failed attempt.
func (t *tries) note(n *node, f fault) {
	t.tried[n] = true
	t.pause = f == wait || f == unclear
	if f == unclear {
		t.unclear++
	}
	if f.sick() {
		t.client.pool.Failed(time.Now(), n)
	}
}

// errorOrNil is an untyped nil for none.
func errorOrNil(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}
