package mtserver

import (
	"cmp"
	"slices"
	"time"

	"github.com/telefleet/orchestrator/simulator/mtserver/packing"
)

// session is the server's side of one MTProto session. authKey.mu guards it.
type session struct {
	key       *authKey
	id        int64
	number    uint64 // counts the server's sessions
	used      time.Time
	announced bool // new_session_created was sent
	forgotten bool
	noUpdates bool  // its initConnection came in invokeWithoutUpdates
	conn      *conn // newest connection that used it

	// What the client sent.
	received []received // in order of msg_id
	floor    int64      // highest msg_id that is no longer remembered
	first    int64      // first msg_id of the session: of lower ones nothing is known
	calls    []*Call    // waiting, in order of arrival
	working  bool       // a goroutine works them off
	slow     []*query   // running, not yet acknowledged

	// What we sent.
	content int32 // content-related messages so far
	unacked map[int64]*outgoing
	pushes  int         // pushes among them
	late    []*outgoing // held back by faults
}

// received is one client message that we remember.
type received struct {
	id    int64
	seq   int32
	query *query // nil for service messages
}

// query is what we know about one query.
type query struct {
	id       int64
	started  time.Time
	acked    bool // msgs_ack was sent
	answered bool
	dropped  bool      // by rpc_drop_answer
	answer   *outgoing // nil until answered, and after the client acknowledged it
}

// outgoing is a message to the client.
type outgoing struct {
	id       int64
	seq      int32
	body     []byte
	push     bool
	tooLong  bool
	content  bool
	gone     bool // acknowledged, dropped or superseded: not to be sent any more
	query    *query
	queuedOn *conn     // connection in whose queue it lies or on which it was sent
	sentAt   time.Time // zero while it waits
	held     bool      // until the next push
	due      time.Time // while a fault holds it back
}

type postFlags uint8

const (
	postContent  postFlags = 1 << iota // must be acknowledged
	postResponse                       // msg_id mod 4 = 1
	postPush
	postHold // do not send yet
)

// nextID draws a msg_id: unix time * 2^32, mod 4 = 1 for responses and 3 for others.
func (s *session) nextID(response bool) int64 {
	low := int64(3)
	if response {
		low = 1
	}
	id := msgIDAt(s.key.srv.cfg.Now())&^3 | low
	if last := s.key.lastID; id <= last {
		id = (last&^3 + 4) | low
	}
	s.key.lastID = id
	return id
}

func msgIDAt(t time.Time) int64 {
	ns := t.UnixNano()
	return ns/1e9<<32 | (ns%1e9)<<32/1e9
}

// post numbers a message and puts it into the queue of the session's connection.
func (s *session) post(body []byte, flags postFlags) *outgoing {
	m := &outgoing{body: body, push: flags&postPush != 0, content: flags&postContent != 0}
	m.id = s.nextID(flags&postResponse != 0)
	m.seq = s.content * 2
	if m.content {
		m.seq++
		s.content++
		s.unacked[m.id] = m
		if m.push {
			s.pushes++
		}
	}
	if flags&postHold == 0 {
		s.deliver(m)
	}
	return m
}

// deliver queues a message on the connection, if there is one.
func (s *session) deliver(m *outgoing) {
	if s.conn != nil && !m.gone {
		m.queuedOn, m.sentAt = s.conn, time.Time{}
		s.conn.enqueue(queued{session: s, m: m, size: len(m.body)})
	}
}

// service posts a message that needs no acknowledgement.
func (s *session) service(body []byte, response bool) {
	if response {
		s.post(body, postResponse)
		return
	}
	s.post(body, 0)
}

// push posts an update, as far as the faults allow.
func (s *session) push(body []byte) {
	srv := s.key.srv
	if s.pushes >= srv.cfg.PushQueue {
		s.overflow()
		return
	}
	fate := srv.faults.pushFate()
	packed := body
	if len(body) >= 256 && srv.faults.chance(srv.cfg.Pack) {
		packed = packing.Pack(body)
	}
	switch {
	case fate.drop || srv.faults.isWedged(s.number):
		// As if it had been acknowledged: nobody will send it again.
		s.settle(s.post(packed, postContent|postPush|postHold))
		return
	case fate.hold, fate.delay > 0:
		m := s.post(packed, postContent|postPush|postHold)
		m.held = fate.hold
		m.due = srv.cfg.Now().Add(cmp.Or(fate.delay, heldAtMost))
		s.late = append(s.late, m)
	default:
		s.post(packed, postContent|postPush)
		s.release(func(m *outgoing) bool { return m.held })
	}
	if fate.repeat {
		s.post(packed, postContent|postPush)
	}
}

