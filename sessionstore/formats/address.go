package formats

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Addresses that official clients ship with, for formats that must name one.
var (
	productionAddrs = map[int]string{
		1: "149.154.175.53:443", 2: "149.154.167.41:443", 3: "149.154.175.100:443",
		4: "149.154.167.91:443", 5: "91.108.56.191:443",
	}
	testAddrs = map[int]string{
		1: "149.154.175.10:443", 2: "149.154.167.40:443", 3: "149.154.175.117:443",
	}
)

// testHosts are the hosts of the test DCs, in the forms that other libraries ship.
var testHosts = map[string]bool{
	"149.154.175.10": true, "149.154.167.40": true, "149.154.175.117": true,
	"2001:b28:f23d:f001::e": true, "2001:67c:4e8:f002::e": true, "2001:b28:f23d:f003::e": true,
}

// hostPort joins host and port to an address in its shortest form. The port is 1 to 65535.
func hostPort(f Format, host string, port int) (string, error) {
	if port < 1 || port > 65535 {
		return "", invalid(f, "port", "1 to 65535 (got %d)", port)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().WithZone("").String()
	} else if !hostName(host) {
		return "", invalid(f, "server address", "neither an IP address nor a host name")
	}
	return net.JoinHostPort(host, strconv.Itoa(port)), nil
}

// hostName reports whether s could be a DNS name. It is not a dotted number: that would be a
// mistyped IP address.
func hostName(s string) bool {
	if len(s) == 0 || len(s) > 100 {
		return false
	}
	letter := false
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			letter = true
		case '0' <= c && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return letter && !strings.Contains(s, "..")
}

// address of the session's home DC for a format that must name one: the session's own, else
// the shipped one. needIP: the format has room for an IP address only.
func (s Session) address(f Format, needIP bool) (host string, port int, notes []Note, err error) {
	if s.Addr != "" {
		host, text, splitErr := net.SplitHostPort(s.Addr)
		port, atoiErr := strconv.Atoi(text)
		if splitErr != nil || atoiErr != nil {
			return "", 0, nil, notExportable(f, "server address", "not host:port", "leave it out or write it as 149.154.167.41:443")
		}
		if _, err := hostPort(f, host, port); err != nil {
			return "", 0, nil, notExportable(f, "server address", err.Error(), "leave it out or write it as 149.154.167.41:443")
		}
		ip, err := netip.ParseAddr(host)
		if err == nil {
			return ip.Unmap().WithZone("").String(), port, nil, nil
		}
		if !needIP {
			return host, port, nil, nil
		}
		notes = append(notes, Note{"server address", "the format takes IP addresses only; the one that clients ship with is written"})
	}
	table := productionAddrs
	if s.Test {
		table = testAddrs
	}
	ap, err := netip.ParseAddrPort(table[s.HomeDC])
	if err != nil {
		return "", 0, nil, notExportable(f, "server address", "none is known for DC "+strconv.Itoa(s.HomeDC), "give the session the address of its home DC")
	}
	return ap.Addr().String(), int(ap.Port()), notes, nil
}

// guessTest says from the address whether a session in a format without the flag belongs to
// the test DCs.
func guessTest(addr string) (bool, []Note) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !testHosts[host] {
		return false, nil
	}
	return true, []Note{{"test", "the format does not say so, but its address is one of Telegram's test DCs"}}
}
