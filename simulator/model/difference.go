package model

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

func (w *World) registerUpdates() {
	on(w, 0, (*call).getState)
	on(w, 0, (*call).getDifference)
	on(w, 0, (*call).getChannelDifference)
}

func (c *call) state() tg.UpdatesState {
	s := tg.UpdatesState{Pts: c.user.box.pts, Qts: c.user.box.qts, Date: c.w.now(), Seq: c.key.seq}
	for _, d := range c.user.dialogs {
		if d.peer.kind != kindChannel {
			s.UnreadCount += c.user.unread(d)
		}
	}
	return s
}

func (c *call) getState(*tg.UpdatesGetStateRequest) (bin.Encoder, error) {
	s := c.state()
	return &s, nil
}

// merged is what is left of a row of changes: new messages, the last edit of each older
// one, all deletions together, and the last reads of each dialog.
type merged struct {
	fresh   []int
	edits   map[int]event
	erased  event
	reads   map[readKey]event
	pts     int // after the last change
	further bool
}

type readKey struct {
	dialog peer
	kind   string
}

// merge collapses the changes above pts, at most limit of them.
func merge(events []event, pts, limit int) merged {
	m := merged{edits: map[int]event{}, reads: map[readKey]event{}, pts: pts}
	first, _ := slices.BinarySearchFunc(events, pts, func(e event, pts int) int { return e.pts - pts - 1 })
	last := min(first+limit, len(events))
	m.further = last < len(events)
	for _, e := range events[first:last] {
		m.pts = e.pts
		switch e.kind {
		case KindMessageNew:
			m.fresh = append(m.fresh, e.ids...)
		case KindMessageEdited:
			if !slices.Contains(m.fresh, e.ids[0]) {
				m.edits[e.ids[0]] = e
			}
		case KindMessagesDeleted:
			m.erased.ids = append(m.erased.ids, e.ids...)
			m.erased.pts, m.erased.count = e.pts, m.erased.count+e.count
		default:
			m.reads[readKey{e.dialog, e.kind}] = e
		}
	}
	return m
}

// tooOld says whether changes above pts have been forgotten.
func tooOld(events []event, pts, current int) bool {
	if pts == current {
		return false
	}
	return len(events) == 0 || events[0].pts-events[0].count > pts
}

func (c *call) getDifference(q *tg.UpdatesGetDifferenceRequest) (bin.Encoder, error) {
	box := &c.user.box
	switch {
	case q.Pts == 0:
		return nil, rpcError(400, "PERSISTENT_TIMESTAMP_EMPTY")
	case q.Pts < 0 || q.Pts > box.pts || q.Qts < 0 || q.Qts > box.qts:
		return nil, rpcError(400, "PERSISTENT_TIMESTAMP_INVALID")
	case q.Date <= 0:
		return nil, rpcError(400, "DATE_EMPTY")
	}
	gap := box.pts - q.Pts
	if gap > c.w.cfg.DifferenceTooLong || q.PtsTotalLimit > 0 && gap > q.PtsTotalLimit || tooOld(box.events, q.Pts, box.pts) {
		return &tg.UpdatesDifferenceTooLong{Pts: box.pts}, nil
	}
	limit := c.w.cfg.DifferenceSlice
	if q.PtsLimit > 0 {
		limit = min(limit, q.PtsLimit)
	}
	m := merge(box.events, q.Pts, limit)
	r := newRefs(c.w, c.user)
	fresh, other := c.letters(m, r)
	state := c.state()
	var further bool
	other, state.Qts, further = c.addQtsUpdates(other, r, q.Qts, limit)
	if m.further || further {
		state.Pts = m.pts
		return &tg.UpdatesDifferenceSlice{
			NewMessages: fresh, OtherUpdates: other, Chats: r.tlChats(), Users: r.tlUsers(), IntermediateState: state,
		}, nil
	}
	for _, id := range sortedKeys(c.user.channels) {
		ch := c.user.channels[id]
		if ch.changed >= q.Date-int(c.w.cfg.ChannelLookback.Seconds()) {
			u := &tg.UpdateChannelTooLong{ChannelID: id}
			u.SetPts(ch.pts)
			other = append(other, u)
			r.peer(ch.peer())
		}
	}
	if len(fresh)+len(other) == 0 && m.pts == q.Pts {
		return &tg.UpdatesDifferenceEmpty{Date: state.Date, Seq: state.Seq}, nil
	}
	return &tg.UpdatesDifference{
		NewMessages: fresh, OtherUpdates: other, Chats: r.tlChats(), Users: r.tlUsers(), State: state,
	}, nil
}

