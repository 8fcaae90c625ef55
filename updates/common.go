package updates

// common is what getDifference fills: pts, qts and seq.
type common struct {
	fill
	pts, qts, seq, date int
	// durableDate stays behind date while a channel is behind.
	durableDate      int
	basePts, baseQts int
	asksState        bool // the call in flight is getState
	refused          bool // the server does not take our position: getState
	unasked          bool // a difference was due when it was refused: nobody told which channels have news
	needed           bool // overflow: no use in waiting
	lookBack         bool // ask from the durable date, which the channels behind hold
	heldPts, heldQts []Update
	packets          []packet
}

func (c *common) set(s State) {
	c.pts, c.qts, c.seq, c.date, c.durableDate = s.Pts, s.Qts, s.Seq, s.Date, s.Date
}

func (c *common) known() bool { return c.date > 0 }

// refuse gives up the position: the server's state replaces it.
func (c *common) refuse() {
	c.refused = true
	c.unasked = c.unasked || c.phase != phaseIdle
}

// flowing reports whether updates are applied as they come.
func (c *common) flowing() bool { return c.phase == phaseIdle || c.phase == phaseWaiting }

func (m *Machine) started() {
	if m.common.phase == phaseNew {
		m.heard = m.now
		m.ask()
		return
	}
	m.hurry()
}

// wantDifference asks unless a call is on its way or its time is set.
func (m *Machine) wantDifference() {
	switch m.common.phase {
	case phaseNew, phaseRetrying: // will ask anyhow
	case phaseAsking:
		m.common.again = true
	default:
		m.ask()
	}
}

// hurry is wantDifference that does not wait for our own backoff: the network is back.
func (m *Machine) hurry() {
	if m.common.phase == phaseRetrying && !m.common.flood {
		m.ask()
	} else {
		m.wantDifference()
	}
	for id, f := range m.fills {
		if f.phase == phaseRetrying && !f.flood {
			m.enqueue(id, f)
		}
	}
}

// ask makes the one call for the common boxes.
func (m *Machine) ask() {
	c := &m.common
	c.to(phaseAsking)
	c.again, c.needed = false, false
	c.asksState = c.refused || !c.known()
	if c.asksState {
		m.calls = append(m.calls, GetState{})
		return
	}
	call := GetDifference{Pts: c.pts, Qts: c.qts, Date: c.date}
	if c.lookBack && c.durableDate > 0 {
		call.Date = c.durableDate
	}
	c.lookBack = false
	m.calls = append(m.calls, call)
}

func (m *Machine) commonCounted(u Update) {
	c := &m.common
	list := &c.heldPts
	if u.Box.Kind == BoxQts {
		list = &c.heldQts
	}
	switch {
	case u.TooLong:
		c.refuse()
		m.wantDifference()
	case c.flowing() && judge(m.value(u.Box), &u) == verdictNext:
		m.apply(&u)
		m.drain(list)
	case c.flowing() && judge(m.value(u.Box), &u) == verdictOld:
		m.old(&u)
	case m.hold(list, u):
	case !c.known():
		m.emitAll(u.Events) // no difference will bring it: out of order is better than lost
	default:
		c.needed = true
	}
}

// settleCommon starts or ends the wait for a missing update.
func (m *Machine) settleCommon() {
	c := &m.common
	switch {
	case c.phase == phaseAsking:
		c.again = c.again || c.needed
		c.needed = false
	case !c.flowing():
	case c.needed:
		m.ask()
	case c.gapped():
		m.wait(&c.fill)
	default:
		if c.phase == phaseWaiting {
			c.to(phaseIdle)
		}
		m.dueAt(m.heard.Add(m.cfg.Silence))
	}
}

func (c *common) gapped() bool { return len(c.heldPts)+len(c.heldQts)+len(c.packets) > 0 }

