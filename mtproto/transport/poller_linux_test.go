package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// drowsy reads a connection that sleeps whenever it can.
type drowsy struct {
	conn   *Conn
	frames chan string
	ended  chan error
	naps   chan struct{} // one for each time that it went to sleep
}

func (d *drowsy) read() {
	for {
		frame, err := d.conn.ReadFrame()
		if err != nil {
			d.ended <- err
			return
		}
		d.frames <- string(frame)
		Recycle(frame)
		if d.conn.Sleep(func() { go d.read() }) {
			d.naps <- struct{}{}
			return
		}
	}
}

func newDrowsy(t *testing.T, p *Poller) (*drowsy, *Conn) {
	t.Helper()
	near, far := tcpPair(t)
	d := &drowsy{
		conn:   mustConn(t, near, Options{Framing: Intermediate, Poller: p}),
		frames: make(chan string, 100), ended: make(chan error, 1), naps: make(chan struct{}, 100),
	}
	peer := mustConn(t, far, Options{Framing: Intermediate})
	peer.out.header = nil // the server's side has none
	go d.read()
	return d, peer
}

func newPoller(t *testing.T) *Poller {
	p := &Poller{}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func send(t *testing.T, c *Conn, text string) {
	t.Helper()
	if err := c.WriteFrame([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, d *drowsy, want string) {
	t.Helper()
	select {
	case got := <-d.frames:
		if got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	case err := <-d.ended:
		t.Fatalf("the connection ended: %v", err)
	}
}

func TestSleepingConnectionIsWokenByEachPacket(t *testing.T) {
	d, peer := newDrowsy(t, newPoller(t))
	for i := range 50 {
		text := fmt.Sprintf("packet number %02d", i)
		send(t, peer, text)
		expect(t, d, text)
		<-d.naps
	}
}

func TestPacketInPartsWakesOnceAndIsWhole(t *testing.T) {
	d, peer := newDrowsy(t, newPoller(t))
	send(t, peer, "first...")
	expect(t, d, "first...")
	<-d.naps
	whole := append([]byte{40, 0, 0, 0}, bytes.Repeat([]byte("part"), 10)...)
	for _, part := range [][]byte{whole[:2], whole[2:9], whole[9:]} {
		if _, err := peer.nc.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, d, string(whole[4:]))
}

func TestBurstIsReadToItsEndBeforeSleep(t *testing.T) {
	d, peer := newDrowsy(t, newPoller(t))
	var burst []byte
	for i := range 90 {
		burst = append(burst, 8, 0, 0, 0)
		burst = fmt.Appendf(burst, "burst%03d", i)
	}
	if _, err := peer.nc.Write(burst); err != nil {
		t.Fatal(err)
	}
	for i := range 90 {
		expect(t, d, fmt.Sprintf("burst%03d", i))
	}
}

func TestEndOfASleepingConnectionIsHeard(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(d *drowsy, peer *Conn) error
		want error
	}{
		"peer closes":   {func(_ *drowsy, peer *Conn) error { return peer.Close() }, io.EOF},
		"we close":      {func(d *drowsy, _ *Conn) error { return d.conn.Close() }, net.ErrClosed},
		"we abort":      {func(d *drowsy, _ *Conn) error { return d.conn.Abort() }, net.ErrClosed},
		"we half-close": {func(d *drowsy, peer *Conn) error { return errors.Join(d.conn.CloseWrite(), peer.Close()) }, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			d, peer := newDrowsy(t, newPoller(t))
			send(t, peer, "hello...")
			expect(t, d, "hello...")
			<-d.naps
			if err := test.end(d, peer); err != nil {
				t.Fatal(err)
			}
			if err := <-d.ended; !errors.Is(err, test.want) {
				t.Errorf("ended by %v, want %v", err, test.want)
			}
		})
	}
}

// TestClosedPollerLeavesItsConnectionsAlive: they wait in ReadFrame from then on.
func TestClosedPollerLeavesItsConnectionsAlive(t *testing.T) {
	p := &Poller{}
	d, peer := newDrowsy(t, p)
	send(t, peer, "one.")
	expect(t, d, "one.")
	<-d.naps
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	send(t, peer, "two.")
	expect(t, d, "two.")
	send(t, peer, "three...")
	expect(t, d, "three...")
	if len(d.naps) > 0 {
		t.Error("it sleeps in a closed poller")
	}
}

// TestManyConnectionsSleepInOnePoller opens, closes and reopens them while others are busy: a place
// that is used again wakes the right one.
func TestManyConnectionsSleepInOnePoller(t *testing.T) {
	p := newPoller(t)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for round := range 4 {
				d, peer := newDrowsy(t, p)
				for n := range 10 {
					text := fmt.Sprintf("%04d%04d%04d", i, round, n)
					if err := peer.WriteFrame([]byte(text)); err != nil {
						t.Error(err)
						return
					}
					if got := <-d.frames; got != text {
						t.Errorf("read %q, want %q", got, text)
					}
				}
				if err := d.conn.Abort(); err != nil {
					t.Error(err)
				}
				<-d.ended
				_ = peer.Close()
			}
		})
	}
	all.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for slot, c := range p.conns {
		if c != nil {
			t.Errorf("slot %d still holds a closed connection", slot)
		}
	}
}

