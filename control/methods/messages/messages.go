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

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/telegram"
)

// All lists the methods.
func All() []methods.Method {
	return []methods.Method{
		methods.Routed(resolvePeer), methods.Routed(getHistory), methods.Routed(getMessages),
		methods.Sending(sendMessage), methods.Sending(forwardMessages), methods.Routed(editMessage), methods.Routed(deleteMessages),
		methods.Routed(pinMessage), methods.Routed(unpinMessage), methods.Routed(unpinAllMessages), methods.Routed(getPinnedMessage),
		methods.Routed(sendReaction), methods.Routed(sendChatAction),
		methods.Routed(getScheduled), methods.Routed(deleteScheduled), methods.Routed(sendScheduled),
	}
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

func getHistory(ctx context.Context, env telegram.Env, req *v1.GetHistoryRequest) (*v1.GetHistoryReply, error) {
	if n := req.GetLimit(); n < 0 || n > maxHistory {
		return nil, convert.Invalid("limit", "read on with offset_id", "must be 0 to %d (got %d)", maxHistory, n)
	}
	if n := req.GetOffsetId(); n < 0 {
		return nil, convert.Invalid("offset_id", "give the id of the oldest message read so far, or 0", "must not be negative (got %d)", n)
	}
	if err := convert.CheckMarkup("markup", req.GetMarkup()); err != nil {
		return nil, err
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
	reply.Messages = convert.WrittenAll(h.Messages, known, req.GetMarkup())
	return reply, nil
}

// maxIDs is how many messages one request may name.
const maxIDs = 10_000

// idsOf are the message ids of a request.
func idsOf(field string, list []int32) ([]int, error) {
	if n := len(list); n > maxIDs {
		return nil, convert.Invalid(field, "name fewer at once", "must be at most %d (got %d)", maxIDs, n)
	}
	out := make([]int, len(list))
	for i, id := range list {
		out[i] = int(id)
	}
	return out, nil
}

// optionalPeer finds a peer that may be left out; nil then.
func optionalPeer(ctx context.Context, env telegram.Env, text string) (*telegram.Peer, error) {
	if text == "" {
		return nil, nil
	}
	p, err := telegram.ResolvePeer(ctx, env, text)
	return &p, err
}

func getMessages(ctx context.Context, env telegram.Env, req *v1.GetMessagesRequest) (*v1.GetMessagesReply, error) {
	ids, err := idsOf("message_ids", req.GetMessageIds())
	if err != nil {
		return nil, err
	}
	if err := convert.CheckMarkup("markup", req.GetMarkup()); err != nil {
		return nil, err
	}
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	found, with, err := telegram.GetMessages(ctx, env, peer, ids)
	if err != nil {
		return nil, err
	}
	known, reply := convert.Answered(with, env.Peers()), &v1.GetMessagesReply{}
	for i, m := range found {
		reply.Messages = append(reply.Messages, &v1.FoundMessage{Id: req.GetMessageIds()[i], Message: convert.Written(m, known, req.GetMarkup())})
	}
	return reply, nil
}
