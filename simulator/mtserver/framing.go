package mtserver

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/gotd/td/mtproxy/obfuscated2"
)

// Transports, see core.telegram.org/mtproto/mtproto-transports.
type framing uint8

const (
	abridged framing = iota + 1
	intermediate
	padded
)

var errFraming = errors.New("unknown transport")

// packets cuts a byte stream into packets. Reading and writing may happen in two
// goroutines, each for itself.
type packets struct {
	kind       framing
	r          io.Reader
	w          io.Writer
	consumed   int64 // bytes of the stream that belong to packets read so far
	obfuscated bool
}

// detect reads the first bytes of a connection and finds out how it is framed.
func detect(r io.Reader, w io.Writer) (*packets, error) {
	br := bufio.NewReaderSize(r, 4096)
	first, err := br.Peek(1)
	if err != nil {
		return nil, err
	}
	if first[0] == 0xef {
		_, _ = br.Discard(1)
		return &packets{kind: abridged, r: br, w: w, consumed: 1}, nil
	}
	tag, err := br.Peek(4)
	if err != nil {
		return nil, err
	}
	switch {
	case string(tag) == "\xee\xee\xee\xee":
		_, _ = br.Discard(4)
		return &packets{kind: intermediate, r: br, w: w, consumed: 4}, nil
	case string(tag) == "\xdd\xdd\xdd\xdd":
		_, _ = br.Discard(4)
		return &packets{kind: padded, r: br, w: w, consumed: 4}, nil
	case string(tag) == "HEAD", string(tag) == "POST", string(tag) == "GET ", string(tag) == "OPTI":
		return nil, fmt.Errorf("%w: http", errFraming)
	}
	return detectObfuscated(br, w)
}

func detectObfuscated(br *bufio.Reader, w io.Writer) (*packets, error) {
	if start, err := br.Peek(8); err != nil {
		return nil, err
	} else if binary.LittleEndian.Uint32(start[4:]) == 0 {
		return nil, fmt.Errorf("%w: full transport is not served", errFraming)
	}
	stream, meta, err := obfuscated2.Accept(struct {
		io.Reader
		io.Writer
	}{br, w}, nil)
	if err != nil {
		return nil, err
	}
	p := &packets{r: stream, w: stream, consumed: 64, obfuscated: true}
	switch meta.Protocol {
	case [4]byte{0xef, 0xef, 0xef, 0xef}:
		p.kind = abridged
	case [4]byte{0xee, 0xee, 0xee, 0xee}:
		p.kind = intermediate
	case [4]byte{0xdd, 0xdd, 0xdd, 0xdd}:
		p.kind = padded
	default:
		return nil, errFraming
	}
	return p, nil
}

// next reads one packet. quick says that the client asks for a quick acknowledgement.
func (p *packets) next() (payload []byte, quick bool, err error) {
	var head [4]byte
	n := 0
	if p.kind == abridged {
		if err := p.full(head[:1]); err != nil {
			return nil, false, err
		}
		quick = head[0]&0x80 != 0
		n = int(head[0]&0x7f) * 4
		if head[0]&0x7f == 0x7f {
			if err := p.full(head[:3]); err != nil {
				return nil, false, err
			}
			n = (int(head[0]) | int(head[1])<<8 | int(head[2])<<16) * 4
		}
	} else {
		if err := p.full(head[:]); err != nil {
			return nil, false, err
		}
		v := binary.LittleEndian.Uint32(head[:])
		quick = v&(1<<31) != 0
		n = int(v &^ (1 << 31))
	}
	if n < 8 || n > maxFrame {
		return nil, false, fmt.Errorf("read packet: length %d is not in 8..%d", n, maxFrame)
	}
	payload = make([]byte, n)
	return payload, quick, p.full(payload)
}

func (p *packets) full(b []byte) error {
	n, err := io.ReadFull(p.r, b)
	p.consumed += int64(n)
	return err
}

// write sends one packet in one write.
func (p *packets) write(payload []byte) error {
	buf := make([]byte, 0, len(payload)+20)
	pad := 0
	switch p.kind {
	case abridged:
		if words := len(payload) / 4; words < 0x7f {
			buf = append(buf, byte(words))
		} else {
			buf = append(buf, 0x7f, byte(words), byte(words>>8), byte(words>>16))
		}
	case padded:
		if len(payload) > 4 { // a transport error stays recognisable
			pad = rand.IntN(16)
		}
		fallthrough
	default:
		buf = binary.LittleEndian.AppendUint32(buf, uint32(len(payload)+pad))
	}
	buf = append(buf, payload...)
	for range pad {
		buf = append(buf, byte(rand.Uint32()))
	}
	_, err := p.w.Write(buf)
	return err
}

// writeQuickAck sends a quick acknowledgement; padded intermediate gets none.
func (p *packets) writeQuickAck(token uint32) error {
	var b [4]byte
	switch p.kind {
	case abridged:
		binary.BigEndian.PutUint32(b[:], token)
	case intermediate:
		binary.LittleEndian.PutUint32(b[:], token)
	default:
		return nil
	}
	_, err := p.w.Write(b[:])
	return err
}
