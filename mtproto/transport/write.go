package transport

import (
	"crypto/cipher"
	"io"
)

// writer lays packets out for the stream.
type writer struct {
	header  []byte        // what the stream starts with; nil once it is built into a packet
	stream  cipher.Stream // nil: plain
	rand    io.Reader     // for padding
	seq     uint32        // of the next packet in the full framing
	records bool          // the stream is cut into TLS records
	begun   bool          // the first record is built
}

// build returns the bytes of one packet in a pooled buffer, before the first one the header of the stream. After an
// error the writer is as it was.
func (out *writer) build(f framing, payload []byte) ([]byte, error) {
	plain := len(out.header) + maxHeader + len(payload) + maxPadding + 1
	size := plain
	if out.records {
		size = recordedSize(plain)
	}
	pooled := get(size)
	buf := append(pooled[:0], out.header...)
	start := len(buf)
	switch f.kind {
	case PaddedIntermediate:
		var err error
		if buf, err = out.appendPadded(buf, payload); err != nil {
			Recycle(pooled)
			return nil, err
		}
	case Full:
		buf = out.appendFull(buf, payload)
	default:
		buf = append(f.appendHeader(buf, len(payload)), payload...)
	}
	if out.stream != nil {
		out.stream.XORKeyStream(buf[start:], buf[start:])
	}
	out.header = nil
	if out.records {
		buf = out.record(buf)
	}
	return buf, nil
}
