package mtproto

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
)

// The guards G1 ... G9 close what gotd v0.161.0 leaves open.

// rig is an engine with a socket, and its server.
type rig struct {
	t      testing.TB
	engine *Engine
	server *serverCodec
	now    time.Time
	n      int
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, engine: newTestEngine(t), server: newServerCodec(testKey(), testSession), now: testStart}
	r.step(SocketUp{})
	return r
}

// step returns a copy of the effects.
func (r *rig) step(in Input) []Effect { return slices.Clone(r.engine.Step(r.now, in)) }

// flush returns the messages that the client sends, without their containers.
func (r *rig) flush() []proto.Message {
	r.t.Helper()
	return r.read(r.step(Flush{}))
}

func (r *rig) read(effects []Effect) []proto.Message {
	r.t.Helper()
	var messages []proto.Message
	for _, frame := range effectsOf[Write](effects) {
		p, err := r.server.decrypt(frame.Frame)
		if err != nil {
			r.t.Fatal(err)
		}
		messages = append(messages, p.messages...)
	}
	return messages
}

func (r *rig) nextID() int64 { r.n++; return serverID(r.now, r.n, true) }

// receive gives the engine a message of the server, content-related or not.
func (r *rig) receive(body []byte, content bool) []Effect {
	m := proto.Message{ID: r.nextID(), Body: body}
	if content {
		m.SeqNo = 1
	}
	return r.step(FrameReceived{Data: r.server.encrypt(m, flaw{})})
}