// TestSleepIsRefusedWhereNothingCanBeWaitedFor: the reader goes on in ReadFrame.
func TestSleepIsRefusedWhereNothingCanBeWaitedFor(t *testing.T) {
	pipe, _ := pipePair(t)
	tcp, _ := tcpPair(t)
	ended, _ := tcpPair(t)
	with := Options{Framing: Intermediate, Poller: newPoller(t)}
	closed := mustConn(t, ended, with)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Conn{
		"a pipe":    mustConn(t, pipe, with),
		"no poller": mustConn(t, tcp, Options{Framing: Intermediate}),
		"closed":    closed,
	} {
		if c.Sleep(func() { t.Errorf("%s: woken", name) }) {
			t.Errorf("%s: sleeps", name)
		}
	}
}

// TestPullTakesWhatHasArrived and never waits: not for the first byte, nor for the rest of a packet.
func TestPullTakesWhatHasArrived(t *testing.T) {
	near, far := tcpPair(t)
	c := mustConn(t, near, Options{Framing: Intermediate, Poller: newPoller(t)})
	next := func(want string) {
		t.Helper()
		frame, err := c.Buffered()
		if err != nil || string(frame) != want {
			t.Errorf("got %q, %v; want %q", frame, err, want)
		}
	}
	if err := c.Pull(); err != nil {
		t.Errorf("nothing has arrived: %v", err)
	}
	next("")
	awake := make(chan struct{}, 1)
	arrive := func(bytes string) {
		t.Helper()
		if !c.Sleep(func() { awake <- struct{}{} }) {
			t.Fatal("it does not sleep")
		}
		if _, err := far.Write([]byte(bytes)); err != nil {
			t.Fatal(err)
		}
		<-awake
		if err := c.Pull(); err != nil {
			t.Fatal(err)
		}
	}
	arrive("\x04\x00\x00\x00four\x08\x00\x00\x00and eigh\x04\x00\x00\x00be")
	next("four")
	next("and eigh")
	if c.Sleep(func() { t.Error("woken") }) {
		t.Error("it sleeps on bytes that it has read")
	}
	next("")
	if _, err := far.Write([]byte("at")); err != nil {
		t.Fatal(err)
	}
	if frame, err := c.ReadFrame(); err != nil || string(frame) != "beat" {
		t.Errorf("the rest: %q, %v", frame, err)
	}
}

func TestPullHearsTheEnd(t *testing.T) {
	near, far := tcpPair(t)
	c := mustConn(t, near, Options{Framing: Intermediate, Poller: newPoller(t)})
	awake := make(chan struct{})
	if !c.Sleep(func() { close(awake) }) {
		t.Fatal("it does not sleep")
	}
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	<-awake
	if err := c.Pull(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}
