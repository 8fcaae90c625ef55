package transport

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// SOCKS5, RFC 1928 and 1929.
const (
	socksVersion     = 5
	socksAuthVersion = 1
	socksConnect     = 1

	socksNoAuth   = 0x00
	socksPassword = 0x02
	socksNone     = 0xff // no method is acceptable

	// Replies up to socksExpired are about the way to the target, but for socksForbidden.
	socksForbidden = 2
	socksExpired   = 6

	socksIPv4   = 1
	socksDomain = 3
	socksIPv6   = 4

	// maxField is the longest user, password or host: each has one byte for its length.
	maxField = 255
)

// socksReplies are the reasons why a proxy did not connect.
var socksReplies = [...]string{
	1: "general failure", 2: "connection not allowed by the rules", 3: "network unreachable", 4: "host unreachable",
	5: "connection refused", 6: "TTL expired", 7: "command not supported", 8: "address type not supported",
}

// socks5 asks for a connection to addr. Names are left to the proxy to resolve.
func (h *handshake) socks5(p Proxy, addr string) error {
	methods := []byte{socksVersion, 1, socksNoAuth}
	if p.User != "" {
		methods = []byte{socksVersion, 2, socksNoAuth, socksPassword}
	}
	if err := h.send(methods); err != nil {
		return err
	}
	var answer [2]byte
	if err := h.receive(answer[:]); err != nil {
		return err
	}
	switch method := answer[1]; {
	case answer[0] != socksVersion:
		return fmt.Errorf("%w: SOCKS version %d", ErrProxyProtocol, answer[0])
	case method == socksNone && p.User == "":
		return fmt.Errorf("%w: it wants a user and a password", ErrProxyAuth)
	case method == socksNone:
		return fmt.Errorf("%w: it takes none of our methods of authentication", ErrProxyAuth)
	case method == socksPassword && p.User != "":
		if err := h.socksLogin(p); err != nil {
			return err
		}
	case method != socksNoAuth:
		return fmt.Errorf("%w: method of authentication %#02x was not offered", ErrProxyProtocol, method)
	}
	return h.socksRequest(addr)
}

func (h *handshake) socksLogin(p Proxy) error {
	login := append([]byte{socksAuthVersion, byte(len(p.User))}, p.User...)
	login = append(append(login, byte(len(p.Password))), p.Password...)
	if err := h.send(login); err != nil {
		return err
	}
	var answer [2]byte
	if err := h.receive(answer[:]); err != nil {
		return err
	}
	if answer[0] != socksAuthVersion {
		return fmt.Errorf("%w: version %d of the password exchange", ErrProxyProtocol, answer[0])
	}
	if answer[1] != 0 {
		return ErrProxyAuth
	}
	return nil
}

func (h *handshake) socksRequest(addr string) error {
	request, err := appendSocksAddr([]byte{socksVersion, socksConnect, 0}, addr)
	if err != nil {
		return err
	}
	if err := h.send(request); err != nil {
		return err
	}
	var answer [4]byte
	if err := h.receive(answer[:2]); err != nil { // a refusal may end after these two
		h.atTarget = true // it has greeted us, so it is the target that it waits for or gives up
		return err
	}
	if answer[0] != socksVersion {
		return fmt.Errorf("%w: SOCKS version %d", ErrProxyProtocol, answer[0])
	}
	if code := int(answer[1]); code != 0 {
		reason := "unknown reason"
		if code < len(socksReplies) {
			reason = socksReplies[code]
		}
		h.atTarget = code != socksForbidden && code <= socksExpired
		return fmt.Errorf("the proxy does not connect: %s (reply %d)", reason, code)
	}
	if err := h.receive(answer[2:]); err != nil {
		return err
	}
	return h.skipSocksAddr(answer[3])
}

// skipSocksAddr reads the address that the proxy has bound; nobody needs it.
func (h *handshake) skipSocksAddr(kind byte) error {
	var room [1 + maxField + 2]byte
	size := 0
	switch kind {
	case socksIPv4:
		size = 4
	case socksIPv6:
		size = 16
	case socksDomain:
		if err := h.receive(room[:1]); err != nil {
			return err
		}
		size = int(room[0])
	default:
		return fmt.Errorf("%w: an address of type %d", ErrProxyProtocol, kind)
	}
	return h.receive(room[:size+2])
}

func appendSocksAddr(b []byte, addr string) ([]byte, error) {
	host, port, err := splitAddr(addr)
	if err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(host); err != nil {
		b = append(append(b, socksDomain, byte(len(host))), host...)
	} else if ip = ip.Unmap(); ip.Is4() {
		b = append(append(b, socksIPv4), ip.AsSlice()...)
	} else {
		b = append(append(b, socksIPv6), ip.AsSlice()...)
	}
	return binary.BigEndian.AppendUint16(b, port), nil
}
