package model

import (
	"slices"

	"github.com/gotd/td/tg"
)

// Post is one message as it was written. In private chats and basic groups every
// participant has a copy under an id of their own; in a channel the post has one id.
type Post struct {
	From      int64 // writer; 0 for a post in the name of a channel
	To        Peer  // where it was written: the other user, the group or the channel
	ID        int   // in a channel
	Date      int
	EditDate  int
	Text      string
	Entities  []tg.MessageEntityClass
	Markup    tg.ReplyMarkupClass
	Silent    bool
	Action    tg.MessageActionClass // of a service message
	Named     []int64               // users that entities and action name
	Reply     *Post
	Quote     string
	Copies    map[int64]int // ids by owner
	Media     Media         // nil: none
	GroupedID int64         // of the album that the message is in; 0: none
}

// Media is what a message carries besides its text. Access hashes and file references differ
// from viewer to viewer.
type Media interface {
	Render(viewer int64) tg.MessageMediaClass
}

// Mentions says whether the message makes this user known: as its writer or by name.
func (p *Post) Mentions(id int64) bool { return p.From == id || slices.Contains(p.Named, id) }

// Letter is one account's copy of a message.
type Letter struct {
	ID     int
	Post   *Post
	Dialog Peer // as the owner sees it
}

// Dialog is what an account keeps about one of its chats.
type Dialog struct {
	Peer            Peer
	IDs             []int // of messages that still exist, ascending; not for channels
	ReadIn, ReadOut int
	Since           int // date on which it appeared
}

// Event is one change of a box: it holds positions (pts-count, pts].
type Event struct {
	Pts, Count int
	Kind       string
	IDs        []int
	Dialog     Peer
	Date       int
}

// Box is the common box of an account, and its qts.
type Box struct {
	Pts, Qts int
	lastID   int
	Messages map[int]*Letter
	events   []Event
	qevents  []qevent
}

// qevent is one update with qts.
type qevent struct {
	qts    int
	update tg.UpdateClass
	refs   []Peer
}

// keptEvents bounds the memory of a box. What is older can only be too long a difference.
const keptEvents = 20_000

func newBox() Box { return Box{Pts: 1, Messages: map[int]*Letter{}} }

// trim forgets the oldest events.
func trim[E any](events []E) []E {
	if len(events) > 2*keptEvents {
		return slices.Clone(events[len(events)-keptEvents:])
	}
	return events
}

// Dialog returns the account's dialog with this peer, and makes it if need be.
func (w *World) Dialog(u *User, p Peer) *Dialog {
	d := u.Dialogs[p]
	if d == nil {
		d = &Dialog{Peer: p, Since: w.Now()}
		u.Dialogs[p] = d
	}
	return d
}

// Record advances an account's common box by one change and enters it in the ledger.
func (w *World) Record(u *User, e Event, from int64, out bool) Event {
	u.Box.Pts += e.Count
	e.Pts, e.Date = u.Box.Pts, w.Now()
	u.Box.events = trim(append(u.Box.events, e))
	w.owe(u, e, "pts", from, out)
	return e
}

// owe enters a change in the ledger if the account is logged in anywhere.
func (w *World) owe(u *User, e Event, box string, from int64, out bool) {
	if len(u.Logins) == 0 {
		return
	}
	entry := Entry{
		UserID: u.ID, Box: box, Pts: e.Pts, Kind: e.Kind, ChatType: e.Dialog.Kind.String(),
		PeerID: e.Dialog.ID, FromID: from, Out: out, Date: e.Date,
	}
	for _, id := range e.IDs {
		entry.MessageID = id
		if e.Kind == KindMessagesDeleted && e.Dialog.Kind != PeerChannel {
			if m := u.Box.Messages[id]; m != nil {
				entry.ChatType, entry.PeerID = m.Dialog.Kind.String(), m.Dialog.ID
			}
		}
		w.ledger.add(entry)
	}
	if len(e.IDs) == 0 {
		w.ledger.add(entry)
	}
}

// put gives an account its copy of a message.
func (w *World) put(u *User, p *Post, dialog Peer) Event {
	u.Box.lastID++
	m := &Letter{ID: u.Box.lastID, Post: p, Dialog: dialog}
	u.Box.Messages[m.ID] = m
	p.Copies[u.ID] = m.ID
	d := w.Dialog(u, dialog)
	d.IDs = append(d.IDs, m.ID)
	out := p.From == u.ID
	if out {
		d.ReadIn = m.ID // who writes has read
	}
	return w.Record(u, Event{Count: 1, Kind: KindMessageNew, IDs: []int{m.ID}, Dialog: dialog}, p.From, out)
}

// Unread counts the messages of others that the account has not read.
func (u *User) Unread(d *Dialog) int {
	n := 0
	for i := len(d.IDs) - 1; i >= 0 && d.IDs[i] > d.ReadIn; i-- {
		if u.Box.Messages[d.IDs[i]].Post.From != u.ID {
			n++
		}
	}
	return n
}

// RenderLetter renders an account's copy of a message.
func (w *World) RenderLetter(u *User, m *Letter) tg.MessageClass {
	return renderPost(m.Post, m.ID, m.Dialog, u.ID, m.replyID(u))
}

// replyID is the owner's id of the message that this one answers; 0 if it has none.
func (m *Letter) replyID(u *User) int {
	if m.Post.Reply == nil {
		return 0
	}
	return m.Post.Reply.Copies[u.ID]
}

func replyHeader(p *Post, id int) tg.MessageReplyHeaderClass {
	if id == 0 {
		return nil
	}
	h := &tg.MessageReplyHeader{ReplyToMsgID: id}
	if p.Quote != "" {
		h.Quote = true
		h.SetQuoteText(p.Quote)
	}
	return h
}

func renderPost(p *Post, id int, dialog Peer, viewer int64, replyID int) tg.MessageClass {
	out := p.From == viewer && p.From != 0
	if p.Action != nil {
		s := &tg.MessageService{ID: id, Out: out, PeerID: dialog.TL(), Date: p.Date, Action: p.Action, Silent: p.Silent}
		if p.From != 0 && dialog.Kind != PeerUser {
			s.SetFromID(&tg.PeerUser{UserID: p.From})
		}
		return s
	}
	m := &tg.Message{
		ID: id, Out: out, PeerID: dialog.TL(), Date: p.Date, Message: p.Text,
		Entities: p.Entities, Silent: p.Silent, ReplyMarkup: p.Markup, EditDate: p.EditDate,
	}
	switch {
	case p.From == 0:
		m.Post = true
		m.SetViews(1)
		m.SetForwards(0)
	case dialog.Kind != PeerUser:
		m.SetFromID(&tg.PeerUser{UserID: p.From})
	}
	if h := replyHeader(p, replyID); h != nil {
		m.SetReplyTo(h)
	}
	if p.Media != nil {
		m.SetMedia(p.Media.Render(viewer))
	}
	if p.GroupedID != 0 {
		m.SetGroupedID(p.GroupedID)
	}
	return m
}
