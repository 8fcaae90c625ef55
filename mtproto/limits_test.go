package mtproto

import (
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
)

// packets reads the packets that a step writes.
func (r *rig) packets(effects []Effect) []clientPacket {
	r.t.Helper()
	var list []clientPacket
	for _, w := range effectsOf[Write](effects) {
		p, err := r.server.decrypt(w.Frame)
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// TestContainersStayWithinTheLimits: at most 100 messages and no container in a container, however much is queued;
// and every query leaves, in order.
func TestContainersStayWithinTheLimits(t *testing.T) {
	const calls = 1000
	r := newRig(t)
	for i := range calls {
		r.step(Invoke{ID: CallID(i + 1), Body: textObject(idQuery, fmt.Sprint(i))})
	}
	next := 0
	for _, p := range r.packets(r.step(Flush{})) {
		if len(p.messages) > maxContainerMessages {
			t.Errorf("a container of %d messages", len(p.messages))
		}
		for _, m := range p.messages {
			switch constructor(m.Body) {
			case proto.MessageContainerTypeID:
				t.Error("a container in a container")
			case idQuery:
				if _, text := readText(m.Body); text != fmt.Sprint(next) {
					t.Fatalf("query %s left instead of %d", text, next)
				}
				next++
			}
		}
	}
	if next != calls {
		t.Errorf("%d of %d queries left", next, calls)
	}
}

// TestListsOfIDsStayWithinTheLimit: the specification allows 8,192 ids in one message.
func TestListsOfIDsStayWithinTheLimit(t *testing.T) {
	const owed = 20_000
	r := newRig(t)
	r.flush()
	for i := range owed {
		r.engine.acks.add(r.now, int64(i)*4+1)
	}
	acked := 0
	for range 5 {
		for _, m := range r.flush() {
			if constructor(m.Body) != mt.MsgsAckTypeID {
				continue
			}
			var ack mt.MsgsAck
			if err := ack.Decode(&bin.Buffer{Buf: m.Body}); err != nil {
				t.Fatal(err)
			}
			if len(ack.MsgIDs) > 8192 {
				t.Errorf("%d ids in one msgs_ack", len(ack.MsgIDs))
			}
			acked += len(ack.MsgIDs)
		}
	}
	if acked != owed {
		t.Errorf("%d of %d messages acknowledged", acked, owed)
	}
}

// TestLargestQueryFitsOnePacket: with all headers and the longest padding it stays below 1 MiB, where servers stop reading.
func TestLargestQueryFitsOnePacket(t *testing.T) {
	r := newRig(t)
	r.step(Invoke{ID: 1, Body: append(textObject(idQuery, "q"), make([]byte, MaxBody-8)...)})
	for _, w := range effectsOf[Write](r.step(Flush{})) {
		if len(w.Frame) >= 1<<20 {
			t.Errorf("a packet of %d bytes", len(w.Frame))
		}
	}
	if len(r.engine.calls.sent) != 1 {
		t.Error("the query did not leave")
	}
}

// TestOnlyQueriesAreContentRelated: the parity of the sequence number of all that an engine can say. The wrong one is
// refused with 34 or 35.
func TestOnlyQueriesAreContentRelated(t *testing.T) {
	r := newRig(t)
	r.step(Invoke{ID: 1, Body: textObject(idQuery, "answered")})
	r.step(Invoke{ID: 2, Body: textObject(idQuery, "cancelled")})
	first := r.flush()
	id := query(t, first, "answered")
	r.step(Cancel{ID: 2})
	r.receive(encodeTL(&mt.MsgsStateReq{MsgIDs: []int64{5}}), false)
	r.receive(encodeTL(&mt.MsgNewDetailedInfo{AnswerMsgID: 0x7000000000000001}), false)
	r.receive(encodeTL(&mt.MsgResendReq{MsgIDs: []int64{5}}), false)
	second := r.flush()
	r.step(SocketDown{})
	r.step(SocketUp{})
	third := r.flush()
	r.receive(encodeTL(&mt.MsgsAllInfo{MsgIDs: []int64{id}, Info: []byte{stateReceived | stateAnswerMade}}), false)
	r.receive(rpcResult(4, textObject(idAnswer, "acknowledged")), true)
	r.step(Invoke{ID: 3, Body: textObject(idQuery, "with acks")})
	messages := slices.Concat(first, second, third, r.flush())

	odd := map[uint32]bool{
		idQuery: true, mt.MsgsStateReqTypeID: true, mt.MsgResendReqTypeID: true, idResendAnswers: true, mt.RPCDropAnswerRequestTypeID: true,
		mt.PingDelayDisconnectRequestTypeID: false, mt.GetFutureSaltsRequestTypeID: false, mt.MsgsAckTypeID: false,
		mt.MsgsStateInfoTypeID: false,
	}
	seen := map[uint32]bool{}
	content := 0
	for _, m := range messages {
		id := constructor(m.Body)
		want, known := odd[id]
		if !known {
			t.Fatalf("unexpected message %#x", id)
		}
		seen[id] = true
		number := 2 * content
		if want {
			number++
			content++
		}
		if m.SeqNo != number {
			t.Errorf("%#x has the sequence number %d, want %d", id, m.SeqNo, number)
		}
	}
	delete(odd, mt.GetFutureSaltsRequestTypeID) // the salts of this test last
	for id := range odd {
		if !seen[id] {
			t.Errorf("%#x was never sent", id)
		}
	}
}

// TestStatesOfSentQueries: each byte of msgs_state_info, for a query that may be repeated and for one that may not.
func TestStatesOfSentQueries(t *testing.T) {
	for _, idempotent := range []bool{false, true} {
		for state := range 256 {
			r := newRig(t)
			r.step(Invoke{ID: 1, Body: textObject(idQuery, "one"), Idempotent: idempotent})
			id := query(t, r.flush(), "one")
			r.step(SocketDown{})
			r.step(SocketUp{})
			r.flush()
			effects := r.receive(encodeTL(&mt.MsgsAllInfo{MsgIDs: []int64{id}, Info: []byte{byte(state)}}), false)
			got := "wait"
			if done := effectsOf[CallDone](effects); len(done) == 1 {
				got = done[0].Err.Error()
			}
			for _, m := range r.flush() {
				switch constructor(m.Body) {
				case idQuery:
					got = "again"
					if m.ID == id {
						got = "again under the old id"
					}
				case idResendAnswers:
					got = "ask for the answer"
				}
			}
			want := "wait"
			switch known := state & 7; {
			case known == 2 || known == 3, known == 1 && idempotent:
				want = "again"
			case known == 1:
				want = ErrUnknownOutcome.Error()
			case known == 4 && state&64 != 0:
				want = "ask for the answer"
			}
			if got != want {
				t.Errorf("state %d, idempotent %t: %s, want: %s", state, idempotent, got, want)
			}
		}
	}
}

// TestMessageIDsNeverRepeatWhenTheClockGoesBack: within a session ids grow, whatever the clock does.
func TestMessageIDsNeverRepeatWhenTheClockGoesBack(t *testing.T) {
	r := newRig(t)
	last := int64(0)
	for i := range 50 {
		if i%10 == 9 {
			r.now = r.now.Add(-time.Hour)
		} else {
			r.now = r.now.Add(time.Second)
		}
		r.step(Invoke{ID: CallID(i + 1), Body: textObject(idQuery, "q")})
		for _, p := range r.packets(r.step(Flush{})) {
			messages := p.messages
			if p.container != nil {
				messages = append(messages, *p.container)
			}
			for _, m := range messages {
				if m.ID <= last || m.ID%4 != 0 {
					t.Fatalf("id %#x after %#x", m.ID, last)
				}
				last = m.ID
			}
		}
	}
}

// TestDuplicatesAndForgottenIDsAreNotProcessed: the window remembers the last ids; below it nothing counts.
func TestDuplicatesAndForgottenIDsAreNotProcessed(t *testing.T) {
	r := newRig(t)
	update := textObject(idUpdate, "u")
	frame := r.server.encrypt(proto.Message{ID: r.nextID(), SeqNo: 1, Body: update}, flaw{})
	for i, want := range []int{1, 0, 0} {
		if got := effectsOf[UpdatesReceived](r.step(FrameReceived{Data: slices.Clone(frame)})); len(got) != want {
			t.Fatalf("packet %d was delivered %d times, want %d", i, len(got), want)
		}
	}
	for range 2 * windowSize {
		r.receive(encodeTL(&mt.Pong{MsgID: 4}), false)
	}
	effects := r.step(FrameReceived{Data: slices.Clone(frame)})
	if len(effectsOf[UpdatesReceived](effects)) != 0 || closeAction(t, effects) != Reconnect {
		t.Fatalf("an id below all remembered: %v", effects)
	}
}

// TestCorpusOfGotdIsEndured: bodies that broke another client, each as a message, an answer and a part of a container.
func TestCorpusOfGotdIsEndured(t *testing.T) {
	for _, body := range corpus(t) {
		body = body[:len(body)&^3]
		r := busyRig(t)
		first := r.engine.calls.sentWhere(func(*call) bool { return true })[0].msgID
		for name, b := range map[string][]byte{
			"message": body, "answer": rpcResult(first, body), "packed": packed(body), "contained": container(
				proto.Message{ID: r.nextID(), SeqNo: 1, Body: body},
			),
		} {
			r := busyRig(t)
			endures(t, r, r.server.encrypt(proto.Message{ID: r.nextID() + 1<<20, SeqNo: 1, Body: b}, flaw{}))
			if t.Failed() {
				t.Fatalf("%s %s", name, hex.EncodeToString(body))
			}
		}
	}
	if n := len(corpus(t)); n < 200 {
		t.Fatalf("%d bodies", n)
	}
}
