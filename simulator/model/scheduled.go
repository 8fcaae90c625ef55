package model

import (
	"slices"

	"github.com/gotd/td/tg"
)

// ScheduleKey names the messages that wait in one chat: those of one user, or those of all
// administrators of a broadcast channel (User is 0 then).
type ScheduleKey struct {
	User int64
	Chat Peer
}

// Queue is what waits in one chat. The messages have ids of their own.
type Queue struct {
	LastID int
	Posts  []*Post // in order of their ids
}

// WhenOnline is the date of a message that is to be sent as soon as its recipient is online.
const WhenOnline = 0x7ffffffe

// ScheduleKey is where the caller's messages to a chat wait.
func (c *Call) ScheduleKey(chat Peer) ScheduleKey {
	if chat.Kind == PeerChannel && c.World.Channels[chat.ID].Broadcast {
		return ScheduleKey{Chat: chat}
	}
	return ScheduleKey{c.User.ID, chat}
}

// Find returns a waiting message; nil if there is none.
func (q *Queue) Find(id int) *Post {
	for _, p := range q.list() {
		if p.ID == id {
			return p
		}
	}
	return nil
}

func (q *Queue) list() []*Post {
	if q == nil {
		return nil
	}
	return q.Posts
}

// Waiting are the messages that wait under a key.
func (w *World) Waiting(k ScheduleKey) []*Post { return w.Scheduled[k].list() }

// Schedule puts a message among those that wait; its date is when it is to be sent.
func (w *World) Schedule(k ScheduleKey, p *Post) {
	q := w.Scheduled[k]
	if q == nil {
		q = &Queue{}
		w.Scheduled[k] = q
	}
	q.LastID++
	p.ID, p.Scheduled = q.LastID, true
	q.Posts = append(q.Posts, p)
}

// Unschedule takes messages from those that wait. sent are the ids that they were sent under, if they
// were. It tells the sessions of who wrote them.
func (w *World) Unschedule(k ScheduleKey, posts []*Post, sent []int, cause *Key) *Bundle {
	q, u := w.Scheduled[k], w.Users[posts[0].From]
	update := &tg.UpdateDeleteScheduledMessages{Peer: k.Chat.TL()}
	for _, p := range posts {
		update.Messages = append(update.Messages, p.ID)
	}
	if len(sent) > 0 {
		update.SetSentMessages(sent)
	}
	q.Posts = slices.DeleteFunc(q.Posts, func(p *Post) bool { return slices.Contains(posts, p) })
	b := w.Bundle(u, update)
	b.Refs.Peer(k.Chat)
	b.Seq = true
	w.SendTo(u, b, cause)
	return b
}
