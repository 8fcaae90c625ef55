package updates

import (
	"container/heap"
	"slices"
)

// place is a channel at rest: 8 bytes beside its id.
type place struct {
	pts  int32
	base int32 // the first value known; see Base in the package comment
}

// channelFill is a channel with a gap.
type channelFill struct {
	fill
	wanted uint64 // when it was last heard of: the latest is asked first
	held   []Update
	known  int // greatest pts heard of; says in a gap event how much was lost
}

func (m *Machine) channelCounted(u Update) {
	id := u.Box.Channel
	p, known := m.channels[id]
	switch {
	case u.TooLong && known && u.Pts != 0 && u.Pts <= int(p.pts):
		return
	case u.TooLong:
		if known || m.track(id, place{pts: firstChannelPts}) {
			m.wantChannel(id, u.Pts)
		}
		return
	case !known && !m.common.flowing():
		m.hear(u)
		return
	case !known:
		p.pts = int32(max(0, u.Pts-u.Count))
		p.base = p.pts
		if !m.track(id, p) {
			m.emitAll(u.Events) // without order, but not lost
			return
		}
	}
	f := m.fills[id]
	flowing := f == nil || f.phase == phaseWaiting
	v := judge(int(p.pts), &u)
	switch {
	case flowing && v == verdictNext:
		m.apply(&u)
		if f != nil {
			m.drain(&f.held)
			m.settleChannel(id, f)
		}
	case v == verdictOld:
		m.old(&u)
	default:
		m.holdChannel(u, m.behind(id, u.Pts))
	}
}

// hear keeps an update of an unknown channel until the difference that is under way has told whether
// something went before it. Beyond the limit the channel itself is asked.
func (m *Machine) hear(u Update) {
	if !m.hold(&m.strangers, u) {
		m.channelCounted(Update{Box: u.Box, Pts: u.Pts, TooLong: true})
	}
}

// meet goes on with the updates of unknown channels when the common boxes are even again: a channel
// that the difference named is asked, any other one begins with the first of them.
func (m *Machine) meet() {
	if len(m.strangers) == 0 || !m.common.flowing() {
		return
	}
	list := m.strangers
	m.strangers = nil
	m.held -= len(list)
	slices.SortStableFunc(list, byPts)
	for _, u := range list {
		m.channelCounted(u)
	}
}

func (m *Machine) holdChannel(u Update, f *channelFill) {
	switch {
	case m.hold(&f.held, u):
		if f.phase == phaseIdle {
			m.wait(&f.fill)
		}
	case f.phase == phaseAsking:
		f.again = true
	case f.phase != phaseRetrying:
		m.enqueue(u.Box.Channel, f)
	}
}

// track starts the box of a channel, at the limit instead of the oldest one at rest. The start
// is an append of its own: a crash before the first update is stored must not make a later
// update the first. False if none is at rest.
func (m *Machine) track(id int64, p place) bool {
	if m.channels == nil {
		m.channels = make(map[int64]place)
	}
	if len(m.channels) >= m.cfg.MaxChannels {
		oldest := int64(0)
		for at := range m.channels {
			if m.fills[at] == nil && (oldest == 0 || at < oldest) {
				oldest = at
			}
		}
		if oldest == 0 {
			return false
		}
		m.forget(oldest)
	}
	m.channels[id] = p
	if p.pts > 0 {
		m.position(ChannelBox(id), int(p.pts))
		m.emits[len(m.emits)-1].sealed = true
	}
	return true
}

func (m *Machine) forget(id int64) {
	if _, ok := m.channels[id]; ok {
		delete(m.channels, id)
		m.position(ChannelBox(id), 0)
	}
}

// behind is the fill of a channel, which was just heard of.
func (m *Machine) behind(id int64, pts int) *channelFill {
	f := m.fills[id]
	if f == nil {
		f = &channelFill{fill: fill{phase: phaseIdle}}
		if m.fills == nil {
			m.fills = make(map[int64]*channelFill)
		}
		m.fills[id] = f
	}
	m.order++
	f.wanted = m.order
	f.known = max(f.known, pts)
	if f.phase == phaseQueued {
		m.enqueue(id, f) // at its new place
	}
	return f
}

// enqueue lets a channel wait for a free slot.
func (m *Machine) enqueue(id int64, f *channelFill) {
	f.to(phaseQueued)
	if len(m.queue) > 2*len(m.fills)+queueSlack { // mostly entries that were left behind
		m.queue = m.queue[:0]
		for at, g := range m.fills {
			if g.phase == phaseQueued && at != id {
				m.queue = append(m.queue, turn{at, g.wanted})
			}
		}
		heap.Init(&m.queue)
	}
	heap.Push(&m.queue, turn{id, f.wanted})
}

// turn is a channel's place in the queue. It is left behind, and void, when the channel is
// heard of again or no longer queued.
type turn struct {
	id     int64
	wanted uint64
}

