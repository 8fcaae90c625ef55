package updates

import (
	"cmp"
	"slices"
)

// packet is what is left of one push when the counted updates are taken out: ordered by seq.
type packet struct {
	start, seq, date int
	events           []Event
	msgID            int64
}

func (m *Machine) packet(p packet) {
	c := &m.common
	switch {
	case p.seq <= 0: // not ordered
		m.emitAll(p.events)
		m.acknowledge(p.msgID)
	case c.flowing() && p.start <= c.seq+1:
		m.applyPacket(p)
		m.drainPackets()
	case m.held >= m.cfg.MaxBuffered:
		// No difference brings these events back: out of order is better than lost.
		c.needed = true
		m.emitAll(p.events)
		m.acknowledge(p.msgID)
	default:
		m.holdPacket(p)
	}
}

// holdPacket keeps the events until their turn; what is live would be stale by then.
func (m *Machine) holdPacket(p packet) {
	kept := make([]Event, 0, len(p.events))
	for i := range p.events {
		if p.events[i].Live {
			m.emit(&p.events[i])
			continue
		}
		kept = append(kept, p.events[i])
	}
	p.events = kept
	m.held++
	m.common.packets = append(m.common.packets, p)
}

// applyPacket emits a packet that is due or old. Of an old one only the ids decide: its
// events have no counter, so a difference that passed its seq need not have brought them.
func (m *Machine) applyPacket(p packet) {
	m.emitAll(p.events)
	m.acknowledge(p.msgID)
	if p.seq > m.common.seq {
		m.move(Box{Kind: BoxSeq}, p.seq)
		m.common.date = max(m.common.date, p.date)
	}
}

func (m *Machine) drainPackets() {
	c := &m.common
	if len(c.packets) == 0 {
		return
	}
	slices.SortStableFunc(c.packets, func(a, b packet) int { return cmp.Compare(a.start, b.start) })
	n := 0
	for n < len(c.packets) && c.packets[n].start <= c.seq+1 {
		m.held--
		m.applyPacket(c.packets[n])
		n++
	}
	c.packets = slices.Delete(c.packets, 0, n)
}

// releaseDate lets the durable date follow when no channel is behind.
func (m *Machine) releaseDate() {
	c := &m.common
	if len(m.fills) == 0 && c.date > 0 && c.date != c.durableDate && c.durableDate > 0 {
		m.move(Box{Kind: BoxDate}, c.date)
	}
}