func effectsOf[E Effect](effects []Effect) []E {
	var found []E
	for _, effect := range effects {
		if e, ok := effect.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// query finds the id under which a query with this text left.
func query(t testing.TB, messages []proto.Message, text string) int64 {
	t.Helper()
	for _, m := range messages {
		if bytes.Equal(m.Body, textObject(idQuery, text)) {
			return m.ID
		}
	}
	t.Fatalf("query %q was not sent", text)
	return 0
}

func closeAction(t testing.TB, effects []Effect) Action {
	t.Helper()
	closed := effectsOf[Closed](effects)
	if len(closed) != 1 {
		t.Fatalf("got %d Closed, want 1: %v", len(closed), effects)
	}
	var reason *CloseError
	if !errors.As(closed[0].Reason, &reason) {
		t.Fatalf("reason is no CloseError: %v", closed[0].Reason)
	}
	return reason.Action
}

func ackedIDs(t testing.TB, messages []proto.Message) []int64 {
	t.Helper()
	var ids []int64
	for _, m := range messages {
		if constructor(m.Body) == mt.MsgsAckTypeID {
			var ack mt.MsgsAck
			if err := ack.Decode(&bin.Buffer{Buf: m.Body}); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, ack.MsgIDs...)
		}
	}
	return ids
}

func TestG1KeyUnknownKeepsKeyAndCalls(t *testing.T) {
	r := newRig(t)
	r.step(Invoke{ID: 1, Body: textObject(idQuery, "one")})
	r.flush()
	if got := closeAction(t, r.step(FrameReceived{Data: []byte{0x6c, 0xfe, 0xff, 0xff}})); got != KeyUnknown {
		t.Fatalf("-404 gave %v", got)
	}
	if len(r.engine.Unanswered()) != 1 || *r.engine.SuccessorConfig().Key != testKey() {
		t.Fatal("one -404 changed the engine")
	}
	r.step(SocketDown{})
	r.step(SocketUp{})
	if len(r.flush()) == 0 {
		t.Fatal("the engine does not go on after -404")
	}
}

func TestG2NewSessionAsksForDifference(t *testing.T) {
	r := newRig(t)
	body := encodeTL(&mt.NewSessionCreated{UniqueID: 0, ServerSalt: 1})
	if got := effectsOf[SessionCreated](r.receive(body, true)); len(got) != 1 {
		t.Fatalf("got %d SessionCreated, want 1", len(got))
	}
	if got := effectsOf[SessionCreated](r.receive(body, true)); len(got) != 0 {
		t.Fatal("a repeated unique_id counted as another session")
	}
}

func TestG3InnerMessagesAreAcked(t *testing.T) {
	r := newRig(t)
	var inner []proto.Message
	var want []int64
	for range 40 {
		m := proto.Message{ID: r.nextID(), SeqNo: 1, Body: rpcResult(8, textObject(idAnswer, "late"))}
		inner, want = append(inner, m), append(want, m.ID)
	}
	quiet := proto.Message{ID: r.nextID(), SeqNo: 0, Body: encodeTL(&mt.MsgsAck{MsgIDs: []int64{4}})}
	r.receive(container(append(inner, quiet)...), false)
	if got := ackedIDs(t, r.flush()); !slices.Equal(got, want) {
		t.Fatalf("acked %d of %d inner messages", len(got), len(want))
	}
}

func TestG3InnerMessagesAreNotReplayed(t *testing.T) {
	r := newRig(t)
	update := proto.Message{ID: r.nextID(), SeqNo: 1, Body: textObject(idUpdate, "once")}
	total := 0
	for range 50 {
		total += len(effectsOf[UpdatesReceived](r.receive(container(update), false)))
	}
	if total != 1 {
		t.Fatalf("an update in 50 containers was delivered %d times", total)
	}
}

func TestG4EveryRefusalIsRepaired(t *testing.T) {
	for _, code := range []int{16, 17, 32, 33, 64} {
		r := newRig(t)
		r.step(Invoke{ID: 1, Body: textObject(idQuery, "one")})
		id := query(t, r.flush(), "one")
		r.receive(encodeTL(&mt.BadMsgNotification{BadMsgID: id, ErrorCode: code}), false)
		pending := r.engine.Unanswered()
		if len(pending) != 1 || pending[0].Sent {
			t.Errorf("code %d: the refused call is not queued again: %+v", code, pending)
		}
	}
}

func TestG5PaddingIsBounded(t *testing.T) {
	for text, padding := range map[string]int{"x": 8, "ten bytes.": 1040} {
		r := newRig(t)
		frame := r.server.encrypt(proto.Message{ID: r.nextID(), Body: textObject(idUpdate, text)}, flaw{padding: padding})
		if got := closeAction(t, r.step(FrameReceived{Data: frame})); got != Reconnect {
			t.Errorf("padding %d gave %v", padding, got)
		}
	}
}

func TestG8SentCallsAreNotRepeatedUnasked(t *testing.T) {
	r := newRig(t)
	r.step(Invoke{ID: 1, Body: textObject(idQuery, "one")})
	r.flush()
	r.step(SocketDown{})
	r.step(SocketUp{})
	for _, m := range r.flush() {
		if constructor(m.Body) == idQuery {
			t.Fatal("a sent query left again before the server was asked")
		}
	}
}

func TestG9GzipIsBoundedInDepth(t *testing.T) {
	object := textObject(idAnswer, "deep")
	for depth := range 4 {
		r := newRig(t)
		r.step(Invoke{ID: 1, Body: textObject(idQuery, "one")})
		id := query(t, r.flush(), "one")
		done := effectsOf[CallDone](r.receive(rpcResult(id, object), true))
		if len(done) != 1 {
			t.Fatalf("depth %d: got %d CallDone", depth, len(done))
		}
		if ok := done[0].Err == nil; ok != (depth <= maxDepth) {
			t.Errorf("depth %d: %v", depth, done[0].Err)
		}
		object = packed(object)
	}
}

func TestG9GzipBombIsBoundedInSize(t *testing.T) {
	bomb := packed(make([]byte, maxInflated+4))
	r := newRig(t)
	r.step(Invoke{ID: 1, Body: textObject(idQuery, "one")})
	id := query(t, r.flush(), "one")
	done := effectsOf[CallDone](r.receive(rpcResult(id, bomb), true))
	var problem *ResultError
	if len(done) != 1 || !errors.As(done[0].Err, &problem) {
		t.Fatalf("got %v", done)
	}
	if got := ackedIDs(t, r.read(r.step(Flush{}))); len(got) != 0 && len(got) != 1 {
		t.Fatalf("acked %v", got)
	}

	// Many smaller ones in one container: the packet as a whole is bounded.
	half := packed(textObject(idUpdate, string(make([]byte, maxInflated-1000))))
	var inner []proto.Message
	for range 10 {
		inner = append(inner, proto.Message{ID: r.nextID(), SeqNo: 1, Body: half})
	}
	size := 0
	for _, u := range effectsOf[UpdatesReceived](r.receive(container(inner...), false)) {
		size += len(u.Body)
	}
	if size > maxInflatedFrame+1<<20 {
		t.Fatalf("one packet unpacked to %d bytes", size)
	}
}

func TestContainerOf1025MessagesIsRefused(t *testing.T) {
	for _, n := range []int{1024, 1025} {
		r := newRig(t)
		var inner []proto.Message
		for range n {
			inner = append(inner, proto.Message{ID: r.nextID(), Body: encodeTL(&mt.MsgsAck{})})
		}
		refused := len(effectsOf[Closed](r.receive(container(inner...), false))) == 1
		if refused != (n > 1024) {
			t.Errorf("%d messages: refused %t", n, refused)
		}
	}
}

func TestContainerWithWrongLengthIsRefusedWhole(t *testing.T) {
	r := newRig(t)
	r.step(Invoke{ID: 1, Body: textObject(idQuery, "one")})
	id := query(t, r.flush(), "one")
	body := container(
		proto.Message{ID: r.nextID(), SeqNo: 1, Body: rpcResult(id, textObject(idAnswer, "ok"))},
		proto.Message{ID: r.nextID(), Body: encodeTL(&mt.MsgsAck{})},
	)
	body = body[:len(body)-4]
	effects := r.receive(body, false)
	if closeAction(t, effects) != Reconnect || len(effectsOf[CallDone](effects)) != 0 {
		t.Fatalf("got %v", effects)
	}
}

func TestClosedEngineDropsFrames(t *testing.T) {
	r := newRig(t)
	r.receive(encodeTL(&mt.NewSessionCreated{}), true)
	r.step(FrameReceived{Data: []byte{0x53, 0xfe, 0xff, 0xff}})
	if got := r.receive(textObject(idUpdate, "late"), true); len(got) != 0 {
		t.Fatalf("got %v", got)
	}
}

func TestFarTooManyUpdatesAreLeftToTheServer(t *testing.T) {
	r := newRig(t)
	for range maxUnprocessed {
		r.receive(textObject(idUpdate, "u"), true)
	}
	m := proto.Message{ID: r.nextID(), SeqNo: 1, Body: textObject(idUpdate, "one too many")}
	frame := r.server.encrypt(m, flaw{})
	if got := effectsOf[UpdatesReceived](r.step(FrameReceived{Data: slices.Clone(frame)})); len(got) != 0 {
		t.Fatal("delivered beyond the limit")
	}
	r.step(Processed{MsgIDs: []int64{serverID(testStart, maxUnprocessed, true)}})
	m2 := proto.Message{ID: r.nextID(), SeqNo: 0, Body: container(m)}
	if got := effectsOf[UpdatesReceived](r.step(FrameReceived{Data: r.server.encrypt(m2, flaw{})})); len(got) != 1 {
		t.Fatal("the repetition was not delivered")
	}
}

func TestTooManyCallsAreRefused(t *testing.T) {
	e := newTestEngine(t)
	for i := range MaxCalls {
		e.Step(testStart, Invoke{ID: CallID(i + 1), Body: textObject(idQuery, "q")})
	}
	done := effectsOf[CallDone](e.Step(testStart, Invoke{ID: MaxCalls + 1, Body: textObject(idQuery, "q")}))
	if len(done) != 1 || !errors.Is(done[0].Err, ErrTooManyCalls) {
		t.Fatalf("got %v", done)
	}
}

func TestBrokenEntropyClosesSocket(t *testing.T) {
	r := newRig(t)
	r.engine.rand = bytes.NewReader(nil)
	if got := closeAction(t, r.step(Flush{})); got != Reconnect {
		t.Fatalf("got %v", got)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"Key":             func(c *Config) { c.Key = new([256]byte) },
		"Rand":            func(c *Config) { c.Rand = nil },
		"PingInterval":    func(c *Config) { c.PingInterval = -time.Second },
		"DisconnectDelay": func(c *Config) { c.PingInterval, c.DisconnectDelay = 5*time.Second, 5*time.Second },
	} {
		cfg := testConfig()
		spoil(&cfg)
		if _, err := New(cfg); err == nil || !bytes.Contains([]byte(err.Error()), []byte(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
