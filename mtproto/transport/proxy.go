package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// ProxyKind is what a proxy speaks.
type ProxyKind string

// The kinds of proxies.
const (
	// SOCKS5 is RFC 1928, with user and password as in RFC 1929.
	SOCKS5 ProxyKind = "socks5"
	// HTTPConnect is the CONNECT method of RFC 9110 over HTTP/1.1, with basic authentication.
	HTTPConnect ProxyKind = "http"
	// MTProxy is Telegram's own kind (core.telegram.org/mtproto/mtproto-transports, "Transport obfuscation").
	MTProxy ProxyKind = "mtproxy"
)

// Proxy is one proxy. It prints without its secrets.
type Proxy struct {
	Kind ProxyKind
	// Addr is "host:port"; IPv6 hosts stand in brackets. It is the only name that is resolved on this machine.
	Addr string
	// User and Password are for SOCKS5 and HTTP; without a user no authentication is offered.
	User, Password string
	// Secret is for MTProxy, decoded: 16 bytes; dd and 16 bytes (padded packets); or ee, 16 bytes and a domain (FakeTLS).
	Secret []byte
}

func (p Proxy) redacted() string {
	if p.User == "" && p.Password == "" && len(p.Secret) == 0 {
		return p.name()
	}
	return p.name() + " (secrets redacted)"
}

// name is how errors call the proxy.
func (p Proxy) name() string { return string(p.Kind) + " proxy " + shown(p.Addr) }

// shown is an address for messages. One that looks like a whole URL may hold secrets.
func shown(addr string) string {
	if strings.ContainsAny(addr, "@/?#&=") {
		return fmt.Sprintf("(%d characters)", len(addr))
	}
	return addr
}

// String implements fmt.Stringer without the secrets.
func (p Proxy) String() string { return p.redacted() }

// GoString implements fmt.GoStringer without the secrets.
func (p Proxy) GoString() string { return p.redacted() }

// Format implements fmt.Formatter: every verb prints the proxy without its secrets.
func (p Proxy) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, p.redacted()) }

// LogValue implements slog.LogValuer without the secrets.
func (p Proxy) LogValue() slog.Value { return slog.StringValue(p.redacted()) }

// MarshalText keeps the secrets out of encoded values too.
func (p Proxy) MarshalText() ([]byte, error) { return []byte(p.redacted()), nil }

// Hop is a part of the way through a proxy.
type Hop string

// The hops, from us to Telegram.
const (
	// HopConnect is our TCP connection to the proxy.
	HopConnect Hop = "connect to the proxy"
	// HopHandshake is what we agree on with the proxy: protocol, credentials, secret.
	HopHandshake Hop = "handshake with the proxy"
	// HopTarget is the proxy's own connection to Telegram.
	HopTarget Hop = "the proxy's connection to Telegram"
)

var (
	// ErrProxyConfig means that the proxy can never work as it is described; nothing was dialled.
	ErrProxyConfig = errors.New("unusable proxy")
	// ErrProxyAuth means that the proxy refused the credentials, or wants some.
	ErrProxyAuth = errors.New("the proxy refused the credentials")
	// ErrProxySecret means that the other side of a FakeTLS connection does not know the secret, or took ours for a
	// wrong one: then it answers as the site that it imitates.
	ErrProxySecret = errors.New("the other side does not prove that it knows the secret: " +
		"the secret is wrong, this machine's clock is off, or it is no MTProxy")
	// ErrProxySilent means that an MTProxy ended the connection before it had sent anything.
	ErrProxySilent = errors.New("the proxy ended the connection without an answer: the secret is wrong, " +
		"this machine's clock is off, or the proxy does not reach this DC")
	// ErrProxyProtocol means that what answered does not speak the protocol of the proxy's kind.
	ErrProxyProtocol = errors.New("the answer is not that of such a proxy")
)

// ProxyError says on which hop a connection through a proxy failed. Nothing was sent around the proxy.
type ProxyError struct {
	Hop Hop
	// Proxy is the kind and address of the proxy, Target where the connection was to go: an address, or the DC behind
	// an MTProxy.
	Proxy, Target string
	Err           error
}

func (e *ProxyError) Error() string {
	return fmt.Sprintf("reach %s through %s: %s: %v", e.Target, e.Proxy, e.Hop, e.Err)
}

// Unwrap gives the cause.
func (e *ProxyError) Unwrap() error { return e.Err }

// handshakeTimeout bounds what is said to a proxy before the first packet, when the context does not end earlier: a
// proxy needs one or two round trips, and one to Telegram.
const handshakeTimeout = 20 * time.Second

// tunnel is what newConn must know about a stream that ends at an MTProxy.
type tunnel struct {
	key      []byte // the 16 bytes of the secret
	records  bool   // FakeTLS
	unproven *ProxyError
}

