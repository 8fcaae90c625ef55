package model

import (
	"strconv"

	"github.com/gotd/td/tg"
)

// ChannelMessages renders posts by id; a missing one is a messageEmpty.
func (c *Call) ChannelMessages(ch *Channel, ids []int, count int) *tg.MessagesChannelMessages {
	out := &tg.MessagesChannelMessages{Pts: ch.Pts, Count: count}
	r := NewRefs(c.World, c.User)
	r.Peer(ch.Peer())
	for _, id := range ids {
		p := ch.Posts[id]
		if p == nil {
			out.Messages = append(out.Messages, &tg.MessageEmpty{ID: id})
			continue
		}
		out.Messages = append(out.Messages, c.World.RenderPost(ch, p, c.User.ID))
		r.Post(p, ch.Peer())
	}
	out.Chats, out.Users = r.TLChats(), r.TLUsers()
	return out
}

// Change advances a channel's pts, remembers the change and owes it to every member.
func (w *World) Change(ch *Channel, e Event, from, by int64) Event {
	ch.Pts += e.Count
	e.Pts, e.Date, e.Dialog = ch.Pts, w.Now(), ch.Peer()
	ch.events, ch.changed = trim(append(ch.events, e)), e.Date
	box := "channel:" + strconv.FormatInt(ch.ID, 10)
	for _, id := range ch.Order {
		w.owe(w.Users[id], e, box, from, id == by)
	}
	return e
}

// Publish writes a post into a channel and pushes it to the members. It returns the
// writer's own bundle; cause is the key that did it.
func (w *World) Publish(ch *Channel, p *Post, by *User, cause *Key) *Bundle {
	if ch.Broadcast {
		p.From = 0
	}
	ch.LastID++
	p.ID = ch.LastID
	ch.Posts[p.ID] = p
	ch.IDs = append(ch.IDs, p.ID)
	w.ping(p)
	for _, id := range p.pinged {
		if ch.Members[id] != nil {
			d := w.Dialog(w.Users[id], ch.Peer())
			d.Mentions = append(d.Mentions, p.ID)
		}
	}
	if m := ch.Members[by.ID]; m != nil {
		m.ReadIn = p.ID
	}
	e := w.Change(ch, Event{Count: 1, Kind: KindMessageNew, IDs: []int{p.ID}}, p.From, by.ID)
	return w.ToMembers(ch, by, cause, func(u *User) *Bundle {
		b := w.Bundle(u, &tg.UpdateNewChannelMessage{Message: w.RenderPost(ch, p, u.ID), Pts: e.Pts, PtsCount: e.Count})
		b.Refs.Post(p, ch.Peer())
		if u != by && !u.Bot && p.Action == nil && w.Chance(chanceMin) {
			delete(b.Refs.users, p.From)
			if p.From != 0 {
				b.Refs.MinUser(p.From)
			}
			b.Refs.chats[ch.Peer()] = true
		}
		return b
	})
}

// ToMembers pushes a bundle to every member and returns that of the one who caused it.
func (w *World) ToMembers(ch *Channel, by *User, cause *Key, bundle func(u *User) *Bundle) *Bundle {
	for _, id := range ch.Order {
		if u := w.Users[id]; u != by {
			w.SendTo(u, bundle(u), nil)
		}
	}
	own := bundle(by)
	if ch.Members[by.ID] != nil {
		w.SendTo(by, own, cause)
	}
	return own
}

// EditPost tells everybody of a changed post of a channel, and returns the updates of who changed it. cause is
// the key that is answered by them; nil for none.
func (w *World) EditPost(ch *Channel, p *Post, by *User, cause *Key) *Bundle {
	e := w.Change(ch, Event{Count: 1, Kind: KindMessageEdited, IDs: []int{p.ID}}, p.From, by.ID)
	return w.ToMembers(ch, by, cause, func(u *User) *Bundle {
		b := w.Bundle(u, &tg.UpdateEditChannelMessage{Message: w.RenderPost(ch, p, u.ID), Pts: e.Pts, PtsCount: e.Count})
		b.Refs.Post(p, ch.Peer())
		return b
	})
}

// Unread counts the posts of others that a member has not read.
func (ch *Channel) Unread(id int64, m *Member) int {
	n := 0
	for i := len(ch.IDs) - 1; i >= 0 && ch.IDs[i] > m.ReadIn; i-- {
		if ch.Posts[ch.IDs[i]].From != id {
			n++
		}
	}
	return n
}
