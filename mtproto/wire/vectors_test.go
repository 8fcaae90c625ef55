package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/mtproto/ige"
)

// readVectors reads testdata: a name and its bytes in hex on each line; the file says where they come from.
func readVectors(tb testing.TB, name string) map[string][]byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	v := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || name == "#" {
			continue
		}
		if v[name], err = hex.DecodeString(value); err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
	}
	return v
}

func countingKey() Key {
	var value [256]byte
	for i := range value {
		value[i] = byte(i)
	}
	return NewKey(&value)
}

// mtcuteKey is the auth key of mtcute's tests.
func mtcuteKey(v map[string][]byte) Key {
	return NewKey((*[256]byte)(bytes.Repeat(v["auth_key_part"], 8)))
}

func TestCipherKeysVectors(t *testing.T) {
	counting := countingKey()
	grammers, mtcute := readVectors(t, "grammers.txt"), readVectors(t, "mtcute.txt")
	grammers["msg_key"] = counting.Value[:16]
	for name, tc := range map[string]struct {
		key Key
		v   map[string][]byte
	}{"grammers": {counting, grammers}, "mtcute": {mtcuteKey(mtcute), mtcute}} {
		msgKey := [16]byte(tc.v["msg_key"])
		for side, x := range map[string]int{"client": fromClient, "server": fromServer} {
			key, iv := tc.key.cipherKeys(&msgKey, x)
			if !bytes.Equal(key[:], tc.v[side+"_key"]) || !bytes.Equal(iv[:], tc.v[side+"_iv"]) {
				t.Errorf("%s, %s: key %x iv %x", name, side, key, iv)
			}
		}
	}
}

// TestEncryptVectors: plaintexts with zero bytes of padding, and a whole packet, sent by a client.
func TestEncryptVectors(t *testing.T) {
	key := countingKey()
	plaintext := append([]byte("Hello, world! This data should remain secure!"), make([]byte, 19)...)
	msgKey := key.msgKey(plaintext, fromClient)
	aesKey, iv := key.cipherKeys(&msgKey, fromClient)
	ige.Encrypt(plaintext, plaintext, &aesKey, &iv)
	got := append(append(key.ID[:], msgKey[:]...), plaintext...)
	if want := readVectors(t, "grammers.txt")["encrypted"]; !bytes.Equal(got, want) {
		t.Errorf("got %x", got)
	}

	v := readVectors(t, "mtcute.txt")
	key = mtcuteKey(v)
	// A client's packet opens under the other half of the key: the message must be mtcute's.
	frame := v["client_packet"]
	msgKey = [16]byte(frame[8:outerSize])
	aesKey, iv = key.cipherKeys(&msgKey, fromClient)
	plain := make([]byte, len(frame)-outerSize)
	ige.Decrypt(plain, frame[outerSize:], &aesKey, &iv)
	p := NewPacket(0)
	p.Add(Message{ID: 0x1234beefbeef1234, SeqNo: 777, Body: []byte("hello, world!!!!")})
	salt, session := int64(binary.LittleEndian.Uint64(plain)), int64(binary.LittleEndian.Uint64(plain[8:]))
	// Seal draws one byte for the number of extra blocks (none), then the padding.
	padding := plain[plainHeader+16:]
	sealed, err := p.Seal(&key, salt, session, io.MultiReader(bytes.NewReader([]byte{0}), bytes.NewReader(padding)))
	if err != nil || !bytes.Equal(sealed, frame) {
		t.Errorf("got %x, %v", sealed, err)
	}
}

// TestOpenRealPacket: a container with new_session_created and pong, as a server sent it.
func TestOpenRealPacket(t *testing.T) {
	v := readVectors(t, "grammers.txt")
	key, frame := NewKey((*[256]byte)(v["packet_auth_key"])), v["packet"]
	p, err := Open(&key, frame)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(frame[outerSize:], v["packet_plaintext"]) {
		t.Fatalf("plaintext %x", frame[outerSize:])
	}
	c, err := ReadContainer(p.Body)
	if err != nil {
		t.Fatal(err)
	}
	var ids []uint32
	for m, ok := c.Next(); ok; m, ok = c.Next() {
		ids = append(ids, ConstructorID(m.Body))
	}
	if len(ids) != 2 || ids[0] != IDNewSessionCreated || ids[1] != IDPong {
		t.Fatalf("messages %x", ids)
	}
}

func TestKeyIDVector(t *testing.T) {
	v := readVectors(t, "mtcute.txt")
	if key := mtcuteKey(v); !bytes.Equal(key.ID[:], v["auth_key_id"]) {
		t.Fatalf("key id %x", key.ID)
	}
}

