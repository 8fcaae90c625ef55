package transport

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// obfuscation is one obfuscated2 stream: 64 bytes that look random, then AES-256-CTR in both directions under keys
// taken from them (core.telegram.org/mtproto/mtproto-transports, "Transport obfuscation").
type obfuscation struct {
	header  [obfuscatedHeader]byte
	encrypt cipher.Stream
	decrypt cipher.Stream
}

const (
	obfuscatedHeader = 64
	// maxDraws bounds how often a header is drawn; a refused draw is rarer than one in two hundred.
	maxDraws = 16
)

// newObfuscation draws a header for the protocol tag and the DC field. secret is the 16 bytes of an MTProxy, or nil.
func newObfuscation(entropy io.Reader, tag [4]byte, dc int, secret []byte) (*obfuscation, error) {
	if dc < -1<<15 || dc >= 1<<15 {
		return nil, fmt.Errorf("DC %d does not fit the obfuscation header", dc)
	}
	var o obfuscation
	for draw := 0; ; draw++ {
		if draw == maxDraws {
			return nil, fmt.Errorf("no usable header in %d draws: the source of randomness is broken", maxDraws)
		}
		if _, err := io.ReadFull(entropy, o.header[:]); err != nil {
			return nil, fmt.Errorf("read entropy: %w", err)
		}
		if !looksLikeAnotherProtocol(o.header[:]) {
			break
		}
	}
	copy(o.header[56:60], tag[:])
	binary.LittleEndian.PutUint16(o.header[60:62], uint16(int16(dc)))

	reversed := slices.Clone(o.header[8:56])
	slices.Reverse(reversed)
	o.encrypt = newCTR(o.header[8:40], o.header[40:56], secret)
	o.decrypt = newCTR(reversed[:32], reversed[32:], secret)

	// The cipher runs over the whole header; only the last eight bytes are sent encrypted.
	var encrypted [obfuscatedHeader]byte
	o.encrypt.XORKeyStream(encrypted[:], o.header[:])
	copy(o.header[56:], encrypted[56:])
	return &o, nil
}

// looksLikeAnotherProtocol says that a server would take these first bytes for a plain framing, HTTP or TLS.
func looksLikeAnotherProtocol(b []byte) bool {
	if b[0] == 0xef || binary.LittleEndian.Uint32(b[4:]) == 0 {
		return true
	}
	switch string(b[:4]) {
	case "HEAD", "POST", "GET ", "OPTI", "\x16\x03\x01\x02", "\xdd\xdd\xdd\xdd", "\xee\xee\xee\xee":
		return true
	default:
		return false
	}
}

func newCTR(key, iv, secret []byte) cipher.Stream {
	if len(secret) > 0 {
		mixed := sha256.Sum256(slices.Concat(key, secret))
		key = mixed[:]
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // unreachable: keys here have 32 bytes
	}
	return cipher.NewCTR(block, iv)
}
