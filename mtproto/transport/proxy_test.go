package transport

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	netproxy "golang.org/x/net/proxy"
)

func selfSigned(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{testDomain}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// route is one kind of proxy in front of the target.
type route struct {
	name string
	// start starts the proxy at addr and says how it is reached.
	start func(t testing.TB, addr string, w *way, target string) (*host, Proxy)
}

func routes() []route {
	mtproxy := func(secret []byte) func(testing.TB, string, *way, string) (*host, Proxy) {
		return func(t testing.TB, addr string, w *way, target string) (*host, Proxy) {
			h := newMTProxy(t, addr, w, target, len(secret) > 17)
			return h, Proxy{Kind: MTProxy, Addr: h.addr(), Secret: secret}
		}
	}
	return []route{
		{"SOCKS5", func(t testing.TB, addr string, w *way, _ string) (*host, Proxy) {
			h := newSOCKS5(t, addr, w, false)
			return h, Proxy{Kind: SOCKS5, Addr: h.addr()}
		}},
		{"SOCKS5 with password", func(t testing.TB, addr string, w *way, _ string) (*host, Proxy) {
			h := newSOCKS5(t, addr, w, true)
			return h, Proxy{Kind: SOCKS5, Addr: h.addr(), User: testUser, Password: testPassword}
		}},
		{"HTTP", func(t testing.TB, addr string, w *way, _ string) (*host, Proxy) {
			h := newHTTPProxy(t, addr, w, false)
			return h, Proxy{Kind: HTTPConnect, Addr: h.addr()}
		}},
		{"HTTP with password", func(t testing.TB, addr string, w *way, _ string) (*host, Proxy) {
			h := newHTTPProxy(t, addr, w, true)
			return h, Proxy{Kind: HTTPConnect, Addr: h.addr(), User: testUser, Password: testPassword}
		}},
		{"MTProxy", mtproxy(testKey)},
		{"MTProxy dd", mtproxy(slices.Concat([]byte{0xdd}, testKey))},
		{"MTProxy ee", mtproxy(slices.Concat([]byte{0xee}, testKey, []byte(testDomain)))},
	}
}

// converse sends packets of many lengths and waits for their echo.
func converse(t testing.TB, c *Conn) {
	t.Helper()
	for _, blocks := range []int{1, 10, 1022, 1023, 1024, 1025, 5000, 70000} {
		want := message(blocks)
		if err := c.WriteFrame(want); err != nil {
			t.Fatal(err)
		}
		got, err := c.ReadFrame()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d blocks: %d bytes came back for %d: %v", blocks, len(got), len(want), err)
		}
		Recycle(got)
	}
}

// TestProxyIsTheOnlyWay goes through every kind of proxy, over IPv4 and IPv6, and fails as the proxy does: on a first
// dial, in the middle, and on each redial. Whoever reached the target was the proxy, and nothing but the proxy's
// address was dialled.
func TestProxyIsTheOnlyWay(t *testing.T) {
	for _, ip := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, r := range routes() {
			t.Run(r.name+" "+ip, func(t *testing.T) {
				tg := newTelegram(t, ip)
				w, d := &way{}, &dialler{}
				proxy, p := r.start(t, ip, w, tg.addr())
				options := Options{Framing: Intermediate, DC: 2, Proxy: &p, Dial: d.dial}

				c, err := Dial(context.Background(), tg.addr(), options)
				if err != nil {
					t.Fatal(err, proxy.errs)
				}
				defer c.Close()
				converse(t, c)
				if c.RemoteAddr().String() != p.Addr {
					t.Errorf("connected to %v", c.RemoteAddr())
				}

				proxy.stop()
				if _, err := c.ReadFrame(); err == nil {
					t.Error("the connection outlived the proxy")
				}
				for range 3 {
					_, err := Dial(context.Background(), tg.addr(), options)
					hop := (*ProxyError)(nil)
					if !errors.As(err, &hop) || hop.Hop != HopConnect || !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), p.Addr) {
						t.Errorf("redial: %v", err)
					}
				}

				again, p2 := r.start(t, p.Addr, w, tg.addr()) // it comes back
				if p2.Addr != p.Addr {
					t.Fatal(p2.Addr)
				}
				c, err = Dial(context.Background(), tg.addr(), options)
				if err != nil {
					t.Fatal(err, again.errs)
				}
				defer c.Close()
				converse(t, c)

				if got := tg.visitors(t); !slices.Equal(got, w.made) || len(got) != 2 {
					t.Errorf("%v came to the target; the proxy made %v", got, w.made)
				}
				for _, addr := range d.list {
					if addr != p.Addr {
						t.Errorf("%s was dialled", addr)
					}
				}
			})
		}
	}
}

