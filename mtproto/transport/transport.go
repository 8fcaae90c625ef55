// Package transport carries MTProto packets over sockets: dialling, proxies, framings and obfuscation. It is the only
// package below mtproto that does I/O; the machines above it see whole packet payloads.
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
// Options.Proxy sends the connection through a SOCKS5, HTTP CONNECT or MTProxy server. It fails closed: with a proxy
// set, this package opens connections to the proxy and to nothing else, whatever goes wrong.
//
// # Concurrency
//
// One goroutine at a time may call ReadFrame, Pull and Buffered; with Sleep there is none while nothing arrives. WriteFrame,
// Offer and Drain serialise their callers. Pull, Buffered and, unless Drain runs, Offer never wait.
// Close and Abort may be called by anybody at any time and end a blocked read or write, and a sleep.
//
// # Errors
//
// ErrFrameSize, ErrFrame, ErrSequence and ErrChecksum say that the peer or the caller broke the framing. An error of
// Options.Check is returned as it is. What goes wrong on the way through a proxy is a *ProxyError, which names the hop.
// All others wrap what the operating system said. After a failed write the writing side is dead: each further
// WriteFrame returns the same error, because nobody knows how much the peer has got. No error holds a secret.
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
	// PaddedIntermediate adds random bytes to each packet, against guesses by length. Payloads must be MTProto
	// messages: what they say about themselves tells how much of a packet is padding.
	PaddedIntermediate
	// Full numbers packets and adds a checksum. It cannot be obfuscated.
	Full
)

