package transport

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/gotd/td/mtproxy"
	"github.com/gotd/td/mtproxy/obfuscated2"
)

var intermediateTag = [4]byte{0xee, 0xee, 0xee, 0xee}

// TestHeaderOfMtcute: 64 bytes of ff; mtcute leaves the DC field random, here ff ff.
func TestHeaderOfMtcute(t *testing.T) {
	o, err := newObfuscation(bytes.NewReader(bytes.Repeat([]byte{0xff}, 64)), intermediateTag, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hex.EncodeToString(o.header[:]), strings.Repeat("ff", 56)+"fce8ab2203db2bff"; got != want {
		t.Errorf("got %s", got)
	}
}

// TestHeaderOfGotd compares header and both streams with gotd's client on the same random bytes.
func TestHeaderOfGotd(t *testing.T) {
	random := make([]byte, 64)
	for i := range random {
		random[i] = byte(i*i + 5)
	}
	for _, dc := range []int{2, 10002, -4, -10003} {
		o, err := newObfuscation(bytes.NewReader(random), intermediateTag, dc, nil)
		if err != nil {
			t.Fatal(err)
		}
		var wire bytes.Buffer
		g := obfuscated2.NewObfuscated2(bytes.NewReader(random), &wire)
		if err := g.Handshake(intermediateTag, dc, mtproxy.Secret{}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(wire.Bytes(), o.header[:]) {
			t.Errorf("DC %d: header %x, want %x", dc, o.header, wire.Bytes())
		}
		wire.Reset()
		ours := payload(100)
		_, _ = g.Write(ours)
		if o.encrypt.XORKeyStream(ours, ours); !bytes.Equal(ours, wire.Bytes()) {
			t.Errorf("DC %d: encryption differs", dc)
		}
		wire.Reset()
		wire.Write(payload(100))
		theirs := make([]byte, 100)
		_, _ = g.Read(theirs)
		ours = payload(100)
		if o.decrypt.XORKeyStream(ours, ours); !bytes.Equal(ours, theirs) {
			t.Errorf("DC %d: decryption differs", dc)
		}
	}
}

// TestHeadersOfOtherProtocolsAreDrawnAgain: the forbidden beginnings of the specification, each followed by a good draw.
func TestHeadersOfOtherProtocolsAreDrawnAgain(t *testing.T) {
	good := payload(64)
	good[0] = 0x11
	for _, prefix := range []string{"ef", "48454144", "504f5354", "47455420", "4f505449", "dddddddd", "eeeeeeee", "16030102", "0102030400000000"} {
		bad := bytes.Repeat([]byte{0xff}, 64)
		b, _ := hex.DecodeString(prefix)
		copy(bad, b)
		o, err := newObfuscation(bytes.NewReader(append(bad, good...)), intermediateTag, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(o.header[:56], good[:56]) {
			t.Errorf("%s was sent", prefix)
		}
		if _, err := newObfuscation(bytes.NewReader(bytes.Repeat(bad, 2*maxDraws)), intermediateTag, 2, nil); err == nil {
			t.Errorf("%s: drawn for ever", prefix)
		}
		if _, err := newObfuscation(bytes.NewReader(bad), intermediateTag, 2, nil); err == nil {
			t.Errorf("%s: no error without entropy", prefix)
		}
	}
}
