package client

import (
	"context"
	"encoding/json"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/retry"
)

// InvokeOption changes how a raw call is made.
type InvokeOption func(*invocation)

type invocation struct {
	repeat retry.Repetition
	dc     int32
}

// Repeatable says that repeating the call does no harm, so that it is tried again when its answer
// is lost.
func Repeatable() InvokeOption { return func(i *invocation) { i.repeat = repeatable } }

// OnDC calls at another DC than the account's home, by a connection of its own: the login is taken
// there (auth.exportAuthorization), but for CDN DCs, which have none. Reason DC_UNKNOWN.
func OnDC(dc int) InvokeOption { return func(i *invocation) { i.dc = int32(dc) } }

// InvokeJSON calls any method of the TL schema by JSON, which the node checks against the schema:
//
//	{"_":"messages.getHistory","peer":{"_":"inputPeerSelf"},"limit":10}
//
// Absent conditional fields stay unset, an int64 may be a number or a string, bytes are base64.
// The answer has the same form. At most 1 MiB.
func (a *Account) InvokeJSON(ctx context.Context, request json.RawMessage, opts ...InvokeOption) (json.RawMessage, error) {
	reply, err := a.invoke(ctx, &v1.InvokeRequest{Account: a.id, Request: &v1.InvokeRequest_Json{Json: string(request)}}, opts)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(reply.GetJson()), nil
}

// InvokeTL calls any method of the TL schema by its serialized form, without invokeWithLayer or
// initConnection, which the connection adds. At most 1 MiB.
func (a *Account) InvokeTL(ctx context.Context, request []byte, opts ...InvokeOption) ([]byte, error) {
	reply, err := a.invoke(ctx, &v1.InvokeRequest{Account: a.id, Request: &v1.InvokeRequest_Tl{Tl: request}}, opts)
	if err != nil {
		return nil, err
	}
	return reply.GetTl(), nil
}

func (a *Account) invoke(ctx context.Context, req *v1.InvokeRequest, opts []InvokeOption) (*v1.InvokeReply, error) {
	var i invocation
	for _, opt := range opts {
		opt(&i)
	}
	req.Dc = i.dc
	return call(ctx, a.client, i.repeat, on(rawService.Invoke), req)
}
