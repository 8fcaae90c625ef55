package mtproto

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
)

// busyRig is an engine with calls under way, so that answers find something to end.
func busyRig(tb testing.TB) *rig {
	r := newRig(tb)
	for id := range CallID(3) {
		r.step(Invoke{ID: id + 1, Body: textObject(idQuery, "q"), Idempotent: id == 0})
	}
	r.flush()
	return r
}

// corpus is a sample of gotd's fuzz corpus: message bodies.
func corpus(tb testing.TB) [][]byte {
	tb.Helper()
	text, err := os.ReadFile("testdata/corpus/gotd_handle_message.hex")
	if err != nil {
		tb.Fatal(err)
	}
	var bodies [][]byte
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' {
			continue
		}
		body, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			tb.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

func seedBodies(r *rig) [][]byte {
	id := r.engine.calls.sentWhere(func(*call) bool { return true })[0].msgID
	return [][]byte{
		textObject(idUpdate, "u"),
		rpcResult(id, textObject(idAnswer, "a")),
		rpcResult(id, packed(packed(textObject(idAnswer, "a")))),
		encodeTL(&mt.Pong{MsgID: id, PingID: 1}),
		encodeTL(&mt.NewSessionCreated{FirstMsgID: id + 4, UniqueID: 1, ServerSalt: 2}),
		encodeTL(&mt.BadServerSalt{BadMsgID: id, ErrorCode: 48, NewServerSalt: 3}),
		encodeTL(&mt.BadMsgNotification{BadMsgID: id, ErrorCode: 64}),
		encodeTL(&mt.FutureSalts{ReqMsgID: id, Salts: []mt.FutureSalt{{Salt: 1}}}),
		encodeTL(&mt.MsgsStateInfo{ReqMsgID: id, Info: []byte{1}}),
		encodeTL(&mt.MsgsAllInfo{MsgIDs: []int64{id}, Info: []byte{2}}),
		encodeTL(&mt.MsgDetailedInfo{MsgID: id, AnswerMsgID: 5}),
		encodeTL(&mt.MsgResendReq{MsgIDs: []int64{id}}),
		encodeTL(&mt.MsgsStateReq{MsgIDs: []int64{id}}),
		container(proto.Message{ID: 1, SeqNo: 1, Body: textObject(idUpdate, "u")}),
	}
}

// endures fails the test if an input makes the engine allocate without bound, end a call
// twice, or stop working.
func endures(t *testing.T, r *rig, frame []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	effects := r.step(FrameReceived{Data: frame})
	effects = append(effects, r.step(Flush{})...)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > maxStep {
		t.Fatalf("a frame of %d bytes made it allocate %d", len(frame), got)
	}
	ended := map[CallID]int{}
	for _, done := range effectsOf[CallDone](effects) {
		if ended[done.ID]++; ended[done.ID] > 1 {
			t.Fatalf("call %d ended twice", done.ID)
		}
	}
	if n := len(effectsOf[Closed](effects)); n > 1 {
		t.Fatalf("closed %d times", n)
	}
	if len(r.engine.Unanswered())+len(ended) != 3 {
		t.Fatalf("%d calls left and %d ended of 3", len(r.engine.Unanswered()), len(ended))
	}
	r.step(SocketDown{})
	r.step(SocketUp{})
	r.step(Flush{})
}

// FuzzFrameReceived gives the engine any bytes as a packet.
func FuzzFrameReceived(f *testing.F) {
	f.Add([]byte{0x6c, 0xfe, 0xff, 0xff})
	r := busyRig(f)
	for _, body := range seedBodies(r) {
		f.Add(r.server.encrypt(proto.Message{ID: r.nextID(), Body: body}, flaw{}))
	}
	f.Fuzz(func(t *testing.T, frame []byte) { endures(t, busyRig(t), frame) })
}

// FuzzPlaintext gives it any content, properly encrypted: message header and body.
func FuzzPlaintext(f *testing.F) {
	for _, body := range seedBodies(busyRig(f)) {
		f.Add(uint8(1), uint32(1), body)
	}
	for _, body := range corpus(f) {
		f.Add(uint8(3), uint32(1), body)
	}
	f.Fuzz(func(t *testing.T, kind uint8, seq uint32, body []byte) {
		r := busyRig(t)
		body = body[:len(body)&^3]
		m := proto.Message{ID: r.nextID()&^3 | int64(kind&3), SeqNo: int(int32(seq)), Body: body}
		endures(t, r, r.server.encrypt(m, flaw{}))
	})
}

// maxStep is what one input may allocate: all that one packet may unpack to, and the copies that buffers make as they grow.
const maxStep = 4 * maxInflatedFrame

// FuzzStep gives it any series of inputs, two bytes each; extra is the content of some packets of the server. No series
// makes it panic, write without a socket, end a call twice, or allocate without bound.
func FuzzStep(f *testing.F) {
	f.Add([]byte{0, 0, 2, 1, 6, 0, 3, 2, 7, 60, 1, 0, 0, 0, 6, 0}, []byte{})
	f.Add([]byte{0, 0, 2, 1, 2, 2, 6, 0, 8, 0, 6, 0, 1, 0, 9, 1, 0, 0, 6, 0, 8, 1}, packed(packed(textObject(idUpdate, "u"))))
	for _, body := range seedBodies(busyRig(f)) {
		f.Add([]byte{0, 0, 2, 1, 2, 2, 6, 0, 8, 0, 6, 0, 1, 0, 0, 0, 6, 0, 8, 0, 7, 70, 10, 0, 6, 0}, body)
	}
	f.Fuzz(func(t *testing.T, program, extra []byte) {
		p := &fuzzed{
			t: t, engine: newTestEngine(t), server: newServerCodec(testKey(), testSession), now: testStart,
			bodies: seedBodies(busyRig(t)), extra: extra[:len(extra)&^3], open: map[CallID]bool{},
		}
		for n := 0; len(program) >= 2 && n < 200; n++ {
			p.step(p.input(n, program[0], int64(program[1])))
			program = program[2:]
		}
	})
}

