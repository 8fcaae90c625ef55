// Package proxies reads and writes proxies as people pass them on: Telegram's links for MTProxy and SOCKS5, URLs for
// SOCKS5 and HTTP, and single fields. It opens no connections.
//
// # Usage
//
//	p, err := proxies.Parse("tg://proxy?server=proxy.example&port=443&secret=dd000102030405060708090a0b0c0d0e0f")
//	p, err := proxies.FromFields(proxies.Fields{Kind: "socks5", Host: "::1", Port: "1080", User: "u", Password: "p"})
//	fmt.Println(p)        // without secrets
//	stored := p.Link()    // with them
//
// # Concurrency
//
// A Proxy is a value; its Secret is not changed by anybody.
//
// # Errors
//
// Every error is a *fleet.Error with reason PROXY_INVALID. It names the field and its value, or the length of a value
// that is secret, and says what to do. Links and secrets are never part of it.
package proxies

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Kind is what a proxy speaks.
type Kind string

// The kinds of proxies.
const (
	MTProxy Kind = "mtproxy"
	SOCKS5  Kind = "socks5"
	HTTP    Kind = "http"
)

// Proxy is one proxy. It prints without its secrets.
type Proxy struct {
	Kind Kind
	// Host is a name or an IP address, without brackets.
	Host string
	Port uint16
	// User and Password are for SOCKS5 and HTTP; both may be empty.
	User, Password string
	// Secret is for MTProxy.
	Secret Secret
}

// Addr is "host:port", with brackets around an IPv6 host.
func (p Proxy) Addr() string { return net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port))) }

// Equal compares all fields.
func (p Proxy) Equal(q Proxy) bool {
	return p.Kind == q.Kind && p.Host == q.Host && p.Port == q.Port && p.User == q.User && p.Password == q.Password &&
		bytes.Equal(p.Secret, q.Secret)
}

// hidden stands where a secret would be; Parse refuses it.
const hidden = "[redacted]"

// Link is the link or URL that Parse reads back, secrets included: for storing it sealed, never for showing it.
// Telegram has no links for HTTP proxies; their URL is http://user:password@host:port.
func (p Proxy) Link() string {
	return p.link(url.QueryEscape, url.UserPassword(p.User, p.Password).String())
}

// String is Link with all that is secret replaced, user names included: providers put tokens into them.
func (p Proxy) String() string {
	return p.link(func(string) string { return hidden }, hidden)
}

func (p Proxy) link(value func(string) string, user string) string {
	q := "server=" + url.QueryEscape(p.Host) + "&port=" + strconv.Itoa(int(p.Port))
	switch p.Kind {
	case MTProxy:
		return "tg://proxy?" + q + "&secret=" + value(p.Secret.encode())
	case SOCKS5:
		if p.User != "" {
			q += "&user=" + value(p.User) + "&pass=" + value(p.Password)
		}
		return "tg://socks?" + q
	default:
		if p.User == "" {
			return string(p.Kind) + "://" + p.Addr()
		}
		return string(p.Kind) + "://" + user + "@" + p.Addr()
	}
}

// GoString is String.
func (p Proxy) GoString() string { return p.String() }

// Format implements fmt.Formatter: every verb prints String.
func (p Proxy) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, p.String()) }

// LogValue implements slog.LogValuer without the secrets.
func (p Proxy) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText is String, so that no encoder shows a secret; store Link instead.
func (p Proxy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Secret is a decoded MTProxy secret: a key of 16 bytes; dd and the key, for padded packets; or ee, the key and a
// domain, for FakeTLS (core.telegram.org/mtproto/mtproto-transports and TDLib's ProxySecret).
type Secret []byte

// The forms of a secret.
const (
	secretKey    = 16
	secretPadded = 0xdd
	secretTLS    = 0xee
	maxDomain    = 182 // as TDLib has it
)

// Mode says in words what the secret asks for.
func (s Secret) Mode() string {
	switch {
	case len(s) == secretKey:
		return "plain"
	case len(s) == 1+secretKey:
		return "padded"
	default:
		return "FakeTLS"
	}
}

// String does not show the secret.
func (s Secret) String() string { return hidden }

// GoString does not show the secret.
func (s Secret) GoString() string { return hidden }

// Format implements fmt.Formatter: no verb shows the secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue implements slog.LogValuer without the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText does not show the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// encode writes the secret as Telegram's clients do: base64 if it holds a domain, else hexadecimal.
func (s Secret) encode() string {
	if len(s) > 1+secretKey {
		return base64.RawURLEncoding.EncodeToString(s)
	}
	return hex.EncodeToString(s)
}

// Address reads kind, host and port of what String shows.
func Address(shown string) (kind Kind, host string, port uint16, ok bool) {
	u, err := url.Parse(strings.Replace(shown, "//"+hidden+"@", "//", 1))
	if err != nil {
		return "", "", 0, false
	}
	server, service := u.Query().Get("server"), u.Query().Get("port")
	switch {
	case u.Scheme == "tg" && u.Host == "proxy":
		kind = MTProxy
	case u.Scheme == "tg" && u.Host == "socks":
		kind = SOCKS5
	case u.Scheme == string(HTTP):
		kind, server, service = HTTP, u.Hostname(), u.Port()
	default:
		return "", "", 0, false
	}
	n, err := strconv.ParseUint(service, 10, 16)
	return kind, server, uint16(n), err == nil && n > 0 && server != ""
}
