package model

import (
	"cmp"
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

func (w *World) registerDialogs() {
	on(w, userOnly, (*call).getDialogs)
	on(w, userOnly, (*call).getPeerDialogs)
}

// row is a dialog as it stands in the list.
type row struct {
	d    *dialog
	top  int
	date int
}

// row finds a dialog's newest message. A channel's dialog stands by its newest post, or by
// the day of joining.
func (c *call) row(d *dialog) (row, bool) {
	if d.peer.kind == kindChannel {
		ch := c.w.channels[d.peer.id]
		r := row{d: d, date: d.since}
		if n := len(ch.ids); n > 0 {
			r.top = ch.ids[n-1]
			r.date = max(r.date, ch.posts[r.top].date)
		}
		return r, ch.members[c.user.id] != nil
	}
	if len(d.ids) == 0 {
		return row{}, false
	}
	top := d.ids[len(d.ids)-1]
	return row{d, top, c.user.box.messages[top].post.date}, true
}

// compareRows puts the newest first.
func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(b.date, a.date), cmp.Compare(b.top, a.top),
		cmp.Compare(b.d.peer.kind, a.d.peer.kind), cmp.Compare(b.d.peer.id, a.d.peer.id))
}

func (c *call) rows() []row {
	var rows []row
	for _, d := range c.user.dialogs {
		if r, ok := c.row(d); ok {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

func (c *call) getDialogs(q *tg.MessagesGetDialogsRequest) (bin.Encoder, error) {
	rows := c.rows()
	if q.FolderID == 1 {
		rows = nil // nobody archives here
	}
	total := len(rows)
	if q.OffsetDate > 0 || q.OffsetID > 0 {
		last := row{d: &dialog{}, top: q.OffsetID, date: q.OffsetDate}
		if _, empty := q.OffsetPeer.(*tg.InputPeerEmpty); !empty {
			p, err := c.peer(q.OffsetPeer)
			if err != nil {
				return nil, rpcError(400, "OFFSET_PEER_ID_INVALID")
			}
			last.d.peer = p
		}
		at := 0
		for at < len(rows) && (compareRows(rows[at], last) <= 0 || rows[at].d.peer == last.d.peer) {
			at++
		}
		rows = rows[at:]
	}
	rows = rows[:min(len(rows), max(min(q.Limit, maxRequestIDs), 1))]
	out := c.render(rows)
	if len(rows) == total {
		return &tg.MessagesDialogs{Dialogs: out.Dialogs, Messages: out.Messages, Chats: out.Chats, Users: out.Users}, nil
	}
	return &tg.MessagesDialogsSlice{
		Count: total, Dialogs: out.Dialogs, Messages: out.Messages, Chats: out.Chats, Users: out.Users,
	}, nil
}

func (c *call) getPeerDialogs(q *tg.MessagesGetPeerDialogsRequest) (bin.Encoder, error) {
	var rows []row
	for _, in := range q.Peers {
		d, ok := in.(*tg.InputDialogPeer)
		if !ok {
			return nil, rpcError(400, "PEER_ID_INVALID")
		}
		p, err := c.peer(d.Peer)
		if err != nil {
			return nil, err
		}
		r := row{d: &dialog{peer: p}}
		if known := c.user.dialogs[p]; known != nil {
			if found, ok := c.row(known); ok {
				r = found
			}
		}
		rows = append(rows, r)
	}
	return c.render(rows), nil
}

// render turns rows into dialogs with their newest messages, peers, and the present state.
func (c *call) render(rows []row) *tg.MessagesPeerDialogs {
	out := &tg.MessagesPeerDialogs{State: c.state()}
	refs := newRefs(c.w, c.user)
	for _, r := range rows {
		out.Dialogs = append(out.Dialogs, c.tlDialog(r))
		refs.peer(r.d.peer)
		switch {
		case r.top == 0:
		case r.d.peer.kind == kindChannel:
			ch := c.w.channels[r.d.peer.id]
			out.Messages = append(out.Messages, ch.render(ch.posts[r.top], c.user.id))
			refs.post(ch.posts[r.top], r.d.peer)
		default:
			m := c.user.box.messages[r.top]
			out.Messages = append(out.Messages, c.w.letterOf(c.user, m))
			refs.post(m.post, m.dialog)
		}
	}
	out.Chats, out.Users = refs.tlChats(), refs.tlUsers()
	return out
}

func (c *call) tlDialog(r row) *tg.Dialog {
	d := &tg.Dialog{
		Peer: r.d.peer.tl(), TopMessage: r.top, ReadInboxMaxID: r.d.readIn, ReadOutboxMaxID: r.d.readOut,
	}
	if r.d.peer.kind != kindChannel {
		d.UnreadCount = c.user.unread(r.d)
		return d
	}
	ch := c.w.channels[r.d.peer.id]
	d.SetPts(ch.pts)
	d.ReadOutboxMaxID = ch.readOut[c.user.id]
	if m := ch.members[c.user.id]; m != nil {
		d.ReadInboxMaxID, d.UnreadCount = m.readIn, ch.unread(c.user.id, m)
	}
	return d
}