// TestProxyDownOnFirstDial: nobody listens there. The target sees nothing.
func TestProxyDownOnFirstDial(t *testing.T) {
	tg := newTelegram(t, "127.0.0.1:0")
	for _, r := range routes() {
		proxy, p := r.start(t, "127.0.0.1:0", &way{}, tg.addr())
		proxy.stop()
		_, err := Dial(context.Background(), tg.addr(), Options{Framing: Intermediate, DC: 2, Proxy: &p})
		if hop := (*ProxyError)(nil); !errors.As(err, &hop) || hop.Hop != HopConnect {
			t.Errorf("%s: %v", r.name, err)
		}
	}
	if got := tg.visitors(t); len(got) > 0 {
		t.Errorf("%v came to the target", got)
	}
}

// TestNamesAreResolvedByTheProxy: this machine has never heard of the name.
func TestNamesAreResolvedByTheProxy(t *testing.T) {
	tg := newTelegram(t, "127.0.0.1:0")
	const name = "dc2.telegram.invalid:443"
	for _, r := range routes()[:4] {
		w := &way{names: map[string]string{name: tg.addr()}}
		_, p := r.start(t, "127.0.0.1:0", w, "")
		c, err := Dial(context.Background(), name, Options{Framing: Abridged, Proxy: &p})
		if err != nil {
			t.Fatal(r.name, err)
		}
		_ = c.Close()
		if !slices.Equal(w.asked, []string{name}) {
			t.Errorf("%s was asked for %v", r.name, w.asked)
		}
	}
}

// TestPlainFramingsThroughTunnels: behind SOCKS5 and HTTP the stream is like a direct one.
func TestPlainFramingsThroughTunnels(t *testing.T) {
	tg := newTelegram(t, "127.0.0.1:0")
	for _, r := range routes()[:4] {
		for _, f := range []Framing{Intermediate, PaddedIntermediate} {
			_, p := r.start(t, "127.0.0.1:0", &way{}, "")
			c, err := Dial(context.Background(), tg.addr(), Options{Framing: f, Proxy: &p, UserTimeout: 15 * time.Second})
			if err != nil {
				t.Fatal(r.name, err)
			}
			converse(t, c)
			if c.in.raw == nil {
				t.Errorf("%s: the stream is wrapped, which costs a buffer while idle", r.name)
			}
			if err := c.CloseWrite(); err != nil {
				t.Errorf("%s: %v", r.name, err)
			}
			_ = c.Close()
		}
	}
}

// hangUp as the last answer of a script ends the connection.
const hangUp = ""

// script is a proxy that gives fixed answers, one per message that it gets, and then waits for the end.
func script(t testing.TB, answers ...string) *host {
	return listen(t, "127.0.0.1:0", func(_ *host, nc net.Conn) error {
		room := make([]byte, 4096)
		for _, a := range answers {
			if a == hangUp {
				return nil
			}
			if _, err := nc.Read(room); err != nil {
				return err
			}
			if _, err := nc.Write([]byte(a)); err != nil {
				return err
			}
		}
		_, err := nc.Read(room)
		return err
	})
}

