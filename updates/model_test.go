package updates_test

import (
	"fmt"
	"time"

	"github.com/telefleet/orchestrator/updates"
)

// model is a small Telegram: it numbers updates per box, pushes each once, and answers
// differences the way Telegram does: bare messages without pts, only the last state of a
// message, slices, too long.
type model struct {
	intn  func(int) int
	boxes []*modelBox // pts, qts, channels
	seq   int
	tick  int // date = tick/3: several updates share a second
	next  int // numbers callbacks

	// What the server did, and what it must do at the next occasion.
	slices, commonTooLong, channelTooLong int
	mustTooLong                           bool
}

type modelBox struct {
	box     updates.Box
	pts     int
	entries []entry
	last    int // id of the last message
	version map[int]int
	gone    map[int]bool
	date    int // of the last entry
}

// entry is one numbered update of the server.
type entry struct {
	pts, count int
	kind       string // new, edit, delete, vote
	ids        []int
	version    int
	date       int
}

const (
	sliceLimit   = 4
	tooLongAfter = 14
)

func newModel(intn func(int) int, channels int) *model {
	m := &model{intn: intn, seq: 1}
	for _, b := range []updates.Box{{Kind: updates.BoxPts}, {Kind: updates.BoxQts}} {
		m.boxes = append(m.boxes, &modelBox{box: b, version: map[int]int{}, gone: map[int]bool{}})
	}
	for id := range channels {
		m.boxes = append(m.boxes, &modelBox{box: updates.ChannelBox(int64(id + 1)), pts: 1, version: map[int]int{}, gone: map[int]bool{}})
	}
	m.boxes[0].pts = 1
	return m
}

func (m *model) date() int { return 1000 + m.tick/3 }

func (m *model) state() updates.ServerState {
	return updates.ServerState{Pts: m.boxes[0].pts, Qts: m.boxes[1].pts, Seq: m.seq, Date: m.date()}
}

// happen makes something happen in a box and returns its push.
func (m *model) happen(b *modelBox) updates.Update {
	m.tick++
	e := entry{count: 1}
	alive := make([]int, 0, b.last)
	for id := 1; id <= b.last; id++ {
		if !b.gone[id] {
			alive = append(alive, id)
		}
	}
	switch choice := m.intn(10); {
	case b.box.Kind == updates.BoxQts:
		b.last++
		e.kind, e.ids = "vote", []int{b.last}
	case choice < 2 && len(alive) > 0:
		id := alive[m.intn(len(alive))]
		b.version[id]++
		e.kind, e.ids, e.version = "edit", []int{id}, b.version[id]
	case choice < 4 && len(alive) > 1:
		at := m.intn(len(alive) - 1)
		e.kind, e.ids, e.count = "delete", alive[at:at+2], 2
		b.gone[alive[at]], b.gone[alive[at+1]] = true, true
	default:
		b.last++
		e.kind, e.ids = "new", []int{b.last}
	}
	b.pts += e.count
	e.pts = b.pts
	b.date, e.date = m.date(), m.date()
	b.entries = append(b.entries, e)
	return b.update(e)
}

func (b *modelBox) update(e entry) updates.Update {
	return updates.Update{Box: b.box, Pts: e.pts, Count: e.count, Events: b.events(e.kind, e.ids, e.version)}
}

// fact is the payload of an event.
type fact struct {
	box     updates.Box
	kind    string
	id      int
	version int
}

func (b *modelBox) events(kind string, ids []int, version int) []updates.Event {
	var out []updates.Event
	for _, id := range ids {
		key := fmt.Sprintf("%s:%s:%d", b.box, kind, id)
		if kind == "edit" {
			key += fmt.Sprintf(":%d", version)
		}
		out = append(out, updates.Event{ID: key, Kind: kind, Payload: fact{b.box, kind, id, version}})
	}
	return out
}

