package telegram

import (
	"context"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// DeleteMessages deletes messages (messages.deleteMessages, channels.deleteMessages), 100 at once, and
// returns how many are gone as Telegram counts them. chat may be nil for private chats and basic groups;
// then each id must be that of such a message, else none is deleted (MESSAGE_ID_AMBIGUOUS). With a chat,
// ids that it does not have are left alone.
func DeleteMessages(ctx context.Context, env Env, chat *Peer, ids []int, revoke bool) (int, error) {
	if err := checkIDs(ids); err != nil {
		return 0, err
	}
	if chat == nil {
		chat = &Peer{}
	}
	channel, err := channelOf(*chat)
	if err != nil {
		return 0, err
	}
	ids = distinct(ids)
	if channel == nil {
		if ids, err = ownIDs(ctx, env, *chat, ids); err != nil {
			return 0, err
		}
	}
	deleted := 0
	for at := 0; at < len(ids); at += maxIDs {
		part := ids[at:min(at+maxIDs, len(ids))]
		var req Request = &tg.MessagesDeleteMessagesRequest{ID: part, Revoke: revoke}
		if channel != nil {
			req = &tg.ChannelsDeleteMessagesRequest{Channel: channel, ID: part}
		}
		var res tg.MessagesAffectedMessages
		if err := Invoke(ctx, env, req, &res); err != nil {
			return deleted, err
		}
		deleted += res.PtsCount
	}
	return deleted, nil
}

// ownIDs are those of ids that are messages of the chat; without a chat, all of them must be messages of
// private chats or basic groups.
func ownIDs(ctx context.Context, env Env, chat Peer, ids []int) ([]int, error) {
	known, _, err := messagesByID(ctx, env, chat, ids)
	if err != nil {
		return nil, err
	}
	anywhere := chat.Kind == 0
	var own []int
	for _, id := range ids {
		m := known[id]
		switch {
		case m == nil && anywhere:
			return nil, fleet.Errorf(fleet.CodeFailedPrecondition, "MESSAGE_ID_AMBIGUOUS",
				"message_ids: %d is no message of a private chat or basic group; nothing was deleted", id).
				WithRemedy("give the peer: messages of channels have ids of their own")
		case m != nil && (anywhere || messageOf(env, chat, m)):
			own = append(own, id)
		}
	}
	return own, nil
}
