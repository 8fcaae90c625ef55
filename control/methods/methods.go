// Package methods holds the control API's RPCs, one function each:
//
//	func(ctx context.Context, env telegram.Env, req *v1.SendMessageRequest) (*v1.SendMessageReply, error)
//
// # Usage
//
// Write the function and add it to the list All of its room: this package for accounts, nodes,
// sessions and sign-in, messages, rawcalls and further rooms below it for the rest, consuming for
// consumers and webhooks. Package control joins the rooms. The request type tells which RPC a function
// serves; a test fails while an RPC has none. Routed registers a method of one account, Sending one
// whose TL calls carry random_ids, Hosted one that any node answers, Streamed one that answers with a
// stream, Fed one that takes a stream. Functions turn messages of api into values of package telegram by package convert; what is
// done at Telegram is in package telegram.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// Errors that callers can act on are *fleet.Error; the server turns them into codes and details.
package methods

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Method is one RPC with the function that serves it. Exactly one of Unary, Stream and Feed is set.
type Method struct {
	// Descriptor is the RPC.
	Descriptor protoreflect.MethodDescriptor
	// New makes an empty request.
	New func() proto.Message
	// Unary answers a call.
	Unary func(ctx context.Context, host *Host, req proto.Message) (proto.Message, error)
	// Stream answers a server-streaming call.
	Stream func(ctx context.Context, host *Host, req proto.Message, send func(proto.Message) error) error
	// Feed answers a client-streaming call: first is its first message, and next gives the others,
	// io.EOF behind the last one.
	Feed func(ctx context.Context, host *Host, first proto.Message, next func() (proto.Message, error)) (proto.Message, error)

	// again reports whether the request may be carried out once more though nobody knows whether it
	// was; nil: as the contract says of the method.
	again func(req proto.Message) bool
}

// Procedure is the RPC's path: /package.Service/Method.
func (m Method) Procedure() string {
	return fmt.Sprintf("/%s/%s", m.Descriptor.Parent().FullName(), m.Descriptor.Name())
}

// Reads reports whether the method changes nothing: the contract marks such as NO_SIDE_EFFECTS.
func (m Method) Reads() bool {
	return level(m.Descriptor) == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}

// Repeatable reports whether carrying the method out twice leaves what carrying it out once does:
// it reads, or the contract marks it as IDEMPOTENT.
func (m Method) Repeatable() bool {
	return level(m.Descriptor) != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}

func level(rpc protoreflect.MethodDescriptor) descriptorpb.MethodOptions_IdempotencyLevel {
	options, _ := rpc.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel()
}

// All lists the methods.
func All() []Method {
	return []Method{
		Repeatable(Hosted(createAccount), Always), Hosted(getAccount), Hosted(listAccounts), Streamed(watchAccounts),
		Repeatable(Hosted(updateAccount), Always), Hosted(deleteAccount), Hosted(pauseAccount), Hosted(disconnectAccount), Hosted(resumeAccount), Hosted(moveAccount),
		Hosted(listNodes), Streamed(watchNodes), Hosted(cordonNode), Hosted(uncordonNode), Hosted(drainNode),
		Hosted(networkRestored), Routed(syncUpdates),
		Hosted(rotateMasterKey), Hosted(inspectSession), Routed(importSession), Hosted(exportSession), Routed(saveSession),
		Routed(requestCode), Routed(resendCode), Routed(cancelCode), Routed(signIn), Routed(checkPassword),
		Routed(botSignIn), Streamed(qrLogin), Routed(getAuthorization), Routed(logOut),
		Routed(getMe),
		Streamed(subscribe),
		Repeatable(Hosted(createProxy), Always), Hosted(getProxy), Hosted(listProxies), Repeatable(Hosted(updateProxy), Always), Hosted(deleteProxy), Hosted(testProxy),
	}
}

// request is a pointer to a request message of type T.
type request[T any] interface {
	*T
	proto.Message
}

// accountRequest is a request with the field account = 1, which routes it.
type accountRequest[T any] interface {
	request[T]
	GetAccount() string
}

// Routed registers a method of one account, which runs where the account is owned.
func Routed[Req, Rep any, PReq accountRequest[Req], PRep request[Rep]](
	fn func(context.Context, telegram.Env, PReq) (PRep, error),
) Method {
	return Hosted(func(ctx context.Context, host *Host, req PReq) (PRep, error) {
		env, err := host.Env(ctx, fleet.AccountID(req.GetAccount()))
		if err != nil {
			return nil, err
		}
		return fn(ctx, env, req)
	})
}

// Sending registers a method of one account whose TL calls carry the random_ids of the command, so
// that Telegram lets only its first attempt take effect.
func Sending[Req, Rep any, PReq accountRequest[Req], PRep request[Rep]](
	fn func(context.Context, telegram.Env, PReq, *Command) (PRep, error),
) Method {
	return Repeatable(Routed(func(ctx context.Context, env telegram.Env, req PReq) (PRep, error) {
		return fn(ctx, env, req, CommandOf(ctx))
	}), Always)
}

