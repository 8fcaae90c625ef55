package client

import (
	"context"
	"net/http"

	"github.com/telefleet/orchestrator/client/internal/conns"
	"github.com/telefleet/orchestrator/client/internal/nodes"
	"github.com/telefleet/orchestrator/client/internal/retry"
)

// Client calls the control API.
type Client struct {
	calls   *retry.Caller
	http    *http.Client
	sockets *conns.Sockets
	end     context.CancelCauseFunc // of all calls
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
	c := &Client{sockets: &conns.Sockets{}}
	if o.transport == nil {
		o.transport = conns.NewTransport(o.tls, c.sockets)
	}
	c.http = &http.Client{
		Transport: conns.Bearer{Next: o.transport, Token: o.token},
		// A redirect would carry the token to whoever it names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	life, end := context.WithCancelCause(context.Background())
	c.end = end
	c.calls = &retry.Caller{Pool: nodes.NewPool(c.http, bases), Limit: o.retry, Life: life, Judge: judge, Ended: endedOrNil}
	return c, nil
}

// Dial makes a client and waits for a node that takes calls, as long as WithRetry says.
func Dial(ctx context.Context, addresses []string, opts ...Option) (*Client, error) {
	c, err := New(addresses, opts...)
	if err != nil {
		return nil, err
	}
	err = c.calls.Do(ctx, repeatable, func(ctx context.Context, n *node) error { return n.Check(ctx) })
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends running calls and iterators with ReasonClosed and closes the connections. It may be
// called more than once.
func (c *Client) Close() {
	c.end(errClosed)
	c.sockets.Close()
	c.http.CloseIdleConnections()
}
