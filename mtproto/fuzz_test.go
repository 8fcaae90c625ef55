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
	if got := after.TotalAlloc - before.TotalAlloc; got > 4*maxInflatedFrame {
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

// FuzzStep gives it any series of inputs, two bytes each.
func FuzzStep(f *testing.F) {
	f.Add([]byte{0, 0, 2, 1, 6, 0, 3, 2, 7, 60, 1, 0, 0, 0, 6, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		e := newTestEngine(t)
		server := newServerCodec(testKey(), testSession)
		bodies := seedBodies(busyRig(t))
		now := testStart
		open := map[CallID]bool{}
		isUp := false
		for n := 0; len(program) >= 2 && n < 200; n++ {
			op, arg := program[0], int64(program[1])
			program = program[2:]
			var in Input = Flush{}
			switch op % 8 {
			case 0:
				in, isUp = SocketUp{}, true
			case 1:
				in, isUp = SocketDown{}, false
			case 2:
				in = Invoke{ID: CallID(arg), Body: textObject(idQuery, "q"), Idempotent: arg%2 == 0, Low: arg%3 == 0}
				open[CallID(arg)] = true
			case 3:
				in = Cancel{ID: CallID(arg)}
			case 4:
				in = Processed{MsgIDs: []int64{serverID(now, int(arg), true)}}
			case 5:
				body := bodies[arg%int64(len(bodies))]
				in = FrameReceived{Data: server.encrypt(proto.Message{ID: serverID(now, n, true), SeqNo: n & 1, Body: body}, flaw{})}
			case 7:
				now = now.Add(time.Duration(arg) * time.Second)
				in = TimerFired{}
			}
			for _, effect := range e.Step(now, in) {
				switch effect := effect.(type) {
				case Write:
					if !isUp {
						t.Fatal("write without a socket")
					}
					if _, err := server.decrypt(effect.Frame); err != nil {
						t.Fatal(err)
					}
				case CallDone:
					if !open[effect.ID] {
						t.Fatalf("call %d ended twice", effect.ID)
					}
					open[effect.ID] = false
				}
			}
		}
	})
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