// TestProxiesThatRefuse: each failure names its hop, ends the connection to the proxy and never reaches the target.
func TestProxiesThatRefuse(t *testing.T) {
	tg := newTelegram(t, "127.0.0.1:0")
	closed := newTelegram(t, "127.0.0.1:0")
	closed.stop()
	socks := Proxy{Kind: SOCKS5}
	login := Proxy{Kind: SOCKS5, User: testUser, Password: testPassword}
	web := Proxy{Kind: HTTPConnect}
	webLogin := Proxy{Kind: HTTPConnect, User: testUser, Password: testPassword}
	tlsProxy := Proxy{Kind: MTProxy, Secret: slices.Concat([]byte{0xee}, testKey, []byte(testDomain))}
	wrongKey := slices.Clone(tlsProxy.Secret)
	wrongKey[3] ^= 1
	type server func() *host
	scripted := func(answers ...string) server { return func() *host { return script(t, answers...) } }
	for name, tc := range map[string]struct {
		server server
		p      Proxy
		addr   string
		hop    Hop
		want   error
		text   string
	}{
		"SOCKS5: no credentials":       {func() *host { return newSOCKS5(t, "127.0.0.1:0", &way{}, true) }, socks, tg.addr(), HopHandshake, ErrProxyAuth, "wants a user"},
		"SOCKS5: wrong password":       {func() *host { return newSOCKS5(t, "127.0.0.1:0", &way{}, true) }, Proxy{Kind: SOCKS5, User: testUser, Password: "x"}, tg.addr(), HopHandshake, ErrProxyAuth, ""},
		"SOCKS5: target down":          {func() *host { return newSOCKS5(t, "127.0.0.1:0", &way{}, false) }, socks, closed.addr(), HopTarget, nil, "connection refused (reply 5)"},
		"SOCKS5: rules":                {scripted("\x05\x00", "\x05\x02"), socks, tg.addr(), HopHandshake, nil, "rules"},
		"SOCKS5: unknown reply":        {scripted("\x05\x00", "\x05\xc8"), socks, tg.addr(), HopHandshake, nil, "reply 200"},
		"SOCKS5: none of the methods":  {scripted("\x05\xff"), login, tg.addr(), HopHandshake, ErrProxyAuth, ""},
		"SOCKS5: password unasked":     {scripted("\x05\x02"), socks, tg.addr(), HopHandshake, ErrProxyProtocol, ""},
		"SOCKS5: foreign method":       {scripted("\x05\x01"), login, tg.addr(), HopHandshake, ErrProxyProtocol, ""},
		"SOCKS5: bad login version":    {scripted("\x05\x02", "\x05\x00"), login, tg.addr(), HopHandshake, ErrProxyProtocol, ""},
		"SOCKS5: bad version":          {scripted("HTTP/1.1 400\r\n\r\n"), socks, tg.addr(), HopHandshake, ErrProxyProtocol, ""},
		"SOCKS5: bad reply version":    {scripted("\x05\x00", "\x04\x5a"), socks, tg.addr(), HopHandshake, ErrProxyProtocol, ""},
		"SOCKS5: bad address type":     {scripted("\x05\x00", "\x05\x00\x00\x07"), socks, tg.addr(), HopHandshake, ErrProxyProtocol, ""},
		"SOCKS5: ends at once":         {scripted(), socks, tg.addr(), HopHandshake, io.ErrUnexpectedEOF, ""},
		"SOCKS5: ends in the reply":    {scripted("\x05\x00", "\x05\x00\x00\x01\x7f", hangUp), socks, tg.addr(), HopHandshake, io.ErrUnexpectedEOF, ""},
		"SOCKS5: ends waiting":         {scripted("\x05\x00", "\x05", hangUp), socks, tg.addr(), HopTarget, io.ErrUnexpectedEOF, ""},
		"HTTP: no credentials":         {func() *host { return newHTTPProxy(t, "127.0.0.1:0", &way{}, true) }, web, tg.addr(), HopHandshake, ErrProxyAuth, "407"},
		"HTTP: wrong password":         {func() *host { return newHTTPProxy(t, "127.0.0.1:0", &way{}, true) }, Proxy{Kind: HTTPConnect, User: testUser, Password: "x"}, tg.addr(), HopHandshake, ErrProxyAuth, "407"},
		"HTTP: target down":            {func() *host { return newHTTPProxy(t, "127.0.0.1:0", &way{}, false) }, web, closed.addr(), HopTarget, nil, "502"},
		"HTTP: forbidden":              {scripted("HTTP/1.1 403 " + testPassword + "\r\n\r\n"), webLogin, tg.addr(), HopHandshake, nil, "403"},
		"HTTP: early data":             {scripted("HTTP/1.1 200 OK\r\n\r\nhello"), web, tg.addr(), HopHandshake, ErrProxyProtocol, "5 bytes"},
		"HTTP: another protocol":       {scripted("SSH-2.0-OpenSSH_9.6\r\n\r\n"), web, tg.addr(), HopHandshake, ErrProxyProtocol, ""},
		"HTTP: no status":              {scripted("HTTP/1.1 2x0 OK\r\n\r\n"), web, tg.addr(), HopHandshake, ErrProxyProtocol, ""},
		"HTTP: long status":            {scripted("HTTP/1.1 2000 OK\r\n\r\n"), web, tg.addr(), HopHandshake, ErrProxyProtocol, ""},
		"HTTP: header without end":     {scripted("HTTP/1.1 200 OK\r\n" + strings.Repeat("x", maxReply)), web, tg.addr(), HopHandshake, ErrProxyProtocol, "8192"},
		"HTTP: ends in the header":     {scripted("HTTP/1.1 200 OK\r\n", hangUp), web, tg.addr(), HopHandshake, io.ErrUnexpectedEOF, ""},
		"MTProxy ee: no MTProxy":       {scripted("HTTP/1.1 400 Bad Request\r\n\r\n"), tlsProxy, "", HopHandshake, ErrProxyProtocol, "DC 2"},
		"MTProxy ee: ends at once":     {scripted(), tlsProxy, "", HopHandshake, ErrProxySilent, "DC"},
		"MTProxy ee: wrong key":        {func() *host { return newMTProxy(t, "127.0.0.1:0", &way{}, tg.addr(), true) }, Proxy{Kind: MTProxy, Secret: wrongKey}, "", HopHandshake, ErrProxySilent, "DC"},
		"MTProxy ee: alert":            {scripted("\x15\x03\x03\x00\x02\x02\x28"), tlsProxy, "", HopHandshake, ErrProxySecret, "clock"},
		"MTProxy ee: answers unproven": {scripted(string(record(recordHandshake, make([]byte, 122))) + changeCipher + string(record(recordData, make([]byte, 900)))), tlsProxy, "", HopHandshake, ErrProxySecret, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := tc.server()
			tc.p.Addr = s.addr()
			_, err := Dial(context.Background(), tc.addr, Options{Framing: Intermediate, DC: 2, Proxy: &tc.p})
			hop := (*ProxyError)(nil)
			if !errors.As(err, &hop) || hop.Hop != tc.hop || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), s.addr()) || !strings.Contains(err.Error(), string(tc.hop)) {
				t.Errorf("proxy and hop are not named: %v", err)
			}
			checkSecrets(t, err.Error())
			_ = s.l.Close()
			s.wg.Wait() // handlers end because we have closed the connection
		})
	}
	if got := tg.visitors(t); len(got) > 0 {
		t.Errorf("%v came to the target", got)
	}
}

