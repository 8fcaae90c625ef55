package mtserver

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"

	"github.com/telefleet/orchestrator/simulator/mtserver/packing"
)

func TestUnackedMessagesComeAgainOnNewConnection(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	id := c.call(tl(idEcho))
	created := c.expect(idNewSession)
	c.result(id)
	c.mustEcho()
	c.send(encodeIDs(idMsgsAck, created.id), false)
	c.sync()

	d := c.again() // nothing of the answers was acknowledged
	d.lastID, d.content = c.lastID, c.content
	d.send(ping(1), false)
	got := map[int64]bool{}
	for len(got) < 2 {
		m := d.expect(idRPCResult)
		got[int64(binary.LittleEndian.Uint64(m.body[4:]))] = true
		d.send(encodeIDs(idMsgsAck, m.id), false)
	}
	if !got[id] {
		t.Fatalf("answers %v, want one for %d", got, id)
	}
	d.sync()
	if n := r.Unacked(c.keyID()); n != 0 {
		t.Fatalf("%d messages are unacknowledged", n)
	}
	if n := r.handler.count(idEcho); n != 2 {
		t.Fatalf("%d queries ran", n)
	}
	e := d.again()
	e.lastID, e.content = d.lastID, d.content
	e.mustEcho()
	if n := r.Stats().Resent; n != 2 {
		t.Fatalf("%d messages came again", n)
	}
}

func TestUnackedMessagesComeAgainAfterATime(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	id := c.call(tl(idEcho))
	first := c.expect(idRPCResult)
	r.clock.advance(61 * time.Second)
	second := c.expect(idRPCResult)
	if first.id != second.id || first.seq != second.seq || !bytes.Equal(first.body, second.body) {
		t.Fatal("it is not the same message")
	}
	_ = id
	c.send(encodeIDs(idMsgsAck, second.id), false)
	c.sync()
	if n := r.Unacked(c.keyID()); n != 1 { // new_session_created
		t.Fatalf("%d messages are unacknowledged", n)
	}
}

func TestMessagesInContainersAreAckedOneByOne(t *testing.T) {
	r := start(t, func(c *Config) { c.Pack = 1 })
	c := r.dial()
	id := c.call(tl(idEcho))
	p := c.packet()
	if constructorOf(p.body) != idContainer {
		t.Fatalf("got %#08x, want a container", constructorOf(p.body))
	}
	ms, err := parseContainer(p.body)
	if err != nil {
		t.Fatal(err)
	}
	c.send(encodeIDs(idMsgsAck, p.id), false) // the container's id acknowledges nothing
	for len(ms) < 2 {
		ms = append(ms, message{id: c.next().id})
	}
	if n := r.Unacked(c.keyID()); n != 2 {
		t.Fatalf("%d messages are unacknowledged", n)
	}
	c.send(encodeIDs(idMsgsAck, ms[0].id, ms[1].id), false)
	c.sync()
	if n := r.Unacked(c.keyID()); n != 0 {
		t.Fatalf("%d messages are unacknowledged after query %d", n, id)
	}
}

func TestAnswersAndPushesAreGzippedAtTimes(t *testing.T) {
	r := start(t, func(c *Config) { c.Pack = 1 })
	c := r.dial()
	c.mustEcho()
	c.sync()
	big := c.call(tl(idBig))
	r.Push(c.keyID(), append(tl(idPush), make([]byte, 64<<10)...))
	total := 0
	for answered, pushed := false, false; !answered || !pushed; {
		p := c.packet()
		total += len(p.body)
		ms := []message{p.message}
		if constructorOf(p.body) == idContainer {
			ms, _ = parseContainer(p.body)
		}
		for _, m := range ms {
			switch constructorOf(m.body) {
			case idRPCResult:
				answered = int64(binary.LittleEndian.Uint64(m.body[4:])) == big && constructorOf(m.body[12:]) == idGzip
			case idGzip:
				body, err := packing.Unpack(m.body, maxGunzip)
				pushed = err == nil && constructorOf(body) == idPush
			}
		}
	}
	if total > 4096 {
		t.Fatalf("128 KiB of zeros took %d bytes", total)
	}
}

func (c *client) states(ids ...int64) []byte {
	c.t.Helper()
	id := c.send(encodeIDs(mt.MsgsStateReqTypeID, ids...), false)
	return c.stateInfo(id)
}

func (c *client) stateInfo(id int64) []byte {
	c.t.Helper()
	var info mt.MsgsStateInfo
	if err := info.Decode(&bin.Buffer{Buf: c.expect(idStateInfo).body}); err != nil {
		c.t.Fatal(err)
	}
	if info.ReqMsgID != id {
		c.t.Fatalf("state info for %d, want %d", info.ReqMsgID, id)
	}
	return info.Info
}

