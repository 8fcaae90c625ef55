package dialogs

import (
	"context"
	"errors"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// MarkRead marks messages up to an id as read, 0 = all: of a chat (messages.readHistory,
// channels.readHistory), or of a forum topic (messages.readDiscussion).
func MarkRead(ctx context.Context, env telegram.Env, chat telegram.Peer, upTo, topic int) error {
	in, err := chat.Input()
	if err != nil {
		return err
	}
	const all = 1<<31 - 1 // readDiscussion takes no 0
	switch c, channel := in.(*tg.InputPeerChannel); {
	case topic != 0:
		if upTo == 0 {
			upTo = all
		}
		return telegram.Invoke(ctx, env, &tg.MessagesReadDiscussionRequest{Peer: in, MsgID: topic, ReadMaxID: upTo}, &tg.BoolBox{})
	case channel:
		return telegram.Invoke(ctx, env, &tg.ChannelsReadHistoryRequest{
			Channel: &tg.InputChannel{ChannelID: c.ChannelID, AccessHash: c.AccessHash}, MaxID: upTo,
		}, &tg.BoolBox{})
	}
	return telegram.Invoke(ctx, env, &tg.MessagesReadHistoryRequest{Peer: in, MaxID: upTo}, &tg.MessagesAffectedMessages{})
}

// ClearMentions marks all mentions of the account in a chat, or in a forum topic of it, as read
// (messages.readMentions).
func ClearMentions(ctx context.Context, env telegram.Env, chat telegram.Peer, topic int) error {
	in, err := chat.Input()
	if err != nil {
		return err
	}
	req := &tg.MessagesReadMentionsRequest{Peer: in}
	if topic != 0 {
		req.SetTopMsgID(topic)
	}
	return until(ctx, env, req)
}

// Delete removes a chat from the list: a private chat with its messages, for the account alone; a
// basic group likewise, after leaving it; a channel or supergroup by leaving it. Nothing is deleted
// for others. A chat that was left before is no error.
func Delete(ctx context.Context, env telegram.Env, chat telegram.Peer) error {
	in, err := chat.Input()
	if err != nil {
		return err
	}
	if c, ok := in.(*tg.InputPeerChannel); ok {
		req := &tg.ChannelsLeaveChannelRequest{Channel: &tg.InputChannel{ChannelID: c.ChannelID, AccessHash: c.AccessHash}}
		return unlessOut(telegram.Invoke(ctx, env, req, &tg.UpdatesBox{}))
	}
	if chat.Kind == telegram.PeerChat {
		leave := &tg.MessagesDeleteChatUserRequest{ChatID: chat.ID, UserID: &tg.InputUserSelf{}}
		if err := unlessOut(telegram.Invoke(ctx, env, leave, &tg.UpdatesBox{})); err != nil {
			return err
		}
	}
	return until(ctx, env, &tg.MessagesDeleteHistoryRequest{Peer: in})
}

// unlessOut forgives what Telegram answers to those who are out already.
func unlessOut(err error) error {
	if errors.Is(err, &fleet.Error{Reason: "USER_NOT_PARTICIPANT"}) {
		return nil
	}
	return err
}
