package model

import "github.com/gotd/td/tg"

// DialogOf renders a dialog of the caller whose newest message is top; 0 if it has none.
func (c *Call) DialogOf(of *Dialog, top int) *tg.Dialog {
	d := &tg.Dialog{
		Peer: of.Peer.TL(), TopMessage: top, ReadInboxMaxID: of.ReadIn, ReadOutboxMaxID: of.ReadOut, Pinned: of.Pinned,
		UnreadMentionsCount: len(c.Mentions(of)),
	}
	if of.Folder != 0 {
		d.SetFolderID(of.Folder)
	}
	if of.Draft != nil {
		d.SetDraft(of.Draft)
	}
	if of.Peer.Kind != PeerChannel {
		d.UnreadCount = c.User.Unread(of)
		return d
	}
	ch := c.World.Channels[of.Peer.ID]
	d.SetPts(ch.Pts)
	d.ReadOutboxMaxID = ch.ReadOut[c.User.ID]
	if m := ch.Members[c.User.ID]; m != nil {
		d.ReadInboxMaxID, d.UnreadCount = m.ReadIn, ch.Unread(c.User.ID, m)
	}
	return d
}

// Mentions are the unread messages of a dialog that mention the caller and still exist.
func (c *Call) Mentions(d *Dialog) (ids []int) {
	for _, id := range d.Mentions {
		if c.Find(d.Peer, id) != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// ReadBundle is what an account is told of a change of its read marks.
func (w *World) ReadBundle(u *User, e Event) *Bundle {
	b := w.Bundle(u, w.readUpdate(u, e))
	b.Refs.Peer(e.Dialog)
	return b
}

func (w *World) readUpdate(u *User, e Event) tg.UpdateClass {
	d := w.Dialog(u, e.Dialog)
	if e.Kind == KindReadOutbox {
		return &tg.UpdateReadHistoryOutbox{Peer: e.Dialog.TL(), MaxID: d.ReadOut, Pts: e.Pts, PtsCount: e.Count}
	}
	return &tg.UpdateReadHistoryInbox{
		Peer: e.Dialog.TL(), MaxID: d.ReadIn, StillUnreadCount: u.Unread(d), Pts: e.Pts, PtsCount: e.Count,
	}
}
