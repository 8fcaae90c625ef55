package messages

import (
	"context"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/telegram"
)

func pinMessage(ctx context.Context, env telegram.Env, req *v1.PinMessageRequest) (*v1.PinMessageReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	changed, err := telegram.PinMessage(ctx, env, peer, int(req.GetMessageId()), telegram.Pin{Silent: req.GetSilent(), OneSide: req.GetOneSide()})
	return &v1.PinMessageReply{Changed: changed}, err
}

func unpinMessage(ctx context.Context, env telegram.Env, req *v1.UnpinMessageRequest) (*v1.UnpinMessageReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	changed, err := telegram.UnpinMessage(ctx, env, peer, int(req.GetMessageId()))
	return &v1.UnpinMessageReply{Changed: changed}, err
}

func unpinAllMessages(ctx context.Context, env telegram.Env, req *v1.UnpinAllMessagesRequest) (*v1.UnpinAllMessagesReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	n, err := telegram.UnpinAllMessages(ctx, env, peer, int(req.GetTopId()))
	return &v1.UnpinAllMessagesReply{Unpinned: int32(n)}, err
}

func getPinnedMessage(ctx context.Context, env telegram.Env, req *v1.GetPinnedMessageRequest) (*v1.GetPinnedMessageReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	m, total, with, err := telegram.GetPinnedMessage(ctx, env, peer, int(req.GetTopId()))
	if err != nil {
		return nil, err
	}
	return &v1.GetPinnedMessageReply{Message: convert.Message(m, convert.Answered(with, env.Peers())), Total: int32(total)}, nil
}

func sendReaction(ctx context.Context, env telegram.Env, req *v1.SendReactionRequest) (*v1.SendReactionReply, error) {
	reactions, err := convert.InputReactions("reactions", req.GetReactions())
	if err != nil {
		return nil, err
	}
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	counts, changed, err := telegram.SendReaction(ctx, env, peer, int(req.GetMessageId()), telegram.React{
		Reactions: reactions, Big: req.GetBig(), AddToRecent: req.GetAddToRecent(),
	})
	if err != nil {
		return nil, err
	}
	return &v1.SendReactionReply{Counts: convert.ReactionCounts(counts), NotModified: !changed}, nil
}

func sendChatAction(ctx context.Context, env telegram.Env, req *v1.SendChatActionRequest) (*v1.SendChatActionReply, error) {
	action, err := convert.InputChatAction("action", req.GetAction())
	if err != nil {
		return nil, err
	}
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	return &v1.SendChatActionReply{}, telegram.SendChatAction(ctx, env, peer, action, int(req.GetTopId()))
}

func getScheduled(ctx context.Context, env telegram.Env, req *v1.GetScheduledMessagesRequest) (*v1.GetScheduledMessagesReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	list, with, err := telegram.GetScheduled(ctx, env, peer)
	if err != nil {
		return nil, err
	}
	return &v1.GetScheduledMessagesReply{Messages: convert.Messages(list, convert.Answered(with, env.Peers()))}, nil
}

func deleteScheduled(ctx context.Context, env telegram.Env, req *v1.DeleteScheduledMessagesRequest) (*v1.DeleteScheduledMessagesReply, error) {
	ids, err := idsOf("message_ids", req.GetMessageIds())
	if err != nil {
		return nil, err
	}
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	return &v1.DeleteScheduledMessagesReply{}, telegram.DeleteScheduled(ctx, env, peer, ids)
}

func sendScheduled(ctx context.Context, env telegram.Env, req *v1.SendScheduledMessagesRequest) (*v1.SendScheduledMessagesReply, error) {
	ids, err := idsOf("message_ids", req.GetMessageIds())
	if err != nil {
		return nil, err
	}
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	list, err := telegram.SendScheduled(ctx, env, peer, ids)
	if err != nil {
		return nil, err
	}
	reply := &v1.SendScheduledMessagesReply{}
	for _, m := range list {
		reply.Messages = append(reply.Messages, convert.Message(m, env.Peers()))
	}
	return reply, nil
}