// dialProxy is Dial through o.Proxy. The only address that is given to the dialler is the proxy's.
func dialProxy(ctx context.Context, addr string, o Options) (*Conn, error) {
	p := *o.Proxy
	at := func(hop Hop, err error) *ProxyError {
		return &ProxyError{Hop: hop, Proxy: p.name(), Target: p.target(addr, o.DC), Err: err}
	}
	if err := p.check(addr, &o); err != nil {
		return nil, at(HopConnect, fmt.Errorf("%w: %w", ErrProxyConfig, err))
	}
	nc, err := o.Dial(ctx, "tcp", p.Addr)
	if err != nil {
		return nil, at(HopConnect, err)
	}
	h := &handshake{nc: nc, fence: o.Check}
	if err := h.run(ctx, func() error { return p.handshake(h, addr, o) }); err != nil {
		_ = nc.Close()
		if h.fenced != nil {
			return nil, h.fenced
		}
		return nil, at(h.hop(), err)
	}
	if p.Kind != MTProxy {
		return own(nc, o, nil)
	}
	o.Obfuscated = true
	return own(nc, o, &tunnel{key: p.key(), records: p.fakeTLS(), unproven: at(HopTarget, nil)})
}

func (p Proxy) target(addr string, dc int) string {
	if p.Kind == MTProxy {
		return "DC " + strconv.Itoa(dc)
	}
	return addr
}

// check finds out before anything is dialled whether the proxy can work, and sets the framing that it needs.
func (p Proxy) check(addr string, o *Options) error {
	if _, _, err := splitAddr(p.Addr); err != nil {
		return fmt.Errorf("address of the proxy: %w", err)
	}
	if _, err := framingOf(o.Framing); err != nil {
		return err
	}
	switch p.Kind {
	case SOCKS5, HTTPConnect:
		if _, _, err := splitAddr(addr); err != nil {
			return fmt.Errorf("address behind the proxy: %w", err)
		}
		return p.checkCredentials()
	case MTProxy:
		return p.checkSecret(o)
	default:
		return fmt.Errorf("kind: must be socks5, http or mtproxy (got %q)", string(p.Kind))
	}
}

func (p Proxy) checkCredentials() error {
	switch {
	case p.User == "" && p.Password != "":
		return errors.New("user: must be set when a password is")
	case p.Kind == SOCKS5 && (len(p.User) > maxField || len(p.Password) > maxField):
		return fmt.Errorf("user and password: at most %d bytes each for SOCKS5 (got %d and %d)", maxField, len(p.User), len(p.Password))
	case p.Kind == SOCKS5 && p.User != "" && p.Password == "":
		return errors.New("password: must be set for SOCKS5 when a user is")
	case p.Kind == HTTPConnect && strings.Contains(p.User, ":"):
		return errors.New("user: must not hold a colon for basic authentication")
	}
	return nil
}

func (p Proxy) handshake(h *handshake, addr string, o Options) error {
	switch {
	case p.Kind == SOCKS5:
		return h.socks5(p, addr)
	case p.Kind == HTTPConnect:
		return h.connect(p, addr)
	case p.fakeTLS():
		return h.fakeTLS(p, o)
	default:
		return nil // the secret is part of the obfuscation
	}
}

// splitAddr takes "host:port" apart and refuses what could change the meaning of a request that it is put into.
func splitAddr(addr string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("must be host:port (got %s)", shown(addr))
	}
	n, err := strconv.ParseUint(service, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("port: must be 1 to 65535 (got %s)", shown(service))
	}
	if strings.Contains(host, ":") {
		if ip, err := netip.ParseAddr(host); err != nil || ip.Zone() != "" {
			return "", 0, fmt.Errorf("host: must be a name or an IP address without zone (got %s)", shown(host))
		}
		return host, uint16(n), nil
	}
	bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`/\?#@[]"`, r) }
	if host == "" || len(host) > maxField || strings.ContainsFunc(host, bad) {
		return "", 0, fmt.Errorf("host: must be a name of at most %d ASCII characters or an IP address (got %s)", maxField, shown(host))
	}
	return host, uint16(n), nil
}

// handshake talks to a proxy before the stream is handed over. It reads nothing beyond the proxy's answers.
type handshake struct {
	nc       net.Conn
	fence    func() error
	fenced   error // what the fence said
	atTarget bool  // the failure is the proxy's, on its way to Telegram
}

func (h *handshake) hop() Hop {
	if h.atTarget {
		return HopTarget
	}
	return HopHandshake
}

// longAgo ends reads and writes that are under way.
var longAgo = time.Unix(1, 0)

// run bounds talk by ctx and handshakeTimeout.
func (h *handshake) run(ctx context.Context, talk func() error) error {
	if err := h.nc.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = h.nc.SetDeadline(longAgo) })
	err := talk()
	if !stop() { // the deadline may still be set at any time: the stream is of no use
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return h.nc.SetDeadline(time.Time{})
}

// send writes one message of ours. The fence holds for it as for packets.
func (h *handshake) send(b []byte) error {
	if h.fence != nil {
		if h.fenced = h.fence(); h.fenced != nil {
			return h.fenced
		}
	}
	_, err := h.nc.Write(b)
	return err
}

// receive fills b.
func (h *handshake) receive(b []byte) error {
	_, err := io.ReadFull(h.nc, b)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
