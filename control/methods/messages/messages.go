// Package messages holds the RPCs of peers and messages, one function each, as package methods does
// those of accounts.
//
// # Usage
//
// All lists them; package control serves them. What is done at Telegram is in package telegram.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// Errors that callers can act on are *fleet.Error.
package messages

import (
	"context"
	"errors"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/telegram"
)

// All lists the methods.
func All() []methods.Method {
	return []methods.Method{methods.Routed(resolvePeer), methods.Sending(sendMessage), methods.Routed(getHistory)}
}

// maxHistory is the most messages that one GetHistory returns.
const maxHistory = 10_000

func resolvePeer(ctx context.Context, env telegram.Env, req *v1.ResolvePeerRequest) (*v1.ResolvePeerReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	return &v1.ResolvePeerReply{Peer: convert.Peer(peer)}, nil
}

func sendMessage(ctx context.Context, env telegram.Env, req *v1.SendMessageRequest, c *methods.Command) (*v1.SendMessageReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	out, err := Outgoing(ctx, env, "message", req.GetMessage())
	if err != nil {
		return nil, err
	}
	out.RandomID, out.Since = c.RandomID(0), c.Since()
	sent, err := telegram.SendMessage(ctx, env, peer, out)
	if errors.Is(err, telegram.ErrMessageUnknown) {
		return &v1.SendMessageReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN}, nil
	}
	if err != nil {
		return nil, err
	}
	return &v1.SendMessageReply{Message: convert.Message(sent, env.Peers()), Outcome: v1.SendOutcome_SEND_OUTCOME_DONE}, nil
}

// Outgoing is a message to send as package telegram has it; field is where the request has it.
func Outgoing(_ context.Context, env telegram.Env, field string, m *v1.InputMessage) (telegram.Outgoing, error) {
	text, entities, err := convert.InputText(field, m, env.Peers())
	if err != nil {
		return telegram.Outgoing{}, err
	}
	out := telegram.Outgoing{
		Text: text, Entities: entities,
		ReplyTo: int(m.GetReply().GetMessageId()), Quote: m.GetReply().GetQuote(), TopID: int(m.GetReply().GetTopId()),
		Silent: m.GetSilent(), Background: m.GetBackground(), ClearDraft: m.GetClearDraft(),
		NoWebpage: m.GetNoWebpage(), InvertMedia: m.GetInvertMedia(), Noforwards: m.GetNoforwards(),
	}
	if m.GetScheduleDate() != nil {
		out.Schedule = m.GetScheduleDate().AsTime()
	}
	return out, nil
}

func getHistory(ctx context.Context, env telegram.Env, req *v1.GetHistoryRequest) (*v1.GetHistoryReply, error) {
	if n := req.GetLimit(); n < 0 || n > maxHistory {
		return nil, convert.Invalid("limit", "read on with offset_id", "must be 0 to %d (got %d)", maxHistory, n)
	}
	if n := req.GetOffsetId(); n < 0 {
		return nil, convert.Invalid("offset_id", "give the id of the oldest message read so far, or 0", "must not be negative (got %d)", n)
	}
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	h, err := telegram.GetHistory(ctx, env, peer, telegram.HistoryOptions{
		Limit: int(req.GetLimit()), OffsetID: int(req.GetOffsetId()),
	})
	if err != nil {
		return nil, err
	}
	known := convert.Answered(h.Peers, env.Peers())
	reply := &v1.GetHistoryReply{Total: int32(h.Total)}
	for _, m := range h.Messages {
		if msg := convert.Message(m, known); msg != nil {
			reply.Messages = append(reply.Messages, msg)
		}
	}
	return reply, nil
}