func TestStatesOfMessages(t *testing.T) {
	r := start(t, func(c *Config) { c.AckDelay = time.Millisecond })
	c := r.dial()
	before := c.nextID()
	done := c.call(tl(idEcho))
	answer := c.expect(idRPCResult)
	skipped := c.nextID()
	pinged := c.send(ping(1), false)
	running := c.call(tl(idWait))
	c.expect(idMsgsAck)
	future := c.lastID + 1<<32
	want := []byte{1, 2, 4 + 32 + 64, 4 + 16, 4 + 8 + 32, 3}
	if got := c.states(before, skipped, done, pinged, running, future); !bytes.Equal(got, want) {
		t.Fatalf("states %v, want %v", got, want)
	}
	c.send(encodeIDs(idMsgsAck, answer.id), false)
	if got := c.states(done); got[0] != 4+32+64+128 {
		t.Fatalf("state %d", got[0])
	}
}

func TestMessagesCanBeAskedForAgain(t *testing.T) {
	c := start(t, nil).dial()
	id := c.call(tl(idEcho))
	first := c.expect(idRPCResult)
	c.send(encodeIDs(mt.MsgResendReqTypeID, first.id), false)
	if again := c.expect(idRPCResult); again.id != first.id {
		t.Fatalf("got %d, want %d", again.id, first.id)
	}
	c.send(encodeIDs(idResendAnswers, id), false)
	if again := c.expect(idRPCResult); again.id != first.id {
		t.Fatalf("got %d, want %d", again.id, first.id)
	}
	for _, constructor := range []uint32{mt.MsgResendReqTypeID, idResendAnswers} {
		req := c.send(encodeIDs(constructor, first.id+4), false)
		if got := c.stateInfo(req); len(got) != 1 {
			t.Fatalf("states %v", got)
		}
	}
}

func (c *client) drop(id int64) (result uint32) {
	c.t.Helper()
	return constructorOf(c.result(c.call(tl(mt.RPCDropAnswerRequestTypeID, id))))
}

func TestAnswersCanBeDropped(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	if got := c.drop(4); got != mt.RPCAnswerUnknownTypeID {
		t.Fatalf("unknown: %#08x", got)
	}
	running := c.call(tl(idWait))
	call := <-r.handler.called
	req := c.call(tl(mt.RPCDropAnswerRequestTypeID, running))
	// The query is answered in the same way as the request.
	for _, id := range []int64{running, req} {
		if got := constructorOf(c.result(id)); got != mt.RPCAnswerDroppedRunningTypeID {
			t.Fatalf("running: %#08x", got)
		}
	}
	call.Reply(tl(idWait)) // too late, nobody hears it
	done := c.call(tl(idEcho))
	answer := c.expect(idRPCResult)
	if int64(binary.LittleEndian.Uint64(answer.body[4:])) != done {
		t.Fatal("a dropped answer was sent")
	}
	var dropped mt.RPCAnswerDropped
	if err := dropped.Decode(&bin.Buffer{Buf: c.result(c.call(tl(mt.RPCDropAnswerRequestTypeID, done)))}); err != nil {
		t.Fatal(err)
	}
	if dropped.MsgID != answer.id || dropped.SeqNo != int(answer.seq) {
		t.Fatalf("%+v", dropped)
	}
}

func TestSessionsCanBeDestroyed(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.mustEcho()
	d := c.again()
	d.session, d.content = 99, 0
	d.mustEcho()
	destroy := func(id int64) uint32 {
		d.send(tl(mt.DestroySessionRequestTypeID, id), false)
		for {
			switch got := constructorOf(d.next().body); got {
			case mt.DestroySessionOkTypeID, mt.DestroySessionNoneTypeID:
				return got
			}
		}
	}
	if got := destroy(c.session); got != mt.DestroySessionOkTypeID {
		t.Fatalf("%#08x", got)
	}
	for _, id := range []int64{c.session, d.session} { // gone; one's own
		if got := destroy(id); got != mt.DestroySessionNoneTypeID {
			t.Fatalf("%#08x", got)
		}
	}
	c.mustEcho()
	if n := len(r.handler.opened); n != 3 {
		t.Fatalf("%d sessions opened", n)
	}
}

func TestKeyCanBeDestroyedByItsClient(t *testing.T) {
	c := start(t, nil).dial()
	if got := constructorOf(c.result(c.call(tl(idDestroyKey)))); got != idDestroyKeyOK {
		t.Fatalf("%#08x", got)
	}
	c.call(tl(idEcho))
	c.transportError(-404)
}

