package updates

import (
	"maps"
	"slices"
	"time"
)

// poll is a channel that is asked again and again, as if somebody had it open: the server does
// not push what happens in channels that the account has not joined.
type poll struct {
	next  time.Time // when to ask; zero while a call is on its way
	until time.Time
}

// MaxPolls is how many channels may be polled at a time (core.telegram.org/api/updates: only
// what is open, at most ten).
const MaxPolls = 10

// CanPoll reports whether a channel can be polled for a while.
func (m *Machine) CanPoll(channel int64) bool {
	_, polled := m.polls[channel]
	return polled || len(m.polls) < MaxPolls
}

// poll forces the difference of a channel, once or for a while.
func (m *Machine) poll(in Poll) {
	if in.Channel <= 0 {
		return
	}
	if _, known := m.channels[in.Channel]; !known && !m.track(in.Channel, place{pts: firstChannelPts}) {
		return
	}
	m.wantChannel(in.Channel, 0)
	switch {
	case in.For <= 0:
		delete(m.polls, in.Channel)
	case m.CanPoll(in.Channel):
		if m.polls == nil {
			m.polls = make(map[int64]poll, 1)
		}
		m.polls[in.Channel] = poll{until: m.now.Add(in.For)}
	}
}

// pollAgain sets the time of the next call of a channel that is at rest again.
func (m *Machine) pollAgain(id int64, timeout time.Duration) {
	p, polled := m.polls[id]
	if !polled {
		return
	}
	p.next = m.now.Add(max(timeout, pollMin))
	if p.next.After(p.until) {
		delete(m.polls, id)
		return
	}
	m.polls[id] = p
	m.dueAt(p.next)
}

// pollsDue asks the polled channels whose time has come.
func (m *Machine) pollsDue() {
	for _, id := range slices.Sorted(maps.Keys(m.polls)) {
		p := m.polls[id]
		if !p.next.IsZero() && !m.now.Before(p.next) {
			p.next = time.Time{}
			m.polls[id] = p
			m.wantChannel(id, 0)
		}
		m.dueAt(p.next)
	}
}
