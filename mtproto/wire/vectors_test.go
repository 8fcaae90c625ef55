package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/mtproto/ige"
)

// The data of these tests comes from the tests of grammers (Lonami/grammers) and mtcute.

func unhex(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(parts, ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func countingKey() Key {
	var value [256]byte
	for i := range value {
		value[i] = byte(i)
	}
	return NewKey(value)
}

func TestCipherKeysVectors(t *testing.T) {
	key := countingKey()
	msgKey := [16]byte(key.Value[:16])
	for _, v := range []struct {
		x       int
		key, iv string
	}{
		{
			fromClient,
			"704ed09c8b41668ae8f99d244738f71dbddc44469b6bbd4aa8573dd042bd059e",
			"4d266000a550edabbf4c7ce40fd0043cc92230184cd317a5cc9c2482fd3b9318",
		},
		{
			fromServer,
			"217725799b245806458174a1fcfbc883906807b15033fdd0ea2b4d69cf9c364e",
			"669a6538917a4fa56ca32360a431c9160be4ad887140980dab91ce7bdc47ffbc",
		},
	} {
		gotKey, gotIV := key.cipherKeys(&msgKey, v.x)
		if hex.EncodeToString(gotKey[:]) != v.key || hex.EncodeToString(gotIV[:]) != v.iv {
			t.Errorf("x=%d: key %x iv %x", v.x, gotKey, gotIV)
		}
	}
}

// TestEncryptVector: a plaintext with 19 zero bytes of padding, sent by a client.
func TestEncryptVector(t *testing.T) {
	key := countingKey()
	plaintext := append([]byte("Hello, world! This data should remain secure!"), make([]byte, 19)...)
	msgKey := key.msgKey(plaintext, fromClient)
	aesKey, iv := key.cipherKeys(&msgKey, fromClient)
	ige.Encrypt(plaintext, plaintext, &aesKey, &iv)
	got := append(append(key.ID[:], msgKey[:]...), plaintext...)
	want := unhex(t,
		"32d1586ea457dfc8a81729d46db54019a2bfd7f744f9b96c4f716cfdc4477db2a2c15f6ddb85235fb9552f1d8407c6aa",
		"ea00cc844c5a1bf6ac44b79b5edc2a23868b3d6073a590992c0f2975243d563ea180d218ee757c9a",
	)
	if !bytes.Equal(got, want) {
		t.Fatalf("got %x", got)
	}
}

// TestOpenRealPacket: a container with new_session_created and pong, as a server sent it.
func TestOpenRealPacket(t *testing.T) {
	key := NewKey([256]byte(unhex(t,
		"5d2e7d65f49ec28bd029a88761ea27b8a4c79f12226525443e7d7c596ef3303530db2107e89aa997c7a0164ab694187a",
		"deff156bd6ef7118a1962347753c0e7e89a0354b8ec364f9997e71bc6923fb86e8e43491e010606a6ce845e2fa019409",
		"77ef0aa32adf5a97dbf6d428ec0434d717a2d3ad19622cc05887642113c7965ffb862a3e3ccb0ab95addda57f89245db",
		"d76b492348f8e94bd5a7c0e0b84808523cfd1ea80b32fe9ad198bc2e103fceb7d52492ecc0273a28674bc923eee59265",
		"ab17a002df1f4aa2c59b819a5e5e1d105ec117336f5c76c6b187037d4b4270cee9cc21071d97e9bca220c6d7b01b998c",
		"f2e5cdb9a50ecda1852a36e635690c8e",
	)))
	frame := unhex(t,
		"7a7183c2c10e4f4df945fa9a9abd35e7c3840b61f045304f39674c19c0e209784f50f6226a073529d675c92cbf0bfa8c",
		"99a79b3f39c72a5d9a026d431ab7407ca04ecc55187d6c45f17871524edd90cea02ed728e14d7cb18aea2a636158f094",
		"59a9437710d894c79f368c4e8164b7647ea98612aefe942c5d92121acb8db02dccceb66d0f8720ac12a06db0582bfd95",
		"5be34f365118e3bab8cd080ce6b45b28eac56dcd2a29374e",
	)
	want := unhex(t,
		"fc826a02248b28fd60f2c4822443ad6801f0c1c2918b305e0200000058000000dcf8f1730200000001a8c1c2918b305e",
		"010000001c0000000809c29ec4fd33ad918b305e18a88ea607ee5816fc826a02248b28fd01ccc1c2918b305e02000000",
		"14000000c5737734c4fd33ad918b305e6408300000000000fce66704a3cd8ee9d0ae6fab672c60c04a3f1fd4490e51f6",
	)
	p, err := Open(&key, frame)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(frame[outerSize:], want) {
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

func mtcuteKey(t testing.TB) Key {
	return NewKey([256]byte(bytes.Repeat(unhex(t, "98cb29c6ffa89e79da695a54f572e6cb101e81c688b63a4bf73c3622dec230e0"), 8)))
}

func TestKeyIDVector(t *testing.T) {
	if key := mtcuteKey(t); hex.EncodeToString(key.ID[:]) != "40fa5bb7cb56a895" {
		t.Fatalf("key id %x", key.ID)
	}
}

func TestOpenVectors(t *testing.T) {
	for _, v := range []struct {
		name   string
		frame  []string
		forged bool
		broken bool
	}{
		{name: "good", frame: []string{
			"40fa5bb7cb56a8950c394b884f1529efc42fea22d972fea650a714ce6d2d1bdb",
			"3d98ff5929b8768c401771a69795f36a7e720dcafac2efbccd0ba368e8a7f48b",
			"07362cac1a32ffcabe188b51a36cc4d54e1d0633cf9eaf35",
		}},
		{name: "padded transport", frame: []string{
			"40fa5bb7cb56a8950c394b884f1529efc42fea22d972fea650a714ce6d2d1bdb",
			"3d98ff5929b8768c401771a69795f36a7e720dcafac2efbccd0ba368e8a7f48b",
			"07362cac1a32ffcabe188b51a36cc4d54e1d0633cf9eaf35deadbeef",
		}},
		{name: "msg_key", forged: true, frame: []string{
			"40fa5bb7cb56a8950000000000000000000000000000000050a714ce6d2d1bdb",
			"3d98ff5929b8768c401771a69795f36a7e720dcafac2efbccd0ba368e8a7f48b",
			"07362cac1a32ffcabe188b51a36cc4d54e1d0633cf9eaf35",
		}},
		{name: "length too long", broken: true, frame: []string{
			"40fa5bb7cb56a8950d19412233dd5d24be697c73274e08fbe515cf65e0c5f70c",
			"ad75fd2badc18c9f999f287351144eeb1cfcaa9bea33ef5058999ad96a498306",
			"08d2859425685a55b21fab413bfabc42ec5da283853b28c0",
		}},
		{name: "length unaligned", broken: true, frame: []string{
			"40fa5bb7cb56a8957b4e4bec561eee4a5a1025bc8a35d3d0c79a3685d2b90ff0",
			"5f638e9c42c9fd9448b0ce8e7d49e7ea1ce458e47b825b5c7fd8ddf5b4fded46",
			"2a4bcc02f3ff2e89de6764d6d219f575e457fdcf8c163cdf",
		}},
		{name: "padding", broken: true, frame: []string{
			"40fa5bb7cb56a895133671d1c637a9836e2c64b4d1a0521d8a25a6416fd4dc9e",
			"79f9478fb837703cc9efa0a19d12143c2a26e57cb4bc64d7bc972dd8f19c53c590cc258162f44afc",
		}},
	} {
		t.Run(v.name, func(t *testing.T) {
			key := mtcuteKey(t)
			p, err := Open(&key, unhex(t, v.frame...))
			var broken *PacketError
			switch {
			case v.forged:
				if !errors.Is(err, ErrForged) {
					t.Fatalf("got %v", err)
				}
			case v.broken:
				if !errors.As(err, &broken) {
					t.Fatalf("got %v", err)
				}
			case err != nil:
				t.Fatal(err)
			case string(p.Body) != "hello, world!!!!" || p.SeqNo != 777 || p.ID != 0x1234beefbeef1234:
				t.Fatalf("got %+v", p)
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
		data, err := crypto.NewServerCipher(nil).DecryptFromBuffer(crypto.Key(key.Value).WithID(), &bin.Buffer{Buf: frame})
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
