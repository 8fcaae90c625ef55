package dcdial

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

var list = dcs.List{Options: []dcs.Option{
	{ID: 2, Addr: "192.0.2.1:443"}, {ID: 2, Addr: "192.0.2.2:443"}, {ID: 2, Addr: "192.0.2.3:443", MediaOnly: true}, {ID: 4, Addr: "192.0.2.4:443"},
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
		refuse []string
		want   []string
		fails  bool
	}{
		"first":                 {dc: 2, want: []string{"192.0.2.1:443"}},
		"second after a fault":  {dc: 2, refuse: []string{"192.0.2.1:443"}, want: []string{"192.0.2.1:443", "192.0.2.2:443"}},
		"all refuse":            {dc: 2, refuse: []string{"192.0.2.1:443", "192.0.2.2:443"}, want: []string{"192.0.2.1:443", "192.0.2.2:443"}, fails: true},
		"media address":         {dc: 2, media: true, want: []string{"192.0.2.3:443"}},
		"no media address":      {dc: 4, media: true, want: []string{"192.0.2.4:443"}},
		"unknown DC, no packet": {dc: 5, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			var tried []string
			conn, err := Dial(t.Context(), list, c.dc, c.media, dialled(&tried, c.refuse...))
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
	if _, err := Dial(t.Context(), list, 5, false, transport.Options{}); !errors.Is(err, ErrNoAddress) || Known(list, 5) || !Known(list, 4) {
		t.Errorf("unknown DC: %v", err)
	}
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
