package model

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

func (w *World) registerUpdates() {
	On(w, 0, (*Call).getState)
	On(w, 0, (*Call).getDifference)
	On(w, 0, (*Call).getChannelDifference)
}

func (c *Call) State() tg.UpdatesState {
	s := tg.UpdatesState{Pts: c.User.Box.Pts, Qts: c.User.Box.Qts, Date: c.World.Now(), Seq: c.Key.seq}
	for _, d := range c.User.Dialogs {
		if d.Peer.Kind != PeerChannel {
			s.UnreadCount += c.User.Unread(d)
		}
	}
	return s
}

func (c *Call) getState(*tg.UpdatesGetStateRequest) (bin.Encoder, error) {
	s := c.State()
	return &s, nil
}

// merged is what is left of a row of changes: new messages, the last edit of each older
// one, all deletions together, and the last reads of each dialog.
type merged struct {
	fresh   []int
	edits   map[int]Event
	erased  Event
	reads   map[readKey]Event
	pins    []Event
	pts     int // after the last change
	further bool
}

type readKey struct {
	dialog Peer
	kind   string
}

// merge collapses the changes above pts, at most limit of them.
func merge(events []Event, pts, limit int) merged {
	m := merged{edits: map[int]Event{}, reads: map[readKey]Event{}, pts: pts}
	first, _ := slices.BinarySearchFunc(events, pts, func(e Event, pts int) int { return e.Pts - pts - 1 })
	last := min(first+limit, len(events))
	m.further = last < len(events)
	for _, e := range events[first:last] {
		m.pts = e.Pts
		switch e.Kind {
		case KindMessageNew:
			m.fresh = append(m.fresh, e.IDs...)
		case KindMessageEdited:
			if !slices.Contains(m.fresh, e.IDs[0]) {
				m.edits[e.IDs[0]] = e
			}
		case KindMessagesDeleted:
			m.erased.IDs = append(m.erased.IDs, e.IDs...)
			m.erased.Pts, m.erased.Count = e.Pts, m.erased.Count+e.Count
		case KindPinned, KindUnpinned, KindContents:
			m.pins = append(m.pins, e)
		default:
			m.reads[readKey{e.Dialog, e.Kind}] = e
		}
	}
	return m
}

// tooOld says whether changes above pts have been forgotten.
func tooOld(events []Event, pts, current int) bool {
	if pts == current {
		return false
	}
	return len(events) == 0 || events[0].Pts-events[0].Count > pts
}

func (c *Call) getDifference(q *tg.UpdatesGetDifferenceRequest) (bin.Encoder, error) {
	box := &c.User.Box
	switch {
	case q.Pts == 0:
		return nil, RPCError(400, "PERSISTENT_TIMESTAMP_EMPTY")
	case q.Pts < 0 || q.Pts > box.Pts || q.Qts < 0 || q.Qts > box.Qts:
		return nil, RPCError(400, "PERSISTENT_TIMESTAMP_INVALID")
	case q.Date <= 0:
		return nil, RPCError(400, "DATE_EMPTY")
	}
	gap := box.Pts - q.Pts
	if gap > c.World.Config.DifferenceTooLong || q.PtsTotalLimit > 0 && gap > q.PtsTotalLimit || tooOld(box.events, q.Pts, box.Pts) {
		return &tg.UpdatesDifferenceTooLong{Pts: box.Pts}, nil
	}
	limit := c.World.Config.DifferenceSlice
	if q.PtsLimit > 0 {
		limit = min(limit, q.PtsLimit)
	}
	m := merge(box.events, q.Pts, limit)
	r := NewRefs(c.World, c.User)
	fresh, other := c.letters(m, r)
	state := c.State()
	var further bool
	other, state.Qts, further = c.addQtsUpdates(other, r, q.Qts, limit)
	if m.further || further {
		state.Pts = m.pts
		return &tg.UpdatesDifferenceSlice{
			NewMessages: fresh, OtherUpdates: other, Chats: r.TLChats(), Users: r.TLUsers(), IntermediateState: state,
		}, nil
	}
	for _, id := range SortedKeys(c.User.Channels) {
		ch := c.User.Channels[id]
		if ch.changed >= q.Date-int(c.World.Config.ChannelLookback.Seconds()) {
			u := &tg.UpdateChannelTooLong{ChannelID: id}
			u.SetPts(ch.Pts)
			other = append(other, u)
			r.Peer(ch.Peer())
		}
	}
	if len(fresh)+len(other) == 0 && m.pts == q.Pts {
		return &tg.UpdatesDifferenceEmpty{Date: state.Date, Seq: state.Seq}, nil
	}
	return &tg.UpdatesDifference{
		NewMessages: fresh, OtherUpdates: other, Chats: r.TLChats(), Users: r.TLUsers(), State: state,
	}, nil
}

