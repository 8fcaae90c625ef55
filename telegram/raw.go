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
// against the schema (see rawjson). dc 0 is the account's home.
func InvokeJSON(ctx context.Context, env Env, dc int, call []byte) ([]byte, error) {
	req, err := rawjson.ParseCall(call)
	if err != nil {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "CALL_INVALID", "json: %w", err).
			WithRemedy("compare it with the schema: `orchestrator schema NAME` shows the fields of a method or type")
	}
	answer, err := raw(ctx, env, dc, req)
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

// InvokeTL calls a method that is given as TL bytes and returns its answer as TL bytes. dc 0 is
// the account's home.
func InvokeTL(ctx context.Context, env Env, dc int, call []byte) ([]byte, error) {
	req := rawjson.Bytes(call)
	if err := req.Check(); err != nil {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "CALL_INVALID", "%w", err).
			WithRemedy("give one serialized method of the schema")
	}
	answer, err := raw(ctx, env, dc, req)
	if err != nil {
		return nil, err
	}
	return answer.TL, nil
}

func raw(ctx context.Context, env Env, dc int, req Request) (*rawjson.Answer, error) {
	if wrappers[req.TypeName()] {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "CALL_INVALID", "%s: is added by the connection itself", req.TypeName()).
			WithRemedy("call the inner method")
	}
	answer := rawjson.NewAnswer(req)
	if dc == 0 {
		return answer, Invoke(ctx, env, req, answer)
	}
	return answer, TypedError(req.TypeName(), env.InvokeOn(ctx, dc, req, answer))
}

var _ bin.Decoder = (*rawjson.Answer)(nil)
