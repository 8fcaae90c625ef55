package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

// interruptible lets the reads of a stream that the caller sends be ended by methods.Interrupt.
func interruptible(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		end := func() {
			_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // where it fails, Shutdown's end cuts the stream off
		}
		h.ServeHTTP(w, r.WithContext(methods.WithInterrupt(r.Context(), end)))
	})
}

// feeding reads a client stream message by message.
type feeding struct {
	ctx    context.Context
	stream *connect.ClientStream[payload]
	m      methods.Method
	// begun says that more than the first message was taken: what follows cannot be given to
	// another node any more.
	begun bool
}

// next reads a message; io.EOF behind the last one.
func (f *feeding) next() (*payload, proto.Message, error) {
	if !f.stream.Receive() {
		if f.ctx.Err() != nil {
			return nil, nil, context.Cause(f.ctx)
		}
		if err := f.stream.Err(); err != nil {
			return nil, nil, err
		}
		return nil, nil, io.EOF
	}
	in, req := f.stream.Msg(), f.m.New()
	return in, req, in.into(req)
}

// feed answers a client-streaming call, here or by the node that owns the account of its first
// message. The stream is not kept: once it has begun, the call cannot follow its account.
func (d *dispatcher) feed(ctx context.Context, m methods.Method, stream *connect.ClientStream[payload]) (out proto.Message, err error) {
	ctx, stop := d.untilDrain(ctx)
	defer stop()
	interrupted := make(chan struct{})
	keep := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		methods.Interrupt(ctx)
	})
	defer func() {
		if !keep() { // the connection must not be touched once this call has ended
			<-interrupted
		}
	}()
	start := time.Now()
	defer func() { err = d.finish(ctx, m, start, recover(), err) }()
	if err := d.joined(); err != nil {
		return nil, err
	}
	f := &feeding{ctx: ctx, stream: stream, m: m}
	in, first, err := f.next()
	if errors.Is(err, io.EOF) {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "REQUEST_INVALID", "request: the stream has no message").
			WithRemedy("send the first message, which names the account")
	}
	if err != nil {
		return nil, err
	}
	what, id := routeOf(first)
	router := d.routers[what]
	if router == nil {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "REQUEST_INVALID", "request: %s is not routed", m.Procedure())
	}
	err = router.route(ctx, id, f.routed(d, router.what, id, in, first, &out))
	return out, err
}

// routed is the call as the router carries it out: once only, as soon as the stream has begun.
func (f *feeding) routed(d *dispatcher, what string, id fleet.AccountID, in *payload, first proto.Message, out *proto.Message) routed {
	return routed{
		local: func(ctx context.Context) (err error) {
			if f.begun {
				return movedAway()
			}
			*out, err = f.m.Feed(ctx, d.host, first, func() (proto.Message, error) {
				f.begun = true
				_, req, err := f.next()
				return req, err
			})
			return err
		},
		remote: func(ctx context.Context, owner Owner) error {
			if f.begun {
				return movedAway()
			}
			data, err := d.outgoing(what, id, owner, in, first)
			if err != nil {
				return err
			}
			*out, err = d.forward.feed(ctx, owner, f.m, data, func() ([]byte, error) {
				f.begun = true
				in, req, err := f.next()
				if err != nil {
					return nil, err
				}
				return d.outgoing(what, id, owner, in, req)
			})
			return err
		},
		again: func() bool { return !f.begun },
	}
}

// movedAway ends a stream whose account has another owner now.
func movedAway() error {
	return fleet.Errorf(fleet.CodeUnavailable, "STREAM_INTERRUPTED", "the account moved to another node while the stream was read").
		WithRetryAfter(ownerWait).WithRemedy("send the stream again from its beginning")
}
