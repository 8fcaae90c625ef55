// Package transport carries MTProto packets over sockets: dialling, framings and obfuscation. It is the only package
// below mtproto that does I/O; the machines above it see whole packet payloads.
//
// # Usage
//
//	c, err := transport.Dial(ctx, "149.154.167.41:443", transport.Options{Framing: transport.Intermediate, DC: 2})
//	go func() { // the one reader
//		for {
//			frame, err := c.ReadFrame()
//			if err != nil {
//				return
//			}
//			use(frame)
//			transport.Recycle(frame)
//		}
//	}()
//	err = c.WriteFrame(payload)
//
// The header of the framing (or of the obfuscation) leaves with the first packet, in the same write.
//
// # Concurrency
//
// One goroutine may call ReadFrame. WriteFrame serialises its callers. Close and Abort may be called by anybody at any
// time and end a blocked read or write.
//
// # Errors
//
// ErrFrameSize and ErrFrame say that the peer or the caller broke the framing. An error of Options.Check is returned
// as it is. All others wrap what the operating system said. After a failed write the writing side is dead: each
// further WriteFrame returns the same error, because nobody knows how much the peer has got.
//
// Transport errors of the server (a packet of four bytes, a negative number) are ordinary frames here.
package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Framing is how packet borders are written on the stream.
type Framing uint8

// The framings of core.telegram.org/mtproto/mtproto-transports that this package speaks.
const (
	// Abridged has one byte of header for most packets; lengths are multiples of four.
	Abridged Framing = iota + 1
	// Intermediate has four bytes of header.
	Intermediate
)

func (f Framing) String() string {
	switch f {
	case Abridged:
		return "abridged"
	case Intermediate:
		return "intermediate"
	default:
		return fmt.Sprintf("framing(%d)", uint8(f))
	}
}

const (
	// DefaultWriteTimeout bounds one write: a peer that takes nothing for so long is gone.
	DefaultWriteTimeout = 10 * time.Second
	// DefaultMaxFrame is the largest packet payload that is read or written: 16 MiB as other clients have it, plus
	// 64 KiB for the envelope around a payload of that size.
	DefaultMaxFrame = 16<<20 + 64<<10
)

var (
	// ErrFrameSize means that a packet is longer than Options.MaxFrame; nothing was allocated for it.
	ErrFrameSize = errors.New("packet is larger than the limit")
	// ErrFrame means that a packet cannot exist in the framing: empty, or of a length that it cannot express.
	ErrFrame = errors.New("invalid packet")
)

