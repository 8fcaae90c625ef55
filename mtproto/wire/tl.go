package wire

import (
	"encoding/binary"
	"errors"
)

// ErrShort says that a TL object ends too early or gives an impossible length.
var ErrShort = errors.New("object ends too early")

// Reader takes TL values from a byte slice. After a failure all further values are zero
// and Err is ErrShort.
type Reader struct {
	buf []byte
	err error
}

// NewReader reads from b, which it aliases.
func NewReader(b []byte) Reader { return Reader{buf: b} }

// Err returns the first failure.
func (r *Reader) Err() error { return r.err }

// Rest returns the bytes not taken yet.
func (r *Reader) Rest() []byte { return r.buf }

// Take returns the next n bytes, without copying them.
func (r *Reader) Take(n int) []byte {
	if n < 0 || n > len(r.buf) || r.err != nil {
		r.err, r.buf = ErrShort, nil
		return nil
	}
	b := r.buf[:n:n]
	r.buf = r.buf[n:]
	return b
}

// Uint32 takes a constructor id.
func (r *Reader) Uint32() uint32 {
	if b := r.Take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Int32 takes an int.
func (r *Reader) Int32() int32 { return int32(r.Uint32()) }

// Int64 takes a long.
func (r *Reader) Int64() int64 {
	if b := r.Take(8); b != nil {
		return int64(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// Bytes takes a TL string, without copying it.
func (r *Reader) Bytes() []byte {
	head := r.Take(1)
	if head == nil {
		return nil
	}
	n, prefix := int(head[0]), 1
	switch {
	case n == 254:
		size := r.Take(3)
		if size == nil {
			return nil
		}
		n, prefix = int(size[0])|int(size[1])<<8|int(size[2])<<16, 4
	case n > 254:
		return r.Take(-1)
	}
	b := r.Take(n)
	r.Take((4 - (prefix+n)%4) % 4)
	if r.err != nil {
		return nil
	}
	return b
}

// Int64s takes a Vector<long> of at most limit elements.
func (r *Reader) Int64s(limit int) []int64 {
	if r.Uint32() != IDVector {
		r.Take(-1)
		return nil
	}
	n := int(r.Int32())
	if n < 0 || n > limit || n*8 > len(r.buf) {
		r.Take(-1)
		return nil
	}
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = r.Int64()
	}
	return ids
}

// AppendUint32 appends a constructor id or an int.
func AppendUint32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }

// AppendInt64 appends a long.
func AppendInt64(b []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) }

// AppendInt64s appends a Vector<long>.
func AppendInt64s(b []byte, ids []int64) []byte {
	b = AppendUint32(b, IDVector)
	b = AppendUint32(b, uint32(len(ids)))
	for _, id := range ids {
		b = AppendInt64(b, id)
	}
	return b
}

// AppendBytes appends a TL string.
func AppendBytes(b, s []byte) []byte {
	if len(s) < 254 {
		b = append(b, byte(len(s)))
	} else {
		b = append(b, 254, byte(len(s)), byte(len(s)>>8), byte(len(s)>>16))
	}
	b = append(b, s...)
	prefix := 1
	if len(s) >= 254 {
		prefix = 4
	}
	for range (4 - (prefix+len(s))%4) % 4 {
		b = append(b, 0)
	}
	return b
}
