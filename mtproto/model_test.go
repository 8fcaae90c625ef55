package mtproto

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
	"pgregory.net/rapid"
)

// TestEveryCallEndsOnce lets a model server lose sockets, frames, salts and whole sessions:
// every call ends exactly once, no query that is not idempotent is executed twice, an answer
// is the right one, and an unknown outcome is claimed only where something was forgotten.
func TestEveryCallEndsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range rapid.IntRange(10, 120).Draw(t, "steps") {
			m.act(rapid.IntRange(0, 15).Draw(t, "action"))
		}
		m.settle()
		m.verify()
	})
}

// model is a server with a faulty network, and the engine's user.
type model struct {
	t      *rapid.T
	engine *Engine
	codec  *serverCodec
	now    time.Time

	isUp               bool
	toServer, toClient [][]byte
	salt               int64
	lastID             int64

	// The server's session.
	known      bool // new_session_created was sent
	resendNow  bool // a new socket: what is not acknowledged is sent again
	received   map[int64]bool
	answered   map[int64]proto.Message // by the query's id
	unacked    []proto.Message
	lateAnswer []proto.Message
	firstID    int64 // lowest id that the session knows

	calls    map[CallID]*modelCall
	next     CallID
	updates  map[string]int
	sentUpd  int
	lossy    bool // something was forgotten: unknown outcomes are fair
	sessions int64
}

type modelCall struct {
	text       string
	idempotent bool
	executed   int
	ended      int
	cancelled  bool
	err        error
}

