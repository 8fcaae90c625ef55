package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/mtproxy/obfuscated2"

	"github.com/telefleet/orchestrator/internal/proxytest"
)

// host is a TCP server of the tests.
type host struct {
	t    testing.TB
	l    net.Listener
	wg   sync.WaitGroup
	mu   sync.Mutex
	open map[net.Conn]bool
	down bool
	errs []error
}

// listen starts a server on an address such as 127.0.0.1:0.
func listen(t testing.TB, addr string, handle func(h *host, nc net.Conn) error) *host {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if strings.HasPrefix(addr, "[") {
			t.Skip("this system has no IPv6: ", err)
		}
		t.Fatal(err)
	}
	h := &host{t: t, l: l, open: map[net.Conn]bool{}}
	h.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			if !h.keep(nc) {
				continue
			}
			h.wg.Go(func() {
				defer nc.Close()
				if err := handle(h, nc); err != nil {
					h.mu.Lock()
					h.errs = append(h.errs, err)
					h.mu.Unlock()
				}
			})
		}
	})
	t.Cleanup(h.stop)
	return h
}

func (h *host) addr() string { return h.l.Addr().String() }

// keep remembers a connection, to be closed with the server.
func (h *host) keep(nc net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		_ = nc.Close()
		return false
	}
	h.open[nc] = true
	return true
}

// stop ends the server and all its connections: from then on its port is closed.
func (h *host) stop() {
	_ = h.l.Close()
	h.mu.Lock()
	h.down = true
	for nc := range h.open {
		_ = nc.Close()
	}
	h.mu.Unlock()
	h.wg.Wait()
}

// relay copies in both directions until one ends.
func (h *host) relay(a, b io.ReadWriteCloser) {
	h.wg.Go(func() {
		_, _ = io.Copy(a, b)
		_ = a.Close()
	})
	_, _ = io.Copy(b, a)
	_ = b.Close()
}

// telegram is the target: it echoes packets of the intermediate framings and remembers who came.
type telegram struct {
	*host
	came chan string
}

func newTelegram(t testing.TB, addr string) *telegram {
	tg := &telegram{came: make(chan string, 1000)}
	tg.host = listen(t, addr, func(_ *host, nc net.Conn) error {
		tg.came <- nc.RemoteAddr().String()
		var tag [4]byte
		if _, err := io.ReadFull(nc, tag[:]); err != nil {
			return err
		}
		for {
			packet := make([]byte, 4)
			if _, err := io.ReadFull(nc, packet); err != nil {
				return err
			}
			packet = append(packet, make([]byte, binary.LittleEndian.Uint32(packet))...)
			if _, err := io.ReadFull(nc, packet[4:]); err != nil {
				return err
			}
			if _, err := nc.Write(packet); err != nil {
				return err
			}
		}
	})
	return tg
}

// visitors returns who has come so far. It calls itself: connections are accepted in the order in which they were
// made, so whoever came before it is in the list.
func (tg *telegram) visitors(t testing.TB) []string {
	t.Helper()
	mark, err := net.Dial("tcp", tg.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer mark.Close()
	var list []string
	for who := range tg.came {
		if who == mark.LocalAddr().String() {
			return list
		}
		list = append(list, who)
	}
	return list
}

// way is where proxies of the tests go.
type way struct {
	mu    sync.Mutex
	names map[string]string // what names resolve to, only here
	asked []string          // what was asked for
	made  []string          // our ends of the connections that were made
}

func (w *way) dial(addr string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, addr)
	if to, ok := w.names[addr]; ok {
		addr = to
	}
	nc, err := net.Dial("tcp", addr)
	if err == nil {
		w.made = append(w.made, nc.LocalAddr().String())
	}
	return nc, err
}

const (
	testUser     = "user-7f3a"
	testPassword = "pa:ss w0rd%41"
)

