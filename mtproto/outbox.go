package mtproto

import (
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// outbox is what the engine itself has to say on the present socket. All of it is bounded by
// what the server asked or by the calls that wait.
type outbox struct {
	ask     []int64      // calls whose state we want to know: msgs_state_req
	refetch []int64      // messages of the server that we want again: msg_resend_req
	answers []int64      // calls whose answers we want again: msg_resend_ans_req
	drops   []int64      // calls given up: rpc_drop_answer
	repeat  []*call      // calls that the server wants again under their old ids
	replies []stateReply // msgs_state_info

	requests []request // what we asked and the server has not answered
}

// stateReply answers one msgs_state_req.
type stateReply struct {
	req  int64
	info []byte
}

// request is a question of the engine's own.
type request struct {
	kind     requestKind
	msgID    int64
	packetID int64
	ids      []int64 // of a state request
}

type requestKind uint8

const (
	askPong requestKind = iota + 1
	askSalts
	askState
)

// takeRequest removes and returns the request that was sent under this id.
func (o *outbox) takeRequest(msgID int64) (request, bool) {
	for i, r := range o.requests {
		if r.msgID == msgID {
			o.keep(append(o.requests[:i], o.requests[i+1:]...))
			return r, true
		}
	}
	return request{}, false
}

// keep sets the requests; an idle engine has none, and no room for any.
func (o *outbox) keep(requests []request) {
	if o.requests = requests; len(requests) == 0 {
		o.requests = nil
	}
}

// takeRefused removes and returns the requests that a refused message was or contained.
func (o *outbox) takeRefused(badID int64) []request {
	var refused []request
	kept := o.requests[:0]
	for _, r := range o.requests {
		if r.msgID == badID || r.packetID == badID {
			refused = append(refused, r)
		} else {
			kept = append(kept, r)
		}
	}
	o.keep(kept)
	return refused
}

// forgetPings removes the pings that a pong for the last one answers as well.
func (o *outbox) forgetPings() {
	kept := o.requests[:0]
	for _, r := range o.requests {
		if r.kind != askPong {
			kept = append(kept, r)
		}
	}
	o.keep(kept)
}

// askAgain repeats requests that the server refused.
func (e *Engine) askAgain(refused []request) {
	for _, r := range refused {
		switch r.kind {
		case askPong:
			e.ping.wanted = true
		case askSalts:
			e.salts.asked = time.Time{}
		case askState:
			e.out.ask = append(e.out.ask, r.ids...)
		}
	}
}

// urgent reports whether the engine itself has something to say that does not wait for a
// query to travel with.
func (e *Engine) urgent(now time.Time) bool {
	o := &e.out
	return e.ping.wanted || e.acks.due(now) ||
		len(o.ask)+len(o.refetch)+len(o.answers)+len(o.drops)+len(o.repeat)+len(o.replies) > 0
}

// addService puts all that the engine has to say into a packet.
func (e *Engine) addService(now time.Time, p *wire.Packet) {
	if e.ping.wanted { // first: on a new socket it is the fence
		e.addPing(now, p)
	}
	if len(e.acks.waiting) > 0 {
		ids := e.acks.take()
		e.begin(now, p, false)
		p.End(wire.AppendInt64s(wire.AppendUint32(p.Body(), wire.IDMsgsAck), ids))
	}
	if e.salts.wanted(now, e.clock.server(now)) {
		e.addGetFutureSalts(now, p)
	}
	o := &e.out
	for len(o.ask) > 0 {
		n := min(len(o.ask), wire.MaxIDs)
		ids := o.ask[:n:n]
		o.ask = o.ask[n:]
		id := e.begin(now, p, true)
		p.End(wire.AppendInt64s(wire.AppendUint32(p.Body(), wire.IDMsgsStateReq), ids))
		o.requests = append(o.requests, request{kind: askState, msgID: id, ids: ids})
	}
	if len(o.refetch) > 0 {
		e.begin(now, p, true)
		p.End(wire.AppendInt64s(wire.AppendUint32(p.Body(), wire.IDMsgResendReq), o.refetch))
	}
	if len(o.answers) > 0 {
		e.begin(now, p, true)
		p.End(wire.AppendInt64s(wire.AppendUint32(p.Body(), wire.IDMsgResendAnsReq), o.answers))
	}
	for _, reply := range o.replies {
		e.begin(now, p, false)
		b := wire.AppendInt64(wire.AppendUint32(p.Body(), wire.IDMsgsStateInfo), reply.req)
		p.End(wire.AppendBytes(b, reply.info))
	}
	drops := o.drops[:min(len(o.drops), maxDropsPerPacket)]
	for _, req := range drops {
		e.begin(now, p, true)
		p.End(wire.AppendInt64(wire.AppendUint32(p.Body(), wire.IDRPCDropAnswer), req))
	}
	o.ask, o.refetch, o.answers, o.replies = nil, nil, nil, nil
	if o.drops = o.drops[len(drops):]; len(o.drops) == 0 {
		o.drops = nil
	}
}

func (e *Engine) addPing(now time.Time, p *wire.Packet) {
	e.ping.id++
	e.ping.sent(now, e.pingInterval, e.pongDelay())
	id := e.begin(now, p, false)
	b := wire.AppendInt64(wire.AppendUint32(p.Body(), wire.IDPingDelayDisconnect), e.ping.id)
	p.End(wire.AppendUint32(b, uint32(e.disconnectDelay/time.Second)))
	e.out.requests = append(e.out.requests, request{kind: askPong, msgID: id})
}

func (e *Engine) addGetFutureSalts(now time.Time, p *wire.Packet) {
	e.salts.asked = now
	id := e.begin(now, p, false)
	p.End(wire.AppendUint32(wire.AppendUint32(p.Body(), wire.IDGetFutureSalts), saltsWanted))
	e.out.requests = append(e.out.requests, request{kind: askSalts, msgID: id})
}

// begin starts a message of the next id and sequence number.
func (e *Engine) begin(now time.Time, p *wire.Packet, content bool) int64 {
	id := e.clock.nextID(now)
	p.Begin(id, e.nextSeq(content))
	return id
}

// nextSeq is 2n+1 for a content-related message, where n counts those before it, else 2n
// (core.telegram.org/mtproto/description, "Message Sequence Number").
func (e *Engine) nextSeq(content bool) int32 {
	if !content {
		return 2 * e.seq
	}
	e.seq++
	return 2*e.seq - 1
}
