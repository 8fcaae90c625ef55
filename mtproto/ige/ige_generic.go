//go:build (!amd64 && !arm64) || purego

package ige

func encrypt(dst, src []byte, key *[32]byte, iv *[32]byte) { encryptGeneric(dst, src, key, iv) }
func decrypt(dst, src []byte, key *[32]byte, iv *[32]byte) { decryptGeneric(dst, src, key, iv) }
