package model

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

func (w *World) registerHistory() {
	on(w, 0, (*call).getMessages)
	on(w, 0, (*call).getChannelMessages)
	on(w, userOnly, (*call).getHistory)
}

// ids of the messages that are asked for; 0 for those that are not modelled.
func messageIDs(in []tg.InputMessageClass) ([]int, error) {
	if len(in) > maxRequestIDs {
		return nil, rpcError(400, "MSG_ID_INVALID")
	}
	ids := make([]int, len(in))
	for i, m := range in {
		if id, ok := m.(*tg.InputMessageID); ok {
			ids[i] = id.ID
		}
	}
	return ids, nil
}

func (c *call) getMessages(q *tg.MessagesGetMessagesRequest) (bin.Encoder, error) {
	ids, err := messageIDs(q.ID)
	if err != nil {
		return nil, err
	}
	out := &tg.MessagesMessages{}
	r := newRefs(c.w, c.user)
	for _, id := range ids {
		m := c.user.box.messages[id]
		if m == nil {
			out.Messages = append(out.Messages, &tg.MessageEmpty{ID: id})
			continue
		}
		out.Messages = append(out.Messages, c.w.letterOf(c.user, m))
		r.post(m.post, m.dialog)
	}
	out.Chats, out.Users = r.tlChats(), r.tlUsers()
	return out, nil
}

func (c *call) getChannelMessages(q *tg.ChannelsGetMessagesRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	ids, err := messageIDs(q.ID)
	if err != nil {
		return nil, err
	}
	return c.channelMessages(ch, ids, len(ids)), nil
}

// channelMessages renders posts by id; a missing one is a messageEmpty.
func (c *call) channelMessages(ch *channel, ids []int, count int) *tg.MessagesChannelMessages {
	out := &tg.MessagesChannelMessages{Pts: ch.pts, Count: count}
	r := newRefs(c.w, c.user)
	r.peer(ch.peer())
	for _, id := range ids {
		p := ch.posts[id]
		if p == nil {
			out.Messages = append(out.Messages, &tg.MessageEmpty{ID: id})
			continue
		}
		out.Messages = append(out.Messages, ch.render(p, c.user.id))
		r.post(p, ch.peer())
	}
	out.Chats, out.Users = r.tlChats(), r.tlUsers()
	return out
}

// getHistory returns a page, newest first: core.telegram.org/api/offsets.
func (c *call) getHistory(q *tg.MessagesGetHistoryRequest) (bin.Encoder, error) {
	p, err := c.peer(q.Peer)
	if err != nil {
		return nil, err
	}
	if p.kind == kindChannel {
		ch := c.w.channels[p.id]
		page := window(ch.ids, q, func(id int) int { return ch.posts[id].date })
		return c.channelMessages(ch, page, len(ch.ids)), nil
	}
	r := newRefs(c.w, c.user)
	r.peer(p)
	var all, page []int
	if d := c.user.dialogs[p]; d != nil {
		all = d.ids
		page = window(all, q, func(id int) int { return c.user.box.messages[id].post.date })
	}
	var messages []tg.MessageClass
	for _, id := range page {
		m := c.user.box.messages[id]
		messages = append(messages, c.w.letterOf(c.user, m))
		r.post(m.post, m.dialog)
	}
	if len(page) == len(all) {
		return &tg.MessagesMessages{Messages: messages, Chats: r.tlChats(), Users: r.tlUsers()}, nil
	}
	return &tg.MessagesMessagesSlice{
		Count: len(all), Messages: messages, Chats: r.tlChats(), Users: r.tlUsers(),
	}, nil
}

// window cuts the page out of ascending ids: add_offset counts from the first message below
// offset_id or offset_date.
func window(ids []int, q *tg.MessagesGetHistoryRequest, date func(id int) int) []int {
	newest := slices.Clone(ids)
	slices.Reverse(newest)
	start := 0
	for start < len(newest) {
		id := newest[start]
		if (q.OffsetID <= 0 || id < q.OffsetID) && (q.OffsetDate <= 0 || date(id) < q.OffsetDate) {
			break
		}
		start++
	}
	start += q.AddOffset
	end := start + min(max(q.Limit, 0), maxRequestIDs)
	start, end = max(start, 0), max(min(end, len(newest)), 0)
	if start >= end {
		return nil
	}
	return slices.DeleteFunc(newest[start:end], func(id int) bool {
		return q.MaxID > 0 && id >= q.MaxID || q.MinID > 0 && id <= q.MinID
	})
}
