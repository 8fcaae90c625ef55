package dcs

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tg"
)

func addresses(l List, id int, w Want) string {
	var got []string
	for _, o := range l.Select(id, w) {
		got = append(got, o.Addr)
	}
	return strings.Join(got, " ")
}

func TestADirectoryFollowsTelegram(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var told [][]Option
	built := List{Options: []Option{{ID: 2, Addr: "192.0.2.1:443"}, {ID: 4, Addr: "192.0.2.4:443"}}}
	d := NewDirectory(built, nil, func() time.Time { return now }, func(o []Option) { told = append(told, o) })
	if !d.Due() || addresses(d.Known(), 2, Want{}) != "192.0.2.1:443" {
		t.Fatal("it does not begin with the built-in list")
	}
	options := []tg.DCOption{
		{ID: 2, IPAddress: "192.0.2.9", Port: 443},
		{ID: 2, IPAddress: "2001:db8::9", Port: 443, Ipv6: true},
		{ID: 2, IPAddress: "192.0.2.8", Port: 443, MediaOnly: true},
		{ID: 2, IPAddress: "192.0.2.7", Port: 443, Secret: []byte{1}},
		{ID: 203, IPAddress: "192.0.2.203", Port: 443, CDN: true},
		{ID: 5, IPAddress: "no address", Port: 443},
		{ID: 5, IPAddress: "192.0.2.5", Port: 0},
		{ID: 0, IPAddress: "192.0.2.5", Port: 443},
	}
	d.Learn(options)
	for _, c := range []struct {
		id   int
		want Want
		get  string
	}{
		{2, Want{}, "192.0.2.9:443 192.0.2.1:443"},
		{2, Want{IPv6: IPv6Only}, "[2001:db8::9]:443"},
		{2, Want{Media: true}, "192.0.2.8:443"},
		{203, Want{CDN: true}, "192.0.2.203:443"},
		{203, Want{}, ""},
		{4, Want{}, "192.0.2.4:443"}, // not told of: the built-in one stays
		{5, Want{}, ""},
	} {
		if got := addresses(d.Known(), c.id, c.want); got != c.get {
			t.Errorf("DC %d %+v: %q, want %q", c.id, c.want, got, c.get)
		}
	}
	if d.Due() {
		t.Error("due again at once")
	}
	options[0], options[1] = options[1], options[0]
	d.Learn(options)
	d.Learn(nil) // nothing to dial: not taken over
	d.Learn([]tg.DCOption{{ID: 203, IPAddress: "192.0.2.203", Port: 443, CDN: true}})
	if len(told) != 1 || len(told[0]) != 4 {
		t.Fatalf("told %v", told)
	}
	if now = now.Add(time.Hour); !d.Due() {
		t.Error("not due after an hour")
	}
	next := NewDirectory(built, told[0], time.Now, nil) // the next start
	if got := addresses(next.Known(), 2, Want{}); got != "192.0.2.9:443 192.0.2.1:443" {
		t.Errorf("after a restart: %q", got)
	}
}

func TestAFixedListIsNotReplaced(t *testing.T) {
	d := Fixed(List{Options: []Option{{ID: 2, Addr: "127.0.0.1:9"}}})
	d.Learn([]tg.DCOption{{ID: 2, IPAddress: "192.0.2.9", Port: 443}})
	if got := addresses(d.Known(), 2, Want{}); got != "127.0.0.1:9" || d.Due() {
		t.Errorf("got %q, due %v", got, d.Due())
	}
}

func TestKeysOfCDNsAreLearnt(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	d := NewDirectory(Production(), nil, func() time.Time { return now }, nil)
	if !d.CDNKeysDue(203) {
		t.Error("keys that are not known are not due")
	}
	key := Test().Keys[0]
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(key)}))
	d.LearnCDNKeys(&tg.CDNConfig{PublicKeys: []tg.CDNPublicKey{{DCID: 203, PublicKey: text}, {DCID: 204, PublicKey: "x"}}})
	l := d.Known()
	if len(l.CDNKeys) != 1 || len(l.CDNKeys[203]) != 1 || !l.CDNKeys[203][0].Equal(key) || !l.Keys[0].Equal(Production().Keys[0]) {
		t.Errorf("keys %v", l.CDNKeys)
	}
	if d.CDNKeysDue(203) {
		t.Error("due at once")
	}
	d.Learn([]tg.DCOption{{ID: 2, IPAddress: "192.0.2.9", Port: 443}})
	if len(d.Known().CDNKeys[203]) != 1 {
		t.Error("new options drop the keys")
	}
	if now = now.Add(time.Hour); !d.CDNKeysDue(203) {
		t.Error("not due after an hour")
	}
}

// TestAddressesForFilesThatFailAreLeftAlone: for a minute, and nobody goes without.
func TestAddressesForFilesThatFailAreLeftAlone(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	d := NewDirectory(List{Options: []Option{
		{ID: 2, Addr: "192.0.2.1:443"}, {ID: 2, Addr: "192.0.2.2:443", MediaOnly: true},
		{ID: 4, Addr: "[2001:db8::1]:443", IPv6: true, MediaOnly: true}, {ID: 5, Addr: "192.0.2.5:443"},
	}}, nil, func() time.Time { return now }, nil)
	serves := func(want ...bool) {
		t.Helper()
		got := []bool{d.ServesFiles(2, IPv6Never), d.ServesFiles(4, IPv6Never), d.ServesFiles(4, IPv6Fallback), d.ServesFiles(5, IPv6Fallback)}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	serves(true, false, true, false)
	d.FilesFailed(2)
	serves(false, false, true, false)
	now = now.Add(filesAgain)
	serves(true, false, true, false)
}
