package dcdial

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

var list = dcs.List{Options: []dcs.Option{
	{ID: 2, Addr: "192.0.2.1:443"}, {ID: 2, Addr: "192.0.2.2:443"}, {ID: 2, Addr: "192.0.2.3:443", MediaOnly: true}, {ID: 4, Addr: "192.0.2.4:443"},
	{ID: 2, Addr: "[2001:db8::2]:443", IPv6: true}, {ID: 203, Addr: "192.0.2.203:443", CDN: true},
	{ID: 3, Addr: "192.0.2.5:443"}, {ID: 3, Addr: "192.0.2.6:443", Static: true},
}}

// dialled records which addresses are tried; those in refuse fail.
func dialled(tried *[]string, refuse ...string) transport.Options {
	return transport.Options{Framing: transport.Intermediate, Dial: func(_ context.Context, _, addr string) (net.Conn, error) {
		*tried = append(*tried, addr)
		for _, r := range refuse {
			if r == addr {
				return nil, errors.New("refused")
			}
		}
		client, server := net.Pipe()
		_ = server.Close()
		return client, nil
	}}
}

func TestAddressesAreTriedInTurn(t *testing.T) {
	for name, c := range map[string]struct {
		dc     int
		media  bool
		ipv6   dcs.IPv6
		refuse []string
		want   []string
		fails  bool
	}{
		"first":                 {dc: 2, want: []string{"192.0.2.1:443"}},
		"second after a fault":  {dc: 2, refuse: []string{"192.0.2.1:443"}, want: []string{"192.0.2.1:443", "192.0.2.2:443"}},
		"all refuse":            {dc: 2, refuse: []string{"192.0.2.1:443", "192.0.2.2:443"}, want: []string{"192.0.2.1:443", "192.0.2.2:443"}, fails: true},
		"media address":         {dc: 2, media: true, want: []string{"192.0.2.3:443"}},
		"no media address":      {dc: 4, media: true, fails: true},
		"IPv6 as the last way":  {dc: 2, ipv6: dcs.IPv6Fallback, refuse: []string{"192.0.2.1:443", "192.0.2.2:443"}, want: []string{"192.0.2.1:443", "192.0.2.2:443", "[2001:db8::2]:443"}},
		"IPv6 first":            {dc: 2, ipv6: dcs.IPv6Prefer, refuse: []string{"[2001:db8::2]:443"}, want: []string{"[2001:db8::2]:443", "192.0.2.1:443"}},
		"IPv6 only":             {dc: 2, ipv6: dcs.IPv6Only, refuse: []string{"[2001:db8::2]:443"}, want: []string{"[2001:db8::2]:443"}, fails: true},
		"CDN":                   {dc: 203, want: []string{"192.0.2.203:443"}},
		"unknown DC, no packet": {dc: 5, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			var tried []string
			conn, err := Dial(t.Context(), list, Target{c.dc, c.media, c.ipv6}, dialled(&tried, c.refuse...))
			if (err != nil) != c.fails || len(tried) != len(c.want) {
				t.Fatalf("tried %v, %v; want %v", tried, err, c.want)
			}
			for i := range tried {
				if tried[i] != c.want[i] {
					t.Errorf("tried %v, want %v", tried, c.want)
				}
			}
			if conn != nil {
				_ = conn.Close()
			}
		})
	}
	if _, err := Dial(t.Context(), list, Target{DC: 5}, transport.Options{}); !errors.Is(err, ErrNoAddress) || Known(list, 5) || !Known(list, 4) {
		t.Errorf("unknown DC: %v", err)
	}
}

// TestTheDCFieldSaysWhatTheAddressIs: test DCs count from 10000, addresses for files are negative.
func TestTheDCFieldSaysWhatTheAddressIs(t *testing.T) {
	for _, c := range []struct {
		to   Target
		test bool
		want int
		cdn  bool
	}{
		{Target{DC: 4}, false, 4, false}, {Target{DC: 4}, true, 10004, false}, {Target{DC: 2, Files: true}, false, -2, false},
		{Target{DC: 2, Files: true}, true, -10002, false}, {Target{DC: 203}, false, 203, true},
	} {
		l, tried := list, []string(nil)
		l.Test = c.test
		conn, err := Dial(t.Context(), l, c.to, dialled(&tried))
		if err != nil {
			t.Fatal(err)
		}
		if conn.Field != c.want || conn.CDN != c.cdn {
			t.Errorf("%+v, test %v: field %d, CDN %v; want %d, %v", c.to, c.test, conn.Field, conn.CDN, c.want, c.cdn)
		}
		_ = conn.Close()
	}
}

// TestAProxyIsAskedOnceIfItFailsItself, and for the static address first.
func TestAProxyIsAskedOnceIfItFailsItself(t *testing.T) {
	var tried []string
	o := dialled(&tried, "proxy.example:1080")
	o.Proxy = &transport.Proxy{Kind: transport.SOCKS5, Addr: "proxy.example:1080"}
	_, err := Dial(t.Context(), list, Target{DC: 3}, o)
	var hop *transport.ProxyError
	if !errors.As(err, &hop) || hop.Hop != transport.HopConnect || hop.Target != "192.0.2.6:443" || len(tried) != 1 {
		t.Errorf("tried %v, %v", tried, err)
	}
}

func TestAddressesForObfuscatedConnectionsGetThem(t *testing.T) {
	l := dcs.List{Options: []dcs.Option{{ID: 2, Addr: "192.0.2.1:443", TCPOOnly: true}}}
	var tried []string
	o := dialled(&tried)
	o.Framing = transport.Full // would be refused together with obfuscation
	var first []byte
	o.Dial = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			b := make([]byte, 64)
			_, _ = io.ReadFull(server, b)
			first = b
			_ = server.Close()
		}()
		return client, nil
	}
	conn, err := Dial(t.Context(), l, Target{DC: 2}, o)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.WriteFrame(make([]byte, 40)) // the other side has read enough, and ends
	_, err = conn.ReadFrame()
	if err == nil || len(first) != 64 || first[0] == 0xef || string(first[:4]) == "\xdd\xdd\xdd\xdd" {
		t.Errorf("it began with %x, %v", first, err)
	}
	_ = conn.Close()
}

func TestSleepUntilEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := SleepUntil(t.Context(), time.Now, began.Add(time.Minute)); err != nil || time.Since(began) != time.Minute {
			t.Errorf("slept %v, %v", time.Since(began), err)
		}
		if err := SleepUntil(t.Context(), time.Now, time.Time{}); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := SleepUntil(ctx, time.Now, time.Now().Add(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the end of the context", err)
		}
	})
}
