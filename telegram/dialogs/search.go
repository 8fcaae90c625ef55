package dialogs

import (
	"context"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Query selects messages. The zero value selects all.
type Query struct {
	// Text is words of the message.
	Text string
	// Filter is what it holds; nil = anything.
	Filter tg.MessagesFilterClass
	// MinDate and MaxDate bound its time in Unix seconds, the second exclusively; 0 = no bound.
	MinDate, MaxDate int
	// The others are for one chat only: Sender, ids above MinID and below MaxID, older than Before, of
	// a forum topic.
	Sender               *telegram.Peer
	MinID, MaxID, Before int
	Topic                int
}

func (q Query) filter() tg.MessagesFilterClass {
	if q.Filter == nil {
		return &tg.InputMessagesFilterEmpty{}
	}
	return q.Filter
}

// Hits are messages that a search found, newest first.
type Hits struct {
	Messages []tg.MessageClass
	// Total is how many fit, as Telegram counts them.
	Total int
	// Next is the message to read on from (Query.Before); 0 at the end.
	Next  int
	Peers []telegram.Peer
}

// Search searches one chat until limit messages are found or none are left (messages.search).
func Search(ctx context.Context, env telegram.Env, chat telegram.Peer, q Query, limit int) (Hits, error) {
	in, err := chat.Input()
	if err != nil {
		return Hits{}, err
	}
	req := &tg.MessagesSearchRequest{
		Peer: in, Q: q.Text, Filter: q.filter(), MinDate: q.MinDate, MaxDate: q.MaxDate, OffsetID: q.Before, MaxID: q.MaxID, MinID: q.MinID,
	}
	if q.MaxID > 0 && (q.Before == 0 || q.Before > q.MaxID) {
		req.OffsetID = q.MaxID // max_id takes messages out of a page, it does not lead to the next one
	}
	if q.Sender != nil {
		from, err := q.Sender.Input()
		if err != nil {
			return Hits{}, err
		}
		req.SetFromID(from)
	}
	if q.Topic != 0 {
		req.SetTopMsgID(q.Topic)
	}
	var out Hits
	for {
		req.Limit = min(pageSize, limit-len(out.Messages))
		var box tg.MessagesMessagesBox
		if err := telegram.Invoke(ctx, env, req, &box); err != nil {
			return Hits{}, err
		}
		page, _, err := open(req, box.Messages)
		if err != nil {
			return Hits{}, err
		}
		out.Total, out.Peers = max(out.Total, page.total), append(out.Peers, telegram.CollectPeers(box.Messages)...)
		before := req.OffsetID
		for _, m := range page.messages {
			if id := m.GetID(); req.OffsetID == 0 || id < req.OffsetID {
				req.OffsetID = id
				out.Messages = append(out.Messages, m)
			}
		}
		if page.complete || req.OffsetID == before {
			return out, nil
		}
		if len(out.Messages) >= limit {
			out.Next = req.OffsetID
			return out, nil
		}
	}
}

// page is one answer with messages.
type page struct {
	messages []tg.MessageClass
	total    int
	complete bool // nothing follows
}

// open unpacks an answer; rate is its next_rate, 0 for none.
func open(req telegram.Request, answer tg.MessagesMessagesClass) (p page, rate int, err error) {
	switch a := answer.(type) {
	case *tg.MessagesMessages:
		return page{a.Messages, len(a.Messages), true}, 0, nil
	case *tg.MessagesMessagesSlice:
		rate, _ = a.GetNextRate()
		return page{a.Messages, a.Count, false}, rate, nil
	case *tg.MessagesChannelMessages:
		return page{a.Messages, a.Count, false}, 0, nil
	}
	return page{}, 0, telegram.Unexpected(req, answer)
}

// Kinds selects chats by their kind.
type Kinds uint8

// The kinds.
const (
	AllKinds Kinds = iota
	Broadcasts
	Groups
	Users
)

// GlobalQuery selects messages of all chats. Of Query only Text, Filter and the dates count.
type GlobalQuery struct {
	Query
	Kinds Kinds
	// Folder bounds the search to a folder's chats; nil = all.
	Folder *int
}

// GlobalPlace is a place in the hits of a global search: behind this message. The zero value is the
// newest.
type GlobalPlace struct {
	Rate, ID int
	Kind     telegram.PeerKind
	Chat     int64
}

// GlobalHits are messages that a global search found, newest first.
type GlobalHits struct {
	Messages []tg.MessageClass
	Total    int
	// Next is the place behind them; nil at the end.
	Next  *GlobalPlace
	Peers []telegram.Peer
}

// SearchGlobal searches all chats until limit messages are found or none are left
// (messages.searchGlobal). Each page begins at (next_rate, chat, id) of the one before, the rate being
// the date of its last message where Telegram gives none.
func SearchGlobal(ctx context.Context, env telegram.Env, q GlobalQuery, from GlobalPlace, limit int) (GlobalHits, error) {
	req := &tg.MessagesSearchGlobalRequest{
		BroadcastsOnly: q.Kinds == Broadcasts, GroupsOnly: q.Kinds == Groups, UsersOnly: q.Kinds == Users,
		Q: q.Text, Filter: q.filter(), MinDate: q.MinDate, MaxDate: q.MaxDate,
	}
	if q.Folder != nil {
		req.SetFolderID(*q.Folder)
	}
	var out GlobalHits
	seen, place := map[key]bool{}, from
	for {
		if err := place.fill(env, req, out.Peers); err != nil {
			return GlobalHits{}, err
		}
		req.Limit = min(pageSize, limit-len(out.Messages))
		var box tg.MessagesMessagesBox
		if err := telegram.Invoke(ctx, env, req, &box); err != nil {
			return GlobalHits{}, err
		}
		page, rate, err := open(req, box.Messages)
		if err != nil {
			return GlobalHits{}, err
		}
		out.Total, out.Peers = max(out.Total, page.total), append(out.Peers, telegram.CollectPeers(box.Messages)...)
		next := place
		for _, m := range page.messages {
			chat := chatOf(m)
			if chat == nil {
				continue
			}
			k, err := keyOf(chat, m.GetID())
			if err != nil {
				continue
			}
			next = GlobalPlace{Rate: dateOf(m), ID: k.id, Kind: k.kind, Chat: k.chat}
			if !seen[k] {
				seen[k] = true
				out.Messages = append(out.Messages, m)
			}
		}
		if page.complete || len(page.messages) == 0 || next == place {
			return out, nil
		}
		if place = next; rate != 0 {
			place.Rate = rate
		}
		if len(out.Messages) >= limit {
			out.Next = &place
			return out, nil
		}
	}
}

// fill sets the offsets of a request.
func (p GlobalPlace) fill(env telegram.Env, req *tg.MessagesSearchGlobalRequest, came []telegram.Peer) error {
	req.OffsetRate, req.OffsetID, req.OffsetPeer = p.Rate, p.ID, &tg.InputPeerEmpty{}
	if p.Chat == 0 {
		return nil
	}
	chat, known := env.Peers().Get(p.Kind, p.Chat)
	for _, c := range came {
		if !known && c.Kind == p.Kind && c.ID == p.Chat {
			chat, known = c, true
		}
	}
	if !known && p.Kind == telegram.PeerChat {
		chat = telegram.Peer{Kind: p.Kind, ID: p.Chat}
	}
	in, err := chat.Input()
	if err != nil {
		return fleet.Errorf(fleet.CodeFailedPrecondition, "PAGE_LOST", "page_token: the chat that the page ended in is not known any more").
			WithRemedy("search from the beginning")
	}
	req.OffsetPeer = in
	return nil
}
