package faultproxy

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const patience = 20 * time.Second

// target is an echo server that tells of each connection's end.
type target struct {
	net.Listener
	ends chan error
	got  chan []byte
}

func newTarget(t *testing.T) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &target{Listener: l, ends: make(chan error, 100), got: make(chan []byte, 1000)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.echo(c)
		}
	}()
	return s
}

func (s *target) echo(c net.Conn) {
	defer func() { _ = c.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if n > 0 {
			s.got <- append([]byte{}, buf[:n]...)
			_, _ = c.Write(buf[:n])
		}
		if err != nil {
			s.ends <- err
			return
		}
	}
}

func start(t *testing.T) (*Proxy, *target) {
	t.Helper()
	s := newTarget(t)
	p, err := Start(t.Context(), s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, s
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, c net.Conn, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != want {
		t.Fatalf("read %q, %v; want %q", buf, err, want)
	}
}

func TestBytesAndEndsPass(t *testing.T) {
	p, s := start(t)
	c := dial(t, p)
	write(t, c, "hello")
	read(t, c, "hello")
	_ = c.(*net.TCPConn).CloseWrite()
	if err := <-s.ends; !errors.Is(err, io.EOF) {
		t.Fatalf("target saw %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("client saw %v", err)
	}
	if _, accepted := p.Connections(); accepted != 1 {
		t.Fatalf("%d accepted", accepted)
	}
}

func TestResetReachesBothEnds(t *testing.T) {
	p, s := start(t)
	c := dial(t, p)
	write(t, c, "x")
	read(t, c, "x")
	if n := p.Reset(); n != 1 {
		t.Fatalf("%d links reset", n)
	}
	if err := <-s.ends; !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("target saw %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("client saw %v", err)
	}
}

func TestCutIsOrderly(t *testing.T) {
	p, s := start(t)
	c := dial(t, p)
	write(t, c, "x")
	read(t, c, "x")
	p.Cut()
	if err := <-s.ends; !errors.Is(err, io.EOF) {
		t.Fatalf("target saw %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("client saw %v", err)
	}
}

func TestClientResetIsPassedOn(t *testing.T) {
	p, s := start(t)
	c := dial(t, p)
	write(t, c, "x")
	read(t, c, "x")
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
	if err := <-s.ends; !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("target saw %v", err)
	}
	_ = p
}

func TestBlackHoleHoldsBytes(t *testing.T) {
	p, s := start(t)
	c := dial(t, p)
	write(t, c, "a")
	read(t, c, "a")
	<-s.got
	p.BlackHole(Down) // answers are lost one way
	write(t, c, "b")
	if got := string(<-s.got); got != "b" {
		t.Fatalf("target got %q", got)
	}
	p.BlackHole(Both)
	write(t, c, "c")
	p.BlackHole(None)
	read(t, c, "bc")
	if got := string(<-s.got); got != "c" {
		t.Fatalf("target got %q", got)
	}
}

func TestResetLosesHeldBytes(t *testing.T) {
	p, s := start(t)
	c := dial(t, p)
	write(t, c, "a")
	read(t, c, "a")
	<-s.got
	p.BlackHole(Up)
	write(t, c, "lost")
	p.Reset()
	p.BlackHole(None)
	if err := <-s.ends; !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("target saw %v", err)
	}
	if len(s.got) != 0 {
		t.Fatalf("target got %q", <-s.got)
	}
}

func TestDelayKeepsOrder(t *testing.T) {
	p, _ := start(t)
	p.Delay(5 * time.Millisecond)
	c := dial(t, p)
	begin := time.Now()
	for _, s := range []string{"a", "b", "c", "d"} {
		write(t, c, s)
	}
	read(t, c, "abcd")
	if took := time.Since(begin); took < 10*time.Millisecond { // it can only be later
		t.Fatalf("took %v", took)
	}
}

func TestRefusedAndUnreachable(t *testing.T) {
	p, s := start(t)
	reset := func() bool {
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			return true // the reset was faster than the dialler
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
		return errors.Is(err, syscall.ECONNRESET)
	}
	p.Refuse(true)
	if !reset() {
		t.Fatal("not refused")
	}
	p.Refuse(false)
	p.Retarget("127.0.0.1:1")
	if !reset() {
		t.Fatal("reached")
	}
	p.Retarget(s.Addr().String())
	c := dial(t, p)
	write(t, c, "x")
	read(t, c, "x")
}

func TestCloseEndsEveryGoroutine(t *testing.T) {
	s := newTarget(t)
	ignore := goleak.IgnoreCurrent()
	p, err := Start(t.Context(), s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, p)
	write(t, c, "x")
	read(t, c, "x")
	p.BlackHole(Both)
	write(t, c, "held")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	<-s.ends
	goleak.VerifyNone(t, ignore)
}
