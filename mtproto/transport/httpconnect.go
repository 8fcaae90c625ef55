package transport

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxReply is the longest header of an HTTP proxy's answer, in bytes; real ones have a few hundred.
const maxReply = 8 << 10

// connect asks for a tunnel to addr. Names are left to the proxy to resolve.
func (h *handshake) connect(p Proxy, addr string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", addr, addr)
	if p.User != "" {
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(p.User+":"+p.Password)))
	}
	b.WriteString("\r\n")
	if err := h.send([]byte(b.String())); err != nil {
		return err
	}
	status, err := h.reply()
	if err != nil {
		return err
	}
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == 407:
		return fmt.Errorf("%w (HTTP status 407)", ErrProxyAuth)
	case status >= 500:
		h.atTarget = true
	}
	return fmt.Errorf("the proxy does not connect (HTTP status %d)", status)
}

// reply reads the header of the answer and returns its status. The server behind the tunnel does not speak first, so
// nothing may follow the header of a tunnel.
func (h *handshake) reply() (int, error) {
	room := get(maxReply)
	defer Recycle(room)
	have := 0
	for {
		if have == len(room) {
			return 0, fmt.Errorf("%w: a header of more than %d bytes", ErrProxyProtocol, maxReply)
		}
		n, err := h.nc.Read(room[have:])
		from := max(0, have-3)
		have += n
		if end := bytes.Index(room[from:have], []byte("\r\n\r\n")); end >= 0 {
			return statusOf(room[:have], from+end+4)
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
	}
}

// statusOf reads "HTTP/1.x nnn" at the start of an answer whose header ends at end. What the answer says besides is
// not repeated anywhere: nobody knows what a proxy writes there.
func statusOf(answer []byte, end int) (int, error) {
	const version = "HTTP/1."
	line := answer[:end]
	if len(line) < len(version)+5 || string(line[:len(version)]) != version || line[len(version)+1] != ' ' {
		return 0, fmt.Errorf("%w: no HTTP/1 status line", ErrProxyProtocol)
	}
	status := 0
	for _, digit := range line[len(version)+2 : len(version)+5] {
		if digit < '0' || digit > '9' {
			return 0, fmt.Errorf("%w: no HTTP status", ErrProxyProtocol)
		}
		status = 10*status + int(digit-'0')
	}
	if next := line[len(version)+5]; next != ' ' && next != '\r' {
		return 0, fmt.Errorf("%w: no HTTP status", ErrProxyProtocol)
	}
	if status >= 200 && status < 300 && len(answer) > end {
		return 0, fmt.Errorf("%w: %d bytes before anything was sent through the tunnel", ErrProxyProtocol, len(answer)-end)
	}
	return status, nil
}
