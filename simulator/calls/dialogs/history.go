package dialogs

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// getHistory returns a page, newest first: core.telegram.org/api/offsets.
func getHistory(c *model.Call, q *tg.MessagesGetHistoryRequest) (bin.Encoder, error) {
	p, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if p.Kind == model.PeerChannel {
		ch := c.World.Channels[p.ID]
		page := window(ch.IDs, q, func(id int) int { return ch.Posts[id].Date })
		return c.ChannelMessages(ch, page, len(ch.IDs)), nil
	}
	r := model.NewRefs(c.World, c.User)
	r.Peer(p)
	var all, page []int
	if d := c.User.Dialogs[p]; d != nil {
		all = d.IDs
		page = window(all, q, func(id int) int { return c.User.Box.Messages[id].Post.Date })
	}
	var messages []tg.MessageClass
	for _, id := range page {
		m := c.User.Box.Messages[id]
		messages = append(messages, c.World.RenderLetter(c.User, m))
		r.Post(m.Post, m.Dialog)
	}
	if len(page) == len(all) {
		return &tg.MessagesMessages{Messages: messages, Chats: r.TLChats(), Users: r.TLUsers()}, nil
	}
	return &tg.MessagesMessagesSlice{
		Count: len(all), Messages: messages, Chats: r.TLChats(), Users: r.TLUsers(),
	}, nil
}

// window cuts the page out of ascending ids: add_offset counts from the first message below
// offset_id, or without one before offset_date. Clients page by id and date of the last message, and
// must get the others of its second too: so the id wins.
func window(ids []int, q *tg.MessagesGetHistoryRequest, date func(id int) int) []int {
	newest := slices.Clone(ids)
	slices.Reverse(newest)
	start := 0
	for start < len(newest) {
		id := newest[start]
		if q.OffsetID > 0 && id < q.OffsetID || q.OffsetID <= 0 && (q.OffsetDate <= 0 || date(id) < q.OffsetDate) {
			break
		}
		start++
	}
	start += q.AddOffset
	end := start + min(max(q.Limit, 0), model.MaxRequestIDs)
	start, end = max(start, 0), max(min(end, len(newest)), 0)
	if start >= end {
		return nil
	}
	return slices.DeleteFunc(newest[start:end], func(id int) bool {
		return q.MaxID > 0 && id >= q.MaxID || q.MinID > 0 && id <= q.MinID
	})
}
