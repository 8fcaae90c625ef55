package mtserver

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"

	"github.com/telefleet/orchestrator/simulator/mtserver/framing"
	"github.com/telefleet/orchestrator/simulator/mtserver/packing"
)

func TestNewSessionIsAnnounced(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	id := c.call(tl(idEcho))
	m := c.expect(idNewSession)
	var created mt.NewSessionCreated
	if err := created.Decode(&bin.Buffer{Buf: m.body}); err != nil {
		t.Fatal(err)
	}
	if created.FirstMsgID != id || created.ServerSalt != c.salt || created.UniqueID == 0 {
		t.Fatalf("%+v for message %d", created, id)
	}
	if m.seq&1 == 0 || m.id&3 != 3 {
		t.Fatalf("seqno %d, msg_id %d", m.seq, m.id)
	}
	if got := <-r.handler.opened; got != c.session {
		t.Fatalf("opened %d", got)
	}
	c.result(id)
	c.mustEcho()
	for _, m := range c.inbox {
		if constructorOf(m.body) == idNewSession {
			t.Fatal("announced twice")
		}
	}
}

func TestFirstMessageIDOfContainerIsTheLowest(t *testing.T) {
	c := start(t, nil).dial()
	a, b := c.number(tl(idEcho), true), c.number(tl(idEcho), true)
	c.send(encodeContainer([]message{b, a}), false)
	m := c.expect(idNewSession)
	if got := int64(binary.LittleEndian.Uint64(m.body[4:])); got != a.id {
		t.Fatalf("first_msg_id %d, want %d", got, a.id)
	}
}

func TestAnswersAreNumberedLawfully(t *testing.T) {
	c := start(t, nil).dial()
	var lastID int64
	var content int32
	for range 20 {
		c.call(tl(idEcho))
		for {
			m := c.next()
			if m.id <= lastID {
				t.Fatalf("msg_id %d after %d", m.id, lastID)
			}
			lastID = m.id
			if want := content*2 + 1; m.seq != want {
				t.Fatalf("seqno %d, want %d", m.seq, want)
			}
			content++
			if constructorOf(m.body) == idRPCResult {
				if m.id&3 != 1 {
					t.Fatalf("answer with msg_id %d", m.id)
				}
				break
			}
		}
	}
}

func TestWrongSaltIsRefused(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	right := c.salt
	c.salt = 12345
	id := c.call(tl(idEcho))
	m := c.badMsg(id, 48)
	if got := int64(binary.LittleEndian.Uint64(m.body[20:])); got != right {
		t.Fatalf("new salt %d, want %d", got, right)
	}
	c.salt = right
	c.mustEcho()
	if n := r.handler.count(idEcho); n != 1 {
		t.Fatalf("%d queries ran", n)
	}
}

func TestSaltsRotate(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.mustEcho()
	r.clock.advance(31 * time.Minute) // the old one is still accepted
	c.mustEcho()
	r.clock.advance(30 * time.Minute) // now no more
	m := c.badMsg(c.call(tl(idEcho)), 48)
	c.salt = int64(binary.LittleEndian.Uint64(m.body[20:]))
	c.mustEcho()
}

func TestFutureSaltsAreAccepted(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.mustEcho()
	id := c.send(encode(t, &mt.GetFutureSaltsRequest{Num: 5}), false)
	m := c.expect(mt.FutureSaltsTypeID)
	var salts mt.FutureSalts
	if err := salts.Decode(&bin.Buffer{Buf: m.body}); err != nil {
		t.Fatal(err)
	}
	if salts.ReqMsgID != id || len(salts.Salts) != 5 || salts.Salts[0].Salt != c.salt {
		t.Fatalf("%+v", salts)
	}
	for i, s := range salts.Salts[1:] {
		if s.ValidSince-salts.Salts[i].ValidSince != 1800 || s.ValidUntil-s.ValidSince != 3600 {
			t.Fatalf("salt %d is valid %d..%d", i, s.ValidSince, s.ValidUntil)
		}
	}
	r.clock.advance(91 * time.Minute)
	c.salt = salts.Salts[3].Salt
	c.mustEcho()
}

