package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

// Limits of one Exchange.
const (
	// maxInFlight commands run at a time. At the limit nothing is read, cancels included, until
	// an answer is taken: a caller that sends faster than it reads is held back.
	maxInFlight = 256
	// maxSubscriptions of one Exchange; a further one is refused.
	maxSubscriptions = 64
)

// errCallerDone ends subscriptions once the caller has closed its side.
var errCallerDone = errors.New("the caller has closed its side")

// exchange serves ControlService.Exchange: every unary method and the event stream as messages
// with ids. Commands run by the same path as calls of their own.
//
// One Exchange is one goroutine that reads, one a command or subscription, and one that waits
// for the drain; all have ended when it returns. An id is free again before its last message is
// sent.
type exchange struct {
	d       *dispatcher
	methods map[string]methods.Method // by full name with and without package
}

const exchangeProcedure = orchestratorv1connect.ControlServiceExchangeProcedure

func newExchange(d *dispatcher, all []methods.Method) *exchange {
	x := &exchange{d: d, methods: map[string]methods.Method{}}
	for _, m := range all {
		full := strings.TrimPrefix(m.Procedure(), "/")
		x.methods[full] = m
		pkg := string(m.Descriptor.ParentFile().Package()) + "."
		x.methods[strings.TrimPrefix(full, pkg)] = m
	}
	return x
}

// handler serves the stream. A read that waits can be interrupted, to end streams on a drain.
func (x *exchange) handler(opts ...connect.HandlerOption) http.Handler {
	return interruptible(connect.NewBidiStreamHandler(exchangeProcedure, x.serve, opts...))
}

// exchanging is one Exchange.
type exchanging struct {
	*exchange
	ctx    context.Context
	cancel context.CancelCauseFunc
	slots  chan struct{} // one a command that runs

	sending sync.Mutex
	stream  *connect.BidiStream[payload, reply]

	mu      sync.Mutex
	running map[uint64]context.CancelCauseFunc
	live    map[uint64]bool // subscriptions

	finite  sync.WaitGroup // what ends by itself: commands, subscriptions until now
	endless sync.WaitGroup
}

func (x *exchange) serve(ctx context.Context, stream *connect.BidiStream[payload, reply]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &exchanging{
		exchange: x, ctx: ctx, cancel: cancel, stream: stream, slots: make(chan struct{}, maxInFlight),
		running: map[uint64]context.CancelCauseFunc{}, live: map[uint64]bool{},
	}
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-x.d.draining:
			methods.Interrupt(ctx)
		case <-stop:
		}
	}()
	defer func() {
		cancel(nil)
		s.finite.Wait()
		s.endless.Wait()
		close(stop)
		<-watched
	}()
	err := s.read()
	switch {
	case x.isDraining(): // what runs is answered, what follows is not begun
		s.finite.Wait()
		s.endless.Wait()
		return toConnect(errDraining)
	case errors.Is(err, io.EOF):
		s.finite.Wait()
		s.endAll(errCallerDone)
		s.endless.Wait()
		return nil
	}
	cancel(err)
	return err
}

func (x *exchange) isDraining() bool {
	select {
	case <-x.d.draining:
		return true
	default:
		return false
	}
}

// read takes the caller's messages until its side or the node closes.
func (s *exchanging) read() error {
	for {
		in, err := s.stream.Receive()
		if err != nil {
			return err
		}
		req := new(v1.ExchangeRequest)
		if err := in.into(req); err != nil {
			s.fail(0, typed(err))
			continue
		}
		if req.GetCancel() != nil {
			s.end(req.GetId(), context.Canceled)
			continue
		}
		if err := s.begin(req); err != nil {
			return err
		}
	}
}

