package formats

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// Why a read failed. They hold no data.
var (
	errShort  = errors.New("ends too early")
	errLonger = errors.New("has bytes after its end")
	errRange  = errors.New("a length or number is out of range")
)

// decode64 reads base64 of either alphabet, padded or not. Bits that an encoder leaves zero
// must be zero.
func decode64(text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, "=")
	b := make([]byte, base64.RawURLEncoding.DecodedLen(len(text)))
	url := bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("+"), []byte("-")), []byte("/"), []byte("_"))
	n, err := base64.RawURLEncoding.Strict().Decode(b, url)
	return b[:n], err
}

// reader takes fields off bytes. After a failure everything is zero and err stays.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// take gives the next n bytes, in place.
func (r *reader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b) {
		r.fail(errShort)
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) be16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) be32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) be64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) le32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) le64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) varint() int64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of items of at least size bytes each, so that a damaged count is
// refused before memory is asked for.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.fail(errShort)
		return 0
	}
	return int(n)
}

// bytes reads a varint length and as many bytes, at most limit.
func (r *reader) bytes(limit int) []byte {
	n := r.uvarint()
	if n > uint64(limit) {
		r.fail(errRange)
		return nil
	}
	if n == 0 {
		return nil
	}
	return bytes.Clone(r.take(int(n)))
}

// end fails when bytes are left, and gives the first failure.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail(errLonger)
	}
	return r.err
}
