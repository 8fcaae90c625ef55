package transport

import (
	"encoding/binary"
	"fmt"
)

// TLS records as FakeTLS uses them (RFC 8446, section 5.1): type, version 3.3, length, payload. Nothing in them is
// encrypted by TLS.
const (
	recordHeader = 5
	// maxRecord is the longest payload of a record, the limit of RFC 8446.
	maxRecord = 1 << 14

	recordChangeCipher = 0x14
	recordAlert        = 0x15
	recordHandshake    = 0x16
	recordData         = 0x17
)

// changeCipher is the record that a TLS 1.3 client sends before its first data, for middleboxes.
const changeCipher = "\x14\x03\x03\x00\x01\x01"

// recordedSize is how much room n bytes need as records, with the record before the first one.
func recordedSize(n int) int {
	return len(changeCipher) + n + recordHeader*((n+maxRecord-1)/maxRecord)
}

// record cuts buf into records in place; it must have the room. Payloads move from the last to the first, so that none
// is overwritten before it has moved.
func (out *writer) record(buf []byte) []byte {
	lead := 0
	if !out.begun {
		lead, out.begun = len(changeCipher), true
	}
	n := len(buf)
	count := (n + maxRecord - 1) / maxRecord
	buf = buf[:lead+n+count*recordHeader]
	for k := count - 1; k >= 0; k-- {
		from := k * maxRecord
		size := min(maxRecord, n-from)
		at := lead + k*(recordHeader+maxRecord)
		copy(buf[at+recordHeader:], buf[from:from+size])
		buf[at], buf[at+1], buf[at+2] = recordData, 3, 3
		binary.BigEndian.PutUint16(buf[at+3:], uint16(size))
	}
	copy(buf[:lead], changeCipher)
	return buf
}

// records takes the headers off a stream of records.
//
//	header ─5 bytes─> payload ─all of it─> header
type records struct {
	header [recordHeader]byte
	have   int  // bytes of header that have arrived
	left   int  // bytes of the payload still to come
	drop   bool // the payload is no data
}

// begun says that a record has arrived in part.
func (r *records) begun() bool { return r.have > 0 || r.left > 0 }

// strip moves the data within b to its front and returns the length of it. Records longer than maxRecord are taken:
// some proxies send them, and nothing is allocated by a record's length.
func (r *records) strip(b []byte) (int, error) {
	data := 0
	for at := 0; at < len(b); {
		if r.left == 0 {
			n := copy(r.header[r.have:], b[at:])
			r.have += n
			at += n
			if r.have == recordHeader {
				if err := r.open(); err != nil {
					return 0, err
				}
			}
			continue
		}
		n := min(r.left, len(b)-at)
		if !r.drop {
			data += copy(b[data:], b[at:at+n])
		}
		r.left -= n
		at += n
	}
	return data, nil
}

// open judges a complete header.
func (r *records) open() error {
	kind, version := r.header[0], r.header[1]
	r.have, r.left = 0, int(binary.BigEndian.Uint16(r.header[3:]))
	if version != 3 {
		return fmt.Errorf("%w: a record of TLS version %x", ErrFrame, r.header[1:3])
	}
	switch kind {
	case recordData, recordChangeCipher:
		r.drop = kind != recordData
		return nil
	case recordAlert:
		return fmt.Errorf("%w: the proxy sent a TLS alert", ErrFrame)
	default:
		return fmt.Errorf("%w: a record of type %#x where data was expected", ErrFrame, kind)
	}
}
