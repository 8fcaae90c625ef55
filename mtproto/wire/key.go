package wire

import (
	"crypto/sha1"
	"crypto/sha256"
)

// Key is an auth key with its id. It prints as "(redacted)". Its value is shared with whoever made it, and
// never changes.
type Key struct {
	Value *[256]byte
	ID    [8]byte
}

// NewKey computes the id of a key: the last 8 bytes of its SHA1.
func NewKey(value *[256]byte) Key {
	sum := sha1.Sum(value[:])
	return Key{Value: value, ID: [8]byte(sum[12:])}
}

// String hides the key.
func (k Key) String() string { return "(redacted)" }

// GoString hides the key.
func (k Key) GoString() string { return "(redacted)" }

// The offset x of core.telegram.org/mtproto/description: which part of the key serves which
// direction.
const (
	fromClient = 0
	fromServer = 8
)

// cipherKeys derives the AES key and IV of one packet
// (core.telegram.org/mtproto/description, "Defining AES Key and Initialization Vector").
func (k *Key) cipherKeys(msgKey *[16]byte, x int) (key, iv [32]byte) {
	var in [16 + 36]byte
	copy(in[:16], msgKey[:])
	copy(in[16:], k.Value[x:x+36])
	a := sha256.Sum256(in[:])

	copy(in[:36], k.Value[40+x:40+x+36])
	copy(in[36:], msgKey[:])
	b := sha256.Sum256(in[:])

	copy(key[:8], a[:8])
	copy(key[8:24], b[8:24])
	copy(key[24:], a[24:])
	copy(iv[:8], b[:8])
	copy(iv[8:24], a[8:24])
	copy(iv[24:], b[24:])
	return key, iv
}

// msgKey is the middle of the hash of key and plaintext, padding included.
func (k *Key) msgKey(plaintext []byte, x int) [16]byte {
	h := sha256.New()
	h.Write(k.Value[88+x : 88+x+32])
	h.Write(plaintext)
	var sum [sha256.Size]byte
	return [16]byte(h.Sum(sum[:0])[8:24])
}