// release sends the messages held back by faults that are due.
func (s *session) release(due func(*outgoing) bool) {
	s.late = slices.DeleteFunc(s.late, func(m *outgoing) bool {
		if !due(m) {
			return false
		}
		m.due = time.Time{}
		s.deliver(m)
		return true
	})
}

// overflow replaces all waiting pushes by one updatesTooLong.
func (s *session) overflow() {
	for _, m := range s.unacked {
		if m.push {
			if m.tooLong && m.sentAt.IsZero() {
				return // it still waits and says everything
			}
		}
	}
	for _, m := range s.unacked {
		if m.push {
			s.settle(m)
		}
	}
	s.late = nil
	s.key.srv.stats.overflowed.Add(1)
	m := s.post([]byte{0x7e, 0xaf, 0x17, 0xe3}, postContent|postPush)
	m.tooLong = true
}

// settle ends the life of a message.
func (s *session) settle(m *outgoing) {
	if m.gone {
		return
	}
	m.gone = true
	delete(s.unacked, m.id)
	if m.push {
		s.pushes--
	}
	if m.query != nil {
		m.query.answer = nil
	}
	m.body = nil
}

// boundAnswers forgets the oldest answers of a client that never acknowledges.
func (s *session) boundAnswers() {
	for len(s.unacked) > unackedAnswers+s.pushes {
		var oldest *outgoing
		for _, m := range s.unacked {
			if !m.push && (oldest == nil || m.id < oldest.id) {
				oldest = m
			}
		}
		if oldest == nil {
			return
		}
		s.settle(oldest)
	}
}

// attach moves the session to a connection, unless it has a newer one: a late frame of an
// older connection must not draw the answers back to it.
func (s *session) attach(c *conn) (moved bool) {
	if s.conn != nil && s.conn.id >= c.id {
		return false
	}
	if s.conn != nil {
		s.conn.detach(s)
	}
	s.conn = c
	c.attach(s)
	return true
}

// resend queues everything that the client has not acknowledged and that is not on its way
// over this connection.
func (s *session) resend(olderThan time.Time) {
	if s.conn == nil {
		return
	}
	var ms []*outgoing
	for _, m := range s.unacked {
		if !m.due.IsZero() {
			continue
		}
		elsewhere := m.queuedOn != s.conn
		if elsewhere || !m.sentAt.IsZero() && m.sentAt.Before(olderThan) {
			ms = append(ms, m)
		}
	}
	slices.SortFunc(ms, func(a, b *outgoing) int { return cmp.Compare(a.id, b.id) })
	for _, m := range ms {
		if !m.sentAt.IsZero() {
			s.key.srv.stats.resent.Add(1)
		}
		s.deliver(m)
	}
}

// remember records a client message. It returns the known one if the id was seen before,
// and a code of bad_msg_notification if the id or seqno breaks the order.
func (s *session) remember(id int64, seq int32) (r *received, known bool, code int) {
	i, found := slices.BinarySearchFunc(s.received, id, func(r received, id int64) int { return cmp.Compare(r.id, id) })
	switch {
	case found:
		return &s.received[i], true, 0
	case id <= s.floor:
		return nil, false, 20
	case i > 0 && breaksOrder(s.received[i-1].seq, seq):
		return nil, false, 32
	case i < len(s.received) && breaksOrder(seq, s.received[i].seq):
		return nil, false, 33
	}
	s.received = slices.Insert(s.received, i, received{id: id, seq: seq})
	if len(s.received) > rememberedIDs+rememberedIDs/4 {
		cut := len(s.received) - rememberedIDs
		s.floor = s.received[cut-1].id
		s.received = append(s.received[:0:0], s.received[cut:]...)
		i -= cut
		if i < 0 {
			return &received{id: id, seq: seq}, false, 0
		}
	}
	return &s.received[i], false, 0
}

// breaksOrder says that a message with the lower msg_id has a seqno that is higher, or
// equal and odd.
func breaksOrder(lower, higher int32) bool {
	return lower > higher || lower == higher && lower&1 == 1
}

// find returns what is remembered of a client message.
func (s *session) find(id int64) *received {
	i, found := slices.BinarySearchFunc(s.received, id, func(r received, id int64) int { return cmp.Compare(r.id, id) })
	if !found {
		return nil
	}
	return &s.received[i]
}
