package client

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Option changes how a client works.
type Option func(*options)

type options struct {
	token     string
	tls       *tls.Config
	retry     time.Duration
	transport http.RoundTripper
}

// DefaultRetry is how long calls are tried again, see WithRetry. It outlasts the takeover of the
// accounts of a node that stopped cleanly.
const DefaultRetry = 30 * time.Second

// WithToken authorizes every call with a bearer token. A token is never sent in clear text other
// than to a loopback address.
func WithToken(token string) Option { return func(o *options) { o.token = token } }

// WithTLS sets the authorities to trust, a client certificate and the like for https addresses.
// TLS 1.2 is the least that is spoken.
func WithTLS(cfg *tls.Config) Option { return func(o *options) { o.tls = cfg } }

// WithRetry sets how long after its beginning a call may still be tried again, DefaultRetry
// unless set. With 0 each node is tried at most once. An iterator of events that has begun is
// resumed without this limit.
func WithRetry(limit time.Duration) Option { return func(o *options) { o.retry = limit } }

// WithTransport replaces the HTTP transport; it must speak HTTP/2 for streams. WithTLS has no
// effect then.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

// parse checks the addresses and gives them in a form to which paths can be appended.
func (o *options) parse(addresses []string) ([]string, error) {
	const remedy = "give http://host:port or https://host:port as the node prints it when it starts"
	var out []string
	seen := map[string]bool{}
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, invalid(remedy, "address: must be a URL (got %q)", redact(address))
		}
		if o.token != "" && u.Scheme == "http" && !loopback(u.Hostname()) {
			return nil, invalid("use https", "address: a token would be sent in clear text (got %q)", address)
		}
		base := u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/")
		if !seen[base] {
			seen[base] = true
			out = append(out, base)
		}
	}
	if len(out) == 0 {
		return nil, invalid(remedy, "address: at least one is needed")
	}
	return out, nil
}

// redact hides what may be a password in an address.
func redact(address string) string {
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		return "…" + address[i:]
	}
	return address
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// A connection on which nothing arrives is asked for a sign of life, and closed without one: so
// a call at a node that was cut off ends after the sum of both.
const (
	silence     = 10 * time.Second
	pingTimeout = 5 * time.Second
	dialTimeout = 5 * time.Second
	idleTimeout = 90 * time.Second
)

// newTransport speaks HTTP/2 only, in clear text for http, so that all calls and streams to one
// node share one connection.
func newTransport(cfg *tls.Config, s *sockets) *http.Transport {
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	cfg = cfg.Clone()
	if cfg.MinVersion < tls.VersionTLS12 {
		cfg.MinVersion = tls.VersionTLS12
	}
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: s.dial, TLSClientConfig: cfg, Protocols: &protocols,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: pingTimeout},
		TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: idleTimeout,
	}
}

// bearer adds the token to every request.
type bearer struct {
	next  http.RoundTripper
	token string
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// CloseIdleConnections is found by http.Client.
func (b bearer) CloseIdleConnections() {
	if t, ok := b.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// sockets are the open connections of a client, to close them with it.
type sockets struct {
	mu     sync.Mutex
	open   map[*socket]bool
	closed bool
}

type socket struct {
	net.Conn
	owner *sockets
}

func (s *sockets) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	raw, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &socket{Conn: raw, owner: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	s.open[c] = true
	return c, nil
}

// Close implements net.Conn.
func (c *socket) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.open, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.open {
		_ = c.Conn.Close()
	}
	clear(s.open)
}
