package srp

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// TestVectorsOfMtcute: hash, answer and new password of another client, from an account of its authors.
func TestVectorsOfMtcute(t *testing.T) {
	text, err := os.ReadFile("testdata/mtcute.txt")
	if err != nil {
		t.Fatal(err)
	}
	v := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			if v[name], err = hex.DecodeString(value); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	algo := Params{Salt1: v["salt1"], Salt2: v["salt2"], G: 3, P: unhex(t, primeHex)}

	x, err := secret([]byte("qwe123"), algo)
	if err != nil || !bytes.Equal(x.Bytes(), v["password_hash"]) {
		t.Errorf("password hash %x, %v", x, err)
	}
	fresh, err := NewParams(algo, bytes.NewReader(v["a"]))
	if err != nil {
		t.Fatal(err)
	}
	hash, err := Verifier([]byte("123qwe"), fresh)
	if err != nil || !bytes.Equal(hash, v["new_password_hash"]) {
		t.Errorf("hash of the new password %x, %v", hash, err)
	}
	// Its answer belongs to the longer salt: the test before it has set that in place.
	proof, err := Answer([]byte("qwe123"), fresh, v["srp_b"], 5, bytes.NewReader(v["a"]))
	if err != nil || !bytes.Equal(proof.A, v["answer_a"]) || !bytes.Equal(proof.M1, v["answer_m1"]) {
		t.Errorf("A %x, M1 %x, %v", proof.A, proof.M1, err)
	}
}
