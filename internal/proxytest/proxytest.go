// Package proxytest is proxies for tests, on loopback: SOCKS5 and HTTP CONNECT with a password, and
// MTProxy with each form of a secret. A proxy can be stopped and started again on its port, and
// counts what it carries.
//
// # Usage
//
//	p, err := proxytest.SOCKS5("user", "password")
//	defer p.Stop()
//	... p.Addr(), p.Carried()
//
// # Concurrency
//
// A Proxy may be used by any goroutine.
//
// # Errors
//
// A client that does not prove itself is cut, as real proxies do.
package proxytest

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotd/td/mtproxy/obfuscated2"
)

// Proxy is one proxy.
type Proxy struct {
	addr  string
	serve func(net.Conn) (upstream net.Conn, down io.ReadWriter, err error)

	carried atomic.Int64
	mu      sync.Mutex
	ln      net.Listener
	open    map[net.Conn]bool
	wg      sync.WaitGroup
}

// SOCKS5 starts a proxy that wants this user and password.
func SOCKS5(user, password string) (*Proxy, error) {
	p := &Proxy{addr: "127.0.0.1:0"}
	p.serve = func(c net.Conn) (net.Conn, io.ReadWriter, error) { return socks5(c, user, password) }
	return p, p.Start()
}

// HTTP starts a proxy with the CONNECT method that wants this user and password.
func HTTP(user, password string) (*Proxy, error) {
	p := &Proxy{addr: "127.0.0.1:0"}
	p.serve = func(c net.Conn) (net.Conn, io.ReadWriter, error) { return httpConnect(c, user, password) }
	return p, p.Start()
}

// MTProxy starts a proxy with a secret in one of its three forms: 16 bytes; dd and 16 bytes, which
// wants padded packets; ee, 16 bytes and a domain, which wants FakeTLS. dcs gives the address of
// each DC; what is sent for test DCs or files goes to the same.
func MTProxy(secret []byte, dcs map[int]string) (*Proxy, error) {
	p := &Proxy{addr: "127.0.0.1:0"}
	p.serve = func(c net.Conn) (net.Conn, io.ReadWriter, error) { return mtproxy(c, secret, dcs) }
	return p, p.Start()
}

// Addr is host:port.
func (p *Proxy) Addr() string { return p.addr }

// Carried counts the connections that it made to others.
func (p *Proxy) Carried() int64 { return p.carried.Load() }

// Start listens, on the former port after a Stop.
func (p *Proxy) Start() error {
	var lc net.ListenConfig
	ln, err := lc.Listen(context.Background(), "tcp", p.addr)
	if err != nil {
		return fmt.Errorf("start proxy: %w", err)
	}
	p.mu.Lock()
	p.ln, p.open, p.addr = ln, map[net.Conn]bool{}, ln.Addr().String()
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.handle(c) })
		}
	})
	return nil
}

// Stop refuses connections and cuts those that there are.
func (p *Proxy) Stop() {
	p.mu.Lock()
	if p.ln == nil {
		p.mu.Unlock()
		return
	}
	_ = p.ln.Close()
	p.ln = nil
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// keep notes a connection; false when the proxy has been stopped.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ln == nil {
		return false
	}
	p.open[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close()
}

func (p *Proxy) handle(c net.Conn) {
	defer p.drop(c)
	if !p.keep(c) {
		return
	}
	upstream, down, err := p.serve(c)
	if err != nil {
		return
	}
	defer p.drop(upstream)
	if !p.keep(upstream) {
		return
	}
	p.carried.Add(1)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(upstream, down)
		_ = upstream.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(down, upstream)
	_ = c.(*net.TCPConn).CloseWrite()
	wg.Wait()
}

var errRefused = errors.New("refused")

// socks5 is the server half of RFC 1928 and RFC 1929, as far as a client with a password needs it.
func socks5(c net.Conn, user, password string) (net.Conn, io.ReadWriter, error) {
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(c, b); err != nil {
			return make([]byte, n)
		}
		return b
	}
	field := func() string { return string(read(int(read(1)[0]))) }
	read(int(read(2)[1])) // methods
	_, _ = c.Write([]byte{5, 2})
	read(1)
	if u, pass := field(), field(); u != user || pass != password {
		_, _ = c.Write([]byte{1, 1})
		return nil, nil, errRefused
	}
	_, _ = c.Write([]byte{1, 0})
	var host string
	switch read(4)[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = field()
	case 4:
		host = net.IP(read(16)).String()
	}
	port := strconv.Itoa(int(binary.BigEndian.Uint16(read(2))))
	upstream, err := net.Dial("tcp", net.JoinHostPort(host, port))
	if err != nil {
		_, _ = c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return nil, nil, err
	}
	_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	return upstream, c, nil
}

// httpConnect is the server half of CONNECT (RFC 9110, 9.3.6) with basic authentication.
func httpConnect(c net.Conn, user, password string) (net.Conn, io.ReadWriter, error) {
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil {
		return nil, nil, err
	}
	given := http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}
	if u, pass, ok := given.BasicAuth(); req.Method != http.MethodConnect || !ok || u != user || pass != password {
		_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
		return nil, nil, errRefused
	}
	upstream, err := net.Dial("tcp", req.Host)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return nil, nil, err
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	return upstream, struct { // it may have read ahead
		io.Reader
		io.Writer
	}{in, c}, nil
}

// mtproxy takes the obfuscation off and sends the packets on in the clear.
func mtproxy(c net.Conn, secret []byte, dcs map[int]string) (net.Conn, io.ReadWriter, error) {
	key, in := secret, io.ReadWriter(c)
	if len(secret) > 16 {
		key = secret[1:17]
	}
	if len(secret) > 17 {
		tls, err := AcceptFakeTLS(c, key, string(secret[17:]), time.Now())
		if err != nil {
			return nil, nil, err
		}
		in = tls
	}
	down, meta, err := obfuscated2.Accept(in, key)
	if err != nil {
		return nil, nil, err
	}
	tag := meta.Protocol[:]
	if len(secret) > 16 && tag[0] != 0xdd {
		return nil, nil, errRefused
	}
	dc := int(int16(meta.DC))
	if dc < 0 {
		dc = -dc
	}
	upstream, err := net.Dial("tcp", dcs[dc%10000])
	if err != nil {
		return nil, nil, err
	}
	if tag[0] == 0xef {
		tag = tag[:1]
	}
	if _, err := upstream.Write(tag); err != nil {
		return nil, nil, err
	}
	return upstream, down, nil
}