func (f Framing) String() string {
	switch f {
	case Abridged:
		return "abridged"
	case Intermediate:
		return "intermediate"
	case PaddedIntermediate:
		return "padded intermediate"
	case Full:
		return "full"
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
	// ErrSequence means that a packet of the full framing is not the next one.
	ErrSequence = errors.New("packet out of sequence")
	// ErrChecksum means that a packet of the full framing was changed on its way.
	ErrChecksum = errors.New("packet with a wrong checksum")
)

// Options say how a connection is made. The zero value of every field but Framing is usable.
type Options struct {
	// Framing is required. An MTProxy whose secret starts with dd or ee replaces it by PaddedIntermediate.
	Framing Framing
	// Obfuscated wraps the stream in obfuscated2. Connections to an MTProxy always are.
	Obfuscated bool
	// DC is the field of the obfuscation header: the id, plus 10000 for test DCs, negative for media ones. An MTProxy
	// connects to the DC that it names.
	DC int
	// Proxy is the only way out when it is set. Nil: connect directly.
	Proxy *Proxy
	// Check is the fence: it is called directly before each write to the socket, those to a proxy included; if it
	// returns an error, nothing is written and WriteFrame or Dial returns that error. Nil: no fence.
	Check func() error
	// WriteTimeout bounds each write of a packet; 0 means DefaultWriteTimeout.
	WriteTimeout time.Duration
	// UserTimeout is TCP_USER_TIMEOUT (Linux): how long sent data may stay unacknowledged before the kernel drops the
	// connection. 0 leaves the kernel's default.
	UserTimeout time.Duration
	// MaxFrame bounds packet payloads in bytes, both ways; 0 means DefaultMaxFrame.
	MaxFrame int
	// Rand feeds the obfuscation header, padding and FakeTLS; nil means crypto/rand.
	Rand io.Reader
	// Now is the server's time, which an MTProxy with FakeTLS compares with its own; nil means time.Now.
	Now func() time.Time
	// Poller lets connections sleep; see Conn.Sleep. Nil: they never do.
	Poller *Poller
	// Dial replaces the dialler of TCP connections, to the proxy if one is set; nil means a net.Dialer without
	// keep-alive.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// withDefaults fills in what the zero value stands for.
func (o Options) withDefaults() Options {
	if o.MaxFrame == 0 {
		o.MaxFrame = DefaultMaxFrame
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	return o
}

// Conn is one MTProto connection over a stream.
type Conn struct {
	nc      net.Conn
	framing framing
	max     int
	timeout time.Duration
	check   func() error

	in reader
	// unproven is the end of an MTProxy connection on which nothing has arrived yet: only the first packet proves that
	// the proxy took the secret. Nil otherwise. It belongs to the reader.
	unproven *ProxyError

	poller *Poller
	nap    nap

	wmu    sync.Mutex
	out    writer
	unsent []byte // pooled; what Offer has left for Drain is unsent[sent:]
	sent   int
	werr   error
	close  sync.Once
	cerr   error
}

// Dial connects to addr ("host:port", IPv6 hosts in brackets) and returns a connection on which nothing has been sent
// to Telegram yet: the header leaves with the first packet. Behind a SOCKS5 or HTTP proxy the host of addr is resolved
// there; an MTProxy chooses the address by Options.DC, and addr is not used. ctx bounds the dialling only.
func Dial(ctx context.Context, addr string, o Options) (*Conn, error) {
	o = o.withDefaults()
	if o.Proxy != nil {
		return dialProxy(ctx, addr, o)
	}
	nc, err := o.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	return own(nc, o, nil)
}

// own is newConn for a stream that nobody else closes.
func own(nc net.Conn, o Options, via *tunnel) (*Conn, error) {
	c, err := newConn(nc, o, via)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// NewConn takes over an established stream. It owns nc from then on, unless it returns an error. Where the stream leads
// is not known here, so Options.Proxy is refused: use Dial.
func NewConn(nc net.Conn, o Options) (*Conn, error) {
	if o.Proxy != nil {
		return nil, errors.New("an established stream cannot go through a proxy: use Dial")
	}
	return newConn(nc, o.withDefaults(), nil)
}

// newConn makes a connection of a stream. via says how the stream leads to an MTProxy, and is nil if it leads to
// Telegram.
func newConn(nc net.Conn, o Options, via *tunnel) (*Conn, error) {
	f, err := framingOf(o.Framing)
	if err != nil {
		return nil, err
	}
	if o.Obfuscated && f.kind == Full {
		return nil, errors.New("the full framing cannot be obfuscated")
	}
	if err := setSocketOptions(nc, o.UserTimeout); err != nil {
		return nil, fmt.Errorf("set socket options: %w", err)
	}
	c := &Conn{nc: nc, framing: f, max: o.MaxFrame, timeout: o.WriteTimeout, check: o.Check, poller: o.Poller}
	c.out.header, c.out.rand = f.tag[:f.tagLen], o.Rand
	var secret []byte
	if via != nil {
		secret, c.unproven = via.key, via.unproven
		if via.records {
			c.in.records, c.out.records = new(records), true
		}
	}
	if o.Obfuscated {
		ob, err := newObfuscation(o.Rand, f.tag, o.DC, secret)
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
		if frame, err := c.nextFrame(); frame != nil || err != nil {
			return frame, err
		}
	}
}

// Pull reads what has arrived, up to 16 KiB, without waiting; Buffered takes it apart. It belongs to the one reader, and
// is for connections that can sleep.
func (c *Conn) Pull() error {
	if err := c.in.pull(); err != nil {
		return c.broken(err)
	}
	return nil
}

// Buffered is ReadFrame for packets that Pull has wholly read; nil without one. What is left then is the beginning of a
// packet, which ReadFrame waits for, or nothing, and the connection can sleep.
func (c *Conn) Buffered() ([]byte, error) {
	for c.in.whole(c.framing) {
		if frame, err := c.nextFrame(); frame != nil || err != nil {
			return frame, err
		}
	}
	return nil, nil
}

// nextFrame reads one packet; nil for one that nobody needs.
func (c *Conn) nextFrame() ([]byte, error) {
	frame, err := c.readPacket()
	if err != nil {
		return nil, c.broken(err)
	}
	if frame != nil {
		c.unproven = nil
	}
	return frame, nil
}

// broken is the error that ends the reading side.
func (c *Conn) broken(err error) error {
	c.in.release()
	return fmt.Errorf("read packet: %w", c.doubt(err))
}

// readPacket returns nil for a packet that nobody needs: a quick acknowledgement (we never ask for one) or a notice
// without meaning.
func (c *Conn) readPacket() ([]byte, error) {
	n, err := c.in.readHeader(c.framing, c.max)
	if err != nil || n == 0 {
		return nil, err
	}
	frame, err := c.in.readPayload(n)
	if err != nil || c.framing.trailer == 0 {
		return frame, err
	}
	payload, err := c.in.trim(c.framing, frame)
	if payload == nil {
		Recycle(frame)
	}
	return payload, err
}

// trim takes off what follows the payload of a packet.
func (in *reader) trim(f framing, frame []byte) ([]byte, error) {
	if f.kind == Full {
		return in.verify(frame)
	}
	return unpad(frame)
}

// doubt says on which hop an MTProxy ended a connection before anything had arrived.
func (c *Conn) doubt(err error) error {
	if c.unproven == nil {
		return err
	}
	reason := silence(err)
	if !errors.Is(reason, ErrProxySilent) {
		return err
	}
	e := *c.unproven
	e.Err = reason
	return &e
}

// Close closes the connection in the ordinary way: the kernel still delivers what it has taken. Further calls return
// what the first one returned.
func (c *Conn) Close() error {
	c.close.Do(c.end)
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
		c.end()
	})
	return c.cerr
}

func (c *Conn) end() {
	c.cerr = c.nc.Close()
	c.poller.forget(c)
}

// LocalAddr returns the local address of the stream.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the remote address of the stream.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }
