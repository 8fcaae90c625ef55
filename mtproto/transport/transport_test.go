package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mtproxy/obfuscated2"
	"github.com/gotd/td/proto/codec"
)

// tcpPair returns both ends of a connection over the loopback.
func tcpPair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	}()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, ok := <-accepted
	if !ok {
		t.Fatal("accept failed")
	}
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near.(*net.TCPConn), far.(*net.TCPConn)
}

func pipePair(t testing.TB) (client, server net.Conn) {
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near, far
}

func mustConn(t testing.TB, nc net.Conn, o Options) *Conn {
	t.Helper()
	c, err := NewConn(nc, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func payload(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// peer is gotd's reading of the other side: stream and framing.
type peer struct {
	rw    io.ReadWriter
	codec codec.Codec
	meta  obfuscated2.Metadata
}

// accept reads what the stream starts with, by gotd's code.
func accept(f Framing, obfuscated bool, nc net.Conn) (*peer, error) {
	p := &peer{rw: nc}
	switch f {
	case Abridged:
		p.codec = codec.Abridged{}
	default:
		p.codec = codec.Intermediate{}
	}
	if !obfuscated {
		return p, p.codec.ReadHeader(nc)
	}
	rw, meta, err := obfuscated2.Accept(nc, nil)
	p.rw, p.meta = rw, meta
	return p, err
}

// TestGotdUnderstandsUs echoes packets through gotd's framings and its obfuscated2.
func TestGotdUnderstandsUs(t *testing.T) {
	sizes := []int{8, 16, 4 * 126, 4 * 127, 4 * 128, 1000, chunkSize - 4, chunkSize, chunkSize + 4, 1<<19 + 100, 3<<20 + 8}
	for _, f := range []Framing{Abridged, Intermediate} {
		for _, obfuscated := range []bool{false, true} {
			for _, network := range []string{"tcp", "pipe"} {
				t.Run(fmt.Sprint(f, " ", obfuscated, " ", network), func(t *testing.T) {
					near, far := pipePair(t)
					if network == "tcp" {
						near, far = tcpPair(t)
					}
					done := make(chan error, 1)
					go func() {
						err := echo(f, obfuscated, far, len(sizes))
						_ = far.Close()
						done <- err
					}()
					c := mustConn(t, near, Options{Framing: f, Obfuscated: obfuscated, DC: -10002})
					for _, n := range sizes {
						want := payload(n)
						if err := c.WriteFrame(want); err != nil {
							t.Fatal(err, <-done)
						}
						got, err := c.ReadFrame()
						if err != nil {
							t.Fatal(err, <-done)
						}
						if !bytes.Equal(got, want) {
							t.Fatalf("%d bytes came back different", n)
						}
						Recycle(got)
					}
					if err := <-done; err != nil {
						t.Fatal(err)
					}
				})
			}
		}
	}
}

func echo(f Framing, obfuscated bool, nc net.Conn, packets int) error {
	p, err := accept(f, obfuscated, nc)
	if err != nil {
		return err
	}
	if obfuscated {
		tag := map[Framing][4]byte{Abridged: {0xef, 0xef, 0xef, 0xef}, Intermediate: {0xee, 0xee, 0xee, 0xee}}[f]
		if dc := int16(p.meta.DC); p.meta.Protocol != tag || dc != -10002 {
			return fmt.Errorf("header says %x, DC %d", p.meta.Protocol, dc)
		}
	}
	for range packets {
		var b bin.Buffer
		if err := p.codec.Read(p.rw, &b); err != nil {
			return err
		}
		if err := p.codec.Write(p.rw, &b); err != nil {
			return err
		}
	}
	return nil
}

// recorder counts writes; nothing is ever read from it.
type recorder struct {
	net.Conn
	mu     sync.Mutex
	writes [][]byte
	err    error
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	r.writes = append(r.writes, bytes.Clone(b))
	return len(b), nil
}
func (r *recorder) SetWriteDeadline(time.Time) error { return nil }
func (r *recorder) Close() error                     { return nil }

func TestOneWritePerPacket(t *testing.T) {
	body := payload(8)
	for _, tc := range []struct {
		f           Framing
		first, next []byte
	}{
		{Abridged, append([]byte{0xef, 2}, body...), append([]byte{2}, body...)},
		{Intermediate, append([]byte{0xee, 0xee, 0xee, 0xee, 8, 0, 0, 0}, body...), append([]byte{8, 0, 0, 0}, body...)},
	} {
		r := &recorder{}
		c := mustConn(t, r, Options{Framing: tc.f})
		for range 3 {
			if err := c.WriteFrame(body); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.writes) != 3 || !bytes.Equal(r.writes[0], tc.first) || !bytes.Equal(r.writes[1], tc.next) || !bytes.Equal(r.writes[2], tc.next) {
			t.Errorf("%v wrote %x", tc.f, r.writes)
		}
		r = &recorder{}
		c = mustConn(t, r, Options{Framing: tc.f, Obfuscated: true})
		for range 2 {
			if err := c.WriteFrame(body); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.writes) != 2 || len(r.writes[0]) != obfuscatedHeader+len(tc.next) || len(r.writes[1]) != len(tc.next) {
			t.Errorf("obfuscated %v wrote %x", tc.f, r.writes)
		}
	}
}

// TestPayloadStaysWithItsOwner: encryption must not touch the caller's bytes.
func TestPayloadStaysWithItsOwner(t *testing.T) {
	body := payload(64)
	c := mustConn(t, &recorder{}, Options{Framing: Intermediate, Obfuscated: true})
	if err := c.WriteFrame(body); err != nil || !bytes.Equal(body, payload(64)) {
		t.Errorf("payload changed, err %v", err)
	}
}

func TestFenceStopsEachWrite(t *testing.T) {
	fenced := errors.New("lease lost")
	for _, obfuscated := range []bool{false, true} {
		r, calls := &recorder{}, 0
		var verdict error
		c := mustConn(t, r, Options{Framing: Abridged, Obfuscated: obfuscated, Check: func() error {
			if calls++; calls != len(r.writes)+1 {
				t.Errorf("call %d of the fence before write %d", calls, len(r.writes)+1)
			}
			return verdict
		}})
		if err := c.WriteFrame(payload(4)); err != nil {
			t.Fatal(err)
		}
		verdict = fenced
		if err := c.WriteFrame(payload(4)); err != fenced { //nolint:errorlint // it must be the very error
			t.Errorf("got %v", err)
		}
		verdict = nil                                       // the stream is dead all the same: its cipher has moved on
		if err := c.WriteFrame(payload(4)); err != fenced { //nolint:errorlint // it must be the very error
			t.Errorf("got %v", err)
		}
		if len(r.writes) != 1 {
			t.Errorf("%d writes", len(r.writes))
		}
	}
}

func TestFailedWriteKillsTheWritingSide(t *testing.T) {
	r := &recorder{err: os.ErrDeadlineExceeded}
	c := mustConn(t, r, Options{Framing: Abridged})
	first := c.WriteFrame(payload(4))
	r.err = nil
	if second := c.WriteFrame(payload(4)); !errors.Is(first, os.ErrDeadlineExceeded) || second != first || len(r.writes) != 0 { //nolint:errorlint // the very error
		t.Errorf("got %v, then %v; %d writes", first, second, len(r.writes))
	}
}

func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c, err := NewConn(near, Options{Framing: Intermediate})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		start := time.Now()
		err = c.WriteFrame(payload(100)) // nobody reads
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took != DefaultWriteTimeout {
			t.Errorf("got %v after %v", err, took)
		}
	})
}

