package model

import (
	"slices"

	"github.com/gotd/td/tg"
)

// post is one message as it was written. In private chats and basic groups every
// participant has a copy under an id of their own; in a channel the post has one id.
type post struct {
	from     int64 // writer; 0 for a post in the name of a channel
	to       peer  // where it was written: the other user, the group or the channel
	id       int   // in a channel
	date     int
	editDate int
	text     string
	entities []tg.MessageEntityClass
	markup   tg.ReplyMarkupClass
	silent   bool
	action   tg.MessageActionClass // of a service message
	named    []int64               // users that entities and action name
	reply    *post
	quote    string
	copies   map[int64]int // ids by owner
}

// mentions says whether the message makes this user known: as its writer or by name.
func (p *post) mentions(id int64) bool { return p.from == id || slices.Contains(p.named, id) }

// letter is one account's copy of a message.
type letter struct {
	id     int
	post   *post
	dialog peer // as the owner sees it
}

// dialog is what an account keeps about one of its chats.
type dialog struct {
	peer            peer
	ids             []int // of messages that still exist, ascending; not for channels
	readIn, readOut int
	since           int // date on which it appeared
}

// event is one change of a box: it holds positions (pts-count, pts].
type event struct {
	pts, count int
	kind       string
	ids        []int
	dialog     peer
	date       int
}

// box is the common box of an account, and its qts.
type box struct {
	pts, qts int
	lastID   int
	messages map[int]*letter
	events   []event
	qevents  []qevent
}

// qevent is one update with qts.
type qevent struct {
	qts    int
	update tg.UpdateClass
	refs   []peer
}

// keptEvents bounds the memory of a box. What is older can only be too long a difference.
const keptEvents = 20_000

func newBox() box { return box{pts: 1, messages: map[int]*letter{}} }

// trim forgets the oldest events.
func trim[E any](events []E) []E {
	if len(events) > 2*keptEvents {
		return slices.Clone(events[len(events)-keptEvents:])
	}
	return events
}

// dialog returns the account's dialog with this peer, and makes it if need be.
func (w *World) dialog(u *user, p peer) *dialog {
	d := u.dialogs[p]
	if d == nil {
		d = &dialog{peer: p, since: w.now()}
		u.dialogs[p] = d
	}
	return d
}

// record advances an account's common box by one change and enters it in the ledger.
func (w *World) record(u *user, e event, from int64, out bool) event {
	u.box.pts += e.count
	e.pts, e.date = u.box.pts, w.now()
	u.box.events = trim(append(u.box.events, e))
	w.owe(u, e, "pts", from, out)
	return e
}

// owe enters a change in the ledger if the account is logged in anywhere.
func (w *World) owe(u *user, e event, box string, from int64, out bool) {
	if len(u.logins) == 0 {
		return
	}
	entry := Entry{
		UserID: u.id, Box: box, Pts: e.pts, Kind: e.kind, ChatType: e.dialog.kind.String(),
		PeerID: e.dialog.id, FromID: from, Out: out, Date: e.date,
	}
	for _, id := range e.ids {
		entry.MessageID = id
		if e.kind == KindMessagesDeleted && e.dialog.kind != kindChannel {
			if m := u.box.messages[id]; m != nil {
				entry.ChatType, entry.PeerID = m.dialog.kind.String(), m.dialog.id
			}
		}
		w.ledger.add(entry)
	}
	if len(e.ids) == 0 {
		w.ledger.add(entry)
	}
}

// put gives an account its copy of a message.
func (w *World) put(u *user, p *post, dialog peer) event {
	u.box.lastID++
	m := &letter{id: u.box.lastID, post: p, dialog: dialog}
	u.box.messages[m.id] = m
	p.copies[u.id] = m.id
	d := w.dialog(u, dialog)
	d.ids = append(d.ids, m.id)
	out := p.from == u.id
	if out {
		d.readIn = m.id // who writes has read
	}
	return w.record(u, event{count: 1, kind: KindMessageNew, ids: []int{m.id}, dialog: dialog}, p.from, out)
}

// unread counts the messages of others that the account has not read.
func (u *user) unread(d *dialog) int {
	n := 0
	for i := len(d.ids) - 1; i >= 0 && d.ids[i] > d.readIn; i-- {
		if u.box.messages[d.ids[i]].post.from != u.id {
			n++
		}
	}
	return n
}

// letterOf renders an account's copy of a message.
func (w *World) letterOf(u *user, m *letter) tg.MessageClass {
	return renderPost(m.post, m.id, m.dialog, u.id, m.replyID(u))
}

// replyID is the owner's id of the message that this one answers; 0 if it has none.
func (m *letter) replyID(u *user) int {
	if m.post.reply == nil {
		return 0
	}
	return m.post.reply.copies[u.id]
}

func replyHeader(p *post, id int) tg.MessageReplyHeaderClass {
	if id == 0 {
		return nil
	}
	h := &tg.MessageReplyHeader{ReplyToMsgID: id}
	if p.quote != "" {
		h.Quote = true
		h.SetQuoteText(p.quote)
	}
	return h
}

func renderPost(p *post, id int, dialog peer, viewer int64, replyID int) tg.MessageClass {
	out := p.from == viewer && p.from != 0
	if p.action != nil {
		s := &tg.MessageService{ID: id, Out: out, PeerID: dialog.tl(), Date: p.date, Action: p.action, Silent: p.silent}
		if p.from != 0 && dialog.kind != kindUser {
			s.SetFromID(&tg.PeerUser{UserID: p.from})
		}
		return s
	}
	m := &tg.Message{
		ID: id, Out: out, PeerID: dialog.tl(), Date: p.date, Message: p.text,
		Entities: p.entities, Silent: p.silent, ReplyMarkup: p.markup, EditDate: p.editDate,
	}
	switch {
	case p.from == 0:
		m.Post = true
		m.SetViews(1)
		m.SetForwards(0)
	case dialog.kind != kindUser:
		m.SetFromID(&tg.PeerUser{UserID: p.from})
	}
	if h := replyHeader(p, replyID); h != nil {
		m.SetReplyTo(h)
	}
	return m
}