// stateReceived is the first state, or the one that replaces a refused one.
func (m *Machine) stateReceived(s ServerState) {
	c := &m.common
	if c.phase != phaseAsking || !c.asksState {
		return
	}
	if !s.valid() || s.Date == 0 {
		m.retry(&c.fill, 0)
		return
	}
	if !c.known() {
		c.basePts, c.baseQts = s.Pts, s.Qts
	} else {
		m.gap(Box{Kind: BoxPts}, c.pts, s.Pts, GapReset)
		m.gap(Box{Kind: BoxQts}, c.qts, s.Qts, GapReset)
		if c.unasked { // of channels that are not known here
			m.gap(Box{Kind: BoxDate}, c.durableDate, s.Date, GapReset)
		}
	}
	c.refused, c.unasked = false, false
	c.date = s.Date
	m.move(Box{Kind: BoxPts}, s.Pts) // all of them, even where nothing moves: a state is born
	m.move(Box{Kind: BoxQts}, s.Qts)
	m.move(Box{Kind: BoxSeq}, s.Seq)
	m.move(Box{Kind: BoxDate}, s.Date)
	m.filled(true)
}

// adopt sets all common boxes to what the server says.
func (m *Machine) adopt(s ServerState) {
	if s.Pts != m.common.pts {
		m.move(Box{Kind: BoxPts}, s.Pts)
	}
	if s.Qts != m.common.qts {
		m.move(Box{Kind: BoxQts}, s.Qts)
	}
	if s.Seq != m.common.seq {
		m.move(Box{Kind: BoxSeq}, s.Seq)
	}
	if s.Date > 0 {
		m.common.date = s.Date
	}
}

func (m *Machine) difference(d Difference) {
	c := &m.common
	if c.phase != phaseAsking || c.asksState {
		return
	}
	if !d.State.valid() {
		m.retry(&c.fill, 0)
		return
	}
	m.heard = m.now
	pts, qts, date := c.pts, c.qts, c.date
	switch d.Outcome {
	case OutcomeEmpty:
		if d.State.Date > 0 {
			c.date = d.State.Date
		}
		if d.State.Seq != c.seq {
			m.move(Box{Kind: BoxSeq}, d.State.Seq)
		}
	case OutcomeTooLong:
		m.gap(Box{Kind: BoxPts}, c.pts, d.State.Pts, GapTooLong)
		m.move(Box{Kind: BoxPts}, d.State.Pts)
	default:
		m.emitAll(d.Messages)
		m.others(d.Others)
		m.adopt(d.State)
	}
	moved := c.pts != pts || c.qts != qts || c.date != date
	switch {
	case d.Outcome == OutcomeEmpty || d.Outcome == OutcomeFinal:
		m.filled(c.pts != pts || c.qts != qts)
	case moved:
		c.tries = 0
		m.ask()
	default: // the same call would get the same answer
		m.retry(&c.fill, 0)
	}
}

// others walks the other_updates of a common difference: those of the common boxes count as
// covered by its state, those of channels go their usual way.
func (m *Machine) others(list []Update) {
	for _, u := range list {
		switch {
		case u.Box.Kind == BoxChannel:
			m.counted(u)
		case u.TooLong: // the state of this very difference is newer
		default:
			m.emitAll(u.Events)
		}
	}
}

// filled goes on with what was held back. If the server moved nothing and a gap is left, it
// does not know yet what it pushed already: asked again later.
func (m *Machine) filled(moved bool) {
	c := &m.common
	c.to(phaseIdle)
	m.drain(&c.heldPts)
	m.drain(&c.heldQts)
	m.drainPackets()
	switch {
	case c.again || c.needed:
		m.ask()
	case c.gapped() && !moved:
		m.retry(&c.fill, 0)
	default:
		c.tries = 0
	}
}

func (m *Machine) differenceFailed(in DifferenceFailed) {
	c := &m.common
	switch {
	case c.phase != phaseAsking:
	case in.Kind == FailureInvalid && !c.asksState:
		c.refuse()
		m.ask()
	default:
		m.retry(&c.fill, in.RetryAfter)
	}
}