// checkSecrets looks for everything that must not be shown.
func checkSecrets(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{
		testUser, testPassword, string(testKey), hex.EncodeToString(testKey), fmt.Sprintf("%X", testKey), fmt.Sprint([]byte(testKey)),
		base64.StdEncoding.EncodeToString(testKey)[:16], base64.StdEncoding.EncodeToString([]byte(testUser + ":" + testPassword)),
		hex.EncodeToString([]byte(testPassword)), testDomain,
	} {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is shown: %s", text)
		}
	}
}

// TestMTProxyThatGoesSilent: whether a plain secret is right shows only when the first packet comes, or does not.
func TestMTProxyThatGoesSilent(t *testing.T) {
	tg := newTelegram(t, "127.0.0.1:0")
	wrong := slices.Clone(testKey)
	wrong[0] ^= 1
	for name, p := range map[string]Proxy{
		"wrong secret":        {Kind: MTProxy, Secret: wrong},
		"wrong padded secret": {Kind: MTProxy, Secret: slices.Concat([]byte{0xdd}, wrong)},
	} {
		p.Addr = newMTProxy(t, "127.0.0.1:0", &way{}, tg.addr(), false).addr()
		c, err := Dial(context.Background(), "", Options{Framing: Intermediate, DC: 2, Proxy: &p})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.WriteFrame(message(1)); err != nil {
			t.Fatal(err)
		}
		_, err = c.ReadFrame()
		hop := (*ProxyError)(nil)
		if !errors.As(err, &hop) || hop.Hop != HopTarget || !errors.Is(err, ErrProxySilent) {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.Close()
	}
	if got := tg.visitors(t); len(got) > 0 {
		t.Errorf("%v came to the target", got)
	}

	proxy := newMTProxy(t, "127.0.0.1:0", &way{}, tg.addr(), false)
	p := Proxy{Kind: MTProxy, Secret: testKey, Addr: proxy.addr()}
	c, err := Dial(context.Background(), "", Options{Framing: Intermediate, DC: 2, Proxy: &p})
	if err != nil {
		t.Fatal(err)
	}
	converse(t, c)
	proxy.stop()
	if _, err := c.ReadFrame(); err == nil || errors.Is(err, ErrProxySilent) {
		t.Errorf("after packets: %v", err)
	}
	c, _ = NewConn(&canned{}, Options{Framing: Intermediate})
	if _, err := c.ReadFrame(); errors.Is(err, ErrProxySilent) {
		t.Errorf("without a proxy: %v", err)
	}
}

// TestProxiesThatCannotWork are found out before anything is dialled.
func TestProxiesThatCannotWork(t *testing.T) {
	long := strings.Repeat("x", 256)
	good := Proxy{Kind: SOCKS5, Addr: "127.0.0.1:1"}
	ee := slices.Concat([]byte{0xee}, testKey)
	for name, tc := range map[string]struct {
		p    Proxy
		addr string
		o    Options
		text string
	}{
		"no kind":                        {Proxy{Addr: "127.0.0.1:1"}, "h:1", Options{}, `kind: must be socks5, http or mtproxy (got "")`},
		"no address":                     {Proxy{Kind: SOCKS5}, "h:1", Options{}, "address of the proxy: must be host:port"},
		"a link as address":              {Proxy{Kind: SOCKS5, Addr: "socks5://" + testUser + ":" + testPassword + "@h:1"}, "h:1", Options{}, "must be host:port"},
		"no port":                        {Proxy{Kind: SOCKS5, Addr: "127.0.0.1"}, "h:1", Options{}, "must be host:port"},
		"port 0":                         {Proxy{Kind: SOCKS5, Addr: "127.0.0.1:0"}, "h:1", Options{}, "port: must be 1 to 65535"},
		"a zone":                         {Proxy{Kind: SOCKS5, Addr: "[fe80::1%eth0]:1"}, "h:1", Options{}, "without zone"},
		"no target":                      {good, "", Options{}, "address behind the proxy: must be host:port"},
		"a target of two lines":          {Proxy{Kind: HTTPConnect, Addr: "127.0.0.1:1"}, "h\r\nx:1", Options{}, "address behind the proxy: host"},
		"a long target":                  {good, long + ":1", Options{}, "host"},
		"a target with a port like text": {good, "h:http", Options{}, "port: must be 1 to 65535 (got http)"},
		"password without user":          {Proxy{Kind: SOCKS5, Addr: good.Addr, Password: testPassword}, "h:1", Options{}, "user: must be set"},
		"user without password":          {Proxy{Kind: SOCKS5, Addr: good.Addr, User: testUser}, "h:1", Options{}, "password: must be set"},
		"a long user":                    {Proxy{Kind: SOCKS5, Addr: good.Addr, User: long, Password: testPassword}, "h:1", Options{}, "at most 255 bytes"},
		"a colon":                        {Proxy{Kind: HTTPConnect, Addr: good.Addr, User: "a:b", Password: testPassword}, "h:1", Options{}, "colon"},
		"no secret":                      {Proxy{Kind: MTProxy, Addr: good.Addr}, "", Options{DC: 2}, "(got 0 bytes)"},
		"a short secret":                 {Proxy{Kind: MTProxy, Addr: good.Addr, Secret: testKey[1:]}, "", Options{DC: 2}, "(got 15 bytes)"},
		"a foreign secret":               {Proxy{Kind: MTProxy, Addr: good.Addr, Secret: slices.Concat([]byte{0xcc}, testKey)}, "", Options{DC: 2}, "(got 17 bytes)"},
		"ee without domain":              {Proxy{Kind: MTProxy, Addr: good.Addr, Secret: ee}, "", Options{DC: 2}, "(got 17 bytes)"},
		"ee with a long domain":          {Proxy{Kind: MTProxy, Addr: good.Addr, Secret: slices.Concat(ee, []byte(long))}, "", Options{DC: 2}, "at most 182"},
		"dd with a domain":               {Proxy{Kind: MTProxy, Addr: good.Addr, Secret: slices.Concat([]byte{0xdd}, testKey, []byte("x"))}, "", Options{DC: 2}, "(got 18 bytes)"},
		"no DC":                          {Proxy{Kind: MTProxy, Addr: good.Addr, Secret: testKey}, "", Options{}, "DC: must be set"},
		"full framing":                   {Proxy{Kind: MTProxy, Addr: good.Addr, Secret: testKey}, "", Options{DC: 2, Framing: Full}, "must not be full"},
		"no framing":                     {good, "h:1", Options{Framing: 77}, "unknown framing"},
	} {
		d := &dialler{}
		tc.o.Proxy, tc.o.Dial = &tc.p, d.dial
		if tc.o.Framing == 0 {
			tc.o.Framing = Intermediate
		}
		_, err := Dial(context.Background(), tc.addr, tc.o)
		if !errors.Is(err, ErrProxyConfig) || !strings.Contains(err.Error(), tc.text) || len(d.list) > 0 {
			t.Errorf("%s: %v; dialled %v", name, err, d.list)
			continue
		}
		checkSecrets(t, err.Error())
	}
	if _, err := NewConn(&recorder{}, Options{Framing: Intermediate, Proxy: &good}); err == nil {
		t.Error("an established stream was taken for one through the proxy")
	}
	socksFull := Proxy{Kind: SOCKS5, Addr: script(t, "\x05\x00", "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00").addr()}
	if _, err := Dial(context.Background(), "h:1", Options{Framing: Full, Obfuscated: true, Proxy: &socksFull}); err == nil {
		t.Error("obfuscated full packets")
	}
}

// TestFenceStopsTheHandshake: what makes a proxy connect to Telegram is fenced like packets are.
func TestFenceStopsTheHandshake(t *testing.T) {
	tg := newTelegram(t, "127.0.0.1:0")
	fenced := errors.New("lease lost")
	for _, r := range routes() {
		for allowed := range 3 {
			w := &way{}
			_, p := r.start(t, "127.0.0.1:0", w, tg.addr())
			calls := 0
			c, err := Dial(context.Background(), tg.addr(), Options{Framing: Intermediate, DC: 2, Proxy: &p, Check: func() error {
				if calls++; calls > allowed {
					return fenced
				}
				return nil
			}})
			if err == nil { // fewer messages than allowed; packets are next
				err = c.WriteFrame(message(1))
				for calls <= allowed {
					err = c.WriteFrame(message(1))
				}
				_ = c.Close()
			}
			if err != fenced { //nolint:errorlint // it must be the very error
				t.Errorf("%s, %d writes allowed: %v", r.name, allowed, err)
			}
		}
	}
}

// TestContextEndsTheHandshake: the proxy takes what we say and answers nothing.
func TestContextEndsTheHandshake(t *testing.T) {
	for _, p := range []Proxy{{Kind: SOCKS5}, {Kind: HTTPConnect}, {Kind: MTProxy, Secret: slices.Concat([]byte{0xee}, testKey, []byte(testDomain))}} {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		p.Addr = listen(t, "127.0.0.1:0", func(_ *host, nc net.Conn) error {
			defer close(ended)
			room := make([]byte, 4096)
			_, _ = nc.Read(room)
			cancel()
			for {
				if _, err := nc.Read(room); err != nil {
					return err
				}
			}
		}).addr()
		if _, err := Dial(ctx, "h:1", Options{Framing: Intermediate, DC: 2, Proxy: &p}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", p.Kind, err)
		}
		<-ended // the connection is closed
	}
}

// TestHandshakeEndsByItself, after a time that is bounded even without a context.
func TestHandshakeEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		start := time.Now()
		_, err := Dial(context.Background(), "h:1", Options{Framing: Intermediate, Proxy: &Proxy{Kind: SOCKS5, Addr: "p:1"},
			Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took != handshakeTimeout {
			t.Errorf("got %v after %v", err, took)
		}
	})
}