func TestPacketsThatCannotBeSent(t *testing.T) {
	for name, tc := range map[string]struct {
		f    Framing
		n    int
		want error
	}{
		"empty":             {Intermediate, 0, ErrFrame},
		"empty abridged":    {Abridged, 0, ErrFrame},
		"unaligned":         {Abridged, 5, ErrFrame},
		"too large":         {Intermediate, 1001, ErrFrameSize},
		"too large, 4 byte": {Abridged, 1004, ErrFrameSize},
	} {
		r := &recorder{}
		c := mustConn(t, r, Options{Framing: tc.f, MaxFrame: 1000})
		if err := c.WriteFrame(make([]byte, tc.n)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.WriteFrame(make([]byte, 1000)); err != nil || len(r.writes) != 1 {
			t.Errorf("%s: a good packet after it: %v", name, err)
		}
	}
	if err := (framing{kind: Abridged}).checkLength(1<<26, 1<<30); !errors.Is(err, ErrFrameSize) {
		t.Errorf("a packet beyond the abridged length: %v", err)
	}
}

// feed makes a connection that reads the given bytes, in pieces of the given size, and then EOF.
func feed(t testing.TB, f Framing, limit, piece int, stream []byte) *Conn {
	t.Helper()
	near, far := pipePair(t)
	go func() {
		defer far.Close()
		for part := range slices.Chunk(stream, max(piece, 1)) {
			if _, err := far.Write(part); err != nil {
				return
			}
		}
	}()
	return mustConn(t, near, Options{Framing: f, MaxFrame: limit})
}

func TestReadInPieces(t *testing.T) {
	var stream []byte
	sizes := []int{4, 504, 508, 512, 4, 20000, 40000, 4}
	for _, f := range []Framing{Abridged, Intermediate} {
		fr, _ := framingOf(f)
		stream = stream[:0]
		for _, n := range sizes {
			stream = append(fr.appendHeader(stream, n), payload(n)...)
		}
		for _, piece := range []int{1, 3, 7, 1000, chunkSize, len(stream)} {
			c := feed(t, f, 0, piece, stream)
			for _, n := range sizes {
				got, err := c.ReadFrame()
				if err != nil || !bytes.Equal(got, payload(n)) {
					t.Fatalf("%v in pieces of %d: packet of %d: %d bytes, %v", f, piece, n, len(got), err)
				}
				Recycle(got)
			}
			if _, err := c.ReadFrame(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v in pieces of %d: end: %v", f, piece, err)
			}
			if c.in.chunk != nil {
				t.Error("a buffer is held after the end")
			}
		}
	}
}

func TestStreamsThatBreak(t *testing.T) {
	for name, tc := range map[string]struct {
		f      Framing
		stream []byte
		want   error
	}{
		"intermediate, too large":     {Intermediate, []byte{1, 4, 0, 0}, ErrFrameSize},
		"intermediate, huge":          {Intermediate, []byte{0xff, 0xff, 0xff, 0x7f}, ErrFrameSize},
		"intermediate, empty":         {Intermediate, []byte{0, 0, 0, 0}, ErrFrame},
		"intermediate, cut header":    {Intermediate, []byte{8, 0}, io.ErrUnexpectedEOF},
		"intermediate, cut packet":    {Intermediate, []byte{8, 0, 0, 0, 1, 2}, io.ErrUnexpectedEOF},
		"intermediate, only a header": {Intermediate, []byte{8, 0, 0, 0}, io.ErrUnexpectedEOF},
		"abridged, too large":         {Abridged, []byte{0x7f, 1, 1, 0}, ErrFrameSize},
		"abridged, huge":              {Abridged, []byte{0x7f, 0xff, 0xff, 0xff}, ErrFrameSize},
		"abridged, empty":             {Abridged, []byte{0}, ErrFrame},
		"abridged, long and empty":    {Abridged, []byte{0x7f, 0, 0, 0}, ErrFrame},
		"abridged, cut header":        {Abridged, []byte{0x7f, 1}, io.ErrUnexpectedEOF},
		"abridged, cut packet":        {Abridged, []byte{2, 1, 2, 3, 4}, io.ErrUnexpectedEOF},
		"nothing":                     {Abridged, nil, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			c := feed(t, tc.f, 1024, 64, tc.stream)
			if b, err := c.ReadFrame(); !errors.Is(err, tc.want) {
				t.Errorf("got %x, %v", b, err)
			}
			if c.in.chunk != nil {
				t.Error("a buffer is held")
			}
		})
	}
}

