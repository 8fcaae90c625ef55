package transport

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/mtproxy"
	"github.com/gotd/td/mtproxy/obfuscator"

	"github.com/telefleet/orchestrator/internal/proxytest"
)

// TestMTProxyHeadersOfMtcute has the data of mtcute's obfuscated.test.ts: a secret of zeros and 64 bytes of ff; DC 1,
// test DC 1, and its media address.
func TestMTProxyHeadersOfMtcute(t *testing.T) {
	for dc, want := range map[int]string{1: "ecec4cbda8bb188b", 10001: "ecec4cbdb89c188b", -1: "ecec4cbd5644188b"} {
		o, err := newObfuscation(bytes.NewReader(bytes.Repeat([]byte{0xff}, 64)), intermediateTag, dc, make([]byte, 16))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(o.header[:]); got != strings.Repeat("ff", 56)+want {
			t.Errorf("DC %d: %s", dc, got)
		}
	}
}

// TestCiphersOfMtcute has the keys and messages of the same file: with and without the secret 0011…ff.
func TestCiphersOfMtcute(t *testing.T) {
	random := slices.Concat(make([]byte, 8),
		unhex(t, "10b6b4ad6d56ef5df9453f88e6ee6adb6e0544ba635dc6a8a990c9b8b980c343"),
		unhex(t, "936b33fa7f97bae025102532233abb26"), make([]byte, 8))
	random[0], random[4] = 1, 1
	o, err := newObfuscation(bytes.NewReader(random), intermediateTag, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	packet := unhex(t, "040000006cfeffff")
	for i, want := range []string{"a1020630a410e940", "f53ff53f371db495"} {
		got := make([]byte, 8)
		if o.encrypt.XORKeyStream(got, packet); hex.EncodeToString(got) != want {
			t.Errorf("message %d: %x", i, got)
		}
	}
	for i, in := range []string{"e8027df708ab3b5c", "1854be76d2df4949"} {
		got := make([]byte, 8)
		if o.decrypt.XORKeyStream(got, unhex(t, in)); !bytes.Equal(got, packet) {
			t.Errorf("answer %d: %x", i, got)
		}
	}

	o, err = newObfuscation(bytes.NewReader(random), intermediateTag, 10001, testKey)
	if err != nil {
		t.Fatal(err)
	}
	out := newCTR(unhex(t, "dd03188944590983e28dad14d97d0952389d118af4ffcbdb28d56a6a612ef7a6"), unhex(t, "936b33fa7f97bae025102532233abb26"), nil)
	in := newCTR(unhex(t, "413b8e08021fbb08a2962b6d7187194fe46565c6b329d3bbdfcffd4870c16119"), unhex(t, "db6aeee6883f45f95def566dadb4b610"), nil)
	out.XORKeyStream(make([]byte, 64), make([]byte, 64)) // the header has passed
	want, got := make([]byte, 100), make([]byte, 100)
	out.XORKeyStream(want, want)
	if o.encrypt.XORKeyStream(got, got); !bytes.Equal(got, want) {
		t.Error("the key for sending differs")
	}
	want, got = make([]byte, 100), make([]byte, 100)
	in.XORKeyStream(want, want)
	if o.decrypt.XORKeyStream(got, got); !bytes.Equal(got, want) {
		t.Error("the key for receiving differs")
	}
}

// answering plays the other side of a handshake from a record. It stops a reader that wants more.
type answering struct {
	net.Conn
	in   *bytes.Reader
	sent bytes.Buffer
}

func answers(b []byte) *answering { return &answering{in: bytes.NewReader(b)} }

func (a *answering) Read(b []byte) (int, error)  { return a.in.Read(b) }
func (a *answering) Write(b []byte) (int, error) { return a.sent.Write(b) }

// TestServerHellosOfRealProxies: see testdata/server_hello/README.md.
func TestServerHellosOfRealProxies(t *testing.T) {
	key := append(make([]byte, 15), 1)
	for name, random := range map[string]string{
		"alexbers": "a132e3916083b314c1b974d05785e8ee70456e5f866d9657d50a5c08ea38318e",
		"mtgv2":    "ca36bba833809a33aa627ebb5a32a10102d1a61e1e6c58a461d934574d2e2ea3",
	} {
		text, err := os.ReadFile("testdata/server_hello/" + name + ".hex")
		if err != nil {
			t.Fatal(err)
		}
		wire := unhex(t, strings.TrimSpace(string(text)))
		a := answers(append(slices.Clone(wire), "next"...))
		hello, err := (&handshake{nc: a}).serverHello()
		if err != nil || !bytes.Equal(hello, wire) || a.in.Len() != len("next") {
			t.Fatalf("%s: %d bytes of %d, %d left, %v", name, len(hello), len(wire), a.in.Len(), err)
		}
		proof := [sha256.Size]byte(unhex(t, random))
		if !provesSecret(slices.Clone(hello), proof, key) {
			t.Errorf("%s: refused", name)
		}
		if provesSecret(slices.Clone(hello), proof, testKey) {
			t.Errorf("%s: taken with another key", name)
		}
		for _, at := range []int{0, helloRandom, helloRandomEnd - 1, helloRandomEnd, len(hello) - 1} {
			changed := slices.Clone(hello)
			changed[at] ^= 1
			if provesSecret(changed, proof, key) {
				t.Errorf("%s: taken with byte %d changed", name, at)
			}
		}
		proof[5] ^= 1
		if provesSecret(hello, proof, key) {
			t.Errorf("%s: taken as an answer to another hello", name)
		}
	}
}

func record(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind, 3, 3}, uint16(len(body))), body...)
}

