package transport

import "crypto/cipher"

// writer lays packets out for the stream.
type writer struct {
	header []byte        // what the stream starts with; nil once it is built into a packet
	stream cipher.Stream // nil: plain
}

// build returns the bytes of one packet in a pooled buffer, before the first one the header of the stream.
func (out *writer) build(f framing, payload []byte) []byte {
	buf := get(len(out.header) + maxHeader + len(payload))[:0]
	buf = append(buf, out.header...)
	start := len(buf)
	buf = f.appendHeader(buf, len(payload))
	buf = append(buf, payload...)
	if out.stream != nil {
		out.stream.XORKeyStream(buf[start:], buf[start:])
	}
	out.header = nil
	return buf
}
