package mtserver

import (
	"errors"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"

	"github.com/telefleet/orchestrator/simulator/mtserver/packing"
)

func TestInjectedTransportErrors(t *testing.T) {
	for _, code := range []int{-404, -429, -444} {
		r := start(t, nil)
		c := r.dial()
		c.mustEcho()
		r.Faults().Inject(c.keyID(), TransportError(code))
		c.call(tl(idEcho))
		c.transportError(int32(code))
		d := c.again() // the key lives on
		d.lastID, d.content = c.lastID, c.content
		d.mustEcho()
	}
}

func TestInjectedRefusals(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.mustEcho()
	for _, code := range []int{16, 17, 18, 19, 20, 32, 33, 34, 35, 64} {
		r.Faults().Inject(0, BadMsg(code))
		c.badMsg(c.call(tl(idEcho)), int32(code))
	}
	r.Faults().Inject(c.keyID()+1, BadSalt) // for another key
	c.mustEcho()
	r.Faults().Inject(c.keyID(), BadSalt)
	c.sync() // waits for something that matters
	c.badMsg(c.call(tl(idEcho)), 48)
	c.mustEcho()
	if n := r.Faults().Pending(); n != 1 {
		t.Fatalf("%d faults wait", n)
	}
	if n := r.Stats().BadMsg[48]; n != 1 {
		t.Fatalf("%d bad salts counted", n)
	}
}

func TestEveryNthSaltIsBad(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	r.Faults().SetBadSaltEvery(3)
	for range 3 {
		c.mustEcho()
		c.mustEcho()
		c.badMsg(c.call(tl(idEcho)), 48)
	}
	r.Faults().SetBadSaltEvery(0)
	for range 5 {
		c.mustEcho()
	}
}

func TestForgottenSessionIsNew(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	wait := c.call(tl(idWait))
	c.expect(idNewSession)
	lost := <-r.handler.called
	r.Faults().Inject(c.keyID(), ForgetSession)
	id := c.call(tl(idEcho))
	m := c.expect(idNewSession)
	var created mt.NewSessionCreated
	if err := created.Decode(&bin.Buffer{Buf: m.body}); err != nil || created.FirstMsgID != id || wait >= id {
		t.Fatalf("%+v %v", created, err)
	}
	lost.Reply(tl(idWait)) // into the void
	c.result(id)
	r.DropSessions(c.keyID())
	c.call(tl(idEcho))
	c.expect(idNewSession)
}

func TestInjectedPackets(t *testing.T) {
	// Each fault spoils the packet with the answer, or sends one before it; the answer
	// comes again, unspoilt, on the next connection.
	var opened packet
	spoilt := func(c *client) (p packet, padding int, err error) {
		c.t.Helper()
		frame, err := c.frame()
		if err != nil {
			c.t.Fatal(err)
		}
		opened, padding, err = c.open(frame)
		return opened, padding, err
	}
	inner := func(p packet) ([]message, error) { return parseContainer(p.body) }
	for _, tt := range []struct {
		name  string
		fault Fault
		judge func(c *client) bool
	}{
		{"session", WrongSession, func(c *client) bool {
			p, _, err := spoilt(c)
			return err == nil && p.session != c.session
		}},
		{"msg_key", BadMsgKey, func(c *client) bool {
			_, _, err := spoilt(c)
			return errors.Is(err, errMsgKey)
		}},
		{"padding 8", BadPadding(8), func(c *client) bool {
			_, padding, err := spoilt(c)
			return err == nil && padding == 8
		}},
		{"padding 1040", BadPadding(1040), func(c *client) bool {
			_, padding, err := spoilt(c)
			return err == nil && padding == 1040
		}},
		{"nested", NestedContainer, func(c *client) bool {
			p, _, _ := spoilt(c)
			ms, err := inner(p)
			return err == nil && len(ms) == 1 && constructorOf(ms[0].body) == idContainer
		}},
		{"huge", HugeContainer, func(c *client) bool {
			p, _, _ := spoilt(c)
			_, err := inner(p)
			return errors.Is(err, errTooMany) && p.body[4] == 1 && p.body[5] == 4
		}},
		{"bomb", GzipBomb, func(c *client) bool {
			p, _, _ := spoilt(c)
			_, err := packing.Unpack(p.body, maxGunzip)
			return constructorOf(p.body) == idGzip && errors.Is(err, packing.ErrPacked)
		}},
		{"twice", SendTwice, func(c *client) bool {
			first, _, _ := spoilt(c)
			second, _, err := spoilt(c)
			return err == nil && first.id == second.id
		}},
		{"stale", StaleMsgID, func(c *client) bool {
			p, _, err := spoilt(c)
			return err == nil && time.Unix(p.id>>32, 0).Before(time.Now().Add(-390*time.Second))
		}},
		{"future", FutureMsgID, func(c *client) bool {
			p, _, err := spoilt(c)
			return err == nil && time.Unix(p.id>>32, 0).After(time.Now().Add(90*time.Second))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, nil)
			c := r.dial()
			c.mustEcho()
			r.Faults().Inject(c.keyID(), tt.fault)
			id := c.call(tl(idEcho))
			if !tt.judge(c) {
				t.Fatalf("not spoilt: %+v", opened)
			}
			_ = c.nc.Close()
			d := c.again()
			d.lastID, d.content = c.lastID, c.content
			d.send(ping(1), false)
			d.result(id)
		})
	}
}

func TestPaddingFaultFitsEveryLength(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.mustEcho()
	k := r.lookup(r.dcs[0], c.keyID())
	k.mu.Lock()
	defer k.mu.Unlock()
	for n := 4; n <= 64; n += 4 {
		for _, padding := range []int{4, 8, 1028, 1040} {
			ms := []message{{id: 1, seq: 1, body: make([]byte, n)}}
			p := k.spoilPadding(k.sessions[c.session], ms, padding, r.clock.Now())
			data, err := sealPacket(k, p.packet, p.padding, r.cfg.Rand)
			if err != nil {
				t.Fatal(err)
			}
			if _, got, err := c.open(data); err != nil || got != padding {
				t.Fatalf("length %d: padding %d, want %d (%v)", n, got, padding, err)
			}
		}
	}
}

func TestInjectedRPCErrors(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	r.Faults().RPCError(idEcho, 420, "FLOOD_WAIT_5", 2)
	r.Faults().RPCError(idEcho, 500, "INTERNAL", 1)
	message := func() string {
		var e mt.RPCError
		if err := e.Decode(&bin.Buffer{Buf: c.result(c.call(tl(idEcho)))}); err != nil {
			return ""
		}
		return e.ErrorMessage
	}
	for _, want := range []string{"FLOOD_WAIT_5", "FLOOD_WAIT_5", "INTERNAL", ""} {
		if got := message(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	r.Faults().SetRPCHook(func(call *Call) (int, string) {
		if call.Constructor() == idEcho {
			return 303, "USER_MIGRATE_1"
		}
		return 0, ""
	})
	if got := message(); got != "USER_MIGRATE_1" {
		t.Fatal(got)
	}
	r.Faults().SetRPCHook(nil)
	if got := message(); got != "" {
		t.Fatal(got)
	}
	if n := r.Faults().Counters().RPCErrors; n != 4 {
		t.Fatalf("%d errors counted", n)
	}
}

func TestConnectionsAreCutEverySoOften(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.mustEcho()
	r.Faults().SetCutEvery(time.Millisecond)
	c.closed()
	r.Faults().SetCutEvery(0)
	if n := r.Faults().Counters().Cuts; n < 1 {
		t.Fatalf("%d cuts", n)
	}
}
