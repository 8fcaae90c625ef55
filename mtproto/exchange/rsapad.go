package exchange

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"github.com/telefleet/orchestrator/mtproto/ige"
)

const (
	rsaPadData   = 144 // most bytes of data
	rsaPadPadded = 192 // data with padding
	rsaPadHashed = 224 // and with its hash
	rsaBytes     = 256 // a key, and the result
	// rsaPadDraws bounds the draws of temp_key. One draw in three fails for the smallest modulus, 2^2047; with 128
	// of them failing the source of randomness is broken.
	rsaPadDraws = 128
)

var errDataTooLong = errors.New("data for RSA_PAD is longer than 144 bytes")

// rsaPad is RSA_PAD of core.telegram.org/mtproto/auth_key (4.1).
func rsaPad(data []byte, key *rsa.PublicKey, entropy io.Reader) ([]byte, error) {
	if len(data) > rsaPadData {
		return nil, errDataTooLong
	}
	var padded [rsaPadPadded]byte
	n := copy(padded[:], data)
	if _, err := io.ReadFull(entropy, padded[n:]); err != nil {
		return nil, fmt.Errorf("read entropy: %w", err)
	}
	reversed := padded
	slices.Reverse(reversed[:])
	for range rsaPadDraws {
		var tempKey [32]byte
		if _, err := io.ReadFull(entropy, tempKey[:]); err != nil {
			return nil, fmt.Errorf("read entropy: %w", err)
		}
		block := keyAESEncrypted(&padded, &reversed, &tempKey)
		x := new(big.Int).SetBytes(block[:])
		if x.Cmp(key.N) >= 0 {
			continue
		}
		x.Exp(x, big.NewInt(int64(key.E)), key.N)
		return x.FillBytes(make([]byte, rsaBytes)), nil
	}
	return nil, errors.New("no usable temp_key: the source of randomness is broken")
}

// keyAESEncrypted is temp_key_xor + aes_encrypted for one temp_key.
func keyAESEncrypted(padded, reversed *[rsaPadPadded]byte, tempKey *[32]byte) (block [rsaBytes]byte) {
	h := sha256.New()
	h.Write(tempKey[:])
	h.Write(padded[:])
	encrypted := block[rsaBytes-rsaPadHashed:]
	copy(encrypted, reversed[:])
	h.Sum(encrypted[:rsaPadPadded])
	ige.Encrypt(encrypted, encrypted, tempKey, new([32]byte))
	sum := sha256.Sum256(encrypted)
	subtle.XORBytes(block[:32], tempKey[:], sum[:])
	return block
}