// TestOpenVectors has mtcute's packets, good and bad. The one of another session is authentic: whose it is is for the
// caller to check.
func TestOpenVectors(t *testing.T) {
	const session = -0x4110011201124111 // 0xbeeffeedfeedbeef
	vectors := readVectors(t, "mtcute.txt")
	for name, want := range map[string]string{
		"good": "", "padded_transport": "", "wrong_session": "",
		"wrong_msg_key":    "msg_key does not match",
		"length_too_long":  "length",
		"length_unaligned": "length",
		"wrong_padding":    "padding",
	} {
		t.Run(name, func(t *testing.T) {
			key := mtcuteKey(vectors)
			p, err := Open(&key, vectors[name])
			var broken *PacketError
			switch {
			case want == "" && err != nil:
				t.Fatal(err)
			case want == "":
				if string(p.Body) != "hello, world!!!!" || p.SeqNo != 777 || p.ID != 0x1234beefbeef1234 {
					t.Fatalf("got %+v", p)
				}
				if ours := p.SessionID == session; ours == (name == "wrong_session") {
					t.Fatalf("session %x", uint64(p.SessionID))
				}
			case err == nil || !strings.Contains(err.Error(), want):
				t.Fatalf("got %v, want an error about %q", err, want)
			case errors.Is(err, ErrForged) == errors.As(err, &broken):
				t.Fatalf("%v is of no kind", err)
			}
		})
	}
}

// TestSealAgainstGotd: gotd's code reads what Seal makes.
func TestSealAgainstGotd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := countingKey()
		bodies := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 4, 300), 1, 5).Draw(t, "bodies")
		salt, session := rapid.Int64().Draw(t, "salt"), rapid.Int64().Draw(t, "session")
		p := NewPacket(0)
		for i, body := range bodies {
			bodies[i] = body[:len(body)&^3]
			p.Add(Message{ID: int64(i+1) * 4, SeqNo: int32(i), Body: bodies[i]})
		}
		if len(bodies) > 1 {
			p.Wrap(4000, 77)
		}
		frame, err := p.Seal(&key, salt, session, bytes.NewReader(rapid.SliceOfN(rapid.Byte(), 600, 600).Draw(t, "entropy")))
		if err != nil {
			t.Fatal(err)
		}
		data, err := crypto.NewServerCipher(nil).DecryptFromBuffer(crypto.Key(*key.Value).WithID(), &bin.Buffer{Buf: frame})
		if err != nil {
			t.Fatal(err)
		}
		if data.Salt != salt || data.SessionID != session {
			t.Fatalf("salt %d, session %d", data.Salt, data.SessionID)
		}
		if padding := len(data.MessageDataWithPadding) - int(data.MessageDataLen); padding < MinPadding || padding > MaxPadding {
			t.Fatalf("padding of %d bytes", padding)
		}
		if len(bodies) == 1 {
			if data.MessageID != 4 || !bytes.Equal(data.Data(), bodies[0]) {
				t.Fatalf("message %d: %x", data.MessageID, data.Data())
			}
			return
		}
		c, err := ReadContainer(data.Data())
		if err != nil || data.MessageID != 4000 || data.SeqNo != 77 {
			t.Fatalf("container %d: %v", data.MessageID, err)
		}
		for i, body := range bodies {
			m, ok := c.Next()
			if !ok || m.ID != int64(i+1)*4 || m.SeqNo != int32(i) || !bytes.Equal(m.Body, body) {
				t.Fatalf("message %d: %+v", i, m)
			}
		}
	})
}

func TestBytesRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 253, 254, 255, 1 << 16} {
		text := bytes.Repeat([]byte{7}, n)
		var want bin.Buffer
		want.PutBytes(text)
		got := AppendBytes(nil, text)
		if !bytes.Equal(got, want.Buf) {
			t.Errorf("%d bytes: not as gotd writes them", n)
		}
		r := NewReader(got)
		if back := r.Bytes(); !bytes.Equal(back, text) || r.Err() != nil || len(r.Rest()) != 0 {
			t.Errorf("%d bytes: read %d, %v", n, len(back), r.Err())
		}
	}
}

func TestReaderRefusesShortObjects(t *testing.T) {
	for name, read := range map[string]func(*Reader){
		"long":            func(r *Reader) { r.Int64() },
		"string":          func(r *Reader) { r.Bytes() },
		"vector":          func(r *Reader) { r.Int64s(MaxIDs) },
		"negative length": func(r *Reader) { r.Take(-1) },
	} {
		for _, data := range [][]byte{{}, {0xfe, 0xff}, {0xff, 0, 0, 0}, {0xfe, 0xff, 0xff, 0xff}, {0x15, 0xc4, 0xb5, 0x1c, 0xff, 0xff}} {
			r := NewReader(data)
			if read(&r); !errors.Is(r.Err(), ErrShort) {
				t.Errorf("%s of %x: %v", name, data, r.Err())
			}
		}
	}
}
