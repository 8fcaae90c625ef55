package model

import (
	"slices"
	"strconv"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// change advances a channel's pts, remembers the change and owes it to every member.
func (w *World) change(ch *channel, e event, from, by int64) event {
	ch.pts += e.count
	e.pts, e.date, e.dialog = ch.pts, w.now(), ch.peer()
	ch.events, ch.changed = trim(append(ch.events, e)), e.date
	box := "channel:" + strconv.FormatInt(ch.id, 10)
	for _, id := range ch.order {
		w.owe(w.users[id], e, box, from, id == by)
	}
	return e
}

// render renders a post of a channel for a viewer.
func (ch *channel) render(p *post, viewer int64) tg.MessageClass {
	reply := 0
	if p.reply != nil {
		reply = p.reply.id
	}
	return renderPost(p, p.id, ch.peer(), viewer, reply)
}

// publish writes a post into a channel and pushes it to the members. It returns the
// writer's own bundle; cause is the key that did it.
func (w *World) publish(ch *channel, p *post, cause *authKey, randomID int64) *bundle {
	by := w.users[p.from]
	if ch.broadcast {
		p.from = 0
	}
	ch.lastID++
	p.id = ch.lastID
	ch.posts[p.id] = p
	ch.ids = append(ch.ids, p.id)
	if m := ch.members[by.id]; m != nil {
		m.readIn = p.id
	}
	e := w.change(ch, event{count: 1, kind: KindMessageNew, ids: []int{p.id}}, p.from, by.id)
	b := w.toMembers(ch, by, cause, func(u *user) *bundle {
		b := w.bundle(u, &tg.UpdateNewChannelMessage{Message: ch.render(p, u.id), Pts: e.pts, PtsCount: e.count})
		b.refs.post(p, ch.peer())
		if u != by && !u.bot && p.action == nil && w.chance(chanceMin) {
			delete(b.refs.users, p.from)
			if p.from != 0 {
				b.refs.minUser(p.from)
			}
			b.refs.chats[ch.peer()] = true
		}
		return b
	})
	if randomID != 0 {
		b.updates = slices.Insert(b.updates, 0, tg.UpdateClass(&tg.UpdateMessageID{ID: p.id, RandomID: randomID}))
	}
	return b
}

// toMembers pushes a bundle to every member and returns that of the one who caused it.
func (w *World) toMembers(ch *channel, by *user, cause *authKey, bundle func(u *user) *bundle) *bundle {
	for _, id := range ch.order {
		if u := w.users[id]; u != by {
			w.sendTo(u, bundle(u), nil)
		}
	}
	own := bundle(by)
	if ch.members[by.id] != nil {
		w.sendTo(by, own, cause)
	}
	return own
}

func (w *World) editPost(ch *channel, p *post, cause *authKey) *bundle {
	by := w.users[cause.userID]
	e := w.change(ch, event{count: 1, kind: KindMessageEdited, ids: []int{p.id}}, p.from, by.id)
	return w.toMembers(ch, by, cause, func(u *user) *bundle {
		b := w.bundle(u, &tg.UpdateEditChannelMessage{Message: ch.render(p, u.id), Pts: e.pts, PtsCount: e.count})
		b.refs.post(p, ch.peer())
		return b
	})
}

func (c *call) deleteChannelMessages(q *tg.ChannelsDeleteMessagesRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	m := ch.members[c.user.id]
	var ids []int
	for _, id := range q.ID {
		p := ch.posts[id]
		if p == nil || slices.Contains(ids, id) {
			continue
		}
		if m == nil || !m.admin && p.from != c.user.id {
			return nil, rpcError(403, "MESSAGE_DELETE_FORBIDDEN")
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return &tg.MessagesAffectedMessages{Pts: ch.pts}, nil
	}
	for _, id := range ids {
		delete(ch.posts, id)
		if at, ok := slices.BinarySearch(ch.ids, id); ok {
			ch.ids = slices.Delete(ch.ids, at, at+1)
		}
	}
	e := c.w.change(ch, event{count: len(ids), kind: KindMessagesDeleted, ids: ids}, c.user.id, c.user.id)
	c.w.toMembers(ch, c.user, c.key, func(u *user) *bundle {
		b := c.w.bundle(u, &tg.UpdateDeleteChannelMessages{ChannelID: ch.id, Messages: ids, Pts: e.pts, PtsCount: e.count})
		b.refs.peer(ch.peer())
		return b
	})
	return &tg.MessagesAffectedMessages{Pts: e.pts, PtsCount: e.count}, nil
}

// unread counts the posts of others that a member has not read.
func (ch *channel) unread(id int64, m *member) int {
	n := 0
	for i := len(ch.ids) - 1; i >= 0 && ch.ids[i] > m.readIn; i-- {
		if ch.posts[ch.ids[i]].from != id {
			n++
		}
	}
	return n
}

func (c *call) readChannelHistory(q *tg.ChannelsReadHistoryRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	m := ch.members[c.user.id]
	if m == nil {
		return nil, rpcError(406, "CHANNEL_PRIVATE")
	}
	top := ch.lastID
	if q.MaxID > 0 {
		top = min(top, q.MaxID)
	}
	if top <= m.readIn {
		return &tg.BoolFalse{}, nil
	}
	before := m.readIn
	m.readIn = top
	b := c.w.bundle(c.user, &tg.UpdateReadChannelInbox{
		ChannelID: ch.id, MaxID: top, StillUnreadCount: ch.unread(c.user.id, m), Pts: ch.pts,
	})
	b.refs.peer(ch.peer())
	c.w.sendTo(c.user, b, c.key)
	if !ch.broadcast {
		c.readByMember(ch, before, top)
	}
	return &tg.BoolTrue{}, nil
}

// readByMember tells the writers of the posts in (from, to] that somebody has read them.
func (c *call) readByMember(ch *channel, from, to int) {
	last := map[int64]int{}
	for _, id := range ch.ids {
		if by := ch.posts[id].from; id > from && id <= to && by != c.user.id && ch.members[by] != nil {
			last[by] = id
		}
	}
	for _, by := range sortedKeys(last) {
		if last[by] <= ch.readOut[by] {
			continue
		}
		ch.readOut[by] = last[by]
		u := c.w.users[by]
		b := c.w.bundle(u, &tg.UpdateReadChannelOutbox{ChannelID: ch.id, MaxID: last[by]})
		b.refs.peer(ch.peer())
		c.w.sendTo(u, b, nil)
	}
}