// TestDeadlineOfTheHandshakeIsLifted: an idle connection lives on.
func TestDeadlineOfTheHandshakeIsLifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		go func() {
			room := make([]byte, 100)
			for _, a := range []string{"\x05\x00", "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"} {
				_, _ = far.Read(room)
				_, _ = far.Write([]byte(a))
			}
			time.Sleep(10 * handshakeTimeout)
			_, _ = far.Write(slices.Concat([]byte{8, 0, 0, 0}, payload(8)))
		}()
		c, err := Dial(context.Background(), "h:1", Options{Framing: Intermediate, Proxy: &Proxy{Kind: SOCKS5, Addr: "p:1"},
			Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, err := c.ReadFrame(); err != nil || !bytes.Equal(got, payload(8)) {
			t.Errorf("got %x, %v", got, err)
		}
	})
}

// TestXNetAndOurSOCKS5ServerAgree: the server of these tests is judged by a client that is not ours.
func TestXNetAndOurSOCKS5ServerAgree(t *testing.T) {
	tg := newTelegram(t, "127.0.0.1:0")
	for _, auth := range []*netproxy.Auth{nil, {User: testUser, Password: testPassword}} {
		w := &way{names: map[string]string{"dc2.telegram.invalid:443": tg.addr()}}
		d, err := netproxy.SOCKS5("tcp", newSOCKS5(t, "127.0.0.1:0", w, auth != nil).addr(), auth, nil)
		if err != nil {
			t.Fatal(err)
		}
		nc, err := d.Dial("tcp", "dc2.telegram.invalid:443")
		if err != nil {
			t.Fatal(err)
		}
		converse(t, mustConn(t, nc, Options{Framing: Intermediate}))
	}
}

