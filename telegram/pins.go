package telegram

import (
	"context"

	"github.com/gotd/td/tg"
)

// Pin says how to pin a message.
type Pin struct {
	// Silent does not notify the members.
	Silent bool
	// OneSide pins for the account alone, in a private chat.
	OneSide bool
}

// PinMessage pins a message (messages.updatePinnedMessage); false when it was pinned already.
func PinMessage(ctx context.Context, env Env, chat Peer, id int, p Pin) (changed bool, err error) {
	return updatePin(ctx, env, chat, &tg.MessagesUpdatePinnedMessageRequest{ID: id, Silent: p.Silent, PmOneside: p.OneSide})
}

// UnpinMessage unpins a message (messages.updatePinnedMessage); false when it was not pinned.
func UnpinMessage(ctx context.Context, env Env, chat Peer, id int) (changed bool, err error) {
	return updatePin(ctx, env, chat, &tg.MessagesUpdatePinnedMessageRequest{ID: id, Unpin: true})
}

func updatePin(ctx context.Context, env Env, chat Peer, req *tg.MessagesUpdatePinnedMessageRequest) (bool, error) {
	if err := checkIDs([]int{req.ID}); err != nil {
		return false, err
	}
	var err error
	if req.Peer, err = chat.Input(); err != nil {
		return false, err
	}
	var res tg.UpdatesBox
	err = Invoke(ctx, env, req, &res)
	if IsRPC(err, "CHAT_NOT_MODIFIED") {
		return false, nil
	}
	return err == nil, err
}

// UnpinAllMessages unpins all messages of a chat, or of one topic of it if topID is not 0
// (messages.unpinAllMessages), as often as the answer says that some are left. It returns how many.
func UnpinAllMessages(ctx context.Context, env Env, chat Peer, topID int) (unpinned int, err error) {
	input, err := chat.Input()
	if err != nil {
		return 0, err
	}
	req := &tg.MessagesUnpinAllMessagesRequest{Peer: input}
	if topID != 0 {
		req.SetTopMsgID(topID)
	}
	for {
		var res tg.MessagesAffectedHistory
		if err := Invoke(ctx, env, req, &res); err != nil {
			return unpinned, err
		}
		unpinned += res.PtsCount
		if res.Offset <= 0 {
			return unpinned, nil
		}
	}
}

// GetPinnedMessage reads the newest pinned message of a chat, or of one topic of it if topID is not 0
// (messages.search; of a bot in a channel channels.getMessages). It is nil when there is none. total is
// how many are pinned.
func GetPinnedMessage(ctx context.Context, env Env, chat Peer, topID int) (found tg.MessageClass, total int, peers []Peer, err error) {
	input, err := chat.Input()
	if err != nil {
		return nil, 0, nil, err
	}
	search := &tg.MessagesSearchRequest{Peer: input, Filter: &tg.InputMessagesFilterPinned{}, Limit: 1}
	if topID != 0 {
		search.SetTopMsgID(topID)
	}
	var req Request = search
	if self, known := env.Peers().Get(PeerUser, 0); known && self.Bot { // bots cannot search
		channel, err := channelOf(chat)
		if err != nil {
			return nil, 0, nil, err
		}
		if channel != nil {
			req = &tg.ChannelsGetMessagesRequest{Channel: channel, ID: []tg.InputMessageClass{&tg.InputMessagePinned{}}}
		}
	}
	var res tg.MessagesMessagesBox
	if err := Invoke(ctx, env, req, &res); err != nil {
		return nil, 0, nil, err
	}
	page, total, _, err := historyPart(req, res.Messages)
	if err != nil {
		return nil, 0, nil, err
	}
	for _, m := range page {
		if _, empty := m.(*tg.MessageEmpty); !empty {
			return m, max(total, 1), CollectPeers(res.Messages), nil
		}
	}
	return nil, 0, nil, nil
}
