package control

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"time"

	"connectrpc.com/connect"
	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/proto"

	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

// errDraining ends streams when the server shuts down.
var errDraining = fleet.Errorf(fleet.CodeUnavailable, "SHUTTING_DOWN", "the node shuts down").
	WithRemedy("connect again, to another node or in a moment, and go on at the last position")

// dispatcher runs the methods: the one place where requests are read, calls bounded, panics
// caught and errors typed.
type dispatcher struct {
	host     *methods.Host
	joined   func() error       // an error: no calls are taken
	routers  map[string]*router // by what requests name; see routeOf
	forward  *forwarder         // nil without a cluster
	log      hclog.Logger
	timeout  time.Duration
	draining <-chan struct{}
}

// handler serves one method over Connect, gRPC and gRPC-Web.
func (d *dispatcher) handler(m methods.Method, opts ...connect.HandlerOption) http.Handler {
	if m.Feed != nil {
		return interruptible(connect.NewClientStreamHandler(m.Procedure(),
			func(ctx context.Context, stream *connect.ClientStream[payload]) (*connect.Response[reply], error) {
				out, err := d.feed(ctx, m, stream)
				if err != nil {
					return nil, err
				}
				return connect.NewResponse(&reply{out}), nil
			}, opts...))
	}
	if m.Stream != nil {
		return connect.NewServerStreamHandler(m.Procedure(),
			func(ctx context.Context, req *connect.Request[payload], stream *connect.ServerStream[reply]) error {
				return d.stream(ctx, m, req.Msg, func(message proto.Message) error { return stream.Send(&reply{message}) })
			}, opts...)
	}
	return connect.NewUnaryHandler(m.Procedure(),
		func(ctx context.Context, req *connect.Request[payload]) (*connect.Response[reply], error) {
			out, err := d.unary(ctx, m, req.Header().Get(fleet.HeaderRequestID), req.Msg)
			if err != nil {
				return nil, err
			}
			res := connect.NewResponse(&reply{out.message})
			if out.repeated {
				res.Header().Set(fleet.HeaderRepeated, "true")
			}
			return res, nil
		}, opts...)
}

// outcome is the answer to a unary call.
type outcome struct {
	message proto.Message
	// repeated tells that it is that of a former call with the same request id.
	repeated bool
}

// unary answers a call, here or by the node that owns its account. A request id makes a command
// safe to repeat; empty for none.
func (d *dispatcher) unary(ctx context.Context, m methods.Method, requestID string, in *payload) (out outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	start := time.Now()
	defer func() { err = d.finish(ctx, m, start, recover(), err) }()
	if err := d.joined(); err != nil {
		return out, err
	}
	req := m.New()
	if err := in.into(req); err != nil {
		return out, err
	}
	here := func(ctx context.Context) (err error) {
		out.message, out.repeated, err = m.Call(ctx, d.host, requestID, req)
		return err
	}
	what, id := routeOf(req)
	router := d.routers[what]
	if router == nil {
		err = here(ctx)
		return out, err
	}
	if what == byConsumer { // one that waits for events would hold up the end
		waiting, stop := d.untilDrain(ctx)
		defer stop()
		ctx = waiting
	}
	err = router.route(ctx, id, routed{
		local: here,
		remote: func(ctx context.Context, owner Owner) error {
			data, err := d.outgoing(router.what, id, owner, in, req)
			if err == nil {
				out, err = d.forward.unary(ctx, owner, m, requestID, data)
			}
			return err
		},
		again: func() bool { return m.Repeatable() || requestID != "" },
	})
	return out, err
}

// outgoing is a request for another node: as it came, or as Protobuf when it came as JSON.
func (d *dispatcher) outgoing(what string, id fleet.AccountID, owner Owner, in *payload, req proto.Message) ([]byte, error) {
	switch {
	case d.forward == nil:
		return nil, notOwner(what, id, owner.Node)
	case !in.json:
		return in.data, nil
	}
	return proto.Marshal(req)
}

// stream answers a server-streaming call with items; see unary.
func (d *dispatcher) stream(ctx context.Context, m methods.Method, in *payload, to func(proto.Message) error) (err error) {
	ctx, stop := d.untilDrain(ctx)
	defer stop()
	start := time.Now()
	defer func() { err = d.finish(ctx, m, start, recover(), err) }()
	if err := d.joined(); err != nil {
		return err
	}
	req := m.New()
	if err := in.into(req); err != nil {
		return err
	}
	sent := false
	send := func(message proto.Message) error {
		sent = true
		return to(message)
	}
	what, id := routeOf(req)
	router := d.routers[what]
	if router == nil {
		return m.Stream(ctx, d.host, req, send)
	}
	return router.route(ctx, id, routed{
		local: func(ctx context.Context) error { return m.Stream(ctx, d.host, req, send) },
		remote: func(ctx context.Context, owner Owner) error {
			data, err := d.outgoing(router.what, id, owner, in, req)
			if err == nil {
				err = d.forward.stream(ctx, owner, m, data, send)
			}
			return err
		},
		again: func() bool { return !sent && m.Repeatable() },
	})
}

// untilDrain makes a context that ends when the server shuts down, and a function that ends it and
// what watches.
func (d *dispatcher) untilDrain(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-d.draining:
			cancel(errDraining)
		case <-stop:
		}
	}()
	return ctx, func() {
		close(stop)
		<-watched
		cancel(nil)
	}
}

// finish types the outcome of a call and logs it, without any of its content.
func (d *dispatcher) finish(ctx context.Context, m methods.Method, start time.Time, panicked any, err error) error {
	took := time.Since(start)
	if panicked != nil {
		d.log.Error("method panicked", "method", m.Procedure(), "panic", panicked, "stack", string(debug.Stack()))
		return toConnect(nil)
	}
	if err == nil {
		d.log.Debug("call done", "method", m.Procedure(), "took", took)
		return nil
	}
	var sent *connect.Error // the stream's own: the caller is gone
	if errors.As(err, &sent) {
		d.log.Debug("call ended", "method", m.Procedure(), "took", took, "code", sent.Code().String())
		return sent
	}
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errDraining) {
		err = errDraining
	}
	own := typed(err)
	if own == nil {
		d.log.Error("call failed", "method", m.Procedure(), "took", took, "error", err)
		return toConnect(nil)
	}
	d.log.Debug("call ended", "method", m.Procedure(), "took", took, "code", string(own.Code), "reason", own.Reason)
	return toConnect(own)
}
