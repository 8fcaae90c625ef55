//go:build (amd64 || arm64) && !purego

package ige

// keySchedule is the 15 round keys of AES-256 in the order of their use.
type keySchedule [15 * BlockSize]byte

// expandEncrypt fills the schedule for encryption.
//
//go:noescape
func expandEncrypt(ks *keySchedule, key *[32]byte)

// invert turns a schedule for encryption into the one for decryption.
//
//go:noescape
func invert(ks *keySchedule)

// encryptBlocks and decryptBlocks work on blocks > 0 blocks. out and in are the previous output and input blocks.
//
//go:noescape
func encryptBlocks(ks *keySchedule, dst, src *byte, blocks int, out, in *[BlockSize]byte)

//go:noescape
func decryptBlocks(ks *keySchedule, dst, src *byte, blocks int, out, in *[BlockSize]byte)

func encrypt(dst, src []byte, key *[32]byte, iv *[32]byte) {
	if !hasAES {
		encryptGeneric(dst, src, key, iv)
		return
	}
	var ks keySchedule
	expandEncrypt(&ks, key)
	encryptBlocks(&ks, &dst[0], &src[0], len(src)/BlockSize, (*[BlockSize]byte)(iv[:]), (*[BlockSize]byte)(iv[BlockSize:]))
}

func decrypt(dst, src []byte, key *[32]byte, iv *[32]byte) {
	if !hasAES {
		decryptGeneric(dst, src, key, iv)
		return
	}
	var ks keySchedule
	expandEncrypt(&ks, key)
	invert(&ks)
	decryptBlocks(&ks, &dst[0], &src[0], len(src)/BlockSize, (*[BlockSize]byte)(iv[BlockSize:]), (*[BlockSize]byte)(iv[:]))
}
