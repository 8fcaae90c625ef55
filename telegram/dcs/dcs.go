// Package dcs knows where Telegram's data centres are and which RSA keys they hold: the built-in lists of production
// and test, and a file format for others, such as a local simulator.
//
// # Usage
//
//	list := dcs.Production()
//	list, err := dcs.Load("simulator.json")
//	for _, o := range list.Select(2, dcs.Want{Media: true}) { dial(o.Addr) }
//	d := dcs.NewDirectory(list, learnt, time.Now) // the list as Telegram changes it
//
// # Concurrency
//
// A List is a value. The keys it points to are never changed. A Directory may be used by any goroutine.
//
// # Errors
//
// *FieldError names the field, its value and what to do; Load adds the file.
package dcs

import (
	"crypto/rsa"
	"slices"
)

// Option is one address of a DC.
type Option struct {
	// ID is the DC's number without the additions for test or media.
	ID int
	// Addr is "host:port"; IPv6 hosts stand in brackets.
	Addr string
	// IPv6 says that the host is an IPv6 address.
	IPv6 bool
	// MediaOnly addresses serve files only.
	MediaOnly bool
	// CDN addresses belong to a CDN DC.
	CDN bool
	// Static addresses should be preferred when a proxy is in use.
	Static bool
	// TCPOOnly addresses accept obfuscated connections only.
	TCPOOnly bool
}

// List is a set of DCs that trust the same keys.
type List struct {
	Options []Option
	// Keys are the RSA keys of the servers.
	Keys []*rsa.PublicKey
	// CDNKeys are the RSA keys of CDN DCs by their number, as help.getCdnConfig told them.
	CDNKeys map[int][]*rsa.PublicKey
	// Test marks test DCs: their ids count from 10000 inside the protocol.
	Test bool
}

// IPv6 says what becomes of IPv6 addresses.
type IPv6 uint8

// The choices.
const (
	// IPv6Never leaves them out.
	IPv6Never IPv6 = iota
	// IPv6Fallback tries them after the others.
	IPv6Fallback
	// IPv6Prefer tries them first.
	IPv6Prefer
	// IPv6Only uses nothing else.
	IPv6Only
)

// Want says which addresses Select looks for.
type Want struct {
	// Media asks for addresses for files: those of media_only, or none.
	Media bool
	// CDN asks for the addresses of a CDN DC; all others are left out.
	CDN bool
	// IPv6 says where IPv6 addresses stand.
	IPv6 IPv6
	// Static puts static addresses first, as connections through a proxy should.
	Static bool
}

// Select returns the addresses of a DC in the order in which they should be tried. CDN addresses are among them only if
// they are wanted.
func (l List) Select(id int, w Want) []Option {
	var found []Option
	for _, o := range l.Options {
		if o.ID == id && o.MediaOnly == w.Media && o.CDN == w.CDN && w.takes(o) &&
			!slices.ContainsFunc(found, func(f Option) bool { return f.Addr == o.Addr && (f.Static || !w.Static) }) {
			found = append(found, o)
		}
	}
	slices.SortStableFunc(found, func(a, b Option) int {
		return rank(a, w) - rank(b, w)
	})
	return slices.CompactFunc(found, func(a, b Option) bool { return a.Addr == b.Addr })
}

func (w Want) takes(o Option) bool {
	switch w.IPv6 {
	case IPv6Never:
		return !o.IPv6
	case IPv6Only:
		return o.IPv6
	}
	return true
}

func rank(o Option, w Want) int {
	r := 0
	if o.IPv6 != (w.IPv6 == IPv6Prefer) {
		r += 2
	}
	if w.Static && !o.Static {
		r++
	}
	return r
}

// IDs returns the numbers of the DCs in the list, ascending, each once; CDN DCs are left out.
func (l List) IDs() []int {
	var ids []int
	for _, o := range l.Options {
		if !o.CDN {
			ids = append(ids, o.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
