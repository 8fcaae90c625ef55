package transport

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/proto/codec"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// message looks like an encrypted message with n blocks.
func message(n int) []byte {
	b := payload(encryptedHead + n*blockSize)
	b[0] = 0x11
	return b
}

// counting is the payload of grammers' vectors: 0, 1, 2 and so on.
func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// TestFullPacketsOfGrammers has the data of grammers-mtproto/src/transport/full.rs: pack_normal, pack_twice and
// pack_empty, of which only the checksum is of use, as we send no empty packets.
func TestFullPacketsOfGrammers(t *testing.T) {
	r := &recorder{}
	c := mustConn(t, r, Options{Framing: Full})
	for range 2 {
		if err := c.WriteFrame(counting(128)); err != nil {
			t.Fatal(err)
		}
	}
	for i, sum := range [][]byte{{134, 115, 149, 55}, {150, 9, 240, 74}} {
		want := slices.Concat([]byte{140, 0, 0, 0, byte(i), 0, 0, 0}, counting(128), sum)
		if !bytes.Equal(r.writes[i], want) {
			t.Errorf("packet %d: %x", i, r.writes[i])
		}
	}
	if got := (&writer{}).appendFull(nil, nil); !bytes.Equal(got, []byte{12, 0, 0, 0, 0, 0, 0, 0, 38, 202, 141, 50}) {
		t.Errorf("empty packet: %v", got)
	}
}

// fullStream is what a server sends: one packet per payload, numbered from seq.
func fullStream(seq uint32, payloads ...[]byte) []byte {
	w, b := writer{seq: seq}, []byte(nil)
	for _, p := range payloads {
		b = w.appendFull(b, p)
	}
	return b
}

// TestFullPacketsThatAreWrong has the cases of grammers' unpack tests and gotd's vector (packet 1, "abc").
func TestFullPacketsThatAreWrong(t *testing.T) {
	good := fullStream(0, counting(128))
	badSeq, badSum := slices.Clone(good), slices.Clone(good)
	badSeq[4] = 1
	badSum[len(badSum)-1] ^= 0xff
	for name, tc := range map[string]struct {
		stream []byte
		want   error
		text   string
	}{
		"sequence":     {badSeq, ErrSequence, "got 1, want 0"},
		"checksum":     {badSum, ErrChecksum, "packet 0 says c8957386, its bytes give 37957386"},
		"seq of gotd":  {[]byte{15, 0, 0, 0, 1, 0, 0, 0, 97, 98, 99, 78, 214, 109, 148}, ErrSequence, "got 1, want 0"},
		"empty":        {[]byte{12, 0, 0, 0, 0, 0, 0, 0, 38, 202, 141, 50}, ErrFrame, "length of 12"},
		"length 0":     {make([]byte, 12), ErrFrame, "length of 0"},
		"too large":    {binary.LittleEndian.AppendUint32(nil, 1024+13), nil, ""},
		"huge":         {[]byte{0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0}, ErrFrameSize, "limit 1024"},
		"one too many": {slices.Concat(binary.LittleEndian.AppendUint32(nil, 1024+13), make([]byte, 4)), ErrFrameSize, "limit 1024"},
		"cut length":   {[]byte{0, 1, 3}, io.ErrUnexpectedEOF, ""},
		"cut header":   {good[:6], io.ErrUnexpectedEOF, ""},
		"cut payload":  {good[:100], io.ErrUnexpectedEOF, ""},
		"cut checksum": {good[:len(good)-1], io.ErrUnexpectedEOF, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.want == nil {
				tc.want = io.ErrUnexpectedEOF // the header is not complete yet
			}
			c := feed(t, Full, 1024, 64, tc.stream)
			b, err := c.ReadFrame()
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %x, %v", b, err)
			}
			if c.in.chunk != nil {
				t.Error("a buffer is held")
			}
		})
	}
}