func TestPingDelayDisconnect(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	pingDelay := func(delay uint32) []byte {
		return binary.LittleEndian.AppendUint32(tl(mt.PingDelayDisconnectRequestTypeID, 5), delay)
	}
	id := c.send(pingDelay(600), false)
	m := c.expect(idPong)
	if int64(binary.LittleEndian.Uint64(m.body[4:])) != id || binary.LittleEndian.Uint64(m.body[12:]) != 5 || m.seq&1 == 1 {
		t.Fatalf("pong %x, seqno %d", m.body, m.seq)
	}
	c.mustEcho()
	c.send(pingDelay(0), false) // the last one counts
	c.closed()
	eventually(t, "the end is counted", func() bool { return r.Stats().Disconnects == 1 })
}

func TestQueriesLoseTheirWrappers(t *testing.T) {
	r := start(t, func(c *Config) { c.Uninitialised = false })
	c := r.dial()
	code := func(body []byte) string {
		var e mt.RPCError
		if err := e.Decode(&bin.Buffer{Buf: c.result(c.call(body))}); err != nil {
			return ""
		}
		return e.ErrorMessage
	}
	if got := code(tl(idEcho)); got != "CONNECTION_NOT_INITED" {
		t.Fatal(got)
	}
	if got := code(initialise(0, tl(idEcho))); got != "CONNECTION_LAYER_INVALID" {
		t.Fatal(got)
	}
	if got := code(tl(idInvokeWithLayer)); got != "INPUT_REQUEST_INVALID" {
		t.Fatal(got)
	}
	if got := code(initialise(228, tl(idEcho))); got != "" {
		t.Fatal(got)
	}
	call := <-r.handler.called
	if call.Layer != 228 || call.Init.DeviceModel != "device" || call.Init.LangCode != "en" || call.Init.APIID != 17 ||
		!bytes.Equal(call.Body, tl(idEcho)) || call.KeyID != c.keyID() || call.WithoutUpdates {
		t.Fatalf("%+v", call)
	}
	after := binary.LittleEndian.AppendUint32(tl(idInvokeAfterMsgs), idVector)
	after = binary.LittleEndian.AppendUint32(after, 1)
	after = append(after, make([]byte, 8)...)
	for _, wrapper := range [][]byte{
		tl(idInvokeWithoutUpdates), tl(idInvokeAfterMsg, 5), after, tl(idInvokeTakeout, 6),
		append(tl(idInvokeMessagesRange), tl(idMessageRange, 7)...), nil,
	} {
		if got := code(append(slices.Clone(wrapper), tl(idEcho)...)); got != "" {
			t.Fatalf("%x: %s", wrapper, got)
		}
		call = <-r.handler.called
		if !bytes.Equal(call.Body, tl(idEcho)) || call.Layer != 228 ||
			call.WithoutUpdates != (constructorOf(wrapper) == idInvokeWithoutUpdates) ||
			(call.TakeoutID == 6) != (constructorOf(wrapper) == idInvokeTakeout) {
			t.Fatalf("%x: %+v", wrapper, call)
		}
	}
}

// initialise wraps a query in invokeWithLayer (unless layer is 0) and initConnection with
// a proxy and JSON params.
func initialise(layer int, query []byte) []byte {
	b := &bin.Buffer{}
	if layer != 0 {
		b.PutID(idInvokeWithLayer)
		b.PutInt(layer)
	}
	b.PutID(idInitConnection)
	b.PutInt(3)
	b.PutInt(17)
	for _, s := range []string{"device", "system", "1.0", "en", "", "en"} {
		b.PutString(s)
	}
	b.PutID(idInputClientProxy)
	b.PutString("localhost")
	b.PutInt(443)
	b.PutID(idJSONObject)
	b.PutVectorHeader(2)
	b.PutID(idJSONObjectValue)
	b.PutString("tz")
	b.PutID(idJSONNumber)
	b.PutDouble(3600)
	b.PutID(idJSONObjectValue)
	b.PutString("list")
	b.PutID(idJSONArray)
	b.PutVectorHeader(2)
	b.PutID(idJSONNull)
	b.PutID(idJSONString)
	b.PutString("x")
	b.Put(query)
	return b.Buf
}

func TestLateFrameOfOlderConnectionDoesNotStealTheSession(t *testing.T) {
	c := start(t, nil).dial()
	c.mustEcho()
	d := c.again()
	d.lastID, d.content = c.lastID, c.content
	d.mustEcho()
	c.lastID, c.content = d.lastID, d.content
	id := c.call(tl(idEcho))
	d.result(id)
}
