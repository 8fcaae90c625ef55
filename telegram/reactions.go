package telegram

import (
	"context"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// React says which reactions the account is to have given to a message.
type React struct {
	Reactions   []tg.ReactionClass
	Big         bool
	AddToRecent bool
}

// SendReaction sets the account's reactions to a message (messages.sendReaction) and returns all of the
// message, as far as Telegram tells; changed is false when they were so already.
func SendReaction(ctx context.Context, env Env, chat Peer, id int, r React) (counts []tg.ReactionCount, changed bool, err error) {
	if err := checkIDs([]int{id}); err != nil {
		return nil, false, err
	}
	input, err := chat.Input()
	if err != nil {
		return nil, false, err
	}
	req := &tg.MessagesSendReactionRequest{Peer: input, MsgID: id, Big: r.Big, AddToRecent: r.AddToRecent}
	req.SetReaction(r.Reactions) // set when it is empty, too: that takes them back
	var res tg.UpdatesBox
	err = Invoke(ctx, env, req, &res)
	if IsRPC(err, "MESSAGE_NOT_MODIFIED") {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, u := range updatesIn(res.Updates) {
		if u, ok := u.(*tg.UpdateMessageReactions); ok && u.MsgID == id {
			return u.Reactions.Results, true, nil
		}
	}
	for _, m := range messagesIn(res.Updates) {
		if m.ID == id {
			return m.Reactions.Results, true, nil
		}
	}
	return nil, true, nil
}

// SendChatAction shows others for about 6 seconds what the account does (messages.setTyping). topID is a
// forum topic or thread, 0 = none; basic groups have none, and it is ignored there.
func SendChatAction(ctx context.Context, env Env, chat Peer, action tg.SendMessageActionClass, topID int) error {
	input, err := chat.Input()
	if err != nil {
		return err
	}
	req := &tg.MessagesSetTypingRequest{Peer: input, Action: action}
	if topID != 0 && chat.Kind != PeerChat {
		req.SetTopMsgID(topID)
	}
	var res tg.BoolBox
	return Invoke(ctx, env, req, &res)
}

// maxScheduled is how many scheduled messages one call may name, and one chat may have.
const maxScheduled = 100

// GetScheduled reads the messages of a chat that wait for their time, those that are sent last first
// (messages.getScheduledHistory).
func GetScheduled(ctx context.Context, env Env, chat Peer) ([]tg.MessageClass, []Peer, error) {
	input, err := chat.Input()
	if err != nil {
		return nil, nil, err
	}
	req := &tg.MessagesGetScheduledHistoryRequest{Peer: input}
	var res tg.MessagesMessagesBox
	if err := Invoke(ctx, env, req, &res); err != nil {
		return nil, nil, err
	}
	page, _, _, err := historyPart(req, res.Messages)
	return page, CollectPeers(res.Messages), err
}

// DeleteScheduled drops scheduled messages unsent (messages.deleteScheduledMessages), 100 at most.
func DeleteScheduled(ctx context.Context, env Env, chat Peer, ids []int) error {
	input, err := scheduledIDs(chat, ids)
	if err != nil {
		return err
	}
	var res tg.UpdatesBox
	return Invoke(ctx, env, &tg.MessagesDeleteScheduledMessagesRequest{Peer: input, ID: ids}, &res)
}

// SendScheduled sends scheduled messages now (messages.sendScheduledMessages), 100 at most, and returns
// them as the server numbered them.
func SendScheduled(ctx context.Context, env Env, chat Peer, ids []int) ([]*tg.Message, error) {
	input, err := scheduledIDs(chat, ids)
	if err != nil {
		return nil, err
	}
	var res tg.UpdatesBox
	if err := Invoke(ctx, env, &tg.MessagesSendScheduledMessagesRequest{Peer: input, ID: ids}, &res); err != nil {
		return nil, err
	}
	return messagesIn(res.Updates), nil
}

func scheduledIDs(chat Peer, ids []int) (tg.InputPeerClass, error) {
	if err := checkIDs(ids); err != nil {
		return nil, err
	}
	if len(ids) > maxScheduled {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "MESSAGE_IDS_TOO_MANY", "message_ids: must be at most %d (got %d)", maxScheduled, len(ids)).
			WithRemedy("name fewer at once")
	}
	return chat.Input()
}
