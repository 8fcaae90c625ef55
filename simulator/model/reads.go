package model

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// readHistory marks a private chat or a basic group as read, and tells the writers.
func (c *call) readHistory(q *tg.MessagesReadHistoryRequest) (bin.Encoder, error) {
	p, err := c.peer(q.Peer)
	if err != nil {
		return nil, err
	}
	if p.kind == kindChannel {
		return nil, rpcError(400, "PEER_ID_INVALID")
	}
	affected := &tg.MessagesAffectedMessages{Pts: c.user.box.pts}
	d := c.user.dialogs[p]
	if d == nil || len(d.ids) == 0 {
		return affected, nil
	}
	top := d.ids[len(d.ids)-1]
	if q.MaxID > 0 {
		top = min(top, q.MaxID)
	}
	if top <= d.readIn {
		return affected, nil
	}
	writers := map[int64]int{} // last message of each writer that is now read, by the writer's id of it
	for _, id := range d.ids {
		by := c.user.box.messages[id].post
		if id > d.readIn && id <= top && by.from != c.user.id && by.copies[by.from] != 0 {
			writers[by.from] = by.copies[by.from]
		}
	}
	d.readIn = top
	e := c.w.record(c.user, event{count: 1, kind: KindReadInbox, ids: []int{top}, dialog: p}, c.user.id, true)
	c.w.sendTo(c.user, c.w.readBundle(c.user, e), c.key)
	affected.Pts, affected.PtsCount = e.pts, e.count
	for _, id := range sortedKeys(writers) {
		c.w.readByOther(c.w.users[id], c.user, p, writers[id])
	}
	return affected, nil
}

// readByOther tells a writer that somebody has read up to this message.
func (w *World) readByOther(writer, reader *user, in peer, id int) {
	if in.kind == kindUser {
		in = reader.peer()
	}
	d := w.dialog(writer, in)
	if writer.id == serviceUserID || id <= d.readOut {
		return
	}
	d.readOut = id
	e := w.record(writer, event{count: 1, kind: KindReadOutbox, ids: []int{id}, dialog: in}, reader.id, false)
	w.sendTo(writer, w.readBundle(writer, e), nil)
}

func (w *World) readBundle(u *user, e event) *bundle {
	b := w.bundle(u, w.readUpdate(u, e))
	b.refs.peer(e.dialog)
	return b
}

func (w *World) readUpdate(u *user, e event) tg.UpdateClass {
	d := w.dialog(u, e.dialog)
	if e.kind == KindReadOutbox {
		return &tg.UpdateReadHistoryOutbox{Peer: e.dialog.tl(), MaxID: d.readOut, Pts: e.pts, PtsCount: e.count}
	}
	return &tg.UpdateReadHistoryInbox{
		Peer: e.dialog.tl(), MaxID: d.readIn, StillUnreadCount: u.unread(d), Pts: e.pts, PtsCount: e.count,
	}
}

// setTyping is passed on to those who are online, and kept nowhere.
func (c *call) setTyping(q *tg.MessagesSetTypingRequest) (bin.Encoder, error) {
	p, err := c.peer(q.Peer)
	if err != nil {
		return nil, err
	}
	if err := c.mayWrite(p); err != nil {
		return nil, err
	}
	var update tg.UpdateClass
	var to []int64
	from := &tg.PeerUser{UserID: c.user.id}
	switch p.kind {
	case kindUser:
		update, to = &tg.UpdateUserTyping{UserID: c.user.id, Action: q.Action}, []int64{p.id}
	case kindGroup:
		update, to = &tg.UpdateChatUserTyping{ChatID: p.id, FromID: from, Action: q.Action}, c.w.groups[p.id].order
	case kindChannel:
		update, to = &tg.UpdateChannelUserTyping{ChannelID: p.id, FromID: from, Action: q.Action}, c.w.channels[p.id].order
	}
	for _, id := range to {
		u := c.w.users[id]
		if u == c.user || u.bot {
			continue
		}
		for _, k := range u.logins {
			c.w.encodeTo(k, &tg.UpdateShort{Update: update, Date: c.w.now()})
		}
	}
	return &tg.BoolTrue{}, nil
}