func TestServerHellosThatAreRefused(t *testing.T) {
	hello := record(recordHandshake, make([]byte, 60))
	cipher, data := []byte(changeCipher), record(recordData, make([]byte, 10))
	for name, tc := range map[string]struct {
		wire []byte
		want error
	}{
		"nothing":                      {nil, io.ErrUnexpectedEOF},
		"cut":                          {hello[:50], io.ErrUnexpectedEOF},
		"no end":                       {slices.Concat(hello, cipher), io.ErrUnexpectedEOF},
		"http":                         {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), ErrProxyProtocol},
		"an alert":                     {record(recordAlert, []byte{2, 40}), ErrProxySecret},
		"an alert after the hello":     {slices.Concat(hello, record(recordAlert, []byte{2, 40})), ErrProxySecret},
		"data first":                   {data, ErrProxyProtocol},
		"change cipher first":          {slices.Concat(cipher, hello, data), ErrProxyProtocol},
		"data before change cipher":    {slices.Concat(hello, data), ErrProxyProtocol},
		"hello after change cipher":    {slices.Concat(hello, cipher, hello), ErrProxyProtocol},
		"two change ciphers":           {slices.Concat(hello, cipher, cipher), ErrProxyProtocol},
		"too short for its random":     {slices.Concat(record(recordHandshake, make([]byte, 37)), cipher, data), ErrProxyProtocol},
		"hellos without end":           {bytes.Repeat(record(recordHandshake, make([]byte, 1000)), 100), ErrProxyProtocol},
		"a record of another TLS":      {slices.Concat(hello, []byte{recordData, 2, 0, 0, 1}), ErrProxyProtocol},
		"data that is larger than all": {slices.Concat(hello, cipher, record(recordData, make([]byte, 1<<16-1))), ErrProxyProtocol},
	} {
		if _, err := (&handshake{nc: answers(tc.wire)}).serverHello(); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (&handshake{nc: answers(slices.Concat(hello, hello, cipher, data))}).serverHello(); err != nil {
		t.Errorf("more than one handshake record: %v", err) // gotd's case
	}
}

// TestTLSServerUnderstandsOurHello: the TLS of the standard library must go on with the handshake, as the site that a
// proxy imitates does.
func TestTLSServerUnderstandsOurHello(t *testing.T) {
	hello, err := clientHello(rand.Reader, testDomain)
	if err != nil {
		t.Fatal(err)
	}
	signHello(hello, testKey, uint32(time.Now().Unix()))
	near, far := tcpPair(t)
	seen := make(chan *tls.ClientHelloInfo, 1)
	refuse := errors.New("seen enough")
	done := make(chan error, 1)
	go func() {
		done <- tls.Server(far, &tls.Config{GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
			seen <- i
			return nil, refuse
		}}).Handshake()
	}()
	if _, err := near.Write(hello); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, refuse) {
		t.Fatal(err)
	}
	i := <-seen
	if i.ServerName != testDomain || !slices.Equal(i.SupportedProtos, []string{"h2", "http/1.1"}) ||
		!slices.Contains(i.SupportedVersions, tls.VersionTLS13) || !slices.Contains(i.SupportedCurves, tls.X25519MLKEM768) || len(i.CipherSuites) != 16 || len(i.Extensions) != 18 {
		t.Errorf("understood %+v", i)
	}
}