// Repeatable says which requests of a method may be carried out once more under their request id,
// though the method as such is not marked so in the contract.
func Repeatable(m Method, again func(proto.Message) bool) Method {
	m.again = again
	return m
}

// Always lets every request be carried out once more.
func Always(proto.Message) bool { return true }

// Hosted registers a method that any node answers.
func Hosted[Req, Rep any, PReq request[Req], PRep request[Rep]](
	fn func(context.Context, *Host, PReq) (PRep, error),
) Method {
	m := described[Req, PReq]()
	m.Unary = func(ctx context.Context, host *Host, req proto.Message) (proto.Message, error) {
		typed, ok := req.(PReq)
		if !ok {
			return nil, fmt.Errorf("%s: got a %T", m.Procedure(), req)
		}
		reply, err := fn(ctx, host, typed)
		if err != nil {
			return nil, err
		}
		return reply, nil
	}
	return m
}

// Streamed registers a method that answers with a stream.
func Streamed[Req, Rep any, PReq request[Req], PRep request[Rep]](
	fn func(context.Context, *Host, PReq, func(PRep) error) error,
) Method {
	m := described[Req, PReq]()
	m.Stream = func(ctx context.Context, host *Host, req proto.Message, send func(proto.Message) error) error {
		typed, ok := req.(PReq)
		if !ok {
			return fmt.Errorf("%s: got a %T", m.Procedure(), req)
		}
		return fn(ctx, host, typed, func(reply PRep) error { return send(reply) })
	}
	return m
}

// Fed registers a method of one account that takes a stream: its first message routes it.
func Fed[Req, Rep any, PReq accountRequest[Req], PRep request[Rep]](
	fn func(ctx context.Context, host *Host, first PReq, next func() (PReq, error)) (PRep, error),
) Method {
	m := described[Req, PReq]()
	m.Feed = func(ctx context.Context, host *Host, first proto.Message, next func() (proto.Message, error)) (proto.Message, error) {
		typed, ok := first.(PReq)
		if !ok {
			return nil, fmt.Errorf("%s: got a %T", m.Procedure(), first)
		}
		reply, err := fn(ctx, host, typed, func() (PReq, error) {
			message, err := next()
			if err != nil {
				return nil, err
			}
			typed, ok := message.(PReq)
			if !ok {
				return nil, fmt.Errorf("%s: got a %T", m.Procedure(), message)
			}
			return typed, nil
		})
		if err != nil {
			return nil, err
		}
		return reply, nil
	}
	return m
}

func described[Req any, PReq request[Req]]() Method {
	empty := PReq(new(Req))
	return Method{
		Descriptor: rpcOf(empty.ProtoReflect().Descriptor()),
		New:        func() proto.Message { return PReq(new(Req)) },
	}
}

type interruptKey struct{}

// WithInterrupt notes in the context of a client stream how its waiting read is ended.
func WithInterrupt(ctx context.Context, end func()) context.Context {
	return context.WithValue(ctx, interruptKey{}, end)
}

// Interrupt ends the read that waits for the next message of a client stream; next of its Feed then
// fails. It may be called by any goroutine, but only while the call runs.
func Interrupt(ctx context.Context) {
	if end, ok := ctx.Value(interruptKey{}).(func()); ok {
		end()
	}
}

// AccountOf is the account that a request is routed by: its field `account = 1`.
func AccountOf(req proto.Message) (fleet.AccountID, bool) {
	m := req.ProtoReflect()
	f := m.Descriptor().Fields().ByNumber(1)
	if f == nil || f.Name() != "account" || f.Kind() != protoreflect.StringKind || f.IsList() {
		return "", false
	}
	return fleet.AccountID(m.Get(f).String()), true
}

// NewMessage makes an empty message, also of a type that this program was not built with.
func NewMessage(d protoreflect.MessageDescriptor) proto.Message {
	if t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName()); err == nil {
		return t.New().Interface()
	}
	return dynamicpb.NewMessage(d)
}

// rpcOf finds the RPC that takes a request; nil when there is none.
func rpcOf(req protoreflect.MessageDescriptor) protoreflect.MethodDescriptor {
	var found protoreflect.MethodDescriptor
	for rpc := range RPCs() {
		if rpc.Input().FullName() == req.FullName() {
			found = rpc
		}
	}
	return found
}

// RPCs yields every RPC of the contract.
func RPCs() func(yield func(protoreflect.MethodDescriptor) bool) {
	pkg := v1.File_orchestrator_v1_fleet_proto.Package()
	return func(yield func(protoreflect.MethodDescriptor) bool) {
		protoregistry.GlobalFiles.RangeFilesByPackage(pkg, func(f protoreflect.FileDescriptor) bool {
			for i := range f.Services().Len() {
				rpcs := f.Services().Get(i).Methods()
				for j := range rpcs.Len() {
					if !yield(rpcs.Get(j)) {
						return false
					}
				}
			}
			return true
		})
	}
}
