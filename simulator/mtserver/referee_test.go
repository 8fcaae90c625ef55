package mtserver

import (
	"net"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
)

func (c *client) rpcError(id int64) (int, string) {
	c.t.Helper()
	var e mt.RPCError
	if err := e.Decode(&bin.Buffer{Buf: c.result(id)}); err != nil {
		return 0, ""
	}
	return e.ErrorCode, e.ErrorMessage
}

func (c *client) continueFrom(d *client) { c.lastID, c.content = d.lastID, d.content }

// TestG12OlderConnectionThatSendsKillsTheKey: gotd's test server has no such rule.
func TestG12OlderConnectionThatSendsKillsTheKey(t *testing.T) {
	r := start(t, nil)
	a := r.dial()
	a.mustEcho()
	r.MarkHome(a.keyID())
	b := a.again()
	b.continueFrom(a)
	b.mustEcho()
	if counts := r.Referee().Counts(); counts.Overlaps != 1 || counts.Duplicated != 0 {
		t.Fatalf("%+v", counts)
	}
	b.mustEcho() // the newer one may send as it likes
	a.continueFrom(b)
	a.send(ping(1), false) // even a ping is too much
	if got := <-r.handler.killed; got != a.keyID() {
		t.Fatalf("killed %d", got)
	}
	a.session = 4242 // answers of a session go to its newest connection
	for _, c := range []*client{b, a} {
		if code, text := c.rpcError(c.call(tl(idEcho))); code != 406 || text != "AUTH_KEY_DUPLICATED" {
			t.Fatalf("%d %s", code, text)
		}
		a.continueFrom(c)
	}
	d := a.again()
	d.continueFrom(a)
	if code, _ := d.rpcError(d.call(tl(idEcho))); code != 406 {
		t.Fatalf("%d", code)
	}
	if counts := r.Referee().Counts(); counts.Duplicated != 1 || !r.Referee().Dead(a.keyID()) {
		t.Fatalf("%+v", counts)
	}
}

func TestOlderConnectionThatBeginsLateKillsTheKey(t *testing.T) {
	r := start(t, nil)
	a := r.dial()
	r.MarkHome(a.keyID())
	b := a.again()
	eventually(t, "both connections are open", func() bool { return r.Stats().Connections == 2 })
	b.mustEcho()
	a.continueFrom(b)
	a.send(ping(1), false)
	<-r.handler.killed
}

func TestOneConnectionAfterTheOtherIsFine(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	r.MarkHome(c.keyID())
	for range 30 {
		// The last bytes may still lie unread in the machine when the next one begins.
		m := c.number(tl(idEcho), true)
		for range 20 {
			c.write(m)
		}
		// A reset, as an orderly close may leave bytes in the client's own send buffer
		// that arrive after the newer connection has begun.
		_ = c.nc.(*net.TCPConn).SetLinger(0)
		_ = c.nc.Close()
		d := c.again()
		d.continueFrom(c)
		d.send(ping(1), false)
		d.sync()
		c = d
	}
	if counts := r.Referee().Counts(); counts.Duplicated != 0 {
		t.Fatalf("%+v", counts)
	}
	logs := r.Referee().Log(c.keyID())
	if len(logs) == 0 || len(r.Referee().Keys()) != 1 {
		t.Fatal("nothing was logged")
	}
	eventually(t, "all ends are logged", func() bool {
		open := 0
		for _, l := range r.Referee().Log(c.keyID()) {
			if l.Closed.IsZero() {
				open++
			}
		}
		return open == 1
	})
	for i, l := range r.Referee().Log(c.keyID()) {
		if l.Frames == 0 || l.FirstSent.Before(l.Opened) || l.LastSent.Before(l.FirstSent) ||
			!l.Closed.IsZero() && l.Closed.Before(l.LastSent) {
			t.Fatalf("log %d: %+v", i, l)
		}
	}
}

// A goroutine that is late must not turn an orderly change of connections into a crime.
func TestBytesThatHadArrivedAreExcused(t *testing.T) {
	r := start(t, nil)
	a := r.dial()
	a.mustEcho()
	r.MarkHome(a.keyID())
	k := r.lookup(r.dcs[0], a.keyID())

	// Hold the reader of a in the middle of a frame: it waits for the key's lock.
	k.mu.Lock()
	before := r.dcs[0].srv.connections()[0]
	start := before.sock.arrived()
	a.send(ping(1), false)
	a.send(ping(2), false)
	eventually(t, "two frames have arrived", func() bool { return before.sock.arrived() >= start+2*92 })
	b := a.again()
	eventually(t, "both connections are open", func() bool { return len(r.connections()) == 2 })
	newer := r.connections()[1]
	dead, killed := r.referee.frame(a.keyID(), newer, 100) // the first frame of b is judged first
	k.mu.Unlock()
	if dead || killed {
		t.Fatal("the newer one is innocent")
	}
	a.expect(idPong)
	a.expect(idPong)
	b.continueFrom(a)
	b.mustEcho()
	if n := r.Referee().Counts().Duplicated; n != 0 {
		t.Fatalf("%d keys killed", n)
	}
	a.continueFrom(b)
	a.send(ping(3), false) // this one had not arrived
	<-r.handler.killed
}

func TestSideConnectionsOfOtherKeysMayRunInParallel(t *testing.T) {
	r := start(t, nil)
	a := r.dial() // not logged in here
	b := a.again()
	b.session = 4242
	for range 5 {
		a.mustEcho()
		b.sync()
	}
	r.MarkHome(a.keyID())
	r.ClearHome(a.keyID())
	a.send(ping(1), false)
	a.sync()
	if n := r.Referee().Counts().Duplicated; n != 0 {
		t.Fatalf("%d keys killed", n)
	}
}

// TestConnectionsToAddressesForFilesMayRunInParallel: they are not the home DC's, though the key is; the home DC's
// own are judged as ever.
func TestConnectionsToAddressesForFilesMayRunInParallel(t *testing.T) {
	r := start(t, func(c *Config) { c.Media = []int{-2} })
	if dcs := r.DCs(); len(dcs) != 2 || dcs[0].MediaOnly || !dcs[1].MediaOnly || dcs[1].ID != 2 || dcs[0].Addr == dcs[1].Addr {
		t.Fatalf("%+v", dcs)
	}
	home := r.dial()
	home.mustEcho()
	r.MarkHome(home.keyID())
	var files []*client
	for i := range 2 {
		c := *home
		c.inbox, c.address, c.session, c.content = nil, 1, int64(4242+i), 0
		c.connect()
		files = append(files, &c)
	}
	for range 3 {
		for _, c := range append(files, home) {
			c.mustEcho()
		}
	}
	if counts := r.Referee().Counts(); counts != (RefereeCounts{}) {
		t.Fatalf("%+v", counts)
	}
	second := home.again()
	second.continueFrom(home)
	second.mustEcho()
	home.continueFrom(second)
	home.send(ping(1), false)
	<-r.handler.killed
	if !r.Referee().Dead(home.keyID()) {
		t.Error("a second home connection is allowed")
	}
	files[0].session = 777
	if code, _ := files[0].rpcError(files[0].call(tl(idEcho))); code != 406 {
		t.Errorf("a dead key at an address for files: %d", code)
	}
}