func TestMessageIDsAreJudged(t *testing.T) {
	for _, tt := range []struct {
		name string
		id   func(c *client) int64
		code int32
	}{
		{"too old", func(c *client) int64 { return msgIDAt(c.rig.clock.Now().Add(-301*time.Second)) &^ 3 }, 16},
		{"too new", func(c *client) int64 { return msgIDAt(c.rig.clock.Now().Add(32*time.Second)) &^ 3 }, 17},
		{"not divisible by 4", func(c *client) int64 { return c.nextID() | 2 }, 18},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, nil)
			c := r.dial()
			id := tt.id(c)
			c.write(message{id: id, seq: 1, body: tl(idEcho)})
			c.badMsg(id, tt.code)
			c.mustEcho()
			if n := r.handler.count(idEcho); n != 1 {
				t.Fatalf("%d queries ran", n)
			}
		})
	}
}

func TestContainerIDMustBeNew(t *testing.T) {
	c := start(t, nil).dial()
	inner := c.number(tl(idEcho), true)
	outer := c.number(encodeContainer([]message{inner}), false)
	c.write(outer)
	c.result(inner.id)
	c.write(outer)
	c.badMsg(outer.id, 19)
}

func TestForgottenMessageIDGetsCode20(t *testing.T) {
	c := start(t, nil).dial()
	old := c.nextID()
	for range 4 {
		var ms []message
		for range 1000 {
			ms = append(ms, c.number(ping(1), false))
		}
		c.send(encodeContainer(ms), false)
	}
	c.sync()
	c.write(message{id: old, seq: 1, body: tl(idEcho)})
	c.badMsg(old, 20)
}

func TestSeqnosAreJudged(t *testing.T) {
	c := start(t, nil).dial()
	early := c.nextID()
	c.mustEcho() // seqno 1
	c.mustEcho() // 3
	late := c.nextID()
	for _, m := range []struct {
		message
		code int32
	}{
		{message{late, 1, tl(idEcho)}, 32},
		{message{late, 3, tl(idEcho)}, 32},
		{message{early, 5, tl(idEcho)}, 33},
		{message{early, 1, tl(idEcho)}, 33},
		{message{late, 5, encodeIDs(idMsgsAck, 1)}, 34},
		{message{late, 5, encodeContainer(nil)}, 34},
		{message{late, 4, tl(idEcho)}, 35},
	} {
		c.write(m.message)
		c.badMsg(m.id, m.code)
	}
	c.mustEcho()
}

func TestBadMsgKeyClosesConnection(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.mustEcho()
	c.writePacket(packet{salt: c.salt, session: c.session, message: c.number(tl(idEcho), true)}, 0, true)
	c.closed()
	if n := r.handler.count(idEcho); n != 1 {
		t.Fatalf("%d queries ran", n)
	}
}

func TestBadPaddingClosesConnection(t *testing.T) {
	for _, tt := range []struct {
		padding int
		body    []byte // its length makes the padding fit
	}{{8, tl(idEcho, 0, 0)[:8]}, {0 + 1040, tl(idEcho, 1, 2, 3)[:16]}} {
		c := start(t, nil).dial()
		c.writePacket(packet{salt: c.salt, session: c.session, message: c.number(tt.body, true)}, tt.padding, false)
		c.closed()
	}
}

func TestGarbageClosesConnection(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.writeFrame(append(append([]byte{}, c.key.ID[:]...), 1, 2, 3, 4))
	c.closed()
	c = r.dial()
	_ = binary.Write(c.nc, binary.LittleEndian, uint32(framing.MaxFrame+4)) // never allocated
	c.closed()
}

func TestContainersAreJudged(t *testing.T) {
	t.Run("1024 are fine", func(t *testing.T) {
		c := start(t, nil).dial()
		ms := []message{c.number(tl(idEcho), true)}
		for len(ms) < 1024 {
			ms = append(ms, c.number(ping(1), false))
		}
		c.send(encodeContainer(ms), false)
		c.result(ms[0].id)
	})
	t.Run("1025 are flood", func(t *testing.T) {
		c := start(t, nil).dial()
		var ms []message
		for len(ms) < 1025 {
			ms = append(ms, c.number(ping(1), false))
		}
		c.send(encodeContainer(ms), false)
		c.transportError(-429)
		c.closed()
	})
	t.Run("nested", func(t *testing.T) {
		c := start(t, nil).dial()
		inner := c.number(encodeContainer([]message{c.number(ping(1), false)}), false)
		c.badMsg(c.send(encodeContainer([]message{inner}), false), 64)
		packed := c.number(packing.Pack(inner.body), false)
		c.send(encodeContainer([]message{packed}), false)
		c.badMsg(packed.id, 64)
	})
	t.Run("inner id is higher", func(t *testing.T) {
		c := start(t, nil).dial()
		id := c.nextID()
		inner := c.number(ping(1), false)
		c.write(message{id: id, body: encodeContainer([]message{inner})})
		c.badMsg(id, 64)
	})
	t.Run("cut short", func(t *testing.T) {
		c := start(t, nil).dial()
		body := encodeContainer([]message{c.number(ping(1), false)})
		c.badMsg(c.send(body[:len(body)-4], false), 64)
	})
	t.Run("old messages may come in a new container", func(t *testing.T) {
		r := start(t, nil)
		c := r.dial()
		old := c.number(tl(idEcho), true)
		r.clock.advance(10 * time.Minute)
		c.send(encodeContainer([]message{old}), false)
		c.result(old.id)
	})
}