func newModel(t *rapid.T) *model {
	m := &model{
		t: t, codec: newServerCodec(testKey(), testSession), now: testStart, salt: 1,
		calls: map[CallID]*modelCall{}, updates: map[string]int{},
	}
	engine, err := New(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	m.engine = engine
	m.forget()
	return m
}

// forget loses the server's side of the session.
func (m *model) forget() {
	m.known, m.received, m.answered = false, map[int64]bool{}, map[int64]proto.Message{}
	m.unacked, m.lateAnswer, m.firstID = nil, nil, 0
}

func (m *model) act(action int) {
	switch action {
	case 0, 1, 2:
		m.invoke(rapid.Bool().Draw(m.t, "idempotent"))
	case 3, 4:
		m.step(Flush{})
	case 5, 6:
		m.deliverToServer()
	case 7, 8:
		m.deliverToClient()
	case 9:
		m.drop()
	case 10:
		m.up()
	case 11:
		m.pushUpdate()
	case 12:
		m.salt++
		m.now = m.now.Add(5 * time.Second)
	case 13:
		m.answerLate()
	case 14:
		m.rare(rapid.IntRange(0, 3).Draw(m.t, "rare"))
	case 15:
		m.now = m.now.Add(time.Duration(rapid.IntRange(1, 70).Draw(m.t, "seconds")) * time.Second)
		m.step(TimerFired{})
	}
}

func (m *model) rare(kind int) {
	switch kind {
	case 0: // the server loses the session together with the sockets
		m.drop()
		m.forget()
		m.lossy = true
	case 1:
		for id, one := range m.calls {
			if one.ended == 0 && id%3 == 0 {
				one.cancelled = true
				m.step(Cancel{ID: id})
				return
			}
		}
	case 2: // a repetition of what the client has and has not acknowledged
		if len(m.unacked) > 0 && m.isUp {
			m.send(proto.Message{Body: container(m.unacked[0])})
		}
	case 3:
		m.send(proto.Message{Body: encodeTL(&mt.MsgsStateReq{MsgIDs: []int64{m.lastID, 5}})})
	}
}

func (m *model) invoke(idempotent bool) {
	m.next++
	one := &modelCall{text: fmt.Sprintf("call %d", m.next), idempotent: idempotent}
	m.calls[m.next] = one
	m.step(Invoke{ID: m.next, Body: textObject(idQuery, one.text), Idempotent: idempotent, Low: m.next%5 == 0})
}

func (m *model) up() {
	if !m.isUp {
		m.isUp, m.resendNow = true, true
		m.step(SocketUp{})
	}
}

func (m *model) drop() {
	// What was sent before the server knew the session is older than all that it will know.
	m.lossy = m.lossy || !m.known
	m.toServer, m.toClient = nil, nil
	if m.isUp {
		m.isUp = false
		m.step(SocketDown{})
	}
}

func (m *model) step(in Input) {
	for _, effect := range slices.Clone(m.engine.Step(m.now, in)) {
		switch effect := effect.(type) {
		case Write:
			if !m.isUp {
				m.t.Fatal("write without a socket")
			}
			m.toServer = append(m.toServer, effect.Frame)
		case CallDone:
			m.callDone(effect)
		case UpdatesReceived:
			_, text := readText(effect.Body)
			m.updates[text]++
			m.step(Processed{MsgIDs: []int64{effect.MsgID}})
		case Closed:
			m.closed(effect.Reason)
			return
		}
	}
}

func (m *model) closed(reason error) {
	var closed *CloseError
	if !errors.As(reason, &closed) {
		m.t.Fatalf("closed by %v", reason)
	}
	m.drop()
	if closed.Action != NewSession {
		return
	}
	m.lossy = true
	m.sessions++
	cfg, pending := m.engine.SuccessorConfig(), m.engine.Unanswered()
	cfg.SessionID = testSession + m.sessions
	engine, err := New(cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	m.engine, m.codec.sessionID = engine, cfg.SessionID
	m.forget()
	m.step(Adopt{Calls: pending})
}

func (m *model) callDone(done CallDone) {
	one := m.calls[done.ID]
	one.ended++
	one.err = done.Err
	switch {
	case one.ended > 1:
		m.t.Fatalf("%s ended %d times", one.text, one.ended)
	case done.Err == nil:
		if _, text := readText(done.Result); text != one.text || one.executed == 0 {
			m.t.Fatalf("%s got the answer %q", one.text, text)
		}
	case errors.Is(done.Err, ErrUnknownOutcome):
		if one.idempotent || !m.lossy {
			m.t.Fatalf("%s: unknown outcome without a reason", one.text)
		}
	case errors.Is(done.Err, ErrCancelled) && one.cancelled:
	default:
		m.t.Fatalf("%s: %v", one.text, done.Err)
	}
}

// send encrypts a message for the client; without an id it gets the next one.
func (m *model) send(message proto.Message) proto.Message {
	if message.ID == 0 {
		m.lastID = max(m.lastID+4, m.now.Unix()<<32|1)
		message.ID = m.lastID
	}
	if m.isUp {
		m.toClient = append(m.toClient, m.codec.encrypt(message, flaw{}))
	}
	return message
}

// sendContent sends what the server repeats until it is acknowledged.
func (m *model) sendContent(body []byte) proto.Message {
	message := m.send(proto.Message{SeqNo: 1, Body: body})
	m.unacked = append(m.unacked, message)
	return message
}

func (m *model) pushUpdate() {
	if m.known {
		m.sentUpd++
		m.sendContent(textObject(idUpdate, fmt.Sprintf("update %d", m.sentUpd)))
	}
}

func (m *model) answerLate() {
	for _, answer := range m.lateAnswer {
		m.unacked = append(m.unacked, m.send(answer))
	}
	m.lateAnswer = nil
}

func (m *model) deliverToClient() {
	if len(m.toClient) > 0 {
		frame := m.toClient[0]
		m.toClient = m.toClient[1:]
		m.step(FrameReceived{Data: frame})
	}
}

func (m *model) deliverToServer() {
	if len(m.toServer) == 0 {
		return
	}
	frame := m.toServer[0]
	m.toServer = m.toServer[1:]
	p, err := m.codec.decrypt(frame)
	if err != nil {
		m.t.Fatal(err)
	}
	outer := p.messages[0].ID
	if p.container != nil {
		outer = p.container.ID
		for _, one := range p.messages {
			if one.ID >= outer {
				m.t.Fatalf("message %d in container %d", one.ID, outer)
			}
		}
	}
	if p.salt != m.salt {
		m.lossy = m.lossy || !m.known // as in drop
		m.send(proto.Message{Body: encodeTL(&mt.BadServerSalt{BadMsgID: outer, ErrorCode: 48, NewServerSalt: m.salt})})
		return
	}
	if !m.known {
		m.known, m.firstID = true, p.messages[0].ID
		m.sendContent(encodeTL(&mt.NewSessionCreated{FirstMsgID: m.firstID, UniqueID: m.now.UnixNano(), ServerSalt: m.salt}))
	}
	if m.resendNow && len(m.unacked) > 0 {
		m.send(proto.Message{Body: container(slices.Clone(m.unacked)...)})
	}
	m.resendNow = false
	for _, one := range p.messages {
		m.serve(one)
	}
}

// serve is the server's reaction to one message.
func (m *model) serve(one proto.Message) {
	if m.received[one.ID] {
		return
	}
	m.received[one.ID] = true
	b := &bin.Buffer{Buf: one.Body}
	switch constructor(one.Body) {
	case idQuery:
		m.execute(one)
	case mt.PingDelayDisconnectRequestTypeID:
		var ping mt.PingDelayDisconnectRequest
		m.must(ping.Decode(b))
		m.send(proto.Message{Body: encodeTL(&mt.Pong{MsgID: one.ID, PingID: ping.PingID})})
	case mt.MsgsAckTypeID:
		var ack mt.MsgsAck
		m.must(ack.Decode(b))
		m.unacked = slices.DeleteFunc(m.unacked, func(u proto.Message) bool { return slices.Contains(ack.MsgIDs, u.ID) })
	case mt.MsgsStateReqTypeID:
		var req mt.MsgsStateReq
		m.must(req.Decode(b))
		m.send(proto.Message{Body: encodeTL(&mt.MsgsStateInfo{ReqMsgID: one.ID, Info: m.states(req.MsgIDs)})})
	case mt.GetFutureSaltsRequestTypeID:
		now := int(m.now.Unix())
		m.send(proto.Message{Body: encodeTL(&mt.FutureSalts{ReqMsgID: one.ID, Now: now, Salts: []mt.FutureSalt{
			{ValidSince: now - 900, ValidUntil: now + 1800, Salt: m.salt},
		}})})
	case idResendAnswers: // the new socket brings them anyway
	case mt.RPCDropAnswerRequestTypeID, mt.MsgsStateInfoTypeID:
	default:
		m.t.Fatalf("unexpected message %#x", constructor(one.Body))
	}
}

func (m *model) must(err error) {
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) execute(one proto.Message) {
	if one.SeqNo%2 == 0 {
		m.t.Fatal("a query with an even sequence number")
	}
	_, text := readText(one.Body)
	for _, call := range m.calls {
		if call.text == text {
			if call.executed++; call.executed > 1 && !call.idempotent {
				m.t.Fatalf("%s was executed twice", text)
			}
		}
	}
	body := rpcResult(one.ID, textObject(idAnswer, text))
	if one.ID%3 == 0 {
		body = rpcResult(one.ID, packed(textObject(idAnswer, text)))
	}
	if one.ID%5 == 0 {
		m.lateAnswer = append(m.lateAnswer, proto.Message{SeqNo: 1, Body: body})
		return
	}
	m.answered[one.ID] = m.sendContent(body)
}

func (m *model) states(ids []int64) []byte {
	info := make([]byte, len(ids))
	for i, id := range ids {
		_, answered := m.answered[id]
		switch {
		case answered:
			info[i] = stateReceived | stateAnswerMade
		case m.received[id]:
			info[i] = stateReceived
		case id < m.firstID:
			info[i] = stateUnknown
		default:
			info[i] = stateNotReceived
		}
	}
	return info
}

// settle lets the network work until nothing is left to do.
func (m *model) settle() {
	for range 60 {
		m.up()
		m.step(Flush{})
		for len(m.toServer)+len(m.toClient) > 0 {
			m.deliverToServer()
			m.deliverToClient()
			m.answerLate()
			m.step(Flush{})
		}
		if len(m.unacked) > 0 { // a packet with acks was refused: servers repeat after a while
			m.send(proto.Message{Body: container(slices.Clone(m.unacked)...)})
		}
		m.now = m.now.Add(11 * time.Second)
		m.step(TimerFired{})
	}
}

func (m *model) verify() {
	for id, one := range m.calls {
		if one.ended != 1 {
			m.t.Fatalf("%s ended %d times (call %d, executed %d)", one.text, one.ended, id, one.executed)
		}
	}
	if left := m.engine.Unanswered(); len(left) != 0 {
		m.t.Fatalf("%d calls left", len(left))
	}
	if len(m.unacked) != 0 {
		m.t.Fatalf("%d messages are not acknowledged", len(m.unacked))
	}
	for i := range m.sentUpd {
		text := fmt.Sprintf("update %d", i+1)
		if n := m.updates[text]; n > 1 || n == 0 && !m.lossy {
			m.t.Fatalf("%s was delivered %d times", text, n)
		}
	}
}
