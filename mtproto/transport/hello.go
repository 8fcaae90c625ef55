package transport

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"encoding/binary"
	"fmt"
	"io"
)

// clientHello makes a TLS 1.3 hello for the domain as a current Chrome sends it: its cipher suites and extensions, the
// latter in an order drawn anew each time, GREASE values (RFC 8701) and an imitated Encrypted Client Hello. The random
// bytes of the message are zero; the key shares are real ones, whose private halves nobody keeps.
func clientHello(entropy io.Reader, domain string) ([]byte, error) {
	d, err := drawHello(entropy)
	if err != nil {
		return nil, err
	}
	share, err := ecdh.X25519().NewPrivateKey(d.x25519)
	if err != nil {
		return nil, fmt.Errorf("make X25519 key: %w", err)
	}
	hybrid, err := mlkem.NewDecapsulationKey768(d.mlkem)
	if err != nil {
		return nil, fmt.Errorf("make ML-KEM key: %w", err)
	}
	point := share.PublicKey().Bytes()
	extensions := d.shuffle(helloExtensions(&d, domain, point, append(hybrid.EncapsulationKey().Bytes(), point...)))

	b := helloBuilder{}
	b.raw(recordHandshake, 3, 1)
	b.nested(2, func() {
		b.raw(1, 0) // the message is a client hello; its length has three bytes, of which the first is 0
		b.nested(2, func() {
			b.raw(3, 3)
			b.raw(make([]byte, helloRandomEnd-helloRandom)...)
			b.raw(byte(len(d.session)))
			b.raw(d.session...)
			b.nested(2, func() {
				b.numbers(d.grease(0), 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
					0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035)
			})
			b.raw(1, 0) // no compression
			b.nested(2, func() {
				b.numbers(d.grease(1), 0)
				for _, e := range extensions {
					b.raw(e...)
				}
				b.numbers(d.grease(2), 1)
				b.raw(0)
			})
		})
	})
	return b.buf, nil
}

// helloExtensions are the extensions whose order is drawn, each with its header.
func helloExtensions(d *helloDraw, domain string, point, hybrid []byte) [][]byte {
	const (
		groupX25519       = 0x001d
		groupX25519MLKEM  = 0x11ec
		echPayload        = 144 // and up to three times echPayloadStep
		echPayloadStep    = 32
		compressionBrotli = 2
	)
	group := d.grease(3)
	list := [][]byte{}
	add := func(kind uint16, fill func(b *helloBuilder)) {
		b := helloBuilder{}
		b.numbers(kind)
		b.nested(2, func() { fill(&b) })
		list = append(list, b.buf)
	}
	add(0, func(b *helloBuilder) { // server_name
		b.nested(2, func() {
			b.raw(0)
			b.nested(2, func() { b.raw([]byte(domain)...) })
		})
	})
	add(5, func(b *helloBuilder) { b.raw(1, 0, 0, 0, 0) }) // status_request
	add(10, func(b *helloBuilder) {                        // supported_groups
		b.nested(2, func() { b.numbers(group, groupX25519MLKEM, groupX25519, 0x0017, 0x0018) })
	})
	add(11, func(b *helloBuilder) { b.raw(1, 0) }) // ec_point_formats
	add(13, func(b *helloBuilder) {                // signature_algorithms
		b.nested(2, func() { b.numbers(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601) })
	})
	add(16, func(b *helloBuilder) { // application_layer_protocol_negotiation
		b.nested(2, func() {
			for _, name := range []string{"h2", "http/1.1"} {
				b.nested(1, func() { b.raw([]byte(name)...) })
			}
		})
	})
	add(18, func(*helloBuilder) {})                                                                 // signed_certificate_timestamp
	add(23, func(*helloBuilder) {})                                                                 // extended_master_secret
	add(27, func(b *helloBuilder) { b.nested(1, func() { b.numbers(compressionBrotli) }) })         // compress_certificate
	add(35, func(*helloBuilder) {})                                                                 // session_ticket
	add(43, func(b *helloBuilder) { b.nested(1, func() { b.numbers(d.grease(4), 0x304, 0x303) }) }) // supported_versions
	add(45, func(b *helloBuilder) { b.raw(1, 1) })                                                  // psk_key_exchange_modes
	add(51, func(b *helloBuilder) {                                                                 // key_share
		b.nested(2, func() {
			b.numbers(group, 1)
			b.raw(0)
			b.numbers(groupX25519MLKEM)
			b.nested(2, func() { b.raw(hybrid...) })
			b.numbers(groupX25519)
			b.nested(2, func() { b.raw(point...) })
		})
	})
	add(0x44cd, func(b *helloBuilder) { // application_settings
		b.nested(2, func() { b.nested(1, func() { b.raw([]byte("h2")...) }) })
	})
	add(0xfe0d, func(b *helloBuilder) { // encrypted_client_hello: HKDF-SHA256, AES-128-GCM
		b.raw(0, 0, 1, 0, 1, d.echConfig)
		b.nested(2, func() { b.raw(d.echKey...) })
		b.nested(2, func() { b.raw(d.ech[:echPayload+echPayloadStep*int(d.echLength%4)]...) })
	})
	add(0xff01, func(b *helloBuilder) { b.raw(0) }) // renegotiation_info
	return list
}

// helloDraw is all that is random in a hello.
type helloDraw struct {
	session, x25519, mlkem, echKey, ech, values, order []byte
	echConfig, echLength                               byte
}

// helloExtensionCount is the number of extensions whose order is drawn.
const helloExtensionCount = 16

func drawHello(entropy io.Reader) (helloDraw, error) {
	var d helloDraw
	var last []byte
	parts := []struct {
		into *[]byte
		size int
	}{{&d.session, 32}, {&d.x25519, 32}, {&d.mlkem, 64}, {&d.echKey, 32}, {&d.ech, 240}, {&d.values, 5}, {&d.order, 2 * helloExtensionCount}, {&last, 2}}
	for _, p := range parts {
		*p.into = make([]byte, p.size)
		if _, err := io.ReadFull(entropy, *p.into); err != nil {
			return d, fmt.Errorf("read entropy: %w", err)
		}
	}
	d.echConfig, d.echLength = last[0], last[1]
	if d.values[1]&0xf0 == d.values[2]&0xf0 { // the two GREASE extensions must differ
		d.values[2] ^= 0x10
	}
	return d, nil
}

// grease is one of the values that RFC 8701 reserves: 0a0a, 1a1a and so on.
func (d *helloDraw) grease(i int) uint16 { return 0x0101 * uint16(d.values[i]&0xf0|0x0a) }

func (d *helloDraw) shuffle(list [][]byte) [][]byte {
	for i := len(list) - 1; i > 0; i-- {
		j := int(binary.LittleEndian.Uint16(d.order[2*i:])) % (i + 1)
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// helloBuilder writes TLS structures.
type helloBuilder struct{ buf []byte }

func (b *helloBuilder) raw(p ...byte) { b.buf = append(b.buf, p...) }

func (b *helloBuilder) numbers(list ...uint16) {
	for _, n := range list {
		b.buf = binary.BigEndian.AppendUint16(b.buf, n)
	}
}

// nested writes what fill writes after its length in size bytes, 1 or 2.
func (b *helloBuilder) nested(size int, fill func()) {
	at := len(b.buf)
	b.buf = append(b.buf, make([]byte, size)...)
	fill()
	n := len(b.buf) - at - size
	if size == 1 {
		b.buf[at] = byte(n)
		return
	}
	binary.BigEndian.PutUint16(b.buf[at:], uint16(n))
}