func TestTooManyIDsAreFlood(t *testing.T) {
	c := start(t, nil).dial()
	c.send(encodeIDs(idMsgsAck, make([]int64, 8193)...), false)
	c.transportError(-429)
}

func TestGzipIsUnpacked(t *testing.T) {
	c := start(t, nil).dial()
	c.result(c.call(packing.Pack(append(tl(idEcho), make([]byte, 4096)...))))
	inner := c.number(packing.Pack(tl(idEcho)), true)
	c.send(encodeContainer([]message{inner}), false)
	c.result(inner.id)
	c.call(bomb())
	c.closed()
}

func TestDuplicatesAreNotExecutedTwice(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	m := c.number(tl(idEcho), true)
	c.write(m)
	c.result(m.id)
	c.write(m) // the answer comes again
	c.result(m.id)
	wait := c.number(tl(idWait), true)
	c.write(wait)
	c.write(wait) // still running: acknowledged
	ack := c.expect(idMsgsAck)
	if ids, _ := decodeIDs(ack.body); len(ids) != 1 || ids[0] != wait.id {
		t.Fatalf("acknowledged %v", ids)
	}
	if n := r.handler.count(idEcho) + r.handler.count(idWait); n != 2 {
		t.Fatalf("%d queries ran", n)
	}
	if n := r.Stats().Duplicates; n != 2 {
		t.Fatalf("%d duplicates", n)
	}
}

func TestSlowQueryIsAcknowledged(t *testing.T) {
	r := start(t, func(c *Config) { c.AckDelay = time.Millisecond })
	c := r.dial()
	id := c.call(tl(idWait))
	ack := c.expect(idMsgsAck)
	if ids, _ := decodeIDs(ack.body); len(ids) != 1 || ids[0] != id || ack.seq&1 == 1 {
		t.Fatalf("acknowledged %v with seqno %d", ids, ack.seq)
	}
	(<-r.handler.called).Reply(tl(idWait))
	c.result(id)
}

func TestCallsOfOneSessionRunInOrder(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	var want []int64
	for range 20 {
		var ms []message
		for range 10 {
			m := c.number(tl(idEcho), true)
			ms, want = append(ms, m), append(want, m.id)
		}
		c.send(encodeContainer(ms), false)
	}
	for i, id := range want {
		if got := (<-r.handler.called).MsgID; got != id {
			t.Fatalf("call %d is %d, want %d", i, got, id)
		}
	}
}

func TestUnknownKeyGets404(t *testing.T) {
	r := start(t, func(c *Config) { c.DCs = []int{1, 2} })
	c := r.dial()
	c.mustEcho()
	other := r.dial()
	other.key, _ = r.key(1) // a key of the other DC
	other.call(tl(idEcho))
	other.transportError(-404)

	r.DestroyKey(c.keyID())
	c.call(tl(idEcho))
	c.transportError(-404)
	c.call(tl(idEcho))
	c.transportError(-404)
}

func TestFirstReplyWins(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	id := c.call(tl(idWait))
	call := <-r.handler.called
	call.Error(420, "FLOOD_WAIT_3")
	call.Reply(tl(idWait))
	var e mt.RPCError
	if err := e.Decode(&bin.Buffer{Buf: c.result(id)}); err != nil || e.ErrorCode != 420 || e.ErrorMessage != "FLOOD_WAIT_3" {
		t.Fatalf("%+v %v", e, err)
	}
	c.mustEcho()
}

// TestOddAcksAreRefusedUnlessAllowed: acknowledgements do not count as content, but one client sends
// them so.
func TestOddAcksAreRefusedUnlessAllowed(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		r := start(t, func(cfg *Config) { cfg.OddAcks = allowed })
		c := r.dial()
		c.mustEcho()
		id := c.send(encode(t, &mt.MsgsAck{MsgIDs: []int64{1}}), true)
		if allowed {
			c.mustEcho()
			continue
		}
		c.badMsg(id, 34)
	}
}
