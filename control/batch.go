package control

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

// Limits of batches.
const (
	defaultBatch = 16 // accounts at a time
	maxBatch     = 256
)

const batchProcedure = orchestratorv1connect.BatchServiceRunBatchProcedure

// batch serves BatchService.RunBatch: each account's command runs by the same path as a call of its
// own, here or at the account's node, under the batch's request id.
type batch struct{ *exchange }

func (b batch) handler(opts ...connect.HandlerOption) http.Handler {
	return b.d.handler(methods.Streamed(b.run), opts...)
}

func (b batch) run(ctx context.Context, host *methods.Host, req *v1.RunBatchRequest, send func(*v1.RunBatchReply) error) error {
	m, err := b.method(req.GetMethod())
	if err != nil {
		return err
	}
	command, err := commandOf(m, req)
	if err != nil {
		return err
	}
	accounts, err := batchAccounts(ctx, host, req)
	if err != nil {
		return err
	}
	if err := send(&v1.RunBatchReply{Item: &v1.RunBatchReply_Started{Started: &v1.BatchStarted{Accounts: int32(len(accounts))}}}); err != nil {
		return err
	}
	done := &v1.BatchDone{}
	for r := range b.results(ctx, m, command, req, accounts) {
		if r.GetError() != nil {
			done.Failed++
		} else {
			done.Succeeded++
		}
		if err := send(&v1.RunBatchReply{Item: &v1.RunBatchReply_Result{Result: r}}); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return send(&v1.RunBatchReply{Item: &v1.RunBatchReply_Done{Done: done}})
}

// results yields the accounts' outcomes as they come. When the loop ends, nothing runs any more.
func (b batch) results(ctx context.Context, m methods.Method, command proto.Message, req *v1.RunBatchRequest, accounts []fleet.AccountID) func(func(*v1.BatchResult) bool) {
	return func(yield func(*v1.BatchResult) bool) {
		ctx, cancel := context.WithCancel(ctx)
		next, out := make(chan fleet.AccountID), make(chan *v1.BatchResult)
		var workers, feeder sync.WaitGroup
		feeder.Go(func() {
			defer close(next)
			for _, id := range accounts {
				select {
				case next <- id:
				case <-ctx.Done():
					return
				}
			}
		})
		for range min(atATime(req), len(accounts)) {
			workers.Go(func() {
				for id := range next {
					out <- b.one(ctx, m, command, req.GetRequestId(), id)
				}
			})
		}
		go func() { workers.Wait(); close(out) }()
		defer func() {
			cancel()
			for range out { // those that were under way
			}
			feeder.Wait()
		}()
		for r := range out {
			if !yield(r) {
				return
			}
		}
	}
}

func atATime(req *v1.RunBatchRequest) int {
	if n := int(req.GetConcurrency()); n > 0 {
		return n
	}
	return defaultBatch
}

// one carries the command out as one account.
func (b batch) one(ctx context.Context, m methods.Method, command proto.Message, requestID string, id fleet.AccountID) *v1.BatchResult {
	r := &v1.BatchResult{Account: string(id)}
	own := proto.Clone(command)
	own.ProtoReflect().Set(own.ProtoReflect().Descriptor().Fields().ByNumber(1), protoreflect.ValueOfString(string(id)))
	data, err := proto.Marshal(own)
	var out outcome
	if err == nil {
		out, err = b.d.unary(ctx, m, requestID, &payload{data: data})
	}
	var answer *anypb.Any
	if err == nil {
		answer, err = anypb.New(out.message)
	}
	if err != nil {
		r.Outcome = &v1.BatchResult_Error{Error: errorOf(err)}
		return r
	}
	r.Outcome, r.Repeated = &v1.BatchResult_Reply{Reply: answer}, out.repeated
	return r
}

// commandOf checks and reads the command.
func commandOf(m methods.Method, req *v1.RunBatchRequest) (proto.Message, error) {
	command := m.New()
	if _, routed := methods.AccountOf(command); !routed || m.Reads() {
		return nil, convert.Invalid("method", "for example MessageService/SendMessage", "must be a command of one account (got %.80q)", req.GetMethod())
	}
	if req.GetRequestId() == "" {
		return nil, convert.Invalid("request_id", "choose a name for the batch, and give it again to go on", "is missing")
	}
	if n := req.GetConcurrency(); n < 0 || n > maxBatch {
		return nil, convert.Invalid("concurrency", "use 0 for the default", "must be 0 to %d (got %d)", maxBatch, n)
	}
	if err := checkType(m, req.GetCommand()); err != nil {
		return nil, err
	}
	return command, (&payload{data: req.GetCommand().GetValue()}).into(command)
}

// batchAccounts are the accounts of a batch: exactly one way to name them is allowed.
func batchAccounts(ctx context.Context, host *methods.Host, req *v1.RunBatchRequest) ([]fleet.AccountID, error) {
	ways := 0
	for _, used := range []bool{req.GetSelector() != "", len(req.GetIds()) > 0, req.GetAll()} {
		if used {
			ways++
		}
	}
	if ways != 1 {
		return nil, convert.Invalid("selector, ids, all", "give one of them; all is the whole fleet", "exactly one must be given (got %d)", ways)
	}
	if len(req.GetIds()) == 0 {
		match, err := methods.ParseSelector(req.GetSelector())
		if err != nil {
			return nil, err
		}
		return methods.Matching(ctx, host, match)
	}
	var ids []fleet.AccountID
	for _, text := range req.GetIds() {
		id := fleet.AccountID(text)
		if err := id.Validate(); err != nil {
			return nil, err
		}
		if slices.Contains(ids, id) {
			return nil, convert.Invalid("ids", "name each account once", "has %s twice", id)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