// TestQuickAcksAreSkipped: the marked bit of a length is a token, not a length; transport errors are packets.
func TestQuickAcksAreSkipped(t *testing.T) {
	notFound := binary.LittleEndian.AppendUint32(nil, ^uint32(404)+1)
	for f, stream := range map[Framing][]byte{
		Abridged:     slices.Concat([]byte{0x92, 0x34, 0x56, 0x78, 1}, notFound, []byte{0xff, 0, 0, 0, 2}, payload(8)),
		Intermediate: slices.Concat([]byte{0x78, 0x56, 0x34, 0x92, 4, 0, 0, 0}, notFound, []byte{0, 0, 0, 0xff, 8, 0, 0, 0}, payload(8)),
	} {
		for _, piece := range []int{1, 100} {
			c := feed(t, f, 0, piece, stream)
			for _, want := range [][]byte{notFound, payload(8)} {
				if got, err := c.ReadFrame(); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%v: got %x, %v, want %x", f, got, err, want)
				}
			}
		}
	}
}

// TestIdleConnectionHoldsNoBuffer looks at the reader as it is when the poller has parked it.
func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	near, far := tcpPair(t)
	c := mustConn(t, near, Options{Framing: Intermediate})
	server := mustConn(t, far, Options{Framing: Intermediate})
	if c.in.raw == nil {
		t.Skip("this system cannot wait for readability")
	}
	idle := func() {
		t.Helper()
		parked := false
		if err := c.in.raw.Control(func(fd uintptr) { parked = !c.in.attempt(fd) }); err != nil {
			t.Fatal(err)
		}
		if !parked || c.in.chunk != nil {
			t.Errorf("parked %v, holding %d bytes", parked, cap(c.in.chunk))
		}
	}
	idle()
	server.out.header = nil // a server sends none
	for _, n := range []int{4, 300, chunkSize, 1 << 20} {
		go func() { _ = server.WriteFrame(payload(n)) }()
		got, err := c.ReadFrame()
		if err != nil || !bytes.Equal(got, payload(n)) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		idle()
	}
}

