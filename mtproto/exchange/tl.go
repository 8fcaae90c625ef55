package exchange

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// Constructors of the exchange, from the schema of core.telegram.org/schema/mtproto.
const (
	idReqPQMulti         = 0xbe7e8ef1
	idResPQ              = 0x05162463
	idPQInnerDataDC      = 0xa9f55f95
	idPQInnerDataTempDC  = 0x56fddf88
	idReqDHParams        = 0xd712e4be
	idServerDHParamsOK   = 0xd0e8075c
	idServerDHParamsFail = 0x79cb045d
	idServerDHInnerData  = 0xb5890dba
	idClientDHInnerData  = 0x6643b654
	idSetClientDHParams  = 0xf5045f1f
	idDHGenOK            = 0x3bcbf734
	idDHGenRetry         = 0x46dc1fb9
	idDHGenFail          = 0xa69dae02
	idVector             = 0x1cb5c415
)

func appendU32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func appendU64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

// appendBytes appends a TL string: length, bytes, zeros up to a multiple of four.
func appendBytes(b, s []byte) []byte {
	start := len(b)
	if len(s) < 254 {
		b = append(b, byte(len(s)))
	} else {
		b = append(b, 254, byte(len(s)), byte(len(s)>>8), byte(len(s)>>16))
	}
	b = append(b, s...)
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// minimalBytes is v in big-endian order without leading zeros.
func minimalBytes(v uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	return b[bits.LeadingZeros64(v)/8:]
}

var errShort = errors.New("the TL object is cut short")

// decoder reads TL values; after the first error it returns zeros only.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.b) {
		d.err, d.b = errShort, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) u32() uint32 {
	if v := d.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if v := d.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

func (d *decoder) int128() (v [16]byte) {
	copy(v[:], d.take(16))
	return v
}

// bytes reads a TL string; the slice aliases the input.
func (d *decoder) bytes() []byte {
	first := d.take(1)
	if first == nil {
		return nil
	}
	header, n := 1, int(first[0])
	switch n {
	case 255:
		d.err, d.b = errShort, nil
		return nil
	case 254:
		l := d.take(3)
		if l == nil {
			return nil
		}
		header, n = 4, int(l[0])|int(l[1])<<8|int(l[2])<<16
	}
	v := d.take(n)
	d.take((4 - (header+n)%4) % 4)
	return v
}
