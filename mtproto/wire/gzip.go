package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"sync"
)

// ErrTooLarge says that packed data is larger than allowed when unpacked.
var ErrTooLarge = errors.New("unpacked data is too large")

var gzipReaders sync.Pool

// Gunzip unpacks the object of a gzip_packed (constructor included) into new memory of at
// most limit bytes.
func Gunzip(body []byte, limit int) ([]byte, error) {
	r := NewReader(body)
	r.Uint32()
	packed := r.Bytes()
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("gzip_packed: %w", err)
	}
	z, _ := gzipReaders.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	defer gzipReaders.Put(z)
	if err := z.Reset(bytes.NewReader(packed)); err != nil {
		return nil, fmt.Errorf("gzip_packed: %w", err)
	}
	var out bytes.Buffer
	n, err := out.ReadFrom(io.LimitReader(z, int64(limit)+1))
	switch {
	case n > int64(limit):
		return nil, fmt.Errorf("gzip_packed: %w (more than %d bytes)", ErrTooLarge, limit)
	case err != nil:
		return nil, fmt.Errorf("gzip_packed: %w", err)
	}
	return out.Bytes(), nil
}
