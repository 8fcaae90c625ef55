package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// recorded cuts data into records of at most size bytes, without the one before the first.
func recorded(data []byte, size int) []byte {
	var b []byte
	for part := range slices.Chunk(data, size) {
		b = append(binary.BigEndian.AppendUint16(append(b, recordData, 3, 3), uint16(len(part))), part...)
	}
	return b
}

// pattern is the payload of mtcute's tests.
func pattern(size, seed int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte((i*31 + seed) % 251)
	}
	return b
}

// feedRecords is feed for a stream of records, with a cipher as under FakeTLS: a byte that is decrypted twice or in
// the wrong order spoils all that follows.
func feedRecords(t testing.TB, piece int, size int, packets ...[]byte) *Conn {
	t.Helper()
	var data []byte
	for _, p := range packets {
		data = append(binary.LittleEndian.AppendUint32(data, uint32(len(p))), p...)
	}
	key, iv := bytes.Repeat([]byte{0x2b}, 32), bytes.Repeat([]byte{0x17}, 16) // as in mtcute's tests
	newCTR(key, iv, nil).XORKeyStream(data, data)
	c := feed(t, Intermediate, 0, piece, recorded(data, size))
	c.in.records, c.in.stream = new(records), newCTR(key, iv, nil)
	return c
}

// TestRecordsOfMtcute has the cases of mtcute's _fake-tls.test.ts: packets over many records, cut anywhere. Its records
// hold 2878 bytes.
func TestRecordsOfMtcute(t *testing.T) {
	const mtcute = 2878
	for name, tc := range map[string]struct {
		piece   int
		packets [][]byte
	}{
		"a small packet in one record":          {1 << 20, [][]byte{pattern(120, 0)}},
		"a large packet over several records":   {1 << 20, [][]byte{pattern(8000, 0)}},
		"records cut in header and payload":     {777, [][]byte{pattern(20000, 5)}},
		"byte by byte":                          {1, [][]byte{pattern(6000, 9)}},
		"two packets in order":                  {1 << 20, [][]byte{pattern(5000, 1), pattern(3500, 2)}},
		"two packets in one record":             {1 << 20, [][]byte{pattern(100, 1), pattern(100, 2)}},
		"the last record exactly full":          {1 << 20, [][]byte{pattern(2*mtcute-4, 7)}},
		"a packet beyond the first part of one": {4000, [][]byte{pattern(firstPart*2+100, 3), pattern(4, 4)}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{mtcute, maxRecord, 1<<16 - 1, 10} {
				c := feedRecords(t, tc.piece, size, tc.packets...)
				for i, want := range tc.packets {
					got, err := c.ReadFrame()
					if err != nil || !bytes.Equal(got, want) {
						t.Fatalf("records of %d: packet %d: %d bytes, %v", size, i, len(got), err)
					}
				}
				if _, err := c.ReadFrame(); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("records of %d: end: %v", size, err)
				}
				if c.in.chunk != nil {
					t.Error("a buffer is held after the end")
				}
			}
		})
	}
}

func TestRecordsThatBreak(t *testing.T) {
	good := []byte{recordData, 3, 3, 0, 5, 4, 0, 0, 0, 7}
	for name, tc := range map[string]struct {
		stream []byte
		want   error
		text   string
	}{
		"a handshake (mtcute)": {[]byte{0x16, 3, 3, 0, 1, 0xff}, ErrFrame, "type 0x16"},
		"an alert":             {[]byte{0x15, 3, 3, 0, 2, 2, 40}, ErrFrame, "TLS alert"},
		"another version":      {[]byte{0x17, 2, 0, 0, 1, 0}, ErrFrame, "version 0200"},
		"http":                 {[]byte("HTTP/1.1 400"), ErrFrame, ""},
		"cut header":           {good[:3], io.ErrUnexpectedEOF, ""},
		"only a header":        {good[:5], io.ErrUnexpectedEOF, ""},
		"cut payload":          {good[:7], io.ErrUnexpectedEOF, ""},
		"cut packet":           {good, io.ErrUnexpectedEOF, ""},
		"an alert in a packet": {append(slices.Clone(good), 0x15, 3, 3, 0, 2, 2, 40), ErrFrame, "TLS alert"},
		"nothing":              {nil, io.EOF, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, piece := range []int{1, 100} {
				c := feed(t, Intermediate, 0, piece, tc.stream)
				c.in.records = new(records)
				_, err := c.ReadFrame()
				if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
					t.Errorf("in pieces of %d: %v", piece, err)
				}
				if c.in.chunk != nil {
					t.Error("a buffer is held")
				}
			}
		})
	}
}

