package transport

import (
	"encoding/binary"
	"fmt"
)

// framing is how one Framing is put on the wire: what the stream starts with, and how packet headers are written and
// read. What follows a payload is in padded.go and full.go.
type framing struct {
	kind   Framing
	tag    [4]byte // the obfuscation header's protocol tag; its first tagLen bytes start a plain stream
	tagLen int
	// trailer is the most that follows a payload inside its packet, in bytes.
	trailer int
}

func framingOf(f Framing) (framing, error) {
	switch f {
	case Abridged:
		return framing{kind: f, tag: [4]byte{0xef, 0xef, 0xef, 0xef}, tagLen: 1}, nil
	case Intermediate:
		return framing{kind: f, tag: [4]byte{0xee, 0xee, 0xee, 0xee}, tagLen: 4}, nil
	case PaddedIntermediate:
		return framing{kind: f, tag: [4]byte{0xdd, 0xdd, 0xdd, 0xdd}, tagLen: 4, trailer: maxPadding}, nil
	case Full:
		return framing{kind: f, trailer: checksumSize}, nil
	default:
		return framing{}, fmt.Errorf("unknown framing %v", f)
	}
}

const (
	// maxHeader is the longest packet header of any framing, in bytes.
	maxHeader = fullHeader
	// quickAck marks a quick acknowledgement where a length is expected.
	quickAck = 1 << 31
	// abridgedLong announces a length of three bytes in the abridged framing.
	abridgedLong = 0x7f
)

// checkLength says whether a payload of n bytes may be sent.
func (f framing) checkLength(n, limit int) error {
	switch {
	case n > limit:
		return fmt.Errorf("%w (%d bytes, limit %d)", ErrFrameSize, n, limit)
	case n == 0:
		return fmt.Errorf("%w: it is empty", ErrFrame)
	case f.kind == Abridged && n%4 != 0:
		return fmt.Errorf("%w: %d bytes are not a multiple of four", ErrFrame, n)
	case f.kind == Abridged && n/4 >= 1<<24:
		return fmt.Errorf("%w (%d bytes do not fit the abridged framing)", ErrFrameSize, n)
	default:
		return nil
	}
}

// appendHeader appends the header of a packet of the abridged and the intermediate framings; n is its length with the
// padding, and passed checkLength.
func (f framing) appendHeader(dst []byte, n int) []byte {
	if f.kind != Abridged {
		return binary.LittleEndian.AppendUint32(dst, uint32(n))
	}
	words := n / 4
	if words < abridgedLong {
		return append(dst, byte(words))
	}
	return append(dst, abridgedLong, byte(words), byte(words>>8), byte(words>>16))
}

// parseHeader reads a packet header at the start of b. It returns the header's length and that of what follows it, the
// trailer included. Both are 0 if b is too short; only size is 0 at a quick acknowledgement, which is all header; only
// header is 0 at a bare transport error, which is all payload.
func (f framing) parseHeader(b []byte) (header, size int, err error) {
	switch f.kind {
	case Abridged:
		return parseAbridged(b)
	case Full:
		return parseFull(b)
	}
	if len(b) < 4 {
		return 0, 0, nil
	}
	n := binary.LittleEndian.Uint32(b)
	if n&quickAck != 0 {
		return 4, 0, nil
	}
	if n == 0 {
		return 0, 0, fmt.Errorf("%w: it is empty", ErrFrame)
	}
	return 4, int(n), nil
}

func parseAbridged(b []byte) (header, size int, err error) {
	if len(b) == 0 {
		return 0, 0, nil
	}
	switch first := b[0]; {
	case first&0x80 != 0: // a quick acknowledgement comes byte-swapped, its marked byte first
		if len(b) < 4 {
			return 0, 0, nil
		}
		return 4, 0, nil
	case first == abridgedLong:
		if len(b) < 4 {
			return 0, 0, nil
		}
		header, size = 4, 4*(int(b[1])|int(b[2])<<8|int(b[3])<<16)
	default:
		header, size = 1, 4*int(first)
	}
	if size == 0 {
		return 0, 0, fmt.Errorf("%w: it is empty", ErrFrame)
	}
	return header, size, nil
}
