package model

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// Find returns the message that has this id in a dialog of the caller.
func (c *Call) Find(dialog Peer, id int) *Post {
	if dialog.Kind == PeerChannel {
		return c.World.Channels[dialog.ID].Posts[id]
	}
	if m := c.User.Box.Messages[id]; m != nil && m.Dialog == dialog {
		return m.Post
	}
	return nil
}

// Deliver gives everybody concerned a copy of a message in a private chat or a basic group,
// the writer first, and pushes it. It returns the writer's own bundle and event. Updates
// without counters may go before it in the same bundles.
func (w *World) Deliver(p *Post, cause *Key, before ...tg.UpdateClass) (*Bundle, Event) {
	sender := w.Users[p.From]
	w.ping(p)
	mine := w.put(sender, p, p.To)
	own := w.newLetter(sender, sender.Box.Messages[mine.IDs[0]], mine).Lead(before)
	w.SendTo(sender, own, cause)
	for _, id := range w.recipients(p) {
		u := w.Users[id]
		dialog := p.To
		if dialog.Kind == PeerUser {
			dialog = sender.Peer()
		}
		e := w.put(u, p, dialog)
		w.SendTo(u, w.newLetter(u, u.Box.Messages[e.IDs[0]], e).Lead(before), nil)
	}
	return own, mine
}

func (w *World) recipients(p *Post) []int64 {
	if p.To.Kind == PeerGroup {
		ids := slices.Clone(w.Groups[p.To.ID].Order)
		return slices.DeleteFunc(ids, func(id int64) bool { return id == p.From })
	}
	if p.To.ID == p.From {
		return nil
	}
	return []int64{p.To.ID}
}

// Send writes a message where it is to go and pushes it. It returns the updates and the writer's id of it.
func (w *World) Send(p *Post, cause *Key) (*Bundle, int) {
	if p.To.Kind == PeerChannel {
		return w.Publish(w.Channels[p.To.ID], p, w.Users[p.From], cause), p.ID
	}
	b, e := w.Deliver(p, cause)
	return b, e.IDs[0]
}

// EditLetters tells everybody who has a copy that a message has changed, and returns the bundle of
// the one who changed it.
func (w *World) EditLetters(p *Post, by *User, cause *Key) *Bundle {
	var own *Bundle
	for _, id := range Owners(p) {
		u := w.Users[id]
		m := u.Box.Messages[p.Copies[id]]
		e := w.Record(u, Event{Count: 1, Kind: KindMessageEdited, IDs: []int{m.ID}, Dialog: m.Dialog}, p.From, p.From == id)
		b := w.Bundle(u, &tg.UpdateEditMessage{Message: w.RenderLetter(u, m), Pts: e.Pts, PtsCount: e.Count})
		b.Refs.Post(p, m.Dialog)
		if u == by {
			own = b
			w.SendTo(u, b, cause)
			continue
		}
		w.SendTo(u, b, nil)
	}
	return own
}

// Tell writes a private message without a query: a scripted person, or Telegram itself.
func (w *World) Tell(from, to *User, text string) int {
	p := &Post{From: from.ID, To: to.Peer(), Date: w.Now(), Text: text, Copies: map[int64]int{}}
	w.Deliver(p, nil)
	return p.Copies[to.ID]
}

// Owners returns who has a copy of the message, in order.
func Owners(p *Post) []int64 { return SortedKeys(p.Copies) }

// Encoded is a TL value as bytes, to compare it.
func Encoded(e bin.Encoder) string {
	var b bin.Buffer
	_ = e.Encode(&b) // equal values fail alike
	return string(b.Buf)
}

// Erase removes an account's copies. The change counts as many positions as messages.
func (w *World) Erase(u *User, ids []int, by int64) Event {
	e := Event{Count: len(ids), Kind: KindMessagesDeleted, IDs: ids, Dialog: u.Box.Messages[ids[0]].Dialog}
	e = w.Record(u, e, by, by == u.ID)
	for _, id := range ids {
		m := u.Box.Messages[id]
		delete(u.Box.Messages, id)
		delete(m.Post.Copies, u.ID)
		d := w.Dialog(u, m.Dialog)
		if at, ok := slices.BinarySearch(d.IDs, id); ok {
			d.IDs = slices.Delete(d.IDs, at, at+1)
		}
	}
	return e
}
