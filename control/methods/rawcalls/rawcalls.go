// Package rawcalls holds the RPCs that call any method of the schema.
//
// # Usage
//
// All lists them; package control serves them.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// Errors that callers can act on are *fleet.Error.
package rawcalls

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"

	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// All lists the methods.
func All() []methods.Method {
	return []methods.Method{methods.Repeatable(methods.Routed(invoke), invokesAgain)}
}

func invoke(ctx context.Context, env telegram.Env, req *v1.InvokeRequest) (*v1.InvokeReply, error) {
	dc := int(req.GetDc())
	if dc < 0 {
		return nil, convert.Invalid("dc", "use 0 for the account's home", "must not be negative (got %d)", dc)
	}
	switch r := req.GetRequest().(type) {
	case *v1.InvokeRequest_Json:
		answer, err := telegram.InvokeJSON(ctx, env, dc, []byte(r.Json))
		if err != nil {
			return nil, doneBefore(ctx, err)
		}
		return &v1.InvokeReply{Reply: &v1.InvokeReply_Json{Json: string(answer)}}, nil
	case *v1.InvokeRequest_Tl:
		answer, err := telegram.InvokeTL(ctx, env, dc, r.Tl)
		if err != nil {
			return nil, doneBefore(ctx, err)
		}
		return &v1.InvokeReply{Reply: &v1.InvokeReply_Tl{Tl: answer}}, nil
	}
	return nil, convert.Invalid("request", "give the call as json or as tl", "is missing")
}

// invokesAgain reports whether a raw call may be made once more: Telegram lets only one of equal
// random_ids take effect, and reads do no harm.
func invokesAgain(req proto.Message) bool {
	call, _ := req.(*v1.InvokeRequest)
	switch r := call.GetRequest().(type) {
	case *v1.InvokeRequest_Json:
		var head struct {
			Name string `json:"_"`
		}
		return json.Unmarshal([]byte(r.Json), &head) == nil && telegram.IdempotentName(head.Name)
	case *v1.InvokeRequest_Tl:
		return len(r.Tl) >= 4 && telegram.IdempotentID(binary.LittleEndian.Uint32(r.Tl))
	}
	return false
}

// doneBefore types what Telegram says to a raw call that was made before.
func doneBefore(ctx context.Context, err error) error {
	if methods.CommandOf(ctx).Resumed() && errors.Is(err, &fleet.Error{Reason: "RANDOM_ID_DUPLICATE"}) {
		return methods.ReplyLost("Telegram's answer was lost")
	}
	return err
}
