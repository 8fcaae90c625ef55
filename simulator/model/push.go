package model

import (
	"cmp"
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// Chances with which the form of an update varies.
const (
	chanceShort    = 0.4 // a short form, where there is one
	chanceMin      = 0.3 // min users, where the viewer can reach them by the message
	chanceCombined = 0.2 // updatesCombined instead of updates, where there is a seq
)

// Bundle is a set of updates for one account before it is put into a form.
type Bundle struct {
	Updates []tg.UpdateClass
	Refs    *Refs
	short   tg.UpdatesClass // other form; nil if there is none
	// seq says that the updates have no counters of their own, so that a session must be
	// able to notice their loss by seq.
	Seq bool
}

func (w *World) Bundle(u *User, updates ...tg.UpdateClass) *Bundle {
	return &Bundle{Updates: updates, Refs: NewRefs(w, u)}
}

// Lead puts updates without counters before the others.
func (b *Bundle) Lead(updates []tg.UpdateClass) *Bundle {
	if len(updates) > 0 {
		b.Updates = append(slices.Clone(updates), b.Updates...)
		b.short, b.Seq = nil, true
	}
	return b
}

// And joins the updates of two bundles of one account. Either may be nil.
func (b *Bundle) And(other *Bundle) *Bundle {
	if b == nil || other == nil {
		return cmp.Or(b, other)
	}
	b.Updates, b.short, b.Seq = append(b.Updates, other.Updates...), nil, b.Seq || other.Seq
	for id, min := range other.Refs.users {
		b.Refs.users[id] = min && (b.Refs.users[id] || !has(b.Refs.users, id))
	}
	for p, min := range other.Refs.chats {
		b.Refs.chats[p] = min && (b.Refs.chats[p] || !has(b.Refs.chats, p))
	}
	return b
}

func has[K comparable, V any](m map[K]V, k K) bool {
	_, ok := m[k]
	return ok
}

// SendTo pushes to all logins of the account except the one that caused the updates.
func (w *World) SendTo(u *User, b *Bundle, except *Key) {
	short := b.short != nil && w.Chance(chanceShort)
	for _, k := range u.Logins {
		if k == except {
			continue
		}
		if short {
			w.PushTo(k, b.short)
			continue
		}
		w.PushTo(k, w.full(b, k))
	}
}

// full puts a bundle in full form for one key.
func (w *World) full(b *Bundle, k *Key) tg.UpdatesClass {
	out := &tg.Updates{
		Updates: b.Updates, Users: b.Refs.TLUsers(), Chats: b.Refs.TLChats(), Date: w.Now(),
	}
	if b.Seq {
		k.seq++
		out.Seq = k.seq
		if w.Chance(chanceCombined) {
			return &tg.UpdatesCombined{
				Updates: out.Updates, Users: out.Users, Chats: out.Chats,
				Date: out.Date, SeqStart: out.Seq, Seq: out.Seq,
			}
		}
	}
	return out
}

// Answer puts a bundle in the form in which the caller gets it as a result. Results carry
// no seq: what the caller did itself it knows.
func (w *World) Answer(b *Bundle) *tg.Updates {
	return &tg.Updates{Updates: b.Updates, Users: b.Refs.TLUsers(), Chats: b.Refs.TLChats(), Date: w.Now()}
}

func (w *World) PushTo(k *Key, updates tg.UpdatesClass) {
	var b bin.Buffer
	if err := updates.Encode(&b); err != nil {
		w.Config.Log.Error("update cannot be encoded", "error", err)
		return
	}
	w.push.Push(k.ID, b.Buf)
}

// newLetter is the bundle for an account that got a copy of a message.
func (w *World) newLetter(u *User, m *Letter, e Event) *Bundle {
	p := m.Post
	b := w.Bundle(u, &tg.UpdateNewMessage{Message: w.RenderLetter(u, m), Pts: e.Pts, PtsCount: e.Count})
	b.Refs.Post(p, m.Dialog)
	if !p.plain() || m.Dialog.ID == u.ID {
		return b
	}
	out := p.From == u.ID
	reply := replyHeader(p, m.replyID(u))
	switch m.Dialog.Kind {
	case PeerUser:
		s := &tg.UpdateShortMessage{
			Out: out, Silent: p.Silent, ID: m.ID, UserID: m.Dialog.ID, Message: p.Text,
			Pts: e.Pts, PtsCount: e.Count, Date: p.Date, Entities: p.Entities,
		}
		if reply != nil {
			s.SetReplyTo(reply)
		}
		b.short = s
	case PeerGroup:
		s := &tg.UpdateShortChatMessage{
			Out: out, Silent: p.Silent, ID: m.ID, FromID: p.From, ChatID: m.Dialog.ID, Message: p.Text,
			Pts: e.Pts, PtsCount: e.Count, Date: p.Date, Entities: p.Entities,
		}
		if reply != nil {
			s.SetReplyTo(reply)
		}
		b.short = s
		if !out && !u.Bot && w.Chance(chanceMin) {
			delete(b.Refs.users, p.From)
			b.Refs.MinUser(p.From)
		}
	}
	return b
}

// AddQts advances a bot's qts by one update, which the ledger has under this kind, and pushes it.
func (w *World) AddQts(u *User, kind string, dialog Peer, set func(qts int) tg.UpdateClass, named ...int64) {
	u.Box.Qts++
	q := qevent{qts: u.Box.Qts, update: set(u.Box.Qts), refs: []Peer{dialog}}
	for _, id := range named {
		q.refs = append(q.refs, UserPeer(id))
	}
	u.Box.qevents = trim(append(u.Box.qevents, q))
	w.owe(u, Event{Pts: q.qts, Kind: kind, Dialog: dialog, Date: w.Now()}, "qts", 0, false)
	b := w.Bundle(u, q.update)
	for _, p := range q.refs {
		b.Refs.Peer(p)
	}
	w.SendTo(u, b, nil)
}