// TestRealSiteIsNoProxy: a TLS 1.3 server takes our hello, key shares and all, and is refused for want of a proof.
func TestRealSiteIsNoProxy(t *testing.T) {
	site := listen(t, "127.0.0.1:0", func(_ *host, nc net.Conn) error {
		_ = tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}).Handshake()
		return nil
	})
	p := &Proxy{Kind: MTProxy, Addr: site.addr(), Secret: slices.Concat([]byte{0xee}, testKey, []byte(testDomain))}
	_, err := Dial(context.Background(), "", Options{Framing: Intermediate, DC: 2, Proxy: p})
	if hop := (*ProxyError)(nil); !errors.Is(err, ErrProxySecret) || !errors.As(err, &hop) || hop.Hop != HopHandshake {
		t.Errorf("got %v", err)
	}
}

// TestHellosDiffer: random bytes, GREASE and order are new each time, the length of the fields is right whatever the
// domain's, and the same entropy gives the same hello.
func TestHellosDiffer(t *testing.T) {
	a, _ := clientHello(rand.Reader, testDomain)
	b, _ := clientHello(rand.Reader, testDomain)
	if bytes.Equal(a, b) {
		t.Error("two hellos are the same")
	}
	if !bytes.Equal(a[helloRandom:helloRandomEnd], make([]byte, 32)) {
		t.Error("the place of the proof is not zero")
	}
	entropy := payload(1000)
	a, _ = clientHello(bytes.NewReader(entropy), testDomain)
	b, _ = clientHello(bytes.NewReader(entropy), testDomain)
	if !bytes.Equal(a, b) {
		t.Error("the hello depends on more than its arguments")
	}
	for _, domain := range []string{"a", testDomain, strings.Repeat("d", maxDomain)} {
		h, err := clientHello(rand.Reader, domain)
		if err != nil || int(binary.BigEndian.Uint16(h[3:])) != len(h)-5 || int(binary.BigEndian.Uint16(h[7:])) != len(h)-9 || h[6] != 0 {
			t.Errorf("%s: %d bytes, %v", domain, len(h), err)
		}
	}
	for n := range 32 + 32 + 64 + 32 + 240 + 5 + 2*helloExtensionCount + 2 {
		if _, err := clientHello(bytes.NewReader(entropy[:n]), testDomain); err == nil {
			t.Fatalf("no error with %d bytes of entropy", n)
		}
	}
}

// TestTimeIsPartOfTheProof: the server's time that we are told goes into the hello.
func TestTimeIsPartOfTheProof(t *testing.T) {
	for _, skew := range []time.Duration{0, -59 * time.Second, -2 * time.Hour} {
		hello, _ := clientHello(rand.Reader, testDomain)
		now := time.Now()
		proof := signHello(hello, testKey, uint32(now.Add(skew).Unix()))
		random, err := proxytest.CheckHello(hello, testKey, testDomain, now)
		if (err == nil) != (skew > -time.Minute) {
			t.Errorf("a clock that is off by %v: %v", skew, err)
		}
		if err == nil && !bytes.Equal(random, proof[:]) {
			t.Error("the proof is not what was sent")
		}
	}
}

// TestGotdAndOurFakeTLSServerAgree: the server of these tests is judged by a client that is not ours.
func TestGotdAndOurFakeTLSServerAgree(t *testing.T) {
	tg := newTelegram(t, "127.0.0.1:0")
	proxy := newMTProxy(t, "127.0.0.1:0", &way{}, tg.addr(), true)
	nc, err := net.Dial("tcp", proxy.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	secret, err := mtproxy.ParseSecret(slices.Concat([]byte{0xee}, testKey, []byte(testDomain)))
	if err != nil {
		t.Fatal(err)
	}
	gotd := obfuscator.FakeTLS(rand.Reader, nc)
	if err := gotd.Handshake([4]byte{0xdd, 0xdd, 0xdd, 0xdd}, 2, secret); err != nil {
		t.Fatal(err)
	}
	packet := append(binary.LittleEndian.AppendUint32(nil, 5000), payload(5000)...)
	got := make([]byte, len(packet))
	if _, err := gotd.Write(packet); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(gotd, got); err != nil || !bytes.Equal(got, packet) {
		t.Errorf("echo: %v", err)
	}
}
