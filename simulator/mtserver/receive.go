package mtserver

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/gotd/td/bin"

	"github.com/telefleet/orchestrator/simulator/mtserver/packing"
)

// inbound is the handling of one packet, with the key's lock held.
type inbound struct {
	conn    *conn
	key     *authKey
	session *session
	now     time.Time
	killed  bool     // the referee has killed the key
	notes   []func() // for the observer, once the lock is released
	close   error    // closes the connection
}

// receive judges one decrypted packet and acts on it.
func (k *authKey) receive(c *conn, p packet, end int64) error {
	in := &inbound{conn: c, key: k, now: k.srv.cfg.Now()}
	k.mu.Lock()
	in.packet(p, end)
	k.mu.Unlock()
	if k.srv.observer != nil {
		for _, note := range in.notes {
			note()
		}
	}
	return in.close
}

func (in *inbound) packet(p packet, end int64) {
	k, c := in.key, in.conn
	if k.dead(in.now) {
		c.transportError(-404, false)
		return
	}
	id := k.identity()
	c.identify(id)
	var killedNow bool
	if c.dc.media { // parallel connections are fine there
		in.killed = k.srv.referee.Dead(id)
	} else {
		in.killed, killedNow = k.srv.referee.frame(id, c, end)
	}
	if killedNow {
		k.srv.cfg.Log.Warn("auth key killed: two connections sent in parallel", "dc", k.dc.id, "conn", c.id)
		in.notes = append(in.notes, func() { k.srv.observer.KeyKilled(id) })
	}
	if fault, ok := k.srv.faults.take(id, faultTransport, faultTransport); ok {
		c.transportError(fault.code, fault.code != -404)
		return
	}
	s := k.sessionOf(p.session, in.now)
	if s.announced {
		if _, ok := k.srv.faults.take(id, faultForgetSession, faultForgetSession); ok {
			k.forget(s)
			s = k.sessionOf(p.session, in.now)
		}
	}
	in.session = s
	moved := s.attach(c)
	if code := in.checkEnvelope(p); code != 0 {
		in.refuse(p.message, code)
	} else {
		in.outer(p.message)
	}
	if moved && !s.forgotten {
		s.resend(time.Time{})
	}
}

// checkEnvelope returns 0 or the code for which a packet is refused.
func (in *inbound) checkEnvelope(p packet) int {
	k := in.key
	at := time.Unix(p.id>>32, (p.id&0xffffffff)*1e9>>32)
	switch {
	case p.id&3 != 0:
		return 18
	case at.Before(in.now.Add(-maxPast)):
		return 16
	case at.After(in.now.Add(maxFuture)):
		return 17
	case !k.accepts(p.salt, in.now):
		return 48
	}
	if p.seq&1 == 0 && constructorOf(p.body) != idContainer {
		return 0 // faults wait for something that matters
	}
	if _, ok := k.srv.faults.take(k.identity(), faultBadSalt, faultBadSalt); ok || k.srv.faults.badSalt() {
		return 48
	}
	if fault, ok := k.srv.faults.take(k.identity(), faultBadMsg, faultBadMsg); ok {
		return fault.code
	}
	return 0
}

// refuse answers with bad_msg_notification or bad_server_salt.
func (in *inbound) refuse(m message, code int) {
	in.key.srv.stats.badMsg(code)
	constructor := uint32(idBadMsg)
	if code == 48 {
		constructor = idBadSalt
	}
	b := binary.LittleEndian.AppendUint32(nil, constructor)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.id))
	b = binary.LittleEndian.AppendUint32(b, uint32(m.seq))
	b = binary.LittleEndian.AppendUint32(b, uint32(code))
	if code == 48 {
		b = binary.LittleEndian.AppendUint64(b, uint64(in.key.currentSalt(in.now)))
	}
	in.session.service(b, true)
}

// outer takes the message of a packet apart.
func (in *inbound) outer(m message) {
	if constructorOf(m.body) != idContainer {
		in.announce(m.id)
		in.message(m)
		return
	}
	ms, err := parseContainer(m.body)
	switch {
	case errors.Is(err, errTooMany):
		in.conn.transportError(-429, true)
		return
	case err != nil:
		in.refuse(m, 64)
		return
	case m.seq&1 == 1:
		in.refuse(m, 34)
		return
	}
	first := m.id
	for _, inner := range ms {
		if inner.id >= m.id || constructorOf(inner.body) == idContainer {
			in.refuse(m, 64)
			return
		}
		first = min(first, inner.id)
	}
	switch _, known, code := in.session.remember(m.id, m.seq); {
	case known:
		in.refuse(m, 19)
		return
	case code != 0:
		in.refuse(m, code)
		return
	}
	in.announce(first)
	for _, inner := range ms {
		if in.close != nil || in.session.forgotten {
			return
		}
		in.message(inner)
	}
}