// turns is a heap: the channel heard of last comes first.
type turns []turn

func (t turns) Len() int           { return len(t) }
func (t turns) Less(i, j int) bool { return t[i].wanted > t[j].wanted }
func (t turns) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *turns) Push(x any)        { *t = append(*t, x.(turn)) }
func (t *turns) Pop() any {
	old := *t
	last := old[len(old)-1]
	*t = old[:len(old)-1]
	return last
}

// nextQueued takes the channel whose turn it is out of the queue; nil if none waits.
func (m *Machine) nextQueued() (int64, *channelFill) {
	for len(m.queue) > 0 {
		next := heap.Pop(&m.queue).(turn)
		if f := m.fills[next.id]; f != nil && f.phase == phaseQueued && f.wanted == next.wanted {
			return next.id, f
		}
	}
	m.queue = nil
	return 0, nil
}

func (m *Machine) wantChannel(id int64, pts int) {
	f := m.behind(id, pts)
	switch f.phase {
	case phaseAsking:
		f.again = true
	case phaseRetrying, phaseQueued: // will be asked anyhow
	default:
		m.enqueue(id, f)
	}
}

// askChannels gives the free slots to the channels heard of last.
func (m *Machine) askChannels() {
	for m.inFlight < m.cfg.MaxFills {
		id, next := m.nextQueued()
		if next == nil {
			return
		}
		m.inFlight++
		next.to(phaseAsking)
		next.again = false
		call := GetChannelDifference{Channel: id, Pts: int(m.channels[id].pts), Limit: m.cfg.ChannelLimit}
		if call.Pts <= firstChannelPts {
			call.Pts = firstChannelPts
			call.Limit = min(call.Limit, firstChannelAsks)
		}
		m.calls = append(m.calls, call)
	}
}

func (m *Machine) channelDifference(d ChannelDifference) {
	f := m.fills[d.Channel]
	if f == nil || f.phase != phaseAsking {
		return
	}
	m.inFlight--
	if !validCounter(d.Pts) {
		m.retry(&f.fill, 0)
		return
	}
	m.heard = m.now
	box := ChannelBox(d.Channel)
	before := m.value(box)
	if d.Outcome == OutcomeTooLong {
		m.gap(box, before, d.Pts, GapTooLong)
	} else {
		m.emitAll(d.Messages)
		for _, u := range d.Others {
			m.emitAll(u.Events)
		}
	}
	if d.Pts > 0 && d.Pts != before {
		m.move(box, d.Pts)
	}
	moved := m.value(box) != before
	gapped := m.drain(&f.held)
	switch {
	case (d.More || gapped) && !moved:
		m.retry(&f.fill, 0)
	case d.More || f.again:
		f.tries = 0
		m.enqueue(d.Channel, f)
	default:
		f.tries = 0
		f.to(phaseIdle)
		m.settleChannel(d.Channel, f)
		m.pollAgain(d.Channel, d.Timeout)
	}
}

// settleChannel puts a channel without gap to rest and lets one with a gap wait.
func (m *Machine) settleChannel(id int64, f *channelFill) {
	if len(f.held) == 0 {
		delete(m.fills, id)
		return
	}
	m.wait(&f.fill)
}

func (m *Machine) channelFailed(in ChannelDifferenceFailed) {
	f := m.fills[in.Channel]
	if f == nil || f.phase != phaseAsking {
		return
	}
	m.inFlight--
	switch in.Kind {
	case FailureAccessLost:
		m.giveUp(in.Channel, f, GapAccessLost)
	case FailureInvalid:
		m.giveUp(in.Channel, f, GapReset)
	case FailureUnknown:
		if f.tries >= unknownTries {
			m.giveUp(in.Channel, f, GapAccessLost)
			return
		}
		// The difference names the channels that have news, with their access hashes.
		m.retry(&f.fill, 0)
		m.common.lookBack = true
		m.wantDifference()
	default:
		m.retry(&f.fill, in.RetryAfter)
	}
}

// giveUp says what is lost, passes on what came, and forgets the channel: its next update
// starts it anew.
func (m *Machine) giveUp(id int64, f *channelFill, why GapReason) {
	box := ChannelBox(id)
	from, to := m.value(box), f.known
	if to <= from {
		to = 0 // there was more, the server did not say how much
	}
	m.gap(box, from, to, why)
	for i := range f.held {
		m.held--
		m.emitAll(f.held[i].Events)
	}
	delete(m.fills, id)
	delete(m.polls, id)
	m.forget(id)
}

// channelsDue moves the channels on whose time has come.
func (m *Machine) channelsDue() {
	for id, f := range m.fills {
		if f.due(m.now) {
			m.enqueue(id, f)
		}
		m.dueAt(f.until)
	}
	m.pollsDue()
}
