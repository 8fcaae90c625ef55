// Package dcs knows where Telegram's data centres are and which RSA keys they hold: the built-in lists of production
// and test, and a file format for others, such as a local simulator.
//
// # Usage
//
//	list := dcs.Production()
//	list, err := dcs.Load("simulator.json")
//	options := list.Select(2, dcs.Want{Media: true})
//
// # Concurrency
//
// A List is a value. The keys it points to are never changed.
//
// # Errors
//
// Errors of Load name the file, the field, its value and what to do.
package dcs

import "crypto/rsa"

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
	// Test marks test DCs: their ids count from 10000 inside the protocol.
	Test bool
}
