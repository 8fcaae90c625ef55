package formats

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// TestKeysOfMTProto1: Telegram Desktop's files use the old derivation; another client's data for it.
func TestKeysOfMTProto1(t *testing.T) {
	text, err := os.ReadFile("testdata/kdf_v1.txt")
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
	key, iv := tdAES(bytes.Repeat(v["auth_key_part"], 8), v["msg_key"])
	if !bytes.Equal(key, v["server_key"]) || !bytes.Equal(iv, v["server_iv"]) {
		t.Errorf("key %x, vector %x", key, iv)
	}
}
