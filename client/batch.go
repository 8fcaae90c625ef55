package client

import (
	"context"
	"crypto/rand"
	"iter"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/retry"
	"github.com/telefleet/orchestrator/fleet"
)

// Command is what a batch gives to each account: SendCommand or InvokeCommand.
type Command struct {
	method  string
	request proto.Message
}

// SendCommand sends a message to a peer, as Account.SendMessage does.
func SendCommand(peer string, content Content, opts ...SendOption) Command {
	req := &v1.SendMessageRequest{Peer: peer, Message: &v1.InputMessage{}}
	if content != nil {
		content.fill(req.Message)
	}
	for _, opt := range opts {
		opt(req)
	}
	return Command{"MessageService/SendMessage", req}
}

// InvokeCommand calls a method of the TL schema by JSON, as Account.InvokeJSON does.
func InvokeCommand(json []byte) Command {
	return Command{"RawService/Invoke", &v1.InvokeRequest{Request: &v1.InvokeRequest_Json{Json: string(json)}}}
}

// BatchOptions name a batch and its accounts: exactly one of Selector, Accounts and All.
type BatchOptions struct {
	// RequestID names the batch, 1 to 64 of A-Z, a-z, 0-9, _ and -. A batch that is given again within
	// a day goes on where it was, and each account does the command once. Empty draws one.
	RequestID string
	// Selector is a label selector as in Client.Accounts.
	Selector string
	// Accounts are ids.
	Accounts []string
	// All is the whole fleet.
	All bool
	// Concurrency is how many accounts at a time, at most 256; 0 = 16.
	Concurrency int
	// Started is told how many accounts there are, when they are chosen.
	Started func(accounts int)
}

// BatchResult is the outcome of one account.
type BatchResult struct {
	// Account is its id.
	Account string
	// Reply of the command: *v1.SendMessageReply, *v1.InvokeReply; nil with Err.
	Reply proto.Message
	// Err is an *Error, or nil.
	Err error
	// Repeated is true when the account had carried the command out before.
	Repeated bool
}

// Batch gives a command to many accounts, wherever they run, and yields the outcome of each as it
// comes. One account's error does not stop the others; an error that is yielded ends the batch, and the
// same batch given again under its RequestID goes on. When the connection breaks it does so by itself,
// and yields each account once.
func (c *Client) Batch(ctx context.Context, command Command, o BatchOptions) iter.Seq2[BatchResult, error] {
	return func(yield func(BatchResult, error) bool) {
		packed, err := anypb.New(command.request)
		if err != nil {
			yield(BatchResult{}, invalid("use SendCommand or InvokeCommand", "command: cannot be encoded: %v", err))
			return
		}
		if o.RequestID == "" {
			o.RequestID = rand.Text()
		}
		req := &v1.RunBatchRequest{
			RequestId: o.RequestID, Selector: o.Selector, Ids: o.Accounts, All: o.All, Method: command.method, Command: packed, Concurrency: int32(o.Concurrency),
		}
		seen, wanted := map[string]bool{}, true
		f := &retry.Feed[v1.RunBatchReply]{
			Caller: c.calls, Ends: true,
			Open: func(ctx context.Context, n *node) (*connect.ServerStreamForClient[v1.RunBatchReply], error) {
				return n.Batches.RunBatch(ctx, req)
			},
			Take: func(reply *v1.RunBatchReply) bool {
				if started := reply.GetStarted(); started != nil && len(seen) == 0 && o.Started != nil {
					o.Started(int(started.GetAccounts()))
				}
				r := reply.GetResult()
				if r == nil || seen[r.GetAccount()] {
					return true
				}
				seen[r.GetAccount()] = true
				wanted = yield(batchResult(r), nil)
				return wanted
			},
		}
		if err := f.Run(ctx); err != nil && wanted {
			yield(BatchResult{}, err)
		}
	}
}

func batchResult(r *v1.BatchResult) BatchResult {
	out := BatchResult{Account: r.GetAccount(), Repeated: r.GetRepeated()}
	if e := r.GetError(); e != nil {
		d := e.GetDetail()
		out.Err = &Error{
			Code: fleet.Code(e.GetCode()), Reason: Reason(d.GetReason()), Message: e.GetMessage(), RetryAfter: d.GetRetryAfter().AsDuration(),
			Remedy: d.GetRemedy(), Method: d.GetMethod(), Argument: int(d.GetArgument()),
		}
		return out
	}
	reply, err := r.GetReply().UnmarshalNew()
	if err != nil {
		out.Err = badReply("the node answered with what this client does not know: %v", err)
		return out
	}
	out.Reply = reply
	return out
}
