package mtserver

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

const idPush = 0x44444444

func pushBody(n int) []byte { return tl(idPush, int64(n)) }

func (c *client) pushed() int {
	c.t.Helper()
	return int(binary.LittleEndian.Uint64(c.expect(idPush).body[4:]))
}

// pushedUntil reads pushes until this one comes.
func (c *client) pushedUntil(last int) []int {
	c.t.Helper()
	var got []int
	for {
		got = append(got, c.pushed())
		if got[len(got)-1] == last {
			return got
		}
	}
}

func TestPushGoesToMainSession(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	r.Push(c.keyID(), pushBody(0)) // nobody is there: lost
	c.result(c.call(initialise(228, tl(idEcho))))
	side := c.again()
	side.session, side.content = 7, 0
	side.result(side.call(append(tl(idInvokeWithoutUpdates), initialise(228, tl(idEcho))...)))
	side.mustEcho()
	for i := 1; i <= 3; i++ {
		r.Push(c.keyID(), pushBody(i))
	}
	if got := c.pushedUntil(3); !slices.Equal(got, []int{1, 2, 3}) {
		t.Fatalf("pushed %v", got)
	}
	side.sync()
	main := c.again() // the newest session that says initConnection
	main.session, main.content = 8, 0
	main.result(main.call(initialise(228, tl(idEcho))))
	r.Push(c.keyID(), pushBody(4))
	if got := main.pushed(); got != 4 {
		t.Fatalf("pushed %d", got)
	}
}

func TestPushWaitsForItsSession(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.ackAll = true
	c.mustEcho()
	c.sync()
	_ = c.nc.Close()
	eventually(t, "the connection is gone", func() bool { return r.Stats().Connections == 0 })
	for i := 1; i <= 5; i++ {
		r.Push(c.keyID(), pushBody(i))
	}
	d := c.again()
	d.sync()
	if got := d.pushedUntil(5); !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
		t.Fatalf("pushed %v", got)
	}
	d.sync()
	if n := r.Unacked(c.keyID()); n != 0 {
		t.Fatalf("%d messages are unacknowledged", n)
	}
}

func TestTooManyWaitingPushesBecomeUpdatesTooLong(t *testing.T) {
	r := start(t, func(c *Config) { c.PushQueue = 10 })
	c := r.dial()
	c.mustEcho()
	_ = c.nc.Close()
	eventually(t, "the connection is gone", func() bool { return r.Stats().Connections == 0 })
	for i := range 35 {
		r.Push(c.keyID(), pushBody(i))
	}
	if n := r.Unacked(c.keyID()); n > 12 {
		t.Fatalf("%d messages wait", n)
	}
	d := c.again()
	d.send(ping(1), false)
	d.expect(idUpdatesTooLong)
}

func TestDroppedPushIsLost(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.ackAll = true
	c.mustEcho()
	r.Faults().SetPush(PushFaults{Drop: 1})
	r.Push(c.keyID(), pushBody(1))
	r.Faults().SetPush(PushFaults{})
	r.Push(c.keyID(), pushBody(2))
	if got := c.pushed(); got != 2 {
		t.Fatalf("pushed %d", got)
	}
	c.sync()
	d := c.again() // not even a new connection brings it
	d.lastID, d.content, d.ackAll = c.lastID, c.content, true
	d.mustEcho()
	r.clock.advance(2 * time.Minute)
	d.mustEcho()
	d.sync()
	if n := r.Faults().Counters().Dropped; n != 1 {
		t.Fatalf("%d dropped", n)
	}
	for _, m := range append(c.inbox, d.inbox...) {
		if constructorOf(m.body) == idPush {
			t.Fatal("it came after all")
		}
	}
}

func TestPushesAreReorderedRepeatedDelayed(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.mustEcho()
	faults := r.Faults()
	faults.SetPush(PushFaults{Reorder: 1})
	r.Push(c.keyID(), pushBody(1))
	faults.SetPush(PushFaults{})
	r.Push(c.keyID(), pushBody(2))
	if got := c.pushedUntil(1); !slices.Equal(got, []int{2, 1}) {
		t.Fatalf("pushed %v", got)
	}
	faults.SetPush(PushFaults{Reorder: 1})
	r.Push(c.keyID(), pushBody(3)) // no other follows: it comes after a while
	if got := c.pushed(); got != 3 {
		t.Fatalf("pushed %d", got)
	}
	faults.SetPush(PushFaults{Repeat: 1})
	r.Push(c.keyID(), pushBody(4))
	if a, b := c.pushed(), c.pushed(); a != 4 || b != 4 {
		t.Fatalf("pushed %d, %d", a, b)
	}
	faults.SetPush(PushFaults{Delay: 1, MaxDelay: 100 * time.Millisecond})
	r.Push(c.keyID(), pushBody(5))
	if got := c.pushed(); got != 5 {
		t.Fatalf("pushed %d", got)
	}
	if got := faults.Counters(); got.Reordered != 2 || got.Repeated != 1 || got.Delayed != 1 {
		t.Fatalf("%+v", got)
	}
}

func TestFaultyPushesSurviveACut(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	c.ackAll = true
	c.mustEcho()
	r.Faults().SetPush(PushFaults{Reorder: 0.5, Delay: 0.5, MaxDelay: time.Millisecond})
	for i := range 50 {
		r.Push(c.keyID(), pushBody(i))
	}
	if n := r.KillConnections(nil); n != 1 {
		t.Fatalf("%d connections cut", n)
	}
	d := c.again()
	d.lastID, d.content = c.lastID, c.content
	got := map[int]bool{}
	d.send(ping(1), false)
	for len(got) < 50 {
		got[d.pushed()] = true
	}
	if n := r.Faults().Counters().Cuts; n != 1 {
		t.Fatalf("%d cuts", n)
	}
}
