package methods

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gotd/td/bin"
	"google.golang.org/protobuf/proto"

	"github.com/telefleet/orchestrator/control/requests"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Requests knows the commands of the last day by their request ids, and what methods remember beside them.
type Requests interface {
	// Begin finds a command's outcome, or stores the intent to carry it out.
	Begin(ctx context.Context, c requests.Command) (*requests.Attempt, error)
	// Note reads what an account's method has remembered under a name.
	Note(ctx context.Context, account fleet.AccountID, name string) (*requests.Note, error)
}

// Call answers a unary call. With a request id a command has one outcome however often it is
// given; repeated says that this is the outcome of a former call, or that a former one may have
// taken effect.
func (m Method) Call(ctx context.Context, host *Host, requestID string, req proto.Message) (reply proto.Message, repeated bool, err error) {
	if requestID == "" {
		reply, err = m.Unary(ctx, host, req)
		return reply, false, err
	}
	attempt, err := m.begin(ctx, host, requestID, req)
	if err != nil {
		return nil, false, err
	}
	defer attempt.Close()
	if attempt.State() == requests.Finished {
		reply, err = m.outcome(attempt)
		return reply, true, err
	}
	c := &Command{attempt: attempt}
	reply, err = m.Unary(context.WithValue(ctx, commandKey{}, c), c.watch(host), req)
	if err != nil {
		return nil, false, failed(ctx, c, err)
	}
	stored, err := proto.Marshal(reply)
	if err != nil {
		return nil, false, fmt.Errorf("encode reply of %s: %w", m.Procedure(), err)
	}
	// What was done is done: a reply that cannot be stored is found out again by a repetition.
	_ = attempt.Finish(ctx, stored, nil)
	return reply, attempt.Resumed(), nil
}

func (m Method) begin(ctx context.Context, host *Host, requestID string, req proto.Message) (*requests.Attempt, error) {
	if m.Reads() {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "REQUEST_ID_UNSUPPORTED", "request_id: %s changes nothing and takes none", m.Descriptor.Name()).
			WithRemedy("leave it out: repeating a read does no harm")
	}
	if host.Requests == nil {
		return nil, fleet.Errorf(fleet.CodeUnimplemented, "REQUEST_ID_UNSUPPORTED", "request_id: this node keeps no requests").
			WithRemedy("leave it out")
	}
	canonical, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode request of %s: %w", m.Procedure(), err)
	}
	account := fleet.Fleetwide
	if routed, ok := AccountOf(req); ok {
		account = routed
	}
	return host.Requests.Begin(ctx, requests.Command{
		Account: account, ID: requestID, Method: string(m.Descriptor.FullName()), Request: canonical,
		Again: m.Repeatable() || m.again != nil && m.again(req),
	})
}

// outcome gives a command's outcome again.
func (m Method) outcome(attempt *requests.Attempt) (proto.Message, error) {
	stored, lost, err := attempt.Outcome()
	if err != nil {
		return nil, err
	}
	if lost {
		return nil, ReplyLost("its reply was too large to keep")
	}
	reply := NewMessage(m.Descriptor.Output())
	if err := proto.Unmarshal(stored, reply); err != nil {
		return nil, fmt.Errorf("decode stored reply: %w", err)
	}
	return reply, nil
}

const (
	reasonReplyLost      = "REPLY_LOST"
	reasonOutcomeUnknown = "OUTCOME_UNKNOWN"
)

// unknownOutcome says that a resumed command found out nothing about its earlier attempts.
func unknownOutcome(err error) error {
	return fleet.Errorf(fleet.CodeAborted, reasonOutcomeUnknown, "request_id: an earlier attempt ended without a known outcome, and this one is refused: %w", err).
		WithRemedy("look whether the command took effect before you repeat it with another request_id")
}

// ReplyLost is the error of a command that was done before, and whose reply nobody has.
func ReplyLost(why string) *fleet.Error {
	return fleet.Errorf(fleet.CodeAlreadyExists, reasonReplyLost, "request_id: the command was done before; %s", why).
		WithRemedy("nothing to do: the command was carried out once")
}

// Command is what a method gets to know of its request id. Without one it is nil.
type Command struct {
	attempt *requests.Attempt
	asked   atomic.Bool // an account's environment was asked for
	touched atomic.Bool // a call to Telegram may have taken effect
}