// embedding has its own Read, which waiting on the descriptor would bypass.
type embedding struct{ *net.TCPConn }

func TestWrappedConnectionsAreReadThroughTheWrapper(t *testing.T) {
	near, _ := tcpPair(t)
	if c := mustConn(t, embedding{near}, Options{Framing: Abridged}); c.in.raw != nil {
		t.Error("the wrapper is bypassed")
	}
}

func TestCloseEndsABlockedRead(t *testing.T) {
	for _, end := range []func(*Conn) error{(*Conn).Close, (*Conn).Abort} {
		tcpNear, _ := tcpPair(t)
		pipeNear, _ := pipePair(t)
		for _, nc := range []net.Conn{tcpNear, pipeNear} {
			c := mustConn(t, nc, Options{Framing: Abridged})
			done := make(chan error, 1)
			go func() { _, err := c.ReadFrame(); done <- err }()
			if err := end(c); err != nil {
				t.Error(err)
			}
			if err := <-done; err == nil {
				t.Error("no error")
			}
			if err := c.WriteFrame(payload(4)); err == nil {
				t.Error("a write after the end worked")
			}
			if err := end(c); err != nil {
				t.Errorf("second call: %v", err)
			}
		}
	}
}

func TestAbortResets(t *testing.T) {
	near, far := tcpPair(t)
	c := mustConn(t, near, Options{Framing: Abridged})
	if err := c.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the peer saw %v, want a reset", err)
	}
}

func TestDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err == nil {
			defer nc.Close()
			err = echo(Intermediate, true, nc, 1)
		}
		done <- err
	}()
	c, err := Dial(context.Background(), addr, Options{Framing: Intermediate, Obfuscated: true, DC: -10002, UserTimeout: 15 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteAddr().String() != addr || c.LocalAddr() == nil {
		t.Errorf("remote address %v", c.RemoteAddr())
	}
	if err := c.WriteFrame(payload(40)); err != nil {
		t.Fatal(err)
	}
	if got, err := c.ReadFrame(); err != nil || !bytes.Equal(got, payload(40)) {
		t.Errorf("got %x, %v", got, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	_ = l.Close()
	if _, err := Dial(context.Background(), addr, Options{Framing: Abridged}); err == nil {
		t.Error("dialled a closed port")
	}
	if _, err := NewConn(&recorder{}, Options{}); err == nil {
		t.Error("a connection without framing")
	}
	if _, err := NewConn(&recorder{}, Options{Framing: Abridged, Obfuscated: true, DC: 40000}); err == nil {
		t.Error("a DC that does not fit")
	}
	dialled := ""
	_, err = Dial(context.Background(), "example:443", Options{Framing: Abridged, Dial: func(_ context.Context, network, addr string) (net.Conn, error) {
		dialled = network + " " + addr
		return nil, errors.New("no route")
	}})
	if err == nil || dialled != "tcp example:443" {
		t.Errorf("dialled %q, %v", dialled, err)
	}
}

func TestPool(t *testing.T) {
	for _, n := range []int{0, 1, 1 << 10, 1<<10 + 1, chunkSize, 1<<19 + 100, 1<<20 + 5000} {
		b := get(n)
		if len(b) != n {
			t.Errorf("get(%d) has %d bytes", n, len(b))
		}
		Recycle(b)
	}
	Recycle(nil)
	Recycle(make([]byte, 10))
	if b := get(10); cap(b) != sizes[0] {
		t.Errorf("a foreign buffer was pooled: %d", cap(b))
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{1, 1, 2, 3, 4}, uint8(Abridged), uint8(1), false)
	f.Add([]byte{4, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0x80}, uint8(Intermediate), uint8(3), false)
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff}, uint8(Abridged), uint8(9), false)
	f.Add(slices.Concat([]byte{100, 0, 0, 0}, message(4), []byte{1, 2, 3}), uint8(PaddedIntermediate), uint8(9), false)
	f.Add(slices.Concat([]byte{64, 0, 0, 0}, plain(40), []byte{1, 2, 3, 4}), uint8(PaddedIntermediate), uint8(9), false)
	f.Add(fullStream(0, counting(8), counting(20)), uint8(Full), uint8(5), false)
	f.Add(recorded([]byte{4, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0x80}, 3), uint8(Intermediate), uint8(4), true)
	f.Fuzz(func(t *testing.T, stream []byte, kind, piece uint8, withRecords bool) {
		const limit = 4096
		c := &Conn{max: limit}
		c.framing, _ = framingOf(Framing(kind%4) + Abridged)
		if withRecords {
			c.in.records = new(records)
		}
		c.in.init(&canned{stream: slices.Clone(stream), piece: int(piece) + 1})
		var back []byte
		for {
			b, err := c.ReadFrame()
			if err != nil {
				break
			}
			if len(b) == 0 || len(b) > limit+maxPadding {
				t.Fatalf("a packet of %d bytes", len(b))
			}
			back = append(back, b...)
			Recycle(b)
		}
		if len(back) > len(stream) || c.in.chunk != nil {
			t.Fatalf("%d bytes out of %d; chunk held: %v", len(back), len(stream), c.in.chunk != nil)
		}
	})
}

// canned yields a stream in pieces.
type canned struct {
	net.Conn
	stream []byte
	piece  int
}

func (c *canned) Read(b []byte) (int, error) {
	if len(c.stream) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.stream[:min(c.piece, len(c.stream))])
	c.stream = c.stream[n:]
	return n, nil
}

func BenchmarkEcho(b *testing.B) {
	for _, obfuscated := range []bool{false, true} {
		b.Run(fmt.Sprint("obfuscated=", obfuscated), func(b *testing.B) {
			near, far := tcpPair(b)
			c := mustConn(b, near, Options{Framing: Intermediate, Obfuscated: obfuscated})
			go func() { _, _ = io.Copy(io.Discard, far) }()
			body := payload(200)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.WriteFrame(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	near, far := tcpPair(b)
	c := mustConn(b, near, Options{Framing: Intermediate})
	s := mustConn(b, far, Options{Framing: Intermediate})
	s.out.header = nil
	body := payload(200)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.WriteFrame(body); err != nil {
			b.Fatal(err)
		}
		frame, err := c.ReadFrame()
		if err != nil {
			b.Fatal(err)
		}
		Recycle(frame)
	}
}
