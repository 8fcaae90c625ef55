package formats

import (
	"crypto/aes"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"io"
)

// Telegram Desktop's cipher for local files: AES-256-IGE with key and IV derived as in
// MTProto 1 (messages from the server) from a 256-byte key and the first 16 bytes of the
// plaintext's SHA-1, which stand before the ciphertext.

// Rounds of PBKDF2-HMAC-SHA512 that guard the local key, by Telegram Desktop's choice.
const (
	tdRounds         = 100_000
	tdRoundsNoSecret = 1
)

var errDecrypt = errors.New("does not open with this key")

// tdPasscodeKey makes the key that wraps the local key out of the passcode.
func tdPasscodeKey(passcode, salt []byte) ([]byte, error) {
	h := sha512.New()
	h.Write(salt)
	h.Write(passcode)
	h.Write(salt)
	rounds := tdRoundsNoSecret
	if len(passcode) > 0 {
		rounds = tdRounds
	}
	return pbkdf2.Key(sha512.New, string(h.Sum(nil)), salt, rounds, 256)
}

// tdAES derives the AES key and the IV of one message; key has 256 bytes.
func tdAES(key, msgKey []byte) (aesKey, iv []byte) {
	const x = 8 // the half of the key that MTProto 1 takes for messages from the server
	sum := func(parts ...[]byte) []byte {
		h := sha1.New()
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	a := sum(msgKey, key[x:x+32])
	b := sum(key[x+32:x+48], msgKey, key[x+48:x+64])
	c := sum(key[x+64:x+96], msgKey)
	d := sum(msgKey, key[x+96:x+128])
	for _, part := range [][]byte{a[:8], b[8:20], c[4:16]} {
		aesKey = append(aesKey, part...)
	}
	for _, part := range [][]byte{a[8:20], b[:8], c[16:20], d[:8]} {
		iv = append(iv, part...)
	}
	return aesKey, iv
}

// tdDecrypt opens a message and gives what the length inside it spans.
func tdDecrypt(encrypted, key []byte) ([]byte, error) {
	if len(encrypted) < 32 || len(encrypted)%aes.BlockSize != 0 || len(key) != 256 {
		return nil, errShort
	}
	msgKey, data := encrypted[:16], encrypted[16:]
	aesKey, iv := tdAES(key, msgKey)
	block, err := aes.NewCipher(aesKey)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(data))
	prevC, prevP := iv[:16], iv[16:]
	for i := 0; i < len(data); i += aes.BlockSize {
		p, c := plain[i:i+16], data[i:i+16]
		subtle.XORBytes(p, c, prevP)
		block.Decrypt(p, p)
		subtle.XORBytes(p, p, prevC)
		prevC, prevP = c, p
	}
	if sum := sha1.Sum(plain); subtle.ConstantTimeCompare(sum[:16], msgKey) != 1 {
		return nil, errDecrypt
	}
	n := binary.LittleEndian.Uint32(plain)
	if n < 4 || uint64(n) > uint64(len(plain)) {
		return nil, errRange
	}
	return plain[4:n], nil
}

// tdEncrypt is the inverse of tdDecrypt; the padding comes from rand.
func tdEncrypt(plain, key []byte, rand io.Reader) ([]byte, error) {
	n := 4 + len(plain)
	padded := make([]byte, (n+15)/16*16)
	binary.LittleEndian.PutUint32(padded, uint32(n))
	copy(padded[4:], plain)
	if _, err := io.ReadFull(rand, padded[n:]); err != nil {
		return nil, err
	}
	sum := sha1.Sum(padded)
	aesKey, iv := tdAES(key, sum[:16])
	block, err := aes.NewCipher(aesKey)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 16+len(padded))
	copy(out, sum[:16])
	prevC, prevP := iv[:16], iv[16:]
	for i := 0; i < len(padded); i += aes.BlockSize {
		p, c := padded[i:i+16], out[16+i:32+i]
		subtle.XORBytes(c, p, prevC)
		block.Encrypt(c, c)
		subtle.XORBytes(c, c, prevP)
		prevC, prevP = c, p
	}
	return out, nil
}