// newSOCKS5 is a SOCKS5 server; with login it asks for the credentials above.
func newSOCKS5(t testing.TB, addr string, w *way, login bool) *host {
	return listen(t, addr, func(h *host, nc net.Conn) error {
		read := func(n int) []byte {
			b := make([]byte, n)
			if _, err := io.ReadFull(nc, b); err != nil {
				return make([]byte, n)
			}
			return b
		}
		greeting := read(2)
		methods := read(int(greeting[1]))
		switch {
		case greeting[0] != 5:
			return errors.New("no SOCKS5")
		case login && bytes.IndexByte(methods, 2) < 0, !login && bytes.IndexByte(methods, 0) < 0:
			_, err := nc.Write([]byte{5, 0xff})
			return err
		case login:
			_, _ = nc.Write([]byte{5, 2})
			user := read(int(read(2)[1]))
			password := read(int(read(1)[0]))
			if string(user) != testUser || string(password) != testPassword {
				_, err := nc.Write([]byte{1, 1})
				return err
			}
			_, _ = nc.Write([]byte{1, 0})
		default:
			_, _ = nc.Write([]byte{5, 0})
		}
		request := read(4)
		if request[0] != 5 || request[1] != 1 || request[2] != 0 {
			return fmt.Errorf("request %x", request)
		}
		var name string
		switch request[3] {
		case 1:
			name = net.IP(read(4)).String()
		case 3:
			name = string(read(int(read(1)[0])))
		case 4:
			name = net.IP(read(16)).String()
		}
		out, err := w.dial(net.JoinHostPort(name, strconv.Itoa(int(binary.BigEndian.Uint16(read(2))))))
		if err != nil {
			_, _ = nc.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return nil
		}
		h.keep(out)
		_, _ = nc.Write(append([]byte{5, 0, 0, 3, 4}, "name\x01\x02"...)) // the longest kind of answer
		h.relay(nc, out)
		return nil
	})
}

// newHTTPProxy is the HTTP server of the standard library with a CONNECT method.
func newHTTPProxy(t testing.TB, addr string, w *way, login bool) *host {
	var h *host
	requests := make(chan net.Conn)
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user, password, ok := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		switch {
		case r.Method != http.MethodConnect:
			rw.WriteHeader(http.StatusMethodNotAllowed)
			return
		case login && (!ok || user != testUser || password != testPassword):
			rw.Header().Set("Proxy-Authenticate", "Basic")
			rw.WriteHeader(http.StatusProxyAuthRequired)
			return
		case r.Host != r.RequestURI:
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		out, err := w.dial(r.Host)
		if err != nil {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		h.keep(out)
		nc, buffered, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = nc.Write([]byte("HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"))
		h.relay(struct { // the server may have read ahead
			io.Reader
			io.WriteCloser
		}{buffered, nc}, out)
	})}
	h = listen(t, addr, func(_ *host, nc net.Conn) error {
		done := make(chan struct{})
		requests <- &closeNotifier{Conn: nc, done: done}
		<-done
		return nil
	})
	go func() { _ = server.Serve(&channelListener{addr: h.l.Addr(), conns: requests}) }()
	t.Cleanup(func() { close(requests); _ = server.Close() })
	return h
}

// channelListener gives connections of a host to a server of the standard library.
type channelListener struct {
	addr  net.Addr
	conns chan net.Conn
}

func (l *channelListener) Accept() (net.Conn, error) {
	nc, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return nc, nil
}
func (l *channelListener) Close() error   { return nil }
func (l *channelListener) Addr() net.Addr { return l.addr }

type closeNotifier struct {
	net.Conn
	once sync.Once
	done chan struct{}
}

func (c *closeNotifier) Close() error {
	defer c.once.Do(func() { close(c.done) })
	return c.Conn.Close()
}

var testKey = []byte("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")

const testDomain = "www.example.com"

// newMTProxy is an MTProxy whose obfuscation is gotd's; in front of it, if asked for, our server half of FakeTLS, which
// TestGotdAndOurFakeTLSServerAgree checks against gotd's client. It connects to DC 2 only, which is the target.
func newMTProxy(t testing.TB, addr string, w *way, target string, tls bool) *host {
	return listen(t, addr, func(h *host, nc net.Conn) error {
		rw := io.ReadWriter(nc)
		if tls {
			stream, err := proxytest.AcceptFakeTLS(nc, testKey, testDomain, time.Now())
			if err != nil {
				return err
			}
			rw = stream
		}
		plain, meta, err := obfuscated2.Accept(rw, testKey)
		if err != nil {
			return err
		}
		if tag := meta.Protocol; int16(meta.DC) != 2 || tag[0] != tag[1] || tag[0] != tag[3] {
			return fmt.Errorf("header says %x, DC %d", meta.Protocol, int16(meta.DC))
		}
		out, err := w.dial(target)
		if err != nil {
			return err
		}
		h.keep(out)
		if _, err := out.Write(meta.Protocol[:]); err != nil {
			return err
		}
		h.relay(struct {
			io.ReadWriter
			io.Closer
		}{plain, nc}, out)
		return nil
	})
}

// dialler remembers which addresses were dialled.
type dialler struct {
	mu   sync.Mutex
	list []string
}

func (d *dialler) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d.mu.Lock()
	d.list = append(d.list, addr)
	d.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}
