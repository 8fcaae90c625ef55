// Package packing packs and unpacks gzip_packed objects, server side.
//
// # Usage
//
//	body, err := packing.Unpack(body, 16<<20)
//	body = packing.Pack(body)
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// ErrPacked: what is packed is malformed, too large, or packed more than twice.
package packing

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"

	"github.com/gotd/td/bin"
)

// ID is the constructor of gzip_packed.
const ID = 0x3072cfa1

// ErrPacked means that an object cannot be unpacked.
var ErrPacked = errors.New("gzip_packed is malformed or too large")

// depth is how often an object may be packed.
const depth = 2

// Unpack unpacks gzip_packed up to a size in bytes; anything else is returned as it is. It takes the
// format of gzip, and that of zlib, which mtcute sends.
func Unpack(body []byte, limit int) ([]byte, error) {
	for range depth {
		if !packed(body) {
			return body, nil
		}
		b := &bin.Buffer{Buf: body[4:]}
		data, err := b.Bytes()
		if err != nil {
			return nil, ErrPacked
		}
		r, err := open(data)
		if err != nil {
			return nil, ErrPacked
		}
		body, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
		if err != nil || len(body) > limit || len(body) < 4 || len(body)%4 != 0 {
			return nil, ErrPacked
		}
	}
	if packed(body) {
		return nil, ErrPacked
	}
	return body, nil
}

func packed(body []byte) bool { return len(body) >= 4 && binary.LittleEndian.Uint32(body) == ID }

// open tells the formats by their first bytes.
func open(data []byte) (io.Reader, error) {
	if len(data) > 1 && data[0] == 0x1f && data[1] == 0x8b {
		return gzip.NewReader(bytes.NewReader(data))
	}
	return zlib.NewReader(bytes.NewReader(data))
}

// Pack packs an object.
func Pack(body []byte) []byte {
	var data bytes.Buffer
	w := gzip.NewWriter(&data)
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	b := &bin.Buffer{}
	b.PutID(ID)
	b.PutBytes(data.Bytes())
	return b.Buf
}