// push wraps updates for the way; some are ordered by seq and carry a callback.
func (m *model) push(list ...updates.Update) updates.Received {
	in := updates.Received{Updates: list}
	if m.intn(3) == 0 {
		m.seq++
		m.next++
		in.Seq, in.Date = m.seq, m.date()
		in.Updates = append(in.Updates, updates.Update{Events: []updates.Event{{ID: fmt.Sprintf("callback:%d", m.next), Kind: "callback"}}})
	}
	return in
}

// since collects what happened in a box after pts, at most limit entries of it, collapsed to
// the last state; the returned pts is where the answer ends.
func (b *modelBox) since(pts, limit int) (messages []updates.Event, others []updates.Update, end int) {
	end = b.pts
	var part []entry
	for _, e := range b.entries {
		if e.pts <= pts {
			continue
		}
		if len(part) == limit {
			end = part[len(part)-1].pts
			break
		}
		part = append(part, e)
	}
	fresh := map[int]bool{}
	for _, e := range part {
		id := e.ids[0]
		switch {
		case e.kind == "delete" || e.kind == "vote":
			others = append(others, b.update(e))
		case b.gone[id]:
		case e.kind == "new":
			fresh[id] = true
			event := b.events("new", e.ids, b.version[id])[0]
			if v := b.version[id]; v > 0 {
				event.IfSeen = &b.events("edit", e.ids, v)[0]
			}
			messages = append(messages, event)
		case !fresh[id]:
			others = append(others, updates.Update{Box: b.box, Pts: e.pts, Count: e.count, Events: b.events("edit", e.ids, b.version[id])})
		}
	}
	return messages, others, end
}

func (m *model) difference(req updates.GetDifference) updates.Difference {
	pts, qts := m.boxes[0], m.boxes[1]
	if pts.pts-req.Pts > tooLongAfter && (m.mustTooLong || m.intn(2) == 0) {
		m.commonTooLong++
		return updates.Difference{Outcome: updates.OutcomeTooLong, State: updates.ServerState{Pts: pts.pts}}
	}
	d := updates.Difference{Outcome: updates.OutcomeFinal, State: m.state()}
	messages, others, endPts := pts.since(req.Pts, sliceLimit)
	_, votes, endQts := qts.since(req.Qts, sliceLimit)
	d.Messages, d.Others = messages, append(others, votes...)
	for _, b := range m.boxes[2:] {
		if b.date >= req.Date && len(b.entries) > 0 {
			u := updates.Update{Box: b.box, TooLong: true}
			if m.intn(2) == 0 {
				u.Pts = b.pts
			}
			d.Others = append(d.Others, u)
		}
	}
	if endPts < pts.pts || endQts < qts.pts {
		m.slices++
		d.Outcome = updates.OutcomeSlice
		d.State.Pts, d.State.Qts, d.State.Date = endPts, endQts, req.Date
	} else if len(d.Messages)+len(d.Others) == 0 && req.Pts == pts.pts && req.Qts == qts.pts {
		return updates.Difference{Outcome: updates.OutcomeEmpty, State: updates.ServerState{Date: m.date(), Seq: m.seq}}
	}
	return d
}

func (m *model) channelDifference(req updates.GetChannelDifference) updates.ChannelDifference {
	b := m.boxes[1+req.Channel]
	d := updates.ChannelDifference{Channel: req.Channel, Outcome: updates.OutcomeFinal, Pts: b.pts}
	d.Timeout = time.Duration(m.intn(3)) * time.Second
	if b.pts-req.Pts > tooLongAfter && (m.mustTooLong || m.intn(2) == 0) {
		m.channelTooLong++
		d.Outcome, d.More = updates.OutcomeTooLong, m.intn(2) == 0
		return d
	}
	d.Messages, d.Others, d.Pts = b.since(req.Pts, sliceLimit)
	d.More = d.Pts < b.pts
	if len(d.Messages)+len(d.Others) == 0 && !d.More {
		d.Outcome = updates.OutcomeEmpty
	}
	return d
}
