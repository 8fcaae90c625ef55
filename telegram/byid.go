package telegram

import (
	"context"
	"slices"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// maxIDs is how many messages one call may name.
const maxIDs = 100

// channelOf is a channel or supergroup as an argument; nil for other peers.
func channelOf(p Peer) (*tg.InputChannel, error) {
	if p.Kind != PeerChannel {
		return nil, nil
	}
	if !p.Usable() {
		_, err := p.Input()
		return nil, err
	}
	return &tg.InputChannel{ChannelID: p.ID, AccessHash: p.AccessHash}, nil
}

// checkIDs refuses message ids that no message can have.
func checkIDs(ids []int) error {
	if len(ids) == 0 {
		return fleet.Errorf(fleet.CodeInvalidArgument, "MESSAGE_IDS_EMPTY", "message_ids: must not be empty").
			WithRemedy("give at least one message id")
	}
	for _, id := range ids {
		if id <= 0 {
			return fleet.Errorf(fleet.CodeInvalidArgument, "MESSAGE_ID_INVALID", "message_ids: must be positive (got %d)", id).
				WithRemedy("give the ids that messages and events have")
		}
	}
	return nil
}

// GetMessages reads messages of one chat by their ids (messages.getMessages, channels.getMessages),
// 100 at once. The answer has one for each id, in their order; nil where the chat has no message of this
// id. peers are the users and chats that the messages name.
func GetMessages(ctx context.Context, env Env, chat Peer, ids []int) (found []tg.MessageClass, peers []Peer, err error) {
	if err := checkIDs(ids); err != nil {
		return nil, nil, err
	}
	known, peers, err := messagesByID(ctx, env, chat, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		m := known[id]
		if m != nil && !messageOf(env, chat, m) {
			m = nil
		}
		found = append(found, m)
	}
	return found, peers, nil
}

// messagesByID reads what there is under the ids: in a channel, or else in the account's common box.
func messagesByID(ctx context.Context, env Env, chat Peer, ids []int) (map[int]tg.MessageClass, []Peer, error) {
	channel, err := channelOf(chat)
	if err != nil {
		return nil, nil, err
	}
	known, peers := map[int]tg.MessageClass{}, []Peer(nil)
	for part := range slices.Chunk(distinct(ids), maxIDs) {
		var input []tg.InputMessageClass
		for _, id := range part {
			input = append(input, &tg.InputMessageID{ID: id})
		}
		var req Request = &tg.MessagesGetMessagesRequest{ID: input}
		if channel != nil {
			req = &tg.ChannelsGetMessagesRequest{Channel: channel, ID: input}
		}
		var res tg.MessagesMessagesBox
		if err := Invoke(ctx, env, req, &res); err != nil {
			return nil, nil, err
		}
		page, _, _, err := historyPart(req, res.Messages)
		if err != nil {
			return nil, nil, err
		}
		peers = append(peers, CollectPeers(res.Messages)...)
		for _, m := range page {
			if _, empty := m.(*tg.MessageEmpty); !empty {
				known[m.GetID()] = m
			}
		}
	}
	return known, peers, nil
}

// distinct are ids without repetitions, in their order.
func distinct(ids []int) []int {
	seen := make(map[int]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id int) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
}

// messageOf reports whether a message is in this chat.
func messageOf(env Env, chat Peer, m tg.MessageClass) bool {
	in, ok := m.(interface{ GetPeerID() tg.PeerClass })
	if !ok {
		return false
	}
	if chat.Self {
		chat, _ = env.Peers().Get(PeerUser, 0)
	}
	kind, id, ok := PeerRef(in.GetPeerID())
	return ok && kind == chat.Kind && id == chat.ID
}
