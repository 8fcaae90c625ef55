// Package ige is AES-256 in infinite garble extension mode, the only cipher mode of MTProto messages and of the
// key exchange.
//
// # Usage
//
// Encrypt and Decrypt work on whole messages whose length is a multiple of BlockSize; dst may be src. The
// initialisation vector is the 16 bytes of the ciphertext block before the first one, then the 16 bytes of the
// plaintext block before it. Neither key nor vector is changed or kept.
//
// # Concurrency
//
// The functions keep no state; any number of goroutines may call them.
//
// # Errors
//
// There are none: a length that is no multiple of BlockSize, or a dst shorter than src, is a bug of the caller and
// panics, as in crypto/cipher. Frames from a peer must be checked for length before they come here.
package ige

import (
	"crypto/aes"
	"crypto/subtle"
)

// BlockSize is the AES block size in bytes.
const BlockSize = aes.BlockSize

// Encrypt encrypts src into dst. dst may be src, and must not overlap it otherwise.
func Encrypt(dst, src []byte, key *[32]byte, iv *[32]byte) {
	checkLengths(dst, src)
	if len(src) == 0 {
		return
	}
	encrypt(dst[:len(src)], src, key, iv)
}

// Decrypt decrypts src into dst. dst may be src, and must not overlap it otherwise.
func Decrypt(dst, src []byte, key *[32]byte, iv *[32]byte) {
	checkLengths(dst, src)
	if len(src) == 0 {
		return
	}
	decrypt(dst[:len(src)], src, key, iv)
}

func checkLengths(dst, src []byte) {
	if len(src)%BlockSize != 0 {
		panic("ige: input is not full blocks")
	}
	if len(dst) < len(src) {
		panic("ige: output is smaller than input")
	}
}

// encryptGeneric: c[i] = E(p[i] ^ c[i-1]) ^ p[i-1].
func encryptGeneric(dst, src []byte, key *[32]byte, iv *[32]byte) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // unreachable: the key has 32 bytes by its type
	}
	var prevIn, in, out [BlockSize]byte
	out = [BlockSize]byte(iv[:BlockSize])
	prevIn = [BlockSize]byte(iv[BlockSize:])
	for len(src) > 0 {
		copy(in[:], src)
		subtle.XORBytes(out[:], out[:], in[:])
		block.Encrypt(out[:], out[:])
		subtle.XORBytes(out[:], out[:], prevIn[:])
		copy(dst, out[:])
		prevIn = in
		src, dst = src[BlockSize:], dst[BlockSize:]
	}
}

// decryptGeneric: p[i] = D(c[i] ^ p[i-1]) ^ c[i-1].
func decryptGeneric(dst, src []byte, key *[32]byte, iv *[32]byte) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // unreachable: the key has 32 bytes by its type
	}
	var prevIn, in, out [BlockSize]byte
	prevIn = [BlockSize]byte(iv[:BlockSize])
	out = [BlockSize]byte(iv[BlockSize:])
	for len(src) > 0 {
		copy(in[:], src)
		subtle.XORBytes(out[:], out[:], in[:])
		block.Decrypt(out[:], out[:])
		subtle.XORBytes(out[:], out[:], prevIn[:])
		copy(dst, out[:])
		prevIn = in
		src, dst = src[BlockSize:], dst[BlockSize:]
	}
}
