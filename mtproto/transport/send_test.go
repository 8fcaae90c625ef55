package transport

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// TestOfferNeverWaitsForThePeer offers packets to a peer that reads nothing until the kernel is full; Drain sends the
// rest, and all arrive in order.
func TestOfferNeverWaitsForThePeer(t *testing.T) {
	near, far := tcpPair(t)
	if err := errors.Join(near.SetWriteBuffer(1<<12), far.SetReadBuffer(1<<12)); err != nil {
		t.Fatal(err)
	}
	c := mustConn(t, near, Options{Framing: Intermediate})
	want := []byte{0xee, 0xee, 0xee, 0xee}
	offer := func(n int) bool {
		t.Helper()
		body := bytes.Repeat([]byte{byte(len(want))}, n)
		all, err := c.Offer(body)
		if err != nil {
			t.Fatal(err)
		}
		want = append(append(want, byte(n), byte(n>>8), 0, 0), body...)
		return all
	}
	for offer(1000) {
		continue // the kernel takes more
	}
	if offer(8) {
		t.Error("a packet overtook what is kept")
	}
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(far)
		got <- b
	}()
	if err := c.Drain(); err != nil {
		t.Fatal(err)
	}
	if err := c.Drain(); err != nil {
		t.Errorf("nothing to send: %v", err)
	}
	if offer(smallWrite) {
		t.Error("a large packet was not kept for Drain")
	}
	if err := errors.Join(c.Drain(), c.WriteFrame([]byte("last")), c.CloseWrite()); err != nil {
		t.Fatal(err)
	}
	want = append(want, "\x04\x00\x00\x00last"...)
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("%d bytes arrived, want %d: the first difference is at %d", len(b), len(want), differ(b, want))
	}
}

func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestOfferKeepsEverythingWithoutADescriptor(t *testing.T) {
	r := &recorder{}
	c := mustConn(t, r, Options{Framing: Abridged})
	if all, err := c.Offer(payload(4)); all || err != nil || len(r.writes) != 0 {
		t.Fatalf("offered: %t, %v, %d writes", all, err, len(r.writes))
	}
	if err := c.Drain(); err != nil || len(r.writes) != 1 {
		t.Errorf("drained: %v, %d writes", err, len(r.writes))
	}
}

// TestFenceIsAskedBeforeEachPart: what was kept is not sent once the right is lost.
func TestFenceIsAskedBeforeEachPart(t *testing.T) {
	fenced := errors.New("lease lost")
	var verdict error
	check := func() error { return verdict }
	near, _ := tcpPair(t)
	r := &recorder{}
	c, kept := mustConn(t, near, Options{Framing: Abridged, Check: check}), mustConn(t, r, Options{Framing: Abridged, Check: check})
	if all, err := c.Offer(payload(4)); !all || err != nil {
		t.Errorf("with the right: %t, %v", all, err)
	}
	if _, err := kept.Offer(payload(4)); err != nil {
		t.Error(err)
	}
	verdict = fenced
	if _, err := c.Offer(payload(4)); err != fenced { //nolint:errorlint // it must be the very error
		t.Errorf("offered: %v", err)
	}
	if err := kept.Drain(); err != fenced || len(r.writes) != 0 { //nolint:errorlint // it must be the very error
		t.Errorf("drained: %v, %d writes", err, len(r.writes))
	}
}

func TestOfferOnAClosedConnection(t *testing.T) {
	near, _ := tcpPair(t)
	c := mustConn(t, near, Options{Framing: Intermediate})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, first := c.Offer(payload(4))
	if second := c.Drain(); first == nil || second != first { //nolint:errorlint // it must be the very error
		t.Errorf("got %v, then %v", first, second)
	}
}