// begin starts a command or subscription; an error ends the stream.
func (s *exchanging) begin(req *v1.ExchangeRequest) error {
	id := req.GetId()
	switch {
	case id == 0:
		s.fail(0, exchangeInvalid("id", "count up from 1", "must not be 0"))
		return nil
	case req.GetContent() == nil:
		s.fail(id, exchangeInvalid("content", "set command, cancel or subscribe", "is missing in the message with id %d", id))
		return nil
	}
	subscribe := req.GetSubscribe()
	if subscribe == nil {
		select {
		case s.slots <- struct{}{}:
		case <-s.d.draining:
			s.fail(id, errDraining)
			return errDraining
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	ctx, refused := s.enter(id, subscribe != nil)
	switch {
	case refused != nil && subscribe == nil:
		<-s.slots
		fallthrough
	case refused != nil:
		s.fail(0, refused)
	case subscribe == nil:
		s.finite.Go(func() {
			defer func() { <-s.slots }()
			s.command(ctx, id, req.GetCommand())
		})
	case subscribe.GetUntilNow():
		s.finite.Go(func() { s.subscribe(ctx, id, subscribe) })
	default:
		s.endless.Go(func() { s.subscribe(ctx, id, subscribe) })
	}
	return nil
}

// enter takes an id into use.
func (s *exchanging) enter(id uint64, subscription bool) (context.Context, *fleet.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[id] != nil {
		return nil, exchangeInvalid("id", "use another id until this one has its last message", "must be unique among those that run (got %d)", id)
	}
	if subscription && len(s.live) >= maxSubscriptions {
		return nil, fleet.Errorf(fleet.CodeResourceExhausted, "SUBSCRIPTIONS_EXHAUSTED",
			"subscribe: one Exchange has at most %d subscriptions (got one more with id %d)", maxSubscriptions, id).
			WithRemedy("subscribe to several accounts and kinds at once, or open another Exchange")
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	s.running[id] = cancel
	if subscription {
		s.live[id] = true
	}
	return ctx, nil
}

// leave frees an id.
func (s *exchanging) leave(id uint64) {
	s.mu.Lock()
	cancel := s.running[id]
	delete(s.running, id)
	delete(s.live, id)
	s.mu.Unlock()
	cancel(nil)
}

// end cancels what runs under an id, if it still does.
func (s *exchanging) end(id uint64, cause error) {
	s.mu.Lock()
	cancel := s.running[id]
	s.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
}

func (s *exchanging) endAll(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.running {
		cancel(cause)
	}
}

// command answers one command under its id.
func (s *exchanging) command(ctx context.Context, id uint64, c *v1.ExchangeCommand) {
	out, err := s.call(ctx, c)
	s.leave(id)
	if err != nil {
		s.fail(id, err)
		return
	}
	answer, err := anypb.New(out.message)
	if err != nil {
		s.d.log.Error("reply cannot be encoded", "method", c.GetMethod(), "error", err)
		s.fail(id, toConnect(nil))
		return
	}
	_ = s.send(&v1.ExchangeReply{Id: id, Content: &v1.ExchangeReply_Reply{Reply: answer}, Repeated: out.repeated}) // ends all if it fails
}

// call carries a command out as a call of its own.
func (s *exchanging) call(ctx context.Context, c *v1.ExchangeCommand) (out outcome, err error) {
	m, err := s.method(c.GetMethod())
	if err != nil {
		return out, err
	}
	if err := checkType(m, c.GetRequest()); err != nil {
		return out, err
	}
	if t := c.GetTimeout(); t != nil {
		if t.CheckValid() != nil || t.AsDuration() <= 0 {
			return out, exchangeInvalid("command.timeout", "leave it out for the server's default", "must be positive (got %s)", t.AsDuration())
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.AsDuration())
		defer cancel()
	}
	return s.d.unary(ctx, m, c.GetRequestId(), &payload{data: c.GetRequest().GetValue()})
}

// method finds a unary method by its full name or by the one without package.
func (x *exchange) method(name string) (methods.Method, error) {
	m, ok := x.methods[strings.TrimPrefix(name, "/")]
	switch {
	case !ok && strings.TrimPrefix(name, "/") != strings.TrimPrefix(exchangeProcedure, "/"):
		return m, fleet.Errorf(fleet.CodeUnimplemented, "METHOD_UNKNOWN", "command.method: there is no method %.200q", name).
			WithRemedy("give it as /package.Service/Method or Service/Method; list the methods by reflection")
	case m.Unary == nil:
		return m, exchangeInvalid("command.method", "call it as an RPC of its own; events come by `subscribe`", "must be a unary method (got %q)", name)
	}
	return m, nil
}

// checkType says what is wrong with the type of a command's request. Without any the request is
// an empty message.
func checkType(m methods.Method, request *anypb.Any) error {
	want := m.Descriptor.Input().FullName()
	got := request.MessageName()
	switch {
	case request == nil || got == want:
		return nil
	case request.GetTypeUrl() == "":
		return exchangeInvalid("command.request", "pack the request as google.protobuf.Any", "has no type, where %s takes a %s", m.Procedure(), want)
	}
	if _, err := protoregistry.GlobalTypes.FindMessageByName(got); err != nil {
		return fleet.Errorf(fleet.CodeInvalidArgument, "TYPE_UNKNOWN", "command.request: there is no message type %.200q", request.GetTypeUrl()).
			WithRemedy("give a " + string(want))
	}
	return exchangeInvalid("command.request", "give the request of the method that is called",
		"must be a %s for %s (got a %s)", want, m.Procedure(), got)
}

// subscribe sends events under an id until it ends.
func (s *exchanging) subscribe(ctx context.Context, id uint64, req *v1.SubscribeRequest) {
	err := s.events(ctx, id, req)
	ended := err == nil || errors.Is(context.Cause(ctx), errCallerDone)
	s.leave(id)
	if ended {
		_ = s.send(&v1.ExchangeReply{Id: id, Content: &v1.ExchangeReply_Done{Done: &v1.ExchangeDone{}}}) // ends all if it fails
		return
	}
	s.fail(id, err)
}

func (s *exchanging) events(ctx context.Context, id uint64, req *v1.SubscribeRequest) error {
	m, ok := s.methods[strings.TrimPrefix(orchestratorv1connect.EventServiceSubscribeProcedure, "/")]
	if !ok {
		return fleet.Errorf(fleet.CodeUnimplemented, "METHOD_UNKNOWN", "subscribe: this node has no events").
			WithRemedy("ask another node")
	}
	data, err := proto.Marshal(req)
	if err != nil {
		return exchangeInvalid("subscribe", "", "cannot be read: %v", err)
	}
	return s.d.stream(ctx, m, &payload{data: data}, func(item proto.Message) error {
		reply, ok := item.(*v1.SubscribeReply)
		if !ok {
			return errors.New("subscribe: got a " + string(item.ProtoReflect().Descriptor().FullName()))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.send(&v1.ExchangeReply{Id: id, Content: &v1.ExchangeReply_Item{Item: reply}})
	})
}

// fail sends the last message of an id that failed.
func (s *exchanging) fail(id uint64, err error) {
	e := errorOf(err)
	_ = s.send(&v1.ExchangeReply{Id: id, Content: &v1.ExchangeReply_Error{Error: e}}) // the stream is over
}

// send waits for the caller to take what was sent before. When it is gone, all that runs ends.
func (s *exchanging) send(message *v1.ExchangeReply) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	err := s.stream.Send(&reply{message})
	if err != nil {
		s.cancel(err)
	}
	return err
}

func exchangeInvalid(field, remedy, format string, args ...any) *fleet.Error {
	err := fleet.Errorf(fleet.CodeInvalidArgument, "EXCHANGE_INVALID", field+": "+format, args...)
	if remedy == "" {
		return err
	}
	return err.WithRemedy(remedy)
}

// errorOf is an error in the form that a message carries.
func errorOf(err error) *v1.ExchangeError {
	var sent *connect.Error
	if !errors.As(err, &sent) {
		sent = toConnect(typed(err))
	}
	e := &v1.ExchangeError{Code: sent.Code().String(), Message: sent.Message()}
	for _, d := range sent.Details() {
		if value, err := d.Value(); err == nil {
			if detail, ok := value.(*v1.ErrorDetail); ok {
				e.Detail = detail
			}
		}
	}
	return e
}
