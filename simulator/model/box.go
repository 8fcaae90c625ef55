package model

import (
	"slices"

	"github.com/gotd/td/tg"
)

// Letter is one account's copy of a message.
type Letter struct {
	ID     int
	Post   *Post
	Dialog Peer // as the owner sees it
	Pinned bool
}

// Dialog is what an account keeps about one of its chats.
type Dialog struct {
	Peer            Peer
	IDs             []int // of messages that still exist, ascending; not for channels
	ReadIn, ReadOut int
	Since           int                  // date on which it appeared
	Draft           tg.DraftMessageClass // nil: none
	Pinned          bool
	Folder          int   // 0: the main list, 1: the archive
	Mentions        []int // messages that mention the owner and are not read, ascending
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
	if p.Pings(u.ID) {
		d.Mentions = append(d.Mentions, m.ID)
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
