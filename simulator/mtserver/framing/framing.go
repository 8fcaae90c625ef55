// Package framing cuts a client's byte stream into MTProto packets, server side: abridged,
// intermediate and padded intermediate, plain or obfuscated, and full. It finds out by itself
// which one a client speaks.
//
// # Usage
//
//	p, err := framing.Detect(conn, conn)
//	payload, quick, err := p.Next()
//
// # Concurrency
//
// One goroutine may read while another one writes.
//
// # Errors
//
// ErrUnknown, ErrPacket, or what the stream says.
package framing

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"

	"github.com/gotd/td/mtproxy/obfuscated2"
)

// MaxFrame bounds a packet; a longer one is refused before it is read.
const MaxFrame = 16 << 20

// Transports, see core.telegram.org/mtproto/mtproto-transports.
type kind uint8

const (
	abridged kind = iota + 1
	intermediate
	padded
	full
)

// The full transport puts length, number and CRC32 around a packet.
const (
	fullHeader   = 8
	fullChecksum = 4
)

// ErrUnknown means that the first bytes belong to no transport that is served.
var ErrUnknown = errors.New("unknown transport")

// ErrPacket means that a packet's length, number or checksum is wrong.
var ErrPacket = errors.New("invalid packet")

// Packets cuts a byte stream into packets. Reading and writing may happen in two
// goroutines, each for itself.
type Packets struct {
	kind       kind
	r          io.Reader
	w          io.Writer
	consumed   int64 // bytes of the stream that belong to packets read so far
	obfuscated bool

	readSeq, writeSeq uint32 // of the full transport's next packets
}

// Detect reads the first bytes of a connection and finds out how it is framed.
func Detect(r io.Reader, w io.Writer) (*Packets, error) {
	br := bufio.NewReaderSize(r, 4096)
	first, err := br.Peek(1)
	if err != nil {
		return nil, err
	}
	if first[0] == 0xef {
		_, _ = br.Discard(1)
		return &Packets{kind: abridged, r: br, w: w, consumed: 1}, nil
	}
	tag, err := br.Peek(4)
	if err != nil {
		return nil, err
	}
	switch {
	case string(tag) == "\xee\xee\xee\xee":
		_, _ = br.Discard(4)
		return &Packets{kind: intermediate, r: br, w: w, consumed: 4}, nil
	case string(tag) == "\xdd\xdd\xdd\xdd":
		_, _ = br.Discard(4)
		return &Packets{kind: padded, r: br, w: w, consumed: 4}, nil
	case string(tag) == "HEAD", string(tag) == "POST", string(tag) == "GET ", string(tag) == "OPTI":
		return nil, fmt.Errorf("%w: http", ErrUnknown)
	}
	return detectObfuscated(br, w)
}

func detectObfuscated(br *bufio.Reader, w io.Writer) (*Packets, error) {
	if start, err := br.Peek(8); err != nil {
		return nil, err
	} else if binary.LittleEndian.Uint32(start[4:]) == 0 { // the number of a first packet
		return &Packets{kind: full, r: br, w: w}, nil
	}
	stream, meta, err := obfuscated2.Accept(struct {
		io.Reader
		io.Writer
	}{br, w}, nil)
	if err != nil {
		return nil, err
	}
	p := &Packets{r: stream, w: stream, consumed: 64, obfuscated: true}
	switch meta.Protocol {
	case [4]byte{0xef, 0xef, 0xef, 0xef}:
		p.kind = abridged
	case [4]byte{0xee, 0xee, 0xee, 0xee}:
		p.kind = intermediate
	case [4]byte{0xdd, 0xdd, 0xdd, 0xdd}:
		p.kind = padded
	default:
		return nil, ErrUnknown
	}
	return p, nil
}

// Next reads one packet. quick says that the client asks for a quick acknowledgement.
func (p *Packets) Next() (payload []byte, quick bool, err error) {
	var head [4]byte
	n := 0
	switch p.kind {
	case full:
		payload, err = p.nextFull()
		return payload, false, err
	case abridged:
		if err := p.fill(head[:1]); err != nil {
			return nil, false, err
		}
		quick = head[0]&0x80 != 0
		n = int(head[0]&0x7f) * 4
		if head[0]&0x7f == 0x7f {
			if err := p.fill(head[:3]); err != nil {
				return nil, false, err
			}
			n = (int(head[0]) | int(head[1])<<8 | int(head[2])<<16) * 4
		}
	default:
		if err := p.fill(head[:]); err != nil {
			return nil, false, err
		}
		v := binary.LittleEndian.Uint32(head[:])
		quick = v&(1<<31) != 0
		n = int(v &^ (1 << 31))
	}
	if n < 8 || n > MaxFrame {
		return nil, false, fmt.Errorf("%w: length %d is not in 8..%d", ErrPacket, n, MaxFrame)
	}
	payload = make([]byte, n)
	return payload, quick, p.fill(payload)
}

// nextFull reads one packet of the full transport, which has no quick acknowledgements.
func (p *Packets) nextFull() ([]byte, error) {
	var head [fullHeader]byte
	if err := p.fill(head[:]); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(head[:])) - fullHeader - fullChecksum
	if n < 8 || n > MaxFrame {
		return nil, fmt.Errorf("%w: length %d is not in 8..%d", ErrPacket, n, MaxFrame)
	}
	if seq := binary.LittleEndian.Uint32(head[4:]); seq != p.readSeq {
		return nil, fmt.Errorf("%w: number %d, want %d", ErrPacket, seq, p.readSeq)
	}
	body := make([]byte, n+fullChecksum)
	if err := p.fill(body); err != nil {
		return nil, err
	}
	sum := crc32.Update(crc32.ChecksumIEEE(head[:]), crc32.IEEETable, body[:n])
	if got := binary.LittleEndian.Uint32(body[n:]); got != sum {
		return nil, fmt.Errorf("%w: checksum %08x, want %08x", ErrPacket, got, sum)
	}
	p.readSeq++
	return body[:n:n], nil
}

// Consumed is how many bytes of the stream belong to packets read so far.
func (p *Packets) Consumed() int64 { return p.consumed }

func (p *Packets) fill(b []byte) error {
	n, err := io.ReadFull(p.r, b)
	p.consumed += int64(n)
	return err
}

// Write sends one packet in one write.
func (p *Packets) Write(payload []byte) error {
	buf := make([]byte, 0, len(payload)+20)
	pad := 0
	switch p.kind {
	case full:
		_, err := p.w.Write(p.appendFull(buf, payload))
		return err
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

func (p *Packets) appendFull(buf, payload []byte) []byte {
	buf = binary.LittleEndian.AppendUint32(buf, uint32(fullHeader+len(payload)+fullChecksum))
	buf = binary.LittleEndian.AppendUint32(buf, p.writeSeq)
	buf = append(buf, payload...)
	p.writeSeq++
	return binary.LittleEndian.AppendUint32(buf, crc32.ChecksumIEEE(buf))
}

// WriteQuickAck sends a quick acknowledgement; padded intermediate and full get none.
func (p *Packets) WriteQuickAck(token uint32) error {
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
