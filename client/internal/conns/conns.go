// Package conns is how the SDK reaches nodes: one HTTP/2 connection to each, with a token, closed with
// the client.
//
// # Usage
//
//	var open conns.Sockets
//	http := &http.Client{Transport: conns.Bearer{Next: conns.NewTransport(nil, &open), Token: token}}
//	open.Close()
//
// # Concurrency
//
// All may be used by any goroutine.
//
// # Errors
//
// Errors are those of package net.
package conns

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// A connection on which nothing arrives is asked for a sign of life, and closed without one: so
// a call at a node that was cut off ends after the sum of both.
const (
	Silence     = 10 * time.Second
	PingTimeout = 5 * time.Second
	dialTimeout = 5 * time.Second
	idleTimeout = 90 * time.Second
)

// NewTransport speaks HTTP/2 only, in clear text for http, so that all calls and streams to one
// node share one connection.
func NewTransport(cfg *tls.Config, s *Sockets) *http.Transport {
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
		HTTP2:               &http.HTTP2Config{SendPingTimeout: Silence, PingTimeout: PingTimeout},
		TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: idleTimeout,
	}
}

// Bearer adds the token to every request.
type Bearer struct {
	Next  http.RoundTripper
	Token string
}

// RoundTrip implements http.RoundTripper.
func (b Bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.Token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.Token)
	}
	return b.Next.RoundTrip(r)
}

// CloseIdleConnections is found by http.Client.
func (b Bearer) CloseIdleConnections() {
	if t, ok := b.Next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Sockets are the open connections of a client, to close them with it. The zero value has none.
type Sockets struct {
	mu     sync.Mutex
	open   map[*socket]bool
	closed bool
}

type socket struct {
	net.Conn
	owner *Sockets
}

func (s *Sockets) dial(ctx context.Context, network, address string) (net.Conn, error) {
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
	if s.open == nil {
		s.open = map[*socket]bool{}
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

// Close closes all, and those that are dialled later.
func (s *Sockets) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.open {
		_ = c.Conn.Close()
	}
	clear(s.open)
}
