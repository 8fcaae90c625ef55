package transport

import (
	"bytes"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
)

// FuzzUnpad: what comes out is the beginning of what went in, and no padding is longer than allowed.
func FuzzUnpad(f *testing.F) {
	for _, b := range [][]byte{message(1), plain(4), append(plain(40), 1, 2, 3), {0x6c, 0xfe, 0xff, 0xff, 1}, {0, 0, 0, 0}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		got, err := unpad(frame)
		switch {
		case err != nil && got != nil, !bytes.HasPrefix(frame, got):
			t.Fatalf("%x, %v", got, err)
		case len(frame) >= encryptedHead && err == nil && len(got) < len(frame)-maxPadding:
			t.Fatalf("%d bytes of %d", len(got), len(frame))
		}
	})
}

// FuzzRecords: however a stream is cut, the data is the same.
func FuzzRecords(f *testing.F) {
	f.Add(recorded(payload(40), 7), uint8(3))
	f.Add([]byte(changeCipher+"\x17\x03\x03\x00\x00\x17\x03\x03\xff\xff1234"), uint8(1))
	f.Add([]byte{0x15, 3, 3, 0, 2, 2, 40}, uint8(100))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		var whole, cut records
		once := slices.Clone(stream)
		n, err := whole.strip(once)
		if n > len(once) {
			t.Fatalf("%d bytes of %d", n, len(once))
		}
		var data []byte
		var cutErr error
		for part := range slices.Chunk(slices.Clone(stream), int(piece)+1) {
			m, err := cut.strip(part)
			if cutErr = err; err != nil {
				break
			}
			data = append(data, part[:m]...)
		}
		if (err == nil) != (cutErr == nil) || err == nil && (!bytes.Equal(data, once[:n]) || whole != cut) {
			t.Fatalf("whole: %x, %v; cut: %x, %v", once[:n], err, data, cutErr)
		}
	})
}

// FuzzSOCKS5: whatever a proxy answers, nothing beyond its answer is read, and nothing of ours is repeated.
func FuzzSOCKS5(f *testing.F) {
	f.Add([]byte("\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x01\xbbrest"))
	f.Add([]byte("\x05\x02\x01\x00\x05\x00\x00\x03\x04name\x01\xbbrest"))
	f.Add([]byte("\x05\x02\x01\x01"))
	f.Add([]byte("\x05\x00\x05\x05"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		a := answers(answer)
		err := (&handshake{nc: a}).socks5(Proxy{Kind: SOCKS5, User: testUser, Password: testPassword}, "[2001:db8::1]:443")
		if err != nil {
			checkSecrets(t, err.Error())
			return
		}
		if read := len(answer) - a.in.Len(); read < 2+4+4+2 && read < 2+4+1+2 {
			t.Fatalf("a tunnel after %d bytes", read)
		}
	})
}

// FuzzHTTPReply: only a 2xx status makes a tunnel, and only if nothing follows the header.
func FuzzHTTPReply(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\nbody"))
	f.Add([]byte("HTTP/1.1 200\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		a := answers(answer)
		err := (&handshake{nc: a}).connect(Proxy{Kind: HTTPConnect, User: testUser, Password: testPassword}, "dc2.example:443")
		if err != nil {
			checkSecrets(t, err.Error())
			return
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.")) || answer[9] != '2' || bytes.Index(answer, []byte("\r\n\r\n")) != len(answer)-a.in.Len()-4 {
			t.Fatalf("a tunnel after %q", answer)
		}
	})
}

// FuzzServerHello: the reader stops at the end of the first data and holds no more than the limit.
func FuzzServerHello(f *testing.F) {
	for _, name := range []string{"alexbers", "mtgv2"} {
		text, err := os.ReadFile("testdata/server_hello/" + name + ".hex")
		if err != nil {
			f.Fatal(err)
		}
		wire, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Add(slices.Concat(record(recordHandshake, make([]byte, 60)), []byte(changeCipher), record(recordData, nil), []byte("next")))
	f.Fuzz(func(t *testing.T, wire []byte) {
		a := answers(wire)
		hello, err := (&handshake{nc: a}).serverHello()
		if err != nil {
			return
		}
		if len(hello) > maxServerHello || len(hello) < helloRandomEnd || len(hello) != len(wire)-a.in.Len() || !bytes.HasPrefix(wire, hello) {
			t.Fatalf("%d bytes of %d, %d left", len(hello), len(wire), a.in.Len())
		}
		if provesSecret(hello, [32]byte{1}, testKey) {
			t.Fatal("an HMAC was guessed")
		}
	})
}

// FuzzAddr: what passes goes into requests without changing their meaning.
func FuzzAddr(f *testing.F) {
	for _, s := range []string{"149.154.167.41:443", "[2001:67c:4e8:f002::a]:443", "dc2.example:443", "a\r\nb:1", "[::1%lo]:1", ":1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		host, port, err := splitAddr(addr)
		if err != nil {
			return
		}
		if port == 0 || host == "" || len(host) > maxField || strings.ContainsAny(addr, " \r\n\t\x00/@") {
			t.Fatalf("%q: %q, %d", addr, host, port)
		}
		if b, err := appendSocksAddr(nil, addr); err != nil || len(b) < 5 {
			t.Fatalf("%q: %x, %v", addr, b, err)
		}
	})
}
