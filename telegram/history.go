package telegram

import (
	"context"

	"github.com/gotd/td/tg"
)

// Limits of GetHistory.
const (
	// historyPage is the most that the server returns at once.
	historyPage = 100
	// DefaultHistory is how many messages are read when no limit is given.
	DefaultHistory = 100
)

// HistoryOptions selects messages of a chat.
type HistoryOptions struct {
	// Limit is how many messages to return at most; 0 = DefaultHistory.
	Limit int
	// OffsetID selects messages older than this id; 0 = from the newest.
	OffsetID int
}

// History is a part of a chat, newest message first.
type History struct {
	Messages []tg.MessageClass
	// Total is how many messages the chat has, as the server counts them.
	Total int
	// Peers are the users and chats that the messages name.
	Peers []Peer
}

// GetHistory reads messages of one chat (messages.getHistory), page after page until Limit or
// the end of the chat.
func GetHistory(ctx context.Context, env Env, peer Peer, opts HistoryOptions) (History, error) {
	input, err := peer.Input()
	if err != nil {
		return History{}, err
	}
	if opts.Limit <= 0 {
		opts.Limit = DefaultHistory
	}
	var out History
	offset := opts.OffsetID
	for len(out.Messages) < opts.Limit {
		req := &tg.MessagesGetHistoryRequest{
			Peer: input, OffsetID: offset, Limit: min(historyPage, opts.Limit-len(out.Messages)),
		}
		var res tg.MessagesMessagesBox
		if err := Invoke(ctx, env, req, &res); err != nil {
			return History{}, err
		}
		page, total, complete, err := historyPart(req, res.Messages)
		if err != nil {
			return History{}, err
		}
		out.Total = max(out.Total, total)
		out.Peers = append(out.Peers, CollectPeers(res.Messages)...)
		added := 0
		for _, m := range page {
			if offset == 0 || m.GetID() < offset {
				out.Messages = append(out.Messages, m)
				offset = m.GetID()
				added++
			}
		}
		if added == 0 || complete {
			break
		}
	}
	if len(out.Messages) > opts.Limit {
		out.Messages = out.Messages[:opts.Limit]
	}
	return out, nil
}

// historyPart opens one page; complete says that the chat has no further messages.
func historyPart(req Request, res tg.MessagesMessagesClass) (page []tg.MessageClass, total int, complete bool, err error) {
	switch res := res.(type) {
	case *tg.MessagesMessages:
		return res.Messages, len(res.Messages), true, nil
	case *tg.MessagesMessagesSlice:
		return res.Messages, res.Count, false, nil
	case *tg.MessagesChannelMessages:
		return res.Messages, res.Count, false, nil
	}
	return nil, 0, false, Unexpected(req, res)
}
