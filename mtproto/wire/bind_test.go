package wire

import (
	"bytes"
	"crypto/aes"
	"testing"

	"github.com/gotd/ige"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
)

func TestMTProto1KeysOfGotdAndMtcute(t *testing.T) {
	v := readVectors(t, "binding.txt")
	if got := msgKeyV1(v["gotd_hashed"]); !bytes.Equal(got[:], v["gotd_msg_key"]) {
		t.Errorf("msg_key %x", got)
	}
	counting := countingKey()
	v["gotd_msg_key"] = counting.Value[:16]
	for name, k := range map[string]Key{"gotd": counting, "mtcute": mtcuteKey(readVectors(t, "mtcute.txt"))} {
		msgKey := [16]byte(v[name+"_msg_key"])
		key, iv := k.cipherKeysV1(&msgKey)
		if !bytes.Equal(key[:], v[name+"_key"]) || !bytes.Equal(iv[:], v[name+"_iv"]) {
			t.Errorf("%s: key %x, iv %x", name, key, iv)
		}
	}
}

// TestBindingMessageOfGotd uses the key, ids and times of gotd's crypto/bind_test.go: the message is
// the one that gotd makes, byte by byte up to its padding, and says what it should.
func TestBindingMessageOfGotd(t *testing.T) {
	var value [256]byte
	for i := range value {
		value[i] = byte(255 - i)
	}
	permanent := NewKey(&value)
	const msgID = 0x011223344556677
	in := Binding{Nonce: 0x0001020304050607, TempID: 0x0011223344556677, SessionID: 0x010203040506070, ExpiresAt: 1735689600}
	entropy := func() *bytes.Reader { return bytes.NewReader(bytes.Repeat([]byte{0xcd}, 64)) }
	query, err := AppendBind(nil, &permanent, msgID, in, entropy())
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(query)
	if r.Uint32() != IDBindTempAuthKey || r.Int64() != permanent.IntID() || r.Int64() != in.Nonce || r.Int32() != in.ExpiresAt {
		t.Errorf("query %x", query)
	}
	message := r.Bytes()
	if r.Err() != nil || len(r.Rest()) != 0 {
		t.Fatalf("query %x", query)
	}
	inner := crypto.BindAuthKeyInner{
		Nonce: in.Nonce, TempAuthKeyID: in.TempID, PermAuthKeyID: permanent.IntID(), TempSessionID: in.SessionID, ExpiresAt: int(in.ExpiresAt),
	}
	want, err := crypto.EncryptBindMessage(entropy(), crypto.Key(value).WithID(), msgID, &inner)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(message[:outerSize], want[:outerSize]) {
		t.Errorf("key id and msg_key %x, gotd %x", message[:outerSize], want[:outerSize])
	}
	plain := open(t, permanent, message)
	if theirs := open(t, permanent, want); !bytes.Equal(plain[:bindingSize], theirs[:bindingSize]) {
		t.Errorf("content %x, gotd %x", plain, theirs)
	}
}

// open decrypts a binding message without our code.
func open(t *testing.T, k Key, message []byte) []byte {
	t.Helper()
	key, iv := crypto.KeysV1(crypto.Key(*k.Value), bin.Int128(message[8:24]))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, len(message)-outerSize)
	ige.DecryptBlocks(block, iv[:], plain, message[outerSize:])
	return plain
}

func TestBindingNeedsEntropy(t *testing.T) {
	k := countingKey()
	if _, err := AppendBind(nil, &k, 4, Binding{}, bytes.NewReader(nil)); err == nil {
		t.Error("a binding message without randomness")
	}
}
