package webhooks

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"syscall"

	"github.com/telefleet/orchestrator/fleet"
)

// maxURL bounds the length of a URL.
const maxURL = 2048

// Policy is where posts may go: https and public addresses, and what is allowed besides.
type Policy struct {
	AllowHTTP bool
	// Allow are networks whose addresses are taken although they are not public.
	Allow []netip.Prefix
}

// numeric is a host that some resolvers read as an IPv4 address although it is not written as
// one: 2130706433, 0x7f.1, 0177.0.0.1.
var numeric = regexp.MustCompile(`^(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+))*\.?$`)

// CheckURL refuses URLs that no post may go to, as far as their text shows it. What a name leads
// to is checked at each connection: see CheckAddr.
func (p Policy) CheckURL(text string) error {
	refuse := func(remedy, format string, args ...any) error {
		return fleet.Errorf(fleet.CodeInvalidArgument, "URL_REFUSED", "spec.url: "+format, args...).WithRemedy(remedy)
	}
	u, err := url.Parse(text)
	switch {
	case text == "":
		return refuse("give https://host/path", "is missing")
	case len(text) > maxURL:
		return refuse("shorten it", "must have at most %d characters (got %d)", maxURL, len(text))
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return refuse("give https://host/path", "is no URL with a host")
	case u.Scheme != "https" && !(u.Scheme == "http" && p.AllowHTTP):
		return refuse("use https, or set webhooks.allow_http in the configuration of the nodes", "must begin with https:// (got %.20q)", u.Scheme)
	case u.User != nil:
		return refuse("let the receiver check the signature instead", "must hold no user and password")
	case u.Fragment != "":
		return refuse("leave out what follows #", "must hold no fragment")
	}
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil {
		if err := p.CheckAddr(addr); err != nil {
			return refuse(publicRemedy, "%v", err)
		}
	} else if numeric.MatchString(host) {
		return refuse("write an IPv4 address as four decimal numbers", "has a host that is a number but no IP address (got %.80q)", host)
	}
	return nil
}

const publicRemedy = "use a public address, or add its network to webhooks.allow_networks in the configuration of the nodes"

// special are networks that are not public, or that lead to addresses inside others: IANA's
// special-purpose registries, and what embeds an IPv4 address.
var special = func() []netip.Prefix {
	var list []netip.Prefix
	for text := range strings.FieldsSeq(`
		0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
		192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
		203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
		2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20`) {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}()

// global is the only part of IPv6 that is given out for public addresses. It leaves out loopback,
// unique local, link-local, site-local and multicast addresses, mapped and translated IPv4.
var global = netip.MustParsePrefix("2000::/3")

// addressError is an address that posts may not go to.
type addressError struct{ addr netip.Addr }

func (e *addressError) Error() string {
	return "the address " + e.addr.String() + " is not a public one"
}

// CheckAddr refuses addresses that are neither public nor allowed.
func (p Policy) CheckAddr(addr netip.Addr) error {
	plain := addr.Unmap().WithZone("")
	for _, n := range p.Allow {
		if n.Contains(plain) {
			return nil
		}
	}
	if !plain.Is4() && !global.Contains(plain) {
		return &addressError{addr}
	}
	for _, n := range special {
		if n.Contains(plain) {
			return &addressError{addr}
		}
	}
	return nil
}

// dial connects to an address that the policy takes. It looks at the address that the kernel is
// about to connect to, so neither a name that leads elsewhere the second time nor a notation that
// only the resolver understands gets by.
func (p Policy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return p.CheckAddr(at.Addr())
	}}
	return d.DialContext(ctx, network, address)
}
