package methods

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/telefleet/orchestrator/control/requests"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Requests knows the commands of the last day by their request_id.
type Requests interface {
	// Begin finds a command's outcome, or stores the intent to carry it out.
	Begin(ctx context.Context, c requests.Command) (*requests.Attempt, error)
}

// command is what a method that sends gets to know of its request_id.
type command struct {
	attempt *requests.Attempt // nil without a request_id
	sending bool
}

// randomID is the n-th random_id to send with; 0 = draw one.
func (c *command) randomID(n int) int64 {
	if c.attempt == nil {
		return 0
	}
	return c.attempt.RandomID(n)
}

// since is when the command was first tried; zero when nobody knows.
func (c *command) since() time.Time {
	if c.attempt == nil {
		return time.Time{}
	}
	return c.attempt.Since()
}

// send notes that from here on the command may have taken effect. Methods call it after all that
// can fail without a trace, such as finding the peer.
func (c *command) send() { c.sending = true }

// commandRequest is a request of one account that may name its command.
type commandRequest[T any] interface {
	accountRequest[T]
	GetRequestId() string
}

// once registers a method of one account that has one outcome a request_id.
func once[Req, Rep any, PReq commandRequest[Req], PRep request[Rep]](
	fn func(context.Context, telegram.Env, PReq, *command) (PRep, error),
) Method {
	name := string(described[Req, PReq]().Descriptor.FullName())
	return hosted(func(ctx context.Context, host *Host, req PReq) (PRep, error) {
		env, err := host.Env(ctx, fleet.AccountID(req.GetAccount()))
		if err != nil {
			return nil, err
		}
		if req.GetRequestId() == "" {
			return fn(ctx, env, req, new(command))
		}
		attempt, err := begin(ctx, host, name, req)
		if err != nil {
			return nil, err
		}
		defer attempt.Close()
		reply := PRep(new(Rep))
		if attempt.State() == requests.Finished {
			return reply, outcomeInto(attempt, reply)
		}
		c := &command{attempt: attempt}
		reply, err = fn(ctx, env, req, c)
		if err != nil {
			return nil, failed(ctx, c, err)
		}
		stored, err := proto.Marshal(reply)
		if err != nil {
			return nil, fmt.Errorf("encode reply of %s: %w", name, err)
		}
		// What was done is done: a reply that cannot be stored is found out again by a repetition.
		_ = attempt.Finish(ctx, stored, nil)
		markRepeated(reply, attempt.Resumed())
		return reply, nil
	})
}

func begin[Req any, PReq commandRequest[Req]](ctx context.Context, host *Host, method string, req PReq) (*requests.Attempt, error) {
	if host.Requests == nil {
		return nil, fleet.Errorf(fleet.CodeUnimplemented, "REQUEST_ID_UNSUPPORTED", "request_id: this node keeps no requests").
			WithRemedy("leave request_id out")
	}
	same := proto.Clone(req)
	same.ProtoReflect().Clear(same.ProtoReflect().Descriptor().Fields().ByName("request_id"))
	canonical, err := proto.MarshalOptions{Deterministic: true}.Marshal(same)
	if err != nil {
		return nil, fmt.Errorf("encode request of %s: %w", method, err)
	}
	return host.Requests.Begin(ctx, requests.Command{
		Account: fleet.AccountID(req.GetAccount()), ID: req.GetRequestId(), Method: method, Request: canonical,
	})
}

// outcomeInto gives a command's outcome again.
func outcomeInto(attempt *requests.Attempt, reply proto.Message) error {
	stored, lost, err := attempt.Outcome()
	if err != nil {
		return err
	}
	if lost {
		return fleet.Errorf(fleet.CodeAlreadyExists, "REPLY_LOST", "request_id: the command was done before; its reply was too large to keep").
			WithRemedy("nothing to do: the command was carried out once")
	}
	if err := proto.Unmarshal(stored, reply); err != nil {
		return fmt.Errorf("decode stored reply: %w", err)
	}
	markRepeated(reply, true)
	return nil
}

// markRepeated sets the reply's field `repeated`, where there is one.
func markRepeated(reply proto.Message, yes bool) {
	m := reply.ProtoReflect()
	if f := m.Descriptor().Fields().ByName("repeated"); f != nil && f.Kind() == protoreflect.BoolKind {
		m.Set(f, protoreflect.ValueOfBool(yes))
	}
}

// refusals are the codes of Telegram's answers that another try will not change.
var refusals = []fleet.Code{
	fleet.CodeInvalidArgument, fleet.CodeNotFound, fleet.CodePermissionDenied, fleet.CodeAlreadyExists,
	fleet.CodeOutOfRange, fleet.CodeUnimplemented,
}

// failed decides what a repetition of the command will find: a new command when nothing was
// sent, the same refusal when Telegram gave one, else an unknown outcome to find out about.
func failed(ctx context.Context, c *command, err error) error {
	var own *fleet.Error
	typed := errors.As(err, &own)
	switch {
	case !c.sending, typed && own.Method == "" && slices.Contains(refusals, own.Code):
		c.attempt.Drop(ctx)
	case !typed || !slices.Contains(refusals, own.Code):
	case !c.attempt.Resumed():
		_ = c.attempt.Finish(ctx, nil, own) // not stored: a repetition is refused in the same way
	default:
		// An earlier attempt may have taken effect before whatever is refused now.
		return fleet.Errorf(fleet.CodeAborted, "OUTCOME_UNKNOWN",
			"request_id: an earlier attempt ended without a known outcome, and Telegram refuses this one: %w", err).
			WithRemedy("look whether the command took effect before you repeat it with another request_id")
	}
	return err
}
