package ige

import (
	"os"
	"os/exec"
	"testing"
)

// TestAssemblyOfEveryProcessor assembles the package for each processor that has assembly here, and lets vet compare the
// frames with their Go declarations. `make test-arm64` runs it.
func TestAssemblyOfEveryProcessor(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		vet := exec.Command("go", "vet", ".")
		vet.Env = append(os.Environ(), "GOARCH="+arch, "GOFLAGS=", "CGO_ENABLED=0")
		if out, err := vet.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", arch, err, out)
		}
	}
}

// FuzzEncrypt compares the assembly with the code that any processor can run, and goes back.
func FuzzEncrypt(f *testing.F) {
	f.Add(make([]byte, 64), make([]byte, 80))
	f.Add([]byte("0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF"), make([]byte, 256))
	f.Fuzz(func(t *testing.T, secrets, text []byte) {
		if len(secrets) < 64 {
			return
		}
		key, iv := [32]byte(secrets), [32]byte(secrets[32:])
		text = text[:len(text)/BlockSize*BlockSize]
		got, want := make([]byte, len(text)), make([]byte, len(text))
		Encrypt(got, text, &key, &iv)
		encryptGeneric(want, text, &key, &iv)
		if string(got) != string(want) {
			t.Fatalf("encryption gives %x, want %x", got, want)
		}
		Decrypt(got, text, &key, &iv)
		decryptGeneric(want, text, &key, &iv)
		if string(got) != string(want) {
			t.Fatalf("decryption gives %x, want %x", got, want)
		}
	})
}
