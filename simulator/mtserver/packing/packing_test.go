package packing

import (
	"bytes"
	"compress/zlib"
	"errors"
	"testing"

	"github.com/gotd/td/bin"
)

func TestBothFormatsAreUnpacked(t *testing.T) {
	body := bytes.Repeat([]byte{1, 2, 3, 4}, 1000)
	if got, err := Unpack(Pack(body), 4000); err != nil || !bytes.Equal(got, body) {
		t.Errorf("gzip: %d bytes, %v", len(got), err)
	}
	if got, err := Unpack(Pack(Pack(body)), 4000); err != nil || !bytes.Equal(got, body) {
		t.Errorf("packed twice: %d bytes, %v", len(got), err)
	}
	var data bytes.Buffer
	w := zlib.NewWriter(&data)
	_, _ = w.Write(body)
	_ = w.Close()
	b := &bin.Buffer{}
	b.PutID(ID)
	b.PutBytes(data.Bytes())
	if got, err := Unpack(b.Buf, 4000); err != nil || !bytes.Equal(got, body) {
		t.Errorf("zlib: %d bytes, %v", len(got), err)
	}
	if got, err := Unpack(body, 1); err != nil || !bytes.Equal(got, body) {
		t.Errorf("not packed: %d bytes, %v", len(got), err)
	}
}

func TestWhatCannotBeUnpackedIsRefused(t *testing.T) {
	body := make([]byte, 4000)
	b := &bin.Buffer{}
	b.PutID(ID)
	b.PutBytes([]byte("neither format"))
	for name, packed := range map[string][]byte{
		"too large": Pack(body), "three times": Pack(Pack(Pack(body[:8]))), "no multiple of 4": Pack(body[:6]), "garbage": b.Buf, "cut": Pack(body)[:20],
	} {
		if _, err := Unpack(packed, 3999); !errors.Is(err, ErrPacked) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
