package model

import (
	"slices"

	"github.com/gotd/td/tg"
)

// PinLetters pins or unpins an account's copies of messages of one dialog and tells its sessions. The
// change counts as many positions as messages. It returns the bundle that they were told.
func (w *World) PinLetters(u *User, dialog Peer, ids []int, pinned bool, by int64, cause *Key) (*Bundle, Event) {
	for _, id := range ids {
		u.Box.Messages[id].Pinned = pinned
	}
	e := w.Record(u, Event{Count: len(ids), Kind: pinKind(pinned), IDs: ids, Dialog: dialog}, by, by == u.ID)
	b := w.Bundle(u, pinUpdate(e))
	b.Refs.Peer(dialog)
	w.SendTo(u, b, cause)
	return b, e
}

// PinPosts pins or unpins posts of a channel and tells the members.
func (w *World) PinPosts(ch *Channel, ids []int, pinned bool, by *User, cause *Key) (*Bundle, Event) {
	for _, id := range ids {
		ch.Posts[id].Pinned = pinned
	}
	e := w.Change(ch, Event{Count: len(ids), Kind: pinKind(pinned), IDs: ids}, by.ID, by.ID)
	return w.ToMembers(ch, by, cause, func(u *User) *Bundle {
		b := w.Bundle(u, pinUpdate(e))
		b.Refs.Peer(ch.Peer())
		return b
	}), e
}

// PinnedIn are the ids of a dialog's pinned messages, ascending.
func (c *Call) PinnedIn(dialog Peer) []int {
	if dialog.Kind == PeerChannel {
		ch := c.World.Channels[dialog.ID]
		return slices.DeleteFunc(slices.Clone(ch.IDs), func(id int) bool { return !ch.Posts[id].Pinned })
	}
	d := c.User.Dialogs[dialog]
	if d == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.IDs), func(id int) bool { return !c.User.Box.Messages[id].Pinned })
}

func pinKind(pinned bool) string {
	if pinned {
		return KindPinned
	}
	return KindUnpinned
}

func pinUpdate(e Event) tg.UpdateClass {
	if e.Kind == KindContents {
		return &tg.UpdateReadMessagesContents{Messages: e.IDs, Pts: e.Pts, PtsCount: e.Count}
	}
	if e.Dialog.Kind == PeerChannel {
		return &tg.UpdatePinnedChannelMessages{
			Pinned: e.Kind == KindPinned, ChannelID: e.Dialog.ID, Messages: e.IDs, Pts: e.Pts, PtsCount: e.Count,
		}
	}
	return &tg.UpdatePinnedMessages{
		Pinned: e.Kind == KindPinned, Peer: e.Dialog.TL(), Messages: e.IDs, Pts: e.Pts, PtsCount: e.Count,
	}
}
