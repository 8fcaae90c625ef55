package mtproto

import (
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// flush writes all that is queued: what the engine has to say and as many queries as fit
// share the first packet, further queries follow.
func (e *Engine) flush(now time.Time) {
	service := e.urgent(now) || e.calls.queued() && !e.travelsAlone(e.calls.next())
	for e.phase == up && (service || e.calls.queued()) {
		e.writePacket(now, service)
		service = e.urgent(now)
	}
}

// travelsAlone reports whether a query gets a packet of its own.
func (e *Engine) travelsAlone(one *call) bool {
	return one.alone || len(one.body) > softPacketSize
}

// writePacket writes one packet, of service messages and queries or of one large query.
func (e *Engine) writePacket(now time.Time, service bool) {
	before := e.clock.lastID
	size, messages := 0, 0
	if service {
		size, messages = e.serviceSize()
	}
	batch, size := e.takeBatch(service, size, maxContainerMessages-messages)
	defer clear(batch)
	p := wire.NewPacket(size)
	repeats := false
	if service {
		e.addService(now, &p)
		repeats = e.addRepeats(&p)
	}
	for _, one := range batch {
		id := e.clock.nextID(now)
		if b := one.binding; b != nil {
			var err error
			if one.body, err = b.body(e, id); err != nil {
				e.finish(one, err)
				continue
			}
		}
		seq := e.nextSeq(true)
		p.Add(wire.Message{ID: id, SeqNo: seq, Body: one.body})
		e.calls.markSent(one, id, seq, e.socket)
	}
	if p.Count() == 0 {
		return // all that was to be repeated has been answered meanwhile
	}
	packetID := e.clock.lastID
	if p.Count() > 1 || repeats {
		packetID = e.clock.nextID(now)
		p.Wrap(packetID, e.nextSeq(false))
		e.noteContainer(before, packetID, batch)
	}
	e.recent.add(packetID)
	frame, err := p.Seal(&e.key, e.salts.current(e.clock.server(now)), e.sessionID, e.rand)
	if err != nil {
		e.closeSocket(Reconnect, err)
		return
	}
	e.emit(Write{Frame: frame})
}

// takeBatch takes the queries for one packet from the queues; size is what the packet will
// hold with them.
func (e *Engine) takeBatch(service bool, size, limit int) ([]*call, int) {
	batch := e.batch[:0]
	for len(batch) < limit {
		one := e.calls.next()
		if one == nil {
			break
		}
		alone := e.travelsAlone(one)
		need := wire.MessageOverhead + len(one.body)
		if len(batch) > 0 && (alone || size+need > softPacketSize) || alone && service {
			break
		}
		e.calls.pop()
		batch = append(batch, one)
		if size += need; alone {
			break
		}
	}
	e.batch = batch
	return batch, size
}

// addRepeats adds the queries that the server asked for again. They keep their ids, so that
// it recognises them, and must therefore travel in a container.
func (e *Engine) addRepeats(p *wire.Packet) bool {
	added := false
	size := 0
	for range min(len(e.out.repeat), maxRepeatsPerPacket) {
		if size > softPacketSize {
			break
		}
		one := e.out.repeat[0]
		e.out.repeat = e.out.repeat[1:]
		if one.msgID != 0 && e.calls.sent.get(one.msgID) == one {
			p.Add(wire.Message{ID: one.msgID, SeqNo: one.seqNo, Body: one.body})
			size += len(one.body)
			added = true
		}
	}
	return added
}

// noteContainer remembers where the messages of a container travelled (those with ids after
// before): a complaint may name the container.
func (e *Engine) noteContainer(before, packetID int64, batch []*call) {
	for _, one := range batch {
		one.packetID = packetID
	}
	for i := range e.out.requests {
		if r := &e.out.requests[i]; r.msgID > before {
			r.packetID = packetID
		}
	}
}

// serviceSize is about what addService and addRepeats will add, in bytes and messages.
func (e *Engine) serviceSize() (size, messages int) {
	const (
		small = 64 // one message with its header
		usual = 6  // ping, acks, salts, state request, two requests to resend
	)
	o := &e.out
	messages = usual + len(o.replies) + min(len(o.drops), maxDropsPerPacket) + min(len(o.repeat), maxRepeatsPerPacket)
	size = messages*small + 8*(len(e.acks.waiting)+len(o.ask)+len(o.refetch)+len(o.answers))
	for _, reply := range o.replies {
		size += len(reply.info)
	}
	return size, messages
}