// letters renders merged changes of the common box.
func (c *Call) letters(m merged, r *Refs) (fresh []tg.MessageClass, other []tg.UpdateClass) {
	for _, id := range m.fresh {
		if l := c.User.Box.Messages[id]; l != nil {
			fresh = append(fresh, c.World.RenderLetter(c.User, l))
			r.Post(l.Post, l.Dialog)
		}
	}
	for _, id := range SortedKeys(m.edits) {
		if l := c.User.Box.Messages[id]; l != nil {
			e := m.edits[id]
			other = append(other, &tg.UpdateEditMessage{Message: c.World.RenderLetter(c.User, l), Pts: e.Pts, PtsCount: e.Count})
			r.Post(l.Post, l.Dialog)
		}
	}
	if len(m.erased.IDs) > 0 {
		other = append(other, &tg.UpdateDeleteMessages{
			Messages: m.erased.IDs, Pts: m.erased.Pts, PtsCount: m.erased.Count,
		})
	}
	for _, e := range m.pins {
		other = append(other, pinUpdate(e))
		r.Peer(e.Dialog)
	}
	reads := make([]Event, 0, len(m.reads))
	for _, e := range m.reads {
		reads = append(reads, e)
	}
	slices.SortFunc(reads, func(a, b Event) int { return a.Pts - b.Pts })
	for _, e := range reads {
		other = append(other, c.World.readUpdate(c.User, e))
		r.Peer(e.Dialog)
	}
	return fresh, other
}

// addQtsUpdates appends at most limit updates above qts.
func (c *Call) addQtsUpdates(other []tg.UpdateClass, r *Refs, qts, limit int) ([]tg.UpdateClass, int, bool) {
	n := 0
	for _, e := range c.User.Box.qevents {
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
			r.Peer(p)
		}
	}
	return other, c.User.Box.Qts, false
}

func (c *Call) getChannelDifference(q *tg.UpdatesGetChannelDifferenceRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	switch {
	case q.Pts == 0:
		return nil, RPCError(400, "PERSISTENT_TIMESTAMP_EMPTY")
	case q.Pts < 0 || q.Pts > ch.Pts:
		return nil, RPCError(400, "PERSISTENT_TIMESTAMP_INVALID")
	case q.Limit <= 0:
		return nil, RPCError(400, "LIMIT_INVALID")
	}
	if q.Pts == ch.Pts {
		out := &tg.UpdatesChannelDifferenceEmpty{Final: true, Pts: ch.Pts}
		out.SetTimeout(c.World.Config.ChannelTimeout)
		return out, nil
	}
	if ch.Pts-q.Pts > c.World.Config.ChannelTooLong || tooOld(ch.events, q.Pts, ch.Pts) {
		return c.channelTooLong(ch), nil
	}
	limit := q.Limit
	if !c.User.Bot {
		limit = min(limit, 100)
	}
	m := merge(ch.events, q.Pts, limit)
	r := NewRefs(c.World, c.User)
	r.Peer(ch.Peer())
	out := &tg.UpdatesChannelDifference{Final: !m.further, Pts: m.pts}
	for _, id := range m.fresh {
		if p := ch.Posts[id]; p != nil {
			out.NewMessages = append(out.NewMessages, c.World.RenderPost(ch, p, c.User.ID))
			r.Post(p, ch.Peer())
		}
	}
	for _, id := range SortedKeys(m.edits) {
		if p := ch.Posts[id]; p != nil {
			e := m.edits[id]
			out.OtherUpdates = append(out.OtherUpdates, &tg.UpdateEditChannelMessage{
				Message: c.World.RenderPost(ch, p, c.User.ID), Pts: e.Pts, PtsCount: e.Count,
			})
			r.Post(p, ch.Peer())
		}
	}
	if len(m.erased.IDs) > 0 {
		out.OtherUpdates = append(out.OtherUpdates, &tg.UpdateDeleteChannelMessages{
			ChannelID: ch.ID, Messages: m.erased.IDs, Pts: m.erased.Pts, PtsCount: m.erased.Count,
		})
	}
	for _, e := range m.pins {
		out.OtherUpdates = append(out.OtherUpdates, pinUpdate(e))
	}
	if out.Final {
		out.SetTimeout(c.World.Config.ChannelTimeout)
	}
	out.Chats, out.Users = r.TLChats(), r.TLUsers()
	return out, nil
}

// channelTooLong returns the channel's dialog and its newest posts: the client goes on from
// there, and what lies between is lost to its stream.
func (c *Call) channelTooLong(ch *Channel) bin.Encoder {
	const newest = 20
	top := 0
	if n := len(ch.IDs); n > 0 {
		top = ch.IDs[n-1]
	}
	page := slices.Clone(ch.IDs[max(0, len(ch.IDs)-newest):])
	slices.Reverse(page)
	found := c.ChannelMessages(ch, page, len(page))
	out := &tg.UpdatesChannelDifferenceTooLong{
		Final: true, Dialog: c.DialogOf(&Dialog{Peer: ch.Peer()}, top),
		Messages: found.Messages, Chats: found.Chats, Users: found.Users,
	}
	out.SetTimeout(c.World.Config.ChannelTimeout)
	return out
}
