package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"runtime"
	"testing"
)

func packed(t *testing.T, parts int, part []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	for range parts {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return AppendBytes(AppendUint32(nil, IDGzipPacked), out.Bytes())
}

// TestGzipBombOfTDLib has the bomb of TDLib's decode_encode_flow_bomb (tdutils/test/gzip.cpp): 200 times 64 KiB of the
// letter a, 13 MB in 13 KB. It is refused after the limit, not after all of it.
func TestGzipBombOfTDLib(t *testing.T) {
	const limit = 1 << 20
	bomb := packed(t, 200, bytes.Repeat([]byte{'a'}, 1<<16))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Gunzip(bomb, limit)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 10*limit { // the copies of a growing buffer; all of it would be 13 MB, and 26 with copies
		t.Errorf("%d bytes allocated for a limit of %d", got, limit)
	}
	if text, err := Gunzip(bomb, 200<<16); err != nil || len(text) != 200<<16 {
		t.Errorf("within the limit: %d bytes, %v", len(text), err)
	}
}

// TestGunzipRefusesBrokenData: cut (TDLib's flow_error), flipped, empty and no gzip at all.
func TestGunzipRefusesBrokenData(t *testing.T) {
	good := packed(t, 1, bytes.Repeat([]byte("some text "), 100))
	r := NewReader(good)
	r.Uint32()
	data := r.Bytes()
	again := func(b []byte) []byte { return AppendBytes(AppendUint32(nil, IDGzipPacked), b) }
	flipped := bytes.Clone(data)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	for name, body := range map[string][]byte{
		"cut by one byte": again(data[:len(data)-1]), "flipped": again(flipped), "empty": again(nil),
		"no gzip": again([]byte("0123456789012345678901234567")), "no string": good[:4], "cut string": good[:20],
	} {
		if out, err := Gunzip(body, 1<<20); err == nil {
			t.Errorf("%s: unpacked to %d bytes", name, len(out))
		}
	}
}