// TestFullStream: packets are counted, a bare transport error is a packet of its own, the largest packet passes.
func TestFullStream(t *testing.T) {
	bare := binary.LittleEndian.AppendUint32(nil, ^uint32(404)+1)
	enveloped := fullStream(2, bare)
	stream := slices.Concat(fullStream(0, counting(4), counting(2048)), enveloped, bare)
	for _, piece := range []int{1, 7, 100, len(stream)} {
		c := feed(t, Full, 2048, piece, stream)
		for i, want := range [][]byte{counting(4), counting(2048), bare, bare} {
			if got, err := c.ReadFrame(); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("in pieces of %d: packet %d: %x, %v", piece, i, got, err)
			}
		}
		if _, err := c.ReadFrame(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
	if _, err := feed(t, Full, 0, 100, slices.Concat(fullStream(0, counting(4)), fullStream(0, counting(4)))).ReadFrame(); err != nil {
		t.Error(err)
	}
	c := feed(t, Full, 0, 100, slices.Concat(fullStream(0, counting(4)), fullStream(0, counting(4))))
	_, _ = c.ReadFrame()
	if _, err := c.ReadFrame(); !errors.Is(err, ErrSequence) {
		t.Errorf("a repeated packet: %v", err)
	}
}

// TestGotdUnderstandsFullPackets goes both ways.
func TestGotdUnderstandsFullPackets(t *testing.T) {
	near, far := tcpPair(t)
	done := make(chan error, 1)
	sizes := []int{4, 200, chunkSize, 1 << 20}
	go func() {
		cd := &codec.Full{}
		for range sizes {
			var b bin.Buffer
			if err := cd.Read(far, &b); err != nil {
				done <- err
				return
			}
			if err := cd.Write(far, &b); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	c := mustConn(t, near, Options{Framing: Full})
	for _, n := range sizes {
		if err := c.WriteFrame(payload(n)); err != nil {
			t.Fatal(err)
		}
		if n == 4 { // gotd takes four bytes for a transport error
			if err := <-done; err == nil {
				t.Fatal("no transport error")
			}
			break
		}
	}
	near, far = tcpPair(t)
	go func() {
		cd := &codec.Full{}
		for range sizes[1:] {
			var b bin.Buffer
			if err := errors.Join(cd.Read(far, &b), cd.Write(far, &b)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	c = mustConn(t, near, Options{Framing: Full})
	for _, n := range sizes[1:] {
		if err := c.WriteFrame(payload(n)); err != nil {
			t.Fatal(err)
		}
		if got, err := c.ReadFrame(); err != nil || !bytes.Equal(got, payload(n)) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestPaddedPacketOfMtcute has the data of mtcute's intermediate.test.ts (PaddedIntermediatePacketCodec): six bytes of
// padding.
func TestPaddedPacketOfMtcute(t *testing.T) {
	random := append(unhex(t, "29afd26df40f"), make([]byte, maxPadding+1-6)...)
	random[maxPadding] = 6
	r := &recorder{}
	c := mustConn(t, r, Options{Framing: PaddedIntermediate, Rand: bytes.NewReader(random)})
	if err := c.WriteFrame(unhex(t, "6cfeffff")); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(r.writes[0]); got != "dddddddd"+"0a0000006cfeffff29afd26df40f" {
		t.Errorf("got %s", got)
	}
	if err := c.WriteFrame(unhex(t, "6cfeffff")); err == nil || len(r.writes) != 1 {
		t.Errorf("without entropy: %v, %d writes", err, len(r.writes))
	}
}

// TestPaddingIsOfEveryLength: 0 to 15 bytes, never more.
func TestPaddingIsOfEveryLength(t *testing.T) {
	r := &recorder{}
	c := mustConn(t, r, Options{Framing: PaddedIntermediate})
	seen := map[int]bool{}
	for range 2000 {
		if err := c.WriteFrame(message(1)); err != nil {
			t.Fatal(err)
		}
	}
	r.writes[0] = r.writes[0][4:]
	for _, w := range r.writes {
		n := int(binary.LittleEndian.Uint32(w))
		if n != len(w)-4 || !bytes.Equal(w[4:4+len(message(1))], message(1)) {
			t.Fatalf("packet %x", w)
		}
		seen[n-len(message(1))] = true
	}
	if len(seen) != maxPadding+1 {
		t.Errorf("lengths %v", seen)
	}
}

// plain is an unencrypted message with a body of n bytes.
func plain(n int) []byte {
	b := make([]byte, plainHead+n)
	binary.LittleEndian.PutUint64(b[8:], 0x5f00000000000001)
	binary.LittleEndian.PutUint32(b[16:], uint32(n))
	return b
}

func TestPaddingIsTakenOff(t *testing.T) {
	word := func(n int32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
	filler := bytes.Repeat([]byte{0xa5}, maxPadding)
	for padding := range maxPadding + 1 {
		for _, want := range [][]byte{message(1), message(7), message(100), plain(4), plain(20), plain(40), plain(1000)} {
			if got, err := unpad(slices.Concat(want, filler[:padding])); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes of padding after %d: %d, %v", padding, len(want), len(got), err)
			}
		}
	}
	for padding := range encryptedHead - 4 {
		got, err := unpad(slices.Concat(word(-404), bytes.Repeat([]byte{1}, padding)))
		if err != nil || !bytes.Equal(got, word(-404)) {
			t.Errorf("transport error with %d bytes of padding: %x, %v", padding, got, err)
		}
	}
	for name, b := range map[string][]byte{
		"quick acknowledgement":        slices.Concat(word(-1), word(0x12345678)),
		"padded quick acknowledgement": slices.Concat(word(-1), word(0x12345678), filler[:7]),
		"nothing":                      word(0),
		"nothing, with padding":        slices.Concat(word(0), filler[:11]),
	} {
		if got, err := unpad(b); err != nil || got != nil {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for name, b := range map[string][]byte{
		"three bytes":           {1, 2, 3},
		"a body that is cut":    plain(40)[:50],
		"too much padding":      slices.Concat(plain(40), filler, filler),
		"a body without an end": slices.Concat(make([]byte, 16), []byte{0xff, 0xff, 0xff, 0xff}, make([]byte, 20)),
	} {
		if got, err := unpad(b); !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

// TestPaddedStream: messages come without padding, notices without meaning do not come at all.
func TestPaddedStream(t *testing.T) {
	word := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	notFound := word(^uint32(404) + 1)
	var stream []byte
	for _, p := range [][]byte{
		slices.Concat(notFound, []byte{1, 2, 3, 4, 5}), slices.Concat(word(1<<32-1), word(7)), slices.Concat(message(3), []byte{9}), word(0),
		slices.Concat(plain(100), make([]byte, 15)), message(60),
	} {
		stream = append(append(stream, word(uint32(len(p)))...), p...)
	}
	stream = slices.Concat([]byte{0x78, 0x56, 0x34, 0x92}, stream) // a quick acknowledgement without an envelope
	for _, piece := range []int{1, 5, 1000} {
		c := feed(t, PaddedIntermediate, len(message(60)), piece, stream)
		for i, want := range [][]byte{notFound, message(3), plain(100), message(60)} {
			if got, err := c.ReadFrame(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("in pieces of %d: packet %d: %x, %v", piece, i, got, err)
			}
		}
	}
	c := feed(t, PaddedIntermediate, 100, 10, word(116))
	if _, err := c.ReadFrame(); !errors.Is(err, ErrFrameSize) {
		t.Errorf("too large: %v", err)
	}
}

// TestGotdUnderstandsPaddedPackets: gotd takes off only what makes a packet no multiple of four.
func TestGotdUnderstandsPaddedPackets(t *testing.T) {
	for _, obfuscated := range []bool{false, true} {
		r := &recorder{}
		c := mustConn(t, r, Options{Framing: PaddedIntermediate, Obfuscated: obfuscated, DC: -10002})
		near, far := tcpPair(t)
		for range 50 {
			if err := c.WriteFrame(message(5)); err != nil {
				t.Fatal(err)
			}
		}
		go func() { _, _ = near.Write(slices.Concat(r.writes...)) }()
		p := &peer{rw: far, codec: codec.PaddedIntermediate{}}
		if obfuscated {
			var err error
			if p, err = accept(PaddedIntermediate, true, far); err != nil {
				t.Fatal(err)
			}
			p.codec = codec.PaddedIntermediate{}
			if p.meta.Protocol != codec.PaddedIntermediateClientStart {
				t.Errorf("tag %x", p.meta.Protocol)
			}
		} else if err := p.codec.ReadHeader(far); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			var b bin.Buffer
			if err := p.codec.Read(p.rw, &b); err != nil || !bytes.HasPrefix(b.Buf, message(5)) || b.Len() > len(message(5))+maxPadding {
				t.Fatalf("packet %d: %d bytes, %v", i, b.Len(), err)
			}
		}
	}
}

func TestFullCannotBeObfuscated(t *testing.T) {
	if _, err := NewConn(&recorder{}, Options{Framing: Full, Obfuscated: true, DC: 2}); err == nil {
		t.Error("no error")
	}
	for f, want := range map[Framing]string{PaddedIntermediate: "padded intermediate", Full: "full", 99: "framing(99)"} {
		if got := fmt.Sprint(f); got != want {
			t.Errorf("got %q", got)
		}
	}
}

// sink takes everything; hose gives one stream again and again.
type sink struct{ recorder }

func (*sink) Write(b []byte) (int, error) { return len(b), nil }

type hose struct {
	recorder
	stream []byte
	at     int
}

func (h *hose) Read(b []byte) (int, error) {
	n := copy(b, h.stream[h.at:])
	h.at = (h.at + n) % len(h.stream)
	return n, nil
}

// TestHotPathsDoNotAllocate covers what each packet costs, in every framing and with records.
func TestHotPathsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("pools drop buffers under the race detector")
	}
	body := message(10)
	for _, f := range []Framing{Abridged, Intermediate, PaddedIntermediate, Full} {
		for _, withRecords := range []bool{false, true} {
			c := mustConn(t, &sink{}, Options{Framing: f, Obfuscated: f != Full, DC: 2})
			c.out.records = withRecords
			if n := testing.AllocsPerRun(200, func() { _ = c.WriteFrame(body) }); n > 0 {
				t.Errorf("%v, records %v: %v allocations per write", f, withRecords, n)
			}
		}
		stream := slices.Concat(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body)
		switch f {
		case Abridged:
			stream = append([]byte{byte(len(body) / 4)}, body...)
		case Full:
			continue // numbers differ from packet to packet; below
		}
		for _, withRecords := range []bool{false, true} {
			h := &hose{stream: stream}
			c := &Conn{max: DefaultMaxFrame}
			c.framing, _ = framingOf(f)
			c.in.init(h)
			if withRecords {
				c.in.records = new(records)
				h.stream = recorded(stream, 100)
			}
			if n := testing.AllocsPerRun(200, func() {
				b, err := c.ReadFrame()
				if err != nil {
					t.Fatal(err)
				}
				Recycle(b)
			}); n > 0 {
				t.Errorf("%v, records %v: %v allocations per read", f, withRecords, n)
			}
		}
	}
	many := make([][]byte, 300)
	for i := range many {
		many[i] = message(10)
	}
	c := &Conn{max: DefaultMaxFrame}
	c.framing, _ = framingOf(Full)
	c.in.init(&hose{stream: fullStream(0, many...)})
	if n := testing.AllocsPerRun(200, func() {
		b, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		Recycle(b)
	}); n > 0 {
		t.Errorf("full: %v allocations per read", n)
	}
}