// TestRecordsWithoutDataAreSkipped: empty ones, and ChangeCipherSpec.
func TestRecordsWithoutDataAreSkipped(t *testing.T) {
	body := slices.Concat([]byte{8, 0, 0, 0}, payload(8))
	stream := slices.Concat([]byte(changeCipher), recorded(body[:2], 10), []byte{recordData, 3, 3, 0, 0}, []byte(changeCipher), recorded(body[2:], 3))
	for _, piece := range []int{1, 4, 100} {
		c := feed(t, Intermediate, 0, piece, stream)
		c.in.records = new(records)
		if got, err := c.ReadFrame(); err != nil || !bytes.Equal(got, payload(8)) {
			t.Errorf("in pieces of %d: %x, %v", piece, got, err)
		}
	}
}

// unrecorded checks records that we wrote and returns what is in them.
func unrecorded(wire []byte) (data []byte, sizes []int, err error) {
	for len(wire) > 0 {
		if len(wire) < recordHeader || wire[0] != recordData || wire[1] != 3 || wire[2] != 3 {
			return nil, nil, fmt.Errorf("no record: %x", wire[:min(len(wire), 10)])
		}
		n := int(binary.BigEndian.Uint16(wire[3:]))
		if n == 0 || n > maxRecord || len(wire) < recordHeader+n {
			return nil, nil, fmt.Errorf("a record of %d bytes, %d left", n, len(wire))
		}
		data, sizes, wire = append(data, wire[recordHeader:recordHeader+n]...), append(sizes, n), wire[recordHeader+n:]
	}
	return data, sizes, nil
}

// TestPacketsAreCutIntoRecords: one write per packet, full records, and before the first the ChangeCipherSpec.
func TestPacketsAreCutIntoRecords(t *testing.T) {
	r := &recorder{}
	c := mustConn(t, r, Options{Framing: Intermediate})
	c.out.records = true
	sizes := []int{4, 100, maxRecord - 4, maxRecord - 3, 2*maxRecord - 4, 2*maxRecord - 3, 1<<20 + 5}
	for _, n := range sizes {
		if err := c.WriteFrame(payload(n)); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.writes) != len(sizes) {
		t.Fatalf("%d writes", len(r.writes))
	}
	for i, w := range r.writes {
		want := slices.Concat(binary.LittleEndian.AppendUint32(nil, uint32(sizes[i])), payload(sizes[i]))
		if i == 0 {
			var ok bool
			if w, ok = bytes.CutPrefix(w, []byte(changeCipher)); !ok {
				t.Fatal("no ChangeCipherSpec before the first record")
			}
			want = slices.Concat([]byte{0xee, 0xee, 0xee, 0xee}, want)
		}
		data, parts, err := unrecorded(w)
		if err != nil || !bytes.Equal(data, want) || len(parts) != (len(want)+maxRecord-1)/maxRecord {
			t.Errorf("packet of %d: records %v, %v", sizes[i], parts, err)
		}
		for _, n := range parts[:max(len(parts)-1, 0)] {
			if n != maxRecord {
				t.Errorf("packet of %d: records %v", sizes[i], parts)
			}
		}
	}
}

// TestIdleFakeTLSConnectionHoldsNoBuffer: not even when half a record's header has come.
func TestIdleFakeTLSConnectionHoldsNoBuffer(t *testing.T) {
	near, far := tcpPair(t)
	c := mustConn(t, near, Options{Framing: Intermediate})
	c.in.records = new(records)
	if c.in.raw == nil {
		t.Skip("this system cannot wait for readability")
	}
	stream := recorded(slices.Concat([]byte{8, 0, 0, 0}, payload(8)), 100)
	for _, part := range [][]byte{stream[:3], stream[3:5]} {
		if _, err := far.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := c.in.fill(); err != nil || c.in.chunk != nil || !c.in.records.begun() {
			t.Errorf("%v, holding %d bytes", err, cap(c.in.chunk))
		}
	}
	if _, err := far.Write(stream[5:]); err != nil {
		t.Fatal(err)
	}
	if got, err := c.ReadFrame(); err != nil || !bytes.Equal(got, payload(8)) || c.in.chunk != nil {
		t.Errorf("got %x, %v", got, err)
	}
}
