package updates

import "fmt"

// emitAll appends events in order, each id once.
func (m *Machine) emitAll(events []Event) {
	for i := range events {
		m.emit(&events[i])
	}
}

func (m *Machine) emit(e *Event) {
	if !e.Live && e.ID != "" {
		id := hashID(e.ID)
		if m.seen.has(id) {
			if e.IfSeen != nil && e.IfSeen.ID != e.ID {
				m.emit(e.IfSeen)
			}
			return
		}
		m.seen.add(id)
	}
	at := m.emitFor(e.Live)
	if at.Events == nil {
		at.Events = make([]Event, 0, m.together)
	}
	at.Events = append(at.Events, *e)
}

// emitFor is the Emit under construction; live and durable ones are never mixed.
func (m *Machine) emitFor(live bool) *Emit {
	if n := len(m.emits); n > 0 && m.emits[n-1].Live == live && !m.emits[n-1].sealed {
		return &m.emits[n-1]
	}
	m.emits = append(m.emits, Emit{Live: live})
	return &m.emits[len(m.emits)-1]
}

// position notes the new value of a box in the Emit under construction.
func (m *Machine) position(b Box, v int) {
	at := m.emitFor(false)
	for i := range at.Positions {
		if at.Positions[i].Box == b {
			at.Positions[i].Value = int64(v)
			return
		}
	}
	at.Positions = append(at.Positions, Position{b, int64(v)})
}

// gap reports a loss, unless nothing was lost.
func (m *Machine) gap(b Box, from, to int, why GapReason) {
	if from == to {
		return
	}
	m.emit(&Event{
		ID:      fmt.Sprintf("%s:%s:%d:%d", b, KindGap, from, to),
		Kind:    KindGap,
		Payload: Gap{Box: b, From: from, To: to, Reason: why},
	})
}

// acknowledge lets a message be acknowledged after all that this step emits.
func (m *Machine) acknowledge(msgID int64) {
	if msgID != 0 {
		m.msgIDs = append(m.msgIDs, msgID)
	}
}

// flush turns what the step collected into effects: what is said first, then what is asked,
// then when to wake.
func (m *Machine) flush() []Effect {
	if len(m.msgIDs) > 0 {
		if len(m.emits) == 0 {
			m.emits = append(m.emits, Emit{})
		}
		m.emits[len(m.emits)-1].MsgIDs = m.msgIDs
		m.msgIDs = nil
	}
	var out []Effect
	for _, e := range m.emits {
		out = append(out, e)
	}
	out = append(out, m.calls...)
	m.emits, m.calls = nil, nil // most accounts are idle most of the time
	if !m.wake.IsZero() && (m.armed.IsZero() || m.wake.Before(m.armed)) {
		m.armed = m.wake
		out = append(out, SetTimer{At: m.wake})
	}
	return out
}
