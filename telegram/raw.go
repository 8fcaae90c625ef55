package telegram

import (
	"context"

	"github.com/gotd/td/bin"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram/rawjson"
)

// wrappers are the methods that the connection adds by itself: a caller's own would announce
// another layer or profile.
var wrappers = map[string]bool{
	"invokeWithLayer": true, "initConnection": true, "auth.bindTempAuthKey": true,
}

// InvokeJSON calls a method that is given as JSON and returns its answer as JSON, both checked
// against the schema (see rawjson).
func InvokeJSON(ctx context.Context, env Env, call []byte) ([]byte, error) {
	req, err := rawjson.ParseCall(call)
	if err != nil {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "CALL_INVALID", "json: %w", err).
			WithRemedy(`write {"_":"messages.getHistory",...} with the names of the schema`)
	}
	answer, err := raw(ctx, env, req)
	if err != nil {
		return nil, err
	}
	text, err := answer.JSON()
	if err != nil {
		return nil, fleet.Errorf(fleet.CodeUnimplemented, "ANSWER_UNKNOWN", "%s: %w", req.Name, err).
			WithRemedy("call with TL bytes, or update the orchestrator")
	}
	return text, nil
}

// InvokeTL calls a method that is given as TL bytes and returns its answer as TL bytes.
func InvokeTL(ctx context.Context, env Env, call []byte) ([]byte, error) {
	req := rawjson.Bytes(call)
	if err := req.Check(); err != nil {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "CALL_INVALID", "%w", err).
			WithRemedy("give one serialized method of the schema")
	}
	answer, err := raw(ctx, env, req)
	if err != nil {
		return nil, err
	}
	return answer.TL, nil
}

func raw(ctx context.Context, env Env, req request) (*rawjson.Answer, error) {
	if wrappers[req.TypeName()] {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "CALL_INVALID", "%s: is added by the connection itself", req.TypeName()).
			WithRemedy("call the inner method")
	}
	answer := rawjson.NewAnswer(req)
	if err := invoke(ctx, env, req, answer); err != nil {
		return nil, err
	}
	return answer, nil
}

var _ bin.Decoder = (*rawjson.Answer)(nil)
