package ige

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	gotdige "github.com/gotd/ige"
)

// lcg is the generator of TDLib's crypto tests, continued over data, key and vector.
func lcg(seed *uint32, b []byte) {
	for i := range b {
		*seed = *seed*123457567 + 987651241
		b[i] = byte(*seed >> 23)
	}
}

// TestAnswersOfTDLib compares checksums with TDLib's tdutils/test/crypto.cpp, AesIgeState.
func TestAnswersOfTDLib(t *testing.T) {
	for _, tc := range []struct {
		length int
		crc    uint32
	}{{0, 0}, {16, 2045698207}, {32, 2423540300}, {256, 525522475}, {1024, 1545267325}, {65536, 724143417}} {
		seed := uint32(tc.length)
		plain := make([]byte, tc.length)
		var key, iv [32]byte
		lcg(&seed, plain)
		lcg(&seed, key[:])
		lcg(&seed, iv[:])
		for name, f := range implementations {
			got := make([]byte, tc.length)
			f.encrypt(got, plain, &key, &iv)
			if crc := crc32.ChecksumIEEE(got); crc != tc.crc {
				t.Errorf("%s: %d bytes: checksum %d, want %d", name, tc.length, crc, tc.crc)
			}
			f.decrypt(got, got, &key, &iv)
			if !bytes.Equal(got, plain) {
				t.Errorf("%s: %d bytes do not decrypt to themselves", name, tc.length)
			}
		}
	}
}

// TestVectors has short texts of other clients, with their results.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' {
			continue
		}
		n++
		var data [4][]byte
		for i, word := range strings.Fields(line) {
			if data[i], err = hex.DecodeString(word); err != nil {
				t.Fatal(err)
			}
		}
		key, iv := [32]byte(data[0]), [32]byte(data[1])
		for name, f := range implementations {
			got := make([]byte, len(data[2]))
			if f.encrypt(got, data[2], &key, &iv); !bytes.Equal(got, data[3]) {
				t.Errorf("%s: line %d encrypts to %x", name, n, got)
			}
			if f.decrypt(got, got, &key, &iv); !bytes.Equal(got, data[2]) {
				t.Errorf("%s: line %d decrypts to %x", name, n, got)
			}
		}
	}
	if n != 3 {
		t.Fatalf("%d vectors", n)
	}
}

type pair struct {
	encrypt, decrypt func(dst, src []byte, key, iv *[32]byte)
}

var implementations = map[string]pair{
	"exported": {Encrypt, Decrypt},
	"generic": {
		func(dst, src []byte, key, iv *[32]byte) { encryptGeneric(dst, src, key, iv) },
		func(dst, src []byte, key, iv *[32]byte) { decryptGeneric(dst, src, key, iv) },
	},
}

// TestEqualToGotd compares with an independent implementation, in place and apart, at every small length and some
// large ones.
func TestEqualToGotd(t *testing.T) {
	lengths := []int{4096, 16384 + 16, 1<<19 + 64}
	for n := 0; n <= 1024; n += BlockSize {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		var key, iv [32]byte
		src := make([]byte, n)
		_, _ = rand.Read(key[:])
		_, _ = rand.Read(iv[:])
		_, _ = rand.Read(src)
		block, err := aes.NewCipher(key[:])
		if err != nil {
			t.Fatal(err)
		}
		wantEnc, wantDec := make([]byte, n), make([]byte, n)
		gotdige.EncryptBlocks(block, iv[:], wantEnc, src)
		gotdige.DecryptBlocks(block, iv[:], wantDec, src)
		keyCopy, ivCopy := key, iv
		for name, f := range implementations {
			apart, inPlace := make([]byte, n+BlockSize), bytes.Clone(src)
			f.encrypt(apart, src, &key, &iv)
			f.encrypt(inPlace, inPlace, &key, &iv)
			if !bytes.Equal(apart[:n], wantEnc) || !bytes.Equal(inPlace, wantEnc) {
				t.Fatalf("%s: encryption of %d bytes differs", name, n)
			}
			if !bytes.Equal(apart[n:], make([]byte, BlockSize)) {
				t.Fatalf("%s: encryption of %d bytes wrote behind them", name, n)
			}
			copy(inPlace, src)
			f.decrypt(apart, src, &key, &iv)
			f.decrypt(inPlace, inPlace, &key, &iv)
			if !bytes.Equal(apart[:n], wantDec) || !bytes.Equal(inPlace, wantDec) {
				t.Fatalf("%s: decryption of %d bytes differs", name, n)
			}
		}
		if key != keyCopy || iv != ivCopy {
			t.Fatal("key or vector was changed")
		}
	}
}

func TestBadLengthsPanic(t *testing.T) {
	var key, iv [32]byte
	for name, f := range map[string]func(){
		"encrypt partial block": func() { Encrypt(make([]byte, 16), make([]byte, 15), &key, &iv) },
		"decrypt partial block": func() { Decrypt(make([]byte, 32), make([]byte, 17), &key, &iv) },
		"encrypt short output":  func() { Encrypt(make([]byte, 16), make([]byte, 32), &key, &iv) },
		"decrypt short output":  func() { Decrypt(nil, make([]byte, 16), &key, &iv) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func BenchmarkIGE(b *testing.B) {
	var key, iv [32]byte
	for _, n := range []int{288, 16 << 10, 512 << 10} {
		buf := make([]byte, n)
		for name, f := range implementations {
			for dir, run := range map[string]func(dst, src []byte, key, iv *[32]byte){"encrypt": f.encrypt, "decrypt": f.decrypt} {
				b.Run(fmt.Sprintf("%s/%s/%d", name, dir, n), func(b *testing.B) {
					b.SetBytes(int64(n))
					b.ReportAllocs()
					for b.Loop() {
						run(buf, buf, &key, &iv)
					}
				})
			}
		}
	}
}
