package transport

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var framingsByName = map[string]Framing{"abridged": Abridged, "intermediate": Intermediate, "full": Full}

// vectorBytes reads one word of testdata/framings.txt.
func vectorBytes(t *testing.T, word string) []byte {
	t.Helper()
	var b []byte
	for part := range strings.SplitSeq(word, "+") {
		if count, ok := strings.CutPrefix(part, "count:"); ok {
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatal(err)
			}
			b = append(b, counting(n)...)
			continue
		}
		b = append(b, unhex(t, part)...)
	}
	return b
}

// TestFramingVectors has the streams of other clients' tests.
func TestFramingVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/framings.txt")
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]int{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		f, known := framingsByName[words[1]]
		if !known || len(words) != 4 {
			t.Fatalf("bad line %q", line)
		}
		tried[words[0]]++
		if words[0] == "write" {
			checkWritten(t, f, words[2], words[3])
			continue
		}
		var stream []byte
		for piece := range strings.SplitSeq(words[2], "|") {
			stream = append(stream, vectorBytes(t, piece)...)
		}
		first := vectorBytes(t, strings.Split(words[2], "|")[0])
		for _, piece := range []int{1, len(first), len(stream)} {
			c := feed(t, f, 0, piece, stream)
			for packet := range strings.SplitSeq(words[3], ",") {
				got, err := c.ReadFrame()
				if want := vectorBytes(t, packet); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%v in pieces of %d: got %x, %v, want %x", f, piece, got, err, want)
				}
			}
		}
	}
	if tried["write"] < 7 || tried["read"] < 8 {
		t.Fatalf("too few vectors: %v", tried)
	}
}

func checkWritten(t *testing.T, f Framing, packets, want string) {
	t.Helper()
	r := &recorder{}
	c := mustConn(t, r, Options{Framing: f})
	for packet := range strings.SplitSeq(packets, ",") {
		if err := c.WriteFrame(vectorBytes(t, packet)); err != nil {
			t.Fatal(err)
		}
	}
	if got := slices.Concat(r.writes...); !bytes.Equal(got, vectorBytes(t, want)) {
		t.Errorf("%v: %s is written as %x", f, packets, got)
	}
}