type commandKey struct{}

// CommandOf is the command that a method carries out; nil when it was given no request id.
func CommandOf(ctx context.Context) *Command {
	c, _ := ctx.Value(commandKey{}).(*Command)
	return c
}

// RandomID is the n-th random_id to send with; 0 = draw one.
func (c *Command) RandomID(n int) int64 {
	if c == nil {
		return 0
	}
	return c.attempt.RandomID(n)
}

// Since is when the command was first tried; zero when nobody knows.
func (c *Command) Since() time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.attempt.Since()
}

// Resumed tells that an earlier attempt may have taken effect.
func (c *Command) Resumed() bool { return c != nil && c.attempt.Resumed() }

// watch is the host with environments that note what may have taken effect.
func (c *Command) watch(host *Host) *Host {
	if host.Env == nil {
		return host
	}
	watched := *host
	watched.Env = func(ctx context.Context, account fleet.AccountID) (telegram.Env, error) {
		c.asked.Store(true)
		env, err := host.Env(ctx, account)
		if err != nil {
			return nil, err
		}
		return witness{env, c}, nil
	}
	return &watched
}

// witness notes the calls that may have taken effect.
type witness struct {
	telegram.Env
	command *Command
}

func (w witness) Invoke(ctx context.Context, in bin.Encoder, out bin.Decoder) error {
	return w.saw(in, w.Env.Invoke(ctx, in, out))
}

func (w witness) InvokeOn(ctx context.Context, dc int, in bin.Encoder, out bin.Decoder) error {
	return w.saw(in, w.Env.InvokeOn(ctx, dc, in, out))
}

// LogoutTokens implements telegram.TokenKeeper for an environment that is one: without it a login
// under a request id would ask for a code that it need not.
func (w witness) LogoutTokens(ctx context.Context) [][]byte {
	if keeper, ok := w.Env.(telegram.TokenKeeper); ok {
		return keeper.LogoutTokens(ctx)
	}
	return nil
}

func (w witness) saw(in bin.Encoder, err error) error {
	if !telegram.Untouched(in, err) {
		w.command.touched.Store(true)
	}
	return err
}

// Ability finds what an environment offers beyond telegram.Env. A type assertion would miss it
// behind a witness.
func Ability[T any](env telegram.Env) (T, bool) {
	if w, ok := env.(witness); ok {
		w.command.touched.Store(true) // what is done by it is not seen
		env = w.Env
	}
	offered, ok := env.(T)
	return offered, ok
}

// Codes by which a command is refused before or instead of being done.
var (
	// refusals are those that another try will not change.
	refusals = []fleet.Code{
		fleet.CodeInvalidArgument, fleet.CodeNotFound, fleet.CodePermissionDenied, fleet.CodeAlreadyExists,
		fleet.CodeOutOfRange, fleet.CodeUnimplemented,
	}
	// passing are those that another try may change.
	passing = []fleet.Code{fleet.CodeFailedPrecondition, fleet.CodeResourceExhausted, fleet.CodeUnauthenticated, fleet.CodeAborted}
)

// untouched reports whether the command has certainly done nothing: by the calls that it made, or,
// when it is none of an account's, by its refusal.
func (c *Command) untouched(own *fleet.Error) bool {
	if c.asked.Load() {
		return !c.touched.Load()
	}
	return own != nil && own.Reason != reasonOutcomeUnknown && (slices.Contains(refusals, own.Code) || slices.Contains(passing, own.Code))
}

// failed decides what a repetition of the command will find: the same refusal when Telegram gave
// one, a new command when nothing was done, else an unknown outcome to find out about.
func failed(ctx context.Context, c *Command, err error) error {
	var own *fleet.Error
	refused := errors.As(err, &own) && slices.Contains(refusals, own.Code)
	switch {
	case own != nil && own.Reason == reasonReplyLost:
		_ = c.attempt.Finish(ctx, nil, own) // not stored: a repetition finds it out again
	case refused && c.attempt.Resumed():
		// An earlier attempt may have taken effect before whatever is refused now.
		return unknownOutcome(err)
	case refused && (own.Method != "" || !c.untouched(own)):
		_ = c.attempt.Finish(ctx, nil, own) // not stored: a repetition is refused in the same way
	case c.untouched(own):
		c.attempt.Drop(ctx)
	}
	return err
}