// TestProxyPrintsWithoutSecrets, whatever prints it.
func TestProxyPrintsWithoutSecrets(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	for _, p := range []Proxy{
		{Kind: SOCKS5, Addr: "h:1", User: testUser, Password: testPassword},
		{Kind: MTProxy, Addr: "h:1", Secret: slices.Concat([]byte{0xee}, testKey, []byte(testDomain))},
		{Kind: SOCKS5, Addr: "socks5://" + testUser + ":" + testPassword + "@h:1"},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%T %v"} {
			checkSecrets(t, fmt.Sprintf(verb, p))
			checkSecrets(t, fmt.Sprintf(verb, &p))
			checkSecrets(t, fmt.Sprintf(verb, []Proxy{p}))
			checkSecrets(t, fmt.Sprintf(verb, Options{Proxy: &p}))
		}
		text, err := json.Marshal(map[string]any{"proxy": p, "options": []*Proxy{&p}})
		if err != nil {
			t.Fatal(err)
		}
		checkSecrets(t, string(text))
		logger.Info("m", "proxy", p)
		checkSecrets(t, p.String()+p.GoString())
	}
	checkSecrets(t, log.String())
	if got := (Proxy{Kind: SOCKS5, Addr: "h:1"}).String(); got != "socks5 proxy h:1" {
		t.Errorf("got %q", got)
	}
}