// letters renders merged changes of the common box.
func (c *call) letters(m merged, r *refs) (fresh []tg.MessageClass, other []tg.UpdateClass) {
	for _, id := range m.fresh {
		if l := c.user.box.messages[id]; l != nil {
			fresh = append(fresh, c.w.letterOf(c.user, l))
			r.post(l.post, l.dialog)
		}
	}
	for _, id := range sortedKeys(m.edits) {
		if l := c.user.box.messages[id]; l != nil {
			e := m.edits[id]
			other = append(other, &tg.UpdateEditMessage{Message: c.w.letterOf(c.user, l), Pts: e.pts, PtsCount: e.count})
			r.post(l.post, l.dialog)
		}
	}
	if len(m.erased.ids) > 0 {
		other = append(other, &tg.UpdateDeleteMessages{
			Messages: m.erased.ids, Pts: m.erased.pts, PtsCount: m.erased.count,
		})
	}
	reads := make([]event, 0, len(m.reads))
	for _, e := range m.reads {
		reads = append(reads, e)
	}
	slices.SortFunc(reads, func(a, b event) int { return a.pts - b.pts })
	for _, e := range reads {
		other = append(other, c.w.readUpdate(c.user, e))
		r.peer(e.dialog)
	}
	return fresh, other
}

// addQtsUpdates appends at most limit updates above qts.
func (c *call) addQtsUpdates(other []tg.UpdateClass, r *refs, qts, limit int) ([]tg.UpdateClass, int, bool) {
	n := 0
	for _, e := range c.user.box.qevents {
		if e.qts <= qts {
			continue
		}
		if n == limit {
			return other, qts, true
		}
		n++
		qts = e.qts
		other = append(other, e.update)
		for _, p := range e.refs {
			r.peer(p)
		}
	}
	return other, c.user.box.qts, false
}

func (c *call) getChannelDifference(q *tg.UpdatesGetChannelDifferenceRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	switch {
	case q.Pts == 0:
		return nil, rpcError(400, "PERSISTENT_TIMESTAMP_EMPTY")
	case q.Pts < 0 || q.Pts > ch.pts:
		return nil, rpcError(400, "PERSISTENT_TIMESTAMP_INVALID")
	case q.Limit <= 0:
		return nil, rpcError(400, "LIMIT_INVALID")
	}
	if q.Pts == ch.pts {
		out := &tg.UpdatesChannelDifferenceEmpty{Final: true, Pts: ch.pts}
		out.SetTimeout(c.w.cfg.ChannelTimeout)
		return out, nil
	}
	if ch.pts-q.Pts > c.w.cfg.ChannelTooLong || tooOld(ch.events, q.Pts, ch.pts) {
		return c.channelTooLong(ch), nil
	}
	limit := q.Limit
	if !c.user.bot {
		limit = min(limit, 100)
	}
	m := merge(ch.events, q.Pts, limit)
	r := newRefs(c.w, c.user)
	r.peer(ch.peer())
	out := &tg.UpdatesChannelDifference{Final: !m.further, Pts: m.pts}
	for _, id := range m.fresh {
		if p := ch.posts[id]; p != nil {
			out.NewMessages = append(out.NewMessages, ch.render(p, c.user.id))
			r.post(p, ch.peer())
		}
	}
	for _, id := range sortedKeys(m.edits) {
		if p := ch.posts[id]; p != nil {
			e := m.edits[id]
			out.OtherUpdates = append(out.OtherUpdates, &tg.UpdateEditChannelMessage{
				Message: ch.render(p, c.user.id), Pts: e.pts, PtsCount: e.count,
			})
			r.post(p, ch.peer())
		}
	}
	if len(m.erased.ids) > 0 {
		out.OtherUpdates = append(out.OtherUpdates, &tg.UpdateDeleteChannelMessages{
			ChannelID: ch.id, Messages: m.erased.ids, Pts: m.erased.pts, PtsCount: m.erased.count,
		})
	}
	if out.Final {
		out.SetTimeout(c.w.cfg.ChannelTimeout)
	}
	out.Chats, out.Users = r.tlChats(), r.tlUsers()
	return out, nil
}

// channelTooLong returns the channel's dialog and its newest posts: the client goes on from
// there, and what lies between is lost to its stream.
func (c *call) channelTooLong(ch *channel) bin.Encoder {
	const newest = 20
	top := 0
	if n := len(ch.ids); n > 0 {
		top = ch.ids[n-1]
	}
	page := slices.Clone(ch.ids[max(0, len(ch.ids)-newest):])
	slices.Reverse(page)
	found := c.channelMessages(ch, page, len(page))
	out := &tg.UpdatesChannelDifferenceTooLong{
		Final: true, Dialog: c.tlDialog(row{d: &dialog{peer: ch.peer()}, top: top}),
		Messages: found.Messages, Chats: found.Chats, Users: found.Users,
	}
	out.SetTimeout(c.w.cfg.ChannelTimeout)
	return out
}
