package model

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// Chances with which the form of an update varies.
const (
	chanceShort    = 0.4 // a short form, where there is one
	chanceMin      = 0.3 // min users, where the viewer can reach them by the message
	chanceCombined = 0.2 // updatesCombined instead of updates, where there is a seq
	chanceSentFull = 0.4 // a full answer to sendMessage instead of updateShortSentMessage
)

// bundle is a set of updates for one account before it is put into a form.
type bundle struct {
	updates []tg.UpdateClass
	refs    *refs
	short   tg.UpdatesClass // other form; nil if there is none
	// seq says that the updates have no counters of their own, so that a session must be
	// able to notice their loss by seq.
	seq bool
}

func (w *World) bundle(u *user, updates ...tg.UpdateClass) *bundle {
	return &bundle{updates: updates, refs: newRefs(w, u)}
}

// lead puts updates without counters before the others.
func (b *bundle) lead(updates []tg.UpdateClass) *bundle {
	if len(updates) > 0 {
		b.updates = append(slices.Clone(updates), b.updates...)
		b.short, b.seq = nil, true
	}
	return b
}

// sendTo pushes to all logins of the account except the one that caused the updates.
func (w *World) sendTo(u *user, b *bundle, except *authKey) {
	short := b.short != nil && w.chance(chanceShort)
	for _, k := range u.logins {
		if k == except {
			continue
		}
		if short {
			w.encodeTo(k, b.short)
			continue
		}
		w.encodeTo(k, w.full(b, k))
	}
}

// full puts a bundle in full form for one key.
func (w *World) full(b *bundle, k *authKey) tg.UpdatesClass {
	out := &tg.Updates{
		Updates: b.updates, Users: b.refs.tlUsers(), Chats: b.refs.tlChats(), Date: w.now(),
	}
	if b.seq {
		k.seq++
		out.Seq = k.seq
		if w.chance(chanceCombined) {
			return &tg.UpdatesCombined{
				Updates: out.Updates, Users: out.Users, Chats: out.Chats,
				Date: out.Date, SeqStart: out.Seq, Seq: out.Seq,
			}
		}
	}
	return out
}

// answer puts a bundle in the form in which the caller gets it as a result. Results carry
// no seq: what the caller did itself it knows.
func (w *World) answer(b *bundle) *tg.Updates {
	return &tg.Updates{Updates: b.updates, Users: b.refs.tlUsers(), Chats: b.refs.tlChats(), Date: w.now()}
}

func (w *World) encodeTo(k *authKey, updates tg.UpdatesClass) {
	var b bin.Buffer
	if err := updates.Encode(&b); err != nil {
		w.cfg.Log.Error("update cannot be encoded", "error", err)
		return
	}
	w.push.Push(k.id, b.Buf)
}

// newLetter is the bundle for an account that got a copy of a message.
func (w *World) newLetter(u *user, m *letter, e event) *bundle {
	p := m.post
	b := w.bundle(u, &tg.UpdateNewMessage{Message: w.letterOf(u, m), Pts: e.pts, PtsCount: e.count})
	b.refs.post(p, m.dialog)
	if p.action != nil || p.markup != nil || m.dialog.id == u.id {
		return b
	}
	out := p.from == u.id
	reply := replyHeader(p, m.replyID(u))
	switch m.dialog.kind {
	case kindUser:
		s := &tg.UpdateShortMessage{
			Out: out, Silent: p.silent, ID: m.id, UserID: m.dialog.id, Message: p.text,
			Pts: e.pts, PtsCount: e.count, Date: p.date, Entities: p.entities,
		}
		if reply != nil {
			s.SetReplyTo(reply)
		}
		b.short = s
	case kindGroup:
		s := &tg.UpdateShortChatMessage{
			Out: out, Silent: p.silent, ID: m.id, FromID: p.from, ChatID: m.dialog.id, Message: p.text,
			Pts: e.pts, PtsCount: e.count, Date: p.date, Entities: p.entities,
		}
		if reply != nil {
			s.SetReplyTo(reply)
		}
		b.short = s
		if !out && !u.bot && w.chance(chanceMin) {
			delete(b.refs.users, p.from)
			b.refs.minUser(p.from)
		}
	}
	return b
}

// addQts advances a bot's qts by one update and pushes it.
func (w *World) addQts(u *user, dialog peer, set func(qts int) tg.UpdateClass, named ...int64) {
	u.box.qts++
	q := qevent{qts: u.box.qts, update: set(u.box.qts), refs: []peer{dialog}}
	for _, id := range named {
		q.refs = append(q.refs, peer{kindUser, id})
	}
	u.box.qevents = trim(append(u.box.qevents, q))
	w.owe(u, event{pts: q.qts, kind: KindParticipant, dialog: dialog, date: w.now()}, "qts", 0, false)
	b := w.bundle(u, q.update)
	for _, p := range q.refs {
		b.refs.peer(p)
	}
	w.sendTo(u, b, nil)
}