// fuzzed is the user of an engine that does what a fuzzer says.
type fuzzed struct {
	t      *testing.T
	engine *Engine
	server *serverCodec
	now    time.Time
	bodies [][]byte
	extra  []byte
	open   map[CallID]bool
	isUp   bool
}

func (p *fuzzed) input(n int, op byte, arg int64) Input {
	switch op % 11 {
	case 0:
		p.isUp = true
		return SocketUp{}
	case 1:
		p.isUp = false
		return SocketDown{}
	case 2:
		p.open[CallID(arg)] = true
		return Invoke{ID: CallID(arg), Body: textObject(idQuery, "q"), Idempotent: arg%2 == 0, Low: arg%3 == 0}
	case 3:
		return Cancel{ID: CallID(arg)}
	case 4:
		return Processed{MsgIDs: []int64{serverID(p.now, int(arg), true)}}
	case 5:
		return p.frame(n, p.bodies[arg%int64(len(p.bodies))])
	case 7:
		p.now = p.now.Add(time.Duration(arg) * time.Second)
		return TimerFired{}
	case 8:
		return p.frame(n, p.extra)
	case 9:
		return FrameReceived{Data: append([]byte(nil), p.extra...)} // not encrypted
	case 10: // in the hands of a successor
		pending := p.engine.Unanswered()
		engine, err := New(p.engine.SuccessorConfig())
		if err != nil {
			p.t.Fatal(err)
		}
		p.engine, p.isUp, p.server.sessionID = engine, false, engine.sessionID
		return Adopt{Calls: pending}
	}
	return Flush{}
}

func (p *fuzzed) frame(n int, body []byte) Input {
	return FrameReceived{Data: p.server.encrypt(proto.Message{ID: serverID(p.now, n, true), SeqNo: n & 1, Body: body}, flaw{})}
}

func (p *fuzzed) step(in Input) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	effects := p.engine.Step(p.now, in)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > maxStep {
		p.t.Fatalf("%T made it allocate %d bytes", in, got)
	}
	for _, effect := range effects {
		switch effect := effect.(type) {
		case Write:
			if !p.isUp {
				p.t.Fatal("write without a socket")
			}
			if _, err := p.server.decrypt(effect.Frame); err != nil {
				p.t.Fatal(err)
			}
		case CallDone:
			if !p.open[effect.ID] {
				p.t.Fatalf("call %d ended twice", effect.ID)
			}
			p.open[effect.ID] = false
		}
	}
}

func BenchmarkRPCRoundTrip(b *testing.B) {
	for _, inFlight := range []int{1, 64} {
		b.Run(map[int]string{1: "one", 64: "64 in a container"}[inFlight], func(b *testing.B) { benchmarkRPC(b, inFlight) })
	}
}

// benchmarkRPC counts only the engine's work: packets of the server are made while the clock
// is stopped.
func benchmarkRPC(b *testing.B, inFlight int) {
	r := newRig(b)
	r.flush()
	body := append(textObject(idQuery, "q"), make([]byte, 100)...)
	answer := textObject(idAnswer, "some answer of an ordinary length, as most are")
	inner := make([]proto.Message, inFlight)
	b.ReportAllocs()
	next := CallID(0)
	for b.Loop() {
		for range inFlight {
			next++
			r.engine.Step(r.now, Invoke{ID: next, Body: body})
		}
		var frame []byte
		for _, effect := range r.engine.Step(r.now, Flush{}) {
			if w, ok := effect.(Write); ok {
				frame = w.Frame
			}
		}
		b.StopTimer()
		p, err := r.server.decrypt(frame)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, m := range p.messages {
			if binary.LittleEndian.Uint32(m.Body) == idQuery {
				inner[n] = proto.Message{ID: r.nextID(), SeqNo: 1, Body: rpcResult(m.ID, answer)}
				n++
			}
		}
		reply := proto.Message{ID: r.nextID(), Body: container(inner[:n]...)}
		if n == 1 {
			reply = inner[0]
		}
		reply.ID = r.nextID()
		in := Input(FrameReceived{Data: r.server.encrypt(reply, flaw{})})
		b.StartTimer()
		done := 0
		for _, effect := range r.engine.Step(r.now, in) {
			if _, ok := effect.(CallDone); ok {
				done++
			}
		}
		if done != inFlight {
			b.Fatalf("%d of %d calls done", done, inFlight)
		}
	}
	b.ReportMetric(float64(inFlight), "rpc/op")
}

func BenchmarkUpdateReceived(b *testing.B) {
	r := newRig(b)
	body := textObject(idUpdate, string(make([]byte, 200)))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		m := proto.Message{ID: r.nextID(), SeqNo: 1, Body: body}
		in := Input(FrameReceived{Data: r.server.encrypt(m, flaw{})})
		b.StartTimer()
		r.engine.Step(r.now, in)
		r.engine.Step(r.now, Processed{MsgIDs: []int64{m.ID}})
		r.engine.Step(r.now, Flush{})
	}
}
