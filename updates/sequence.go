package updates

import (
	"cmp"
	"slices"
	"time"
)

// phase is where the filling of a box stands; the package comment draws the ways.
type phase uint8

const (
	phaseNew phase = iota // common only: before Started
	phaseIdle
	phaseWaiting
	phaseQueued // channels only
	phaseAsking
	phaseRetrying
)

// fill is what the filling of the common boxes and that of a channel have in common.
type fill struct {
	phase phase
	until time.Time // end of waiting or retrying
	again bool      // news came while asking: ask once more
	flood bool      // until was set by the server: no hurry can shorten it
	tries int
}

// due reports whether waiting or retrying is over.
func (f *fill) due(now time.Time) bool {
	return (f.phase == phaseWaiting || f.phase == phaseRetrying) && !now.Before(f.until)
}

// to enters a phase without end of its own.
func (f *fill) to(p phase) { f.phase, f.until, f.flood = p, time.Time{}, false }

// wait enters waiting, once: a second gap does not prolong the first.
func (m *Machine) wait(f *fill) {
	if f.phase != phaseWaiting {
		f.phase, f.until = phaseWaiting, m.now.Add(m.cfg.GapWait)
	}
	m.dueAt(f.until)
}

// retry enters retrying, after the server's wait or our own backoff, whichever is longer.
func (m *Machine) retry(f *fill, after time.Duration) {
	backoff := m.cfg.RetryMin
	for range f.tries {
		if backoff *= 2; backoff >= m.cfg.RetryMax {
			backoff = m.cfg.RetryMax
			break
		}
	}
	f.tries++
	f.phase, f.flood = phaseRetrying, after > backoff
	f.until = m.now.Add(max(backoff, after))
	m.dueAt(f.until)
}

type verdict uint8

const (
	verdictNext verdict = iota
	verdictOld
	verdictGap // something before it is missing, or it overlaps with what was applied
)

// judge compares an update with the value of its box (core.telegram.org/api/updates).
func judge(value int, u *Update) verdict {
	switch {
	case value+u.Count == u.Pts:
		return verdictNext
	case u.Pts <= value:
		return verdictOld
	default:
		return verdictGap
	}
}

// apply emits an update and moves its box.
func (m *Machine) apply(u *Update) {
	m.emitAll(u.Events)
	m.move(u.Box, u.Pts)
}

// hold keeps an update back. False at the limit: the update is dropped and its box needs a
// difference.
func (m *Machine) hold(list *[]Update, u Update) bool {
	if m.held >= m.cfg.MaxBuffered {
		return false
	}
	m.held++
	*list = append(*list, u)
	return true
}

// byPts orders updates of a box by where they begin.
func byPts(a, b Update) int {
	return cmp.Or(cmp.Compare(a.Pts-a.Count, b.Pts-b.Count), cmp.Compare(a.Pts, b.Pts))
}

// drain applies what was held back, as far as it follows; true if something remains.
func (m *Machine) drain(list *[]Update) bool {
	if len(*list) == 0 {
		return false
	}
	slices.SortStableFunc(*list, byPts)
	left := (*list)[:0]
	for _, u := range *list {
		switch judge(m.value(u.Box), &u) {
		case verdictNext:
			m.held--
			m.apply(&u)
		case verdictOld:
			m.held--
			m.old(&u)
		case verdictGap:
			left = append(left, u)
		}
	}
	clear((*list)[len(left):])
	*list = left
	if len(left) == 0 {
		*list = nil
	}
	return len(left) > 0
}

// old passes an update through that only looks old: see Base in the package comment.
func (m *Machine) old(u *Update) {
	if u.Pts <= m.base(u.Box) {
		m.emitAll(u.Events)
	}
}

func (m *Machine) value(b Box) int {
	switch b.Kind {
	case BoxPts:
		return m.common.pts
	case BoxQts:
		return m.common.qts
	default:
		return int(m.channels[b.Channel].pts)
	}
}

func (m *Machine) base(b Box) int {
	switch b.Kind {
	case BoxPts:
		return m.common.basePts
	case BoxQts:
		return m.common.baseQts
	default:
		return int(m.channels[b.Channel].base)
	}
}

// move sets a box to a new value, and the position with it.
func (m *Machine) move(b Box, v int) {
	switch b.Kind {
	case BoxPts:
		m.common.pts = v
	case BoxQts:
		m.common.qts = v
	case BoxSeq:
		m.common.seq = v
	case BoxDate:
		m.common.durableDate = v
	case BoxChannel:
		p := m.channels[b.Channel]
		p.pts = int32(v)
		m.channels[b.Channel] = p
	}
	m.position(b, v)
}