// announce sends new_session_created once per session.
func (in *inbound) announce(first int64) {
	s := in.session
	if s.announced {
		return
	}
	s.announced, s.first = true, first
	var unique [8]byte
	if _, err := io.ReadFull(in.key.srv.cfg.Rand, unique[:]); err != nil {
		in.close = err
		return
	}
	b := binary.LittleEndian.AppendUint32(nil, idNewSession)
	b = binary.LittleEndian.AppendUint64(b, uint64(first))
	b = append(b, unique[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(in.key.currentSalt(in.now)))
	s.post(b, postContent)
	srv, keyID := in.key.srv, in.key.identity()
	in.notes = append(in.notes, func() { srv.observer.SessionOpened(keyID, s.id) })
}

// message checks and dispatches one message, alone or from a container.
func (in *inbound) message(m message) {
	body, err := packing.Unpack(m.body, maxGunzip)
	if err != nil {
		in.close = err
		return
	}
	m.body = body
	service, knownService := services[constructorOf(body)]
	switch {
	case m.id&3 != 0:
		in.refuse(m, 18)
		return
	case constructorOf(body) == idContainer: // from inside gzip_packed
		in.refuse(m, 64)
		return
	case knownService && service.even && m.seq&1 == 1 && !in.key.srv.cfg.OddAcks:
		in.refuse(m, 34)
		return
	case !knownService && m.seq&1 == 0:
		in.refuse(m, 35)
		return
	}
	r, known, code := in.session.remember(m.id, m.seq)
	switch {
	case code != 0:
		in.refuse(m, code)
	case known:
		in.duplicate(m, r)
	case knownService:
		if err := service.handle(in, m); errors.Is(err, errTooMany) {
			in.conn.transportError(-429, true)
		} else if err != nil {
			in.close = err
		}
	default:
		in.query(m, r)
	}
}

// duplicate answers a message that was received before; it is not executed again.
func (in *inbound) duplicate(m message, r *received) {
	in.key.srv.stats.duplicates.Add(1)
	if q := r.query; q != nil && q.answer != nil {
		if !q.answer.sentAt.IsZero() || q.answer.queuedOn != in.conn {
			in.session.deliver(q.answer)
		}
		return
	}
	if m.seq&1 == 1 {
		in.session.service(encodeIDs(idMsgsAck, m.id), false)
	}
}

// query takes in an RPC query.
func (in *inbound) query(m message, r *received) {
	k, s := in.key, in.session
	q := &query{id: m.id, started: in.now}
	r.query = q
	call := &Call{
		DC: k.dc.id, Media: in.conn.dc.media, KeyID: k.identity(), AuthKeyID: k.id, SessionID: s.id, MsgID: m.id,
		ConnID: in.conn.id, Remote: in.conn.remote, Body: m.body, session: s, query: q,
	}
	k.srv.stats.calls.Add(1)
	if k.srv.faults.isWedged(s.number) {
		return
	}
	code, text := in.admit(call)
	if code != 0 {
		in.finish(call, encodeRPCError(code, text))
		return
	}
	if call.Constructor() == idBindTempKey {
		in.finish(call, k.bind(call, in.now))
		return
	}
	if len(s.calls) >= queuedCalls {
		in.conn.transportError(-429, true)
		return
	}
	s.slow = append(s.slow, q)
	s.calls = append(s.calls, call)
	if !s.working {
		s.working = true
		k.srv.wg.Go(s.work)
	}
}

// admit unwraps a query and decides whether the key may make it.
func (in *inbound) admit(call *Call) (code int, text string) {
	if in.killed {
		return 406, "AUTH_KEY_DUPLICATED"
	}
	k := in.key
	w, err := unwrap(call.Body)
	if err != nil {
		return 400, "INPUT_REQUEST_INVALID"
	}
	if w.layer != 0 {
		k.layer = w.layer
	}
	if w.init != nil {
		if k.layer == 0 {
			return 400, "CONNECTION_LAYER_INVALID"
		}
		k.inited, k.init = true, *w.init
		in.session.noUpdates = w.withoutUpdates
	}
	call.Body, call.Layer, call.Init = w.body, k.layer, k.init
	call.WithoutUpdates, call.TakeoutID, call.BusinessID = w.withoutUpdates, w.takeoutID, w.businessID
	id := call.Constructor()
	switch {
	case k.temp && k.perm == nil && id != idBindTempKey && id != idGetConfig && id != idGetNearestDC:
		return 401, "AUTH_KEY_PERM_EMPTY"
	case !k.inited && !k.srv.cfg.Uninitialised && id != idBindTempKey:
		return 400, "CONNECTION_NOT_INITED"
	}
	if !in.conn.dc.media && !w.withoutUpdates && !in.session.noUpdates && (w.init != nil || k.main == nil || k.main.conn == nil) {
		k.main = in.session
	}
	return 0, ""
}

// finish answers a query at once.
func (in *inbound) finish(call *Call, result []byte) {
	call.done.Store(true)
	m := in.session.post(encodeRPCResult(call.MsgID, result), postResponse|postContent)
	call.query.answered, call.query.answer, m.query = true, m, call.query
}

// work runs the waiting calls of the session, one after the other.
func (s *session) work() {
	k := s.key
	for {
		k.mu.Lock()
		if len(s.calls) == 0 || k.srv.ctx.Err() != nil {
			s.working = false
			k.mu.Unlock()
			return
		}
		call := s.calls[0]
		s.calls[0] = nil
		s.calls = s.calls[1:]
		k.mu.Unlock()
		if code, text := k.srv.faults.refuse(call); code != 0 {
			call.Error(code, text)
		} else {
			k.srv.handler.RPC(k.srv.ctx, call)
		}
	}
}

func decodeLong(body []byte) (int64, error) {
	b := &bin.Buffer{Buf: body[4:]}
	v, err := b.Long()
	if err != nil {
		return 0, errPacket
	}
	return v, nil
}