// Options say how a connection is made. The zero value of every field but Framing is usable.
type Options struct {
	// Framing is required.
	Framing Framing
	// Obfuscated wraps the stream in obfuscated2 (no proxy secret).
	Obfuscated bool
	// DC is the field of the obfuscation header: the id, plus 10000 for test DCs, negative for media ones.
	DC int
	// Check is the fence: it is called directly before each write to the socket; if it returns an error, nothing is
	// written and WriteFrame returns that error. Nil: no fence.
	Check func() error
	// WriteTimeout bounds each write; 0 means DefaultWriteTimeout.
	WriteTimeout time.Duration
	// UserTimeout is TCP_USER_TIMEOUT (Linux): how long sent data may stay unacknowledged before the kernel drops the
	// connection. 0 leaves the kernel's default.
	UserTimeout time.Duration
	// MaxFrame bounds packet payloads in bytes, both ways; 0 means DefaultMaxFrame.
	MaxFrame int
	// Rand feeds the obfuscation header; nil means crypto/rand.
	Rand io.Reader
	// Dial replaces the dialler (proxies, tests); nil means a net.Dialer without keep-alive.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Conn is one MTProto connection over a stream.
type Conn struct {
	nc      net.Conn
	framing framing
	max     int
	timeout time.Duration
	check   func() error

	in reader

	wmu   sync.Mutex
	out   writer
	werr  error
	close sync.Once
	cerr  error
}

// Dial connects to addr ("host:port") and returns a connection on which nothing has been sent yet: the header leaves
// with the first packet. ctx bounds the dialling only.
func Dial(ctx context.Context, addr string, o Options) (*Conn, error) {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	nc, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	c, err := NewConn(nc, o)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// NewConn takes over an established stream. It owns nc from then on, unless it returns an error.
func NewConn(nc net.Conn, o Options) (*Conn, error) {
	f, err := framingOf(o.Framing)
	if err != nil {
		return nil, err
	}
	if o.MaxFrame == 0 {
		o.MaxFrame = DefaultMaxFrame
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if err := setSocketOptions(nc, o.UserTimeout); err != nil {
		return nil, fmt.Errorf("set socket options: %w", err)
	}
	c := &Conn{nc: nc, framing: f, max: o.MaxFrame, timeout: o.WriteTimeout, check: o.Check}
	c.out.header = f.tag[:f.tagLen]
	if o.Obfuscated {
		ob, err := newObfuscation(o.Rand, f.tag, o.DC)
		if err != nil {
			return nil, fmt.Errorf("make obfuscation header: %w", err)
		}
		c.out.header, c.out.stream, c.in.stream = ob.header[:], ob.encrypt, ob.decrypt
	}
	c.in.init(nc)
	return c, nil
}

// ReadFrame waits for the next packet and returns its payload. Only one goroutine may call it. The slice belongs to
// the caller, who may change it and gives it back with Recycle. While the connection is idle, it holds no buffer.
func (c *Conn) ReadFrame() ([]byte, error) {
	for {
		n, err := c.in.readHeader(c.framing, c.max)
		if err != nil {
			c.in.release()
			return nil, fmt.Errorf("read packet: %w", err)
		}
		if n == 0 {
			continue // a quick acknowledgement; we never ask for one
		}
		frame, err := c.in.readPayload(n)
		if err != nil {
			c.in.release()
			return nil, fmt.Errorf("read packet: %w", err)
		}
		return frame, nil
	}
}

// WriteFrame sends one packet by exactly one Write on the stream. It returns when the kernel has taken all of it, or
// after Options.WriteTimeout. The payload is neither changed nor kept.
func (c *Conn) WriteFrame(payload []byte) error {
	if err := c.framing.checkLength(len(payload), c.max); err != nil {
		return fmt.Errorf("write packet: %w", err)
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.werr != nil {
		return c.werr
	}
	buf := c.out.build(c.framing, payload)
	defer Recycle(buf)
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return c.fail(err)
	}
	if c.check != nil {
		if err := c.check(); err != nil {
			c.werr = err
			return err
		}
	}
	if _, err := c.nc.Write(buf); err != nil {
		return c.fail(err)
	}
	return nil
}

func (c *Conn) fail(err error) error {
	c.werr = fmt.Errorf("write packet: %w", err)
	return c.werr
}

// Close closes the connection in the ordinary way: the kernel still delivers what it has taken. Further calls return
// what the first one returned.
func (c *Conn) Close() error {
	c.close.Do(func() { c.cerr = c.nc.Close() })
	return c.cerr
}

// CloseWrite ends our half of the stream once the kernel has sent what it holds; ReadFrame goes on until the peer ends
// its half too. It is how a connection is left when everything must have arrived before the next one begins. Streams
// that cannot do it return errors.ErrUnsupported.
func (c *Conn) CloseWrite() error {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Abort closes the connection and drops what the kernel has not sent yet (SO_LINGER 0); the peer sees a reset. It
// must be used where nothing more may reach the server.
func (c *Conn) Abort() error {
	c.close.Do(func() {
		if l, ok := c.nc.(interface{ SetLinger(sec int) error }); ok {
			_ = l.SetLinger(0)
		}
		c.cerr = c.nc.Close()
	})
	return c.cerr
}

// LocalAddr returns the local address of the stream.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the remote address of the stream.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }
