package transport

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The full framing: length of the whole packet, number of the packet, payload, CRC32 of all before it.
const (
	fullHeader   = 8
	checksumSize = 4
	// statusSize is the length of a transport error that comes bare, without an envelope around it.
	statusSize = 4
)

// appendFull appends one packet and counts it.
func (out *writer) appendFull(buf, payload []byte) []byte {
	start := len(buf)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(fullHeader+len(payload)+checksumSize))
	buf = binary.LittleEndian.AppendUint32(buf, out.seq)
	buf = append(buf, payload...)
	out.seq++
	return binary.LittleEndian.AppendUint32(buf, crc32.ChecksumIEEE(buf[start:]))
}

// parseFull reads a header. A negative length is a transport error without an envelope: a packet without header.
func parseFull(b []byte) (header, size int, err error) {
	if len(b) < 4 {
		return 0, 0, nil
	}
	n := int64(int32(binary.LittleEndian.Uint32(b)))
	switch {
	case n < 0:
		return 0, statusSize, nil
	case n <= fullHeader+checksumSize:
		return 0, 0, fmt.Errorf("%w: a length of %d holds no payload", ErrFrame, n)
	case len(b) < fullHeader:
		return 0, 0, nil
	default:
		return fullHeader, int(n) - fullHeader, nil
	}
}

// checkSeq compares the number in a header with the one that is due, and begins the checksum.
func (in *reader) checkSeq(header []byte) error {
	if got := binary.LittleEndian.Uint32(header[4:]); got != in.seq {
		return fmt.Errorf("%w: got %d, want %d", ErrSequence, got, in.seq)
	}
	in.sum = crc32.ChecksumIEEE(header[:fullHeader])
	return nil
}

// verify takes the checksum off a packet whose header passed checkSeq, and counts the packet.
func (in *reader) verify(frame []byte) ([]byte, error) {
	if len(frame) == statusSize {
		return frame, nil
	}
	body := frame[:len(frame)-checksumSize]
	sum := crc32.Update(in.sum, crc32.IEEETable, body)
	if got := binary.LittleEndian.Uint32(frame[len(body):]); got != sum {
		return nil, fmt.Errorf("%w: packet %d says %08x, its bytes give %08x", ErrChecksum, in.seq, got, sum)
	}
	in.seq++
	return body, nil
}
