package exchange

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Keys of Telegram's production and test environments.
const (
	productionKey = `-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEA6LszBcC1LGzyr992NzE0ieY+BSaOW622Aa9Bd4ZHLl+TuFQ4lo4g
5nKaMBwK/BIb9xUfg0Q29/2mgIR6Zr9krM7HjuIcCzFvDtr+L0GQjae9H0pRB2OO
62cECs5HKhT5DZ98K33vmWiLowc621dQuwKWSQKjWf50XYFw42h21P2KXUGyp2y/
+aEyZ+uVgLLQbRA1dEjSDZ2iGRy12Mk5gpYc397aYp438fsJoHIgJ2lgMv5h7WY9
t6N/byY9Nw9p21Og3AoXSL2q/2IJ1WRUhebgAdGVMlV1fkuOQoEzR7EdpqtQD9Cs
5+bfo3Nhmcyvk5ftB0WkJ9z6bNZ7yxrP8wIDAQAB
-----END RSA PUBLIC KEY-----`
	testKey = `-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAyMEdY1aR+sCR3ZSJrtztKTKqigvO/vBfqACJLZtS7QMgCGXJ6XIR
yy7mx66W0/sOFa7/1mAZtEoIokDP3ShoqF4fVNb6XeqgQfaUHd8wJpDWHcR2OFwv
plUUI1PLTktZ9uW2WE23b+ixNwJjJGwBDJPQEQFBE+vfmH0JP503wr5INS1poWg/
j25sIWeYPHYeOrFp/eXaqhISP6G+q2IeTaWTXpwZj4LzXq5YOpk4bYEQ6mvRq7D1
aHWfYmlEGepfaYR8Q0YqvvhYtMte3ITnuSJs171+GDqpdKcSwHnd6FudwGO4pcCO
j4WcDuXc2CTHgH8gFTNhp/Y8/SpDOhvn9QIDAQAB
-----END RSA PUBLIC KEY-----`
)

func parsePEM(tb testing.TB, text string) *rsa.PublicKey {
	tb.Helper()
	block, _ := pem.Decode([]byte(text))
	k, err := x509.ParsePKCS1PublicKey(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func readVectors(tb testing.TB, name string) map[string][]byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	v := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && key != "#" {
			v[key] = unhex(tb, value)
		}
	}
	return v
}

// serverFrame is an unencrypted message whose declared length is larger than its TL object, as Telegram's are.
func serverFrame(object []byte) Frame {
	b := appendU64(nil, 0)
	b = appendU64(b, 0x65c53d507531d801)
	b = appendU32(b, uint32(len(object)+88))
	b = append(b, object...)
	return Frame{Data: append(b, bytes.Repeat([]byte{0xa7}, 88)...)}
}

// body checks the envelope of a single written frame and returns what is in it.
func body(tb testing.TB, e Effects) []byte {
	tb.Helper()
	if len(e.Write) != 1 {
		tb.Fatalf("%d frames written", len(e.Write))
	}
	frame := e.Write[0]
	if binary.LittleEndian.Uint64(frame) != 0 || binary.LittleEndian.Uint64(frame[8:])%4 != 0 ||
		int(binary.LittleEndian.Uint32(frame[16:])) != len(frame)-20 {
		tb.Fatalf("bad envelope %x", frame[:20])
	}
	return frame[20:]
}

func mustStep(tb testing.TB, m *Machine, now time.Time, in Input) Effects {
	tb.Helper()
	e, err := m.Step(now, in)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// TestHandshakeOfTheDocumentation replays core.telegram.org/mtproto/samples-auth_key.
func TestHandshakeOfTheDocumentation(t *testing.T) {
	v := readVectors(t, "samples_auth_key.txt")
	now := time.Unix(0x65c53d50, 0)
	source := &growing{b: slices.Concat(v["nonce"], v["new_nonce"], v["rsa_padding"])} // then any temp_key
	m := New(Config{Keys: []*rsa.PublicKey{parsePEM(t, testKey), parsePEM(t, productionKey)}, DC: 2, Rand: source})

	if got := body(t, mustStep(t, m, now, Start{})); !bytes.Equal(got, append(unhex(t, "f18e7ebe"), v["nonce"]...)) {
		t.Fatalf("req_pq_multi is %x", got)
	}
	got := body(t, mustStep(t, m, now, serverFrame(v["res_pq"])))
	if !bytes.HasPrefix(got, v["req_dh_params_head"]) || len(got) != len(v["req_dh_params_head"])+256 {
		t.Fatalf("req_DH_params is %x", got)
	}
	if inner := m.innerData(unhex(t, "256595EDB7766797"), 1513098571, 1780931429); !bytes.Equal(inner, v["p_q_inner_data"]) {
		t.Fatalf("p_q_inner_data_dc is %x", inner)
	}

	source.b = slices.Concat(v["b"], v["client_padding"])
	object := appendU32(nil, idServerDHParamsOK)
	object = append(append(object, v["nonce"]...), v["server_nonce"]...)
	object = appendBytes(object, v["encrypted_answer"])
	got = body(t, mustStep(t, m, now, serverFrame(object)))
	if !bytes.Equal(m.tmpKey[:], v["tmp_aes_key"]) || !bytes.Equal(m.tmpIV[:], v["tmp_aes_iv"]) {
		t.Fatalf("tmp_aes_key %x, tmp_aes_iv %x", m.tmpKey, m.tmpIV)
	}
	if !bytes.Equal(got, v["set_client_dh_params"]) {
		t.Fatalf("set_client_DH_params is %x", got)
	}
	checkEnd(t, m, now, v, time.Second)
}

// checkEnd gives the machine its dh_gen_ok and compares the result.
func checkEnd(t *testing.T, m *Machine, now time.Time, v map[string][]byte, offset time.Duration) {
	t.Helper()
	e := mustStep(t, m, now, serverFrame(v["dh_gen_ok"]))
	if e.Result == nil || len(e.Write) != 0 {
		t.Fatalf("no result: %+v", e)
	}
	if !bytes.Equal(e.Result.Key[:], v["auth_key"]) {
		t.Errorf("auth key is %x", e.Result.Key[:])
	}
	if id, ok := v["auth_key_id"]; ok && !bytes.Equal(appendU64(nil, uint64(e.Result.KeyID)), id) {
		t.Errorf("auth key id is %x", uint64(e.Result.KeyID))
	}
	if !bytes.Equal(appendU64(nil, uint64(e.Result.Salt)), v["salt"]) {
		t.Errorf("salt is %x", uint64(e.Result.Salt))
	}
	if e.Result.TimeOffset != offset {
		t.Errorf("time offset is %v", e.Result.TimeOffset)
	}
	if m.temporaries != (temporaries{}) {
		t.Error("the temporaries were not forgotten")
	}
}

// growing yields b, then bytes of filler: temp_key is drawn again when its block is not below the modulus.
type growing struct {
	b      []byte
	filler byte
}

func (g *growing) Read(p []byte) (int, error) {
	if len(g.b) == 0 {
		g.filler++
		for i := range p {
			p[i] = g.filler
		}
		return len(p), nil
	}
	n := copy(p, g.b)
	g.b = g.b[n:]
	return n, nil
}

// TestHandshakeOfGrammers replays the second public handshake, whose client sends no DC: that one query is compared at
// RSA_PAD, all others in the machine.
func TestHandshakeOfGrammers(t *testing.T) {
	v := readVectors(t, "grammers.txt")
	key := parsePEM(t, testKey)
	now := time.Unix(1693436740, 0)

	d := decoder{b: v["res_pq"][4+16+16:]}
	pq := d.bytes()
	p, q, ok := factorPQ(new(big.Int).SetBytes(pq).Uint64())
	if !ok {
		t.Fatal("pq not factored")
	}
	inner := appendBytes(unhex(t, "ec5ac983"), pq)
	inner = appendBytes(appendBytes(inner, minimalBytes(p)), minimalBytes(q))
	inner = append(append(inner, v["res_pq"][4:36]...), v["random2"][:32]...)
	random := v["random2"][32:]
	encrypted, err := rsaPad(inner, key, bytes.NewReader(append(slices.Clone(random[:192-len(inner)]), random[192:]...)))
	if err != nil {
		t.Fatal(err)
	}
	query := append(appendU32(nil, idReqDHParams), v["res_pq"][4:36]...)
	query = appendBytes(appendBytes(query, minimalBytes(p)), minimalBytes(q))
	query = appendU64(query, uint64(Fingerprint(key)))
	if query = appendBytes(query, encrypted); !bytes.Equal(query, v["req_dh_params"]) {
		t.Errorf("req_DH_params is %x", query)
	}

	source := &growing{b: slices.Concat(v["nonce"], v["random2"][:32])}
	m := New(Config{Keys: []*rsa.PublicKey{key}, DC: 2, Rand: source})
	mustStep(t, m, now, Start{})
	if got := body(t, mustStep(t, m, now, serverFrame(v["res_pq"]))); !bytes.Equal(got[:64], v["req_dh_params"][:64]) {
		t.Fatalf("req_DH_params is %x", got)
	}
	source.b = slices.Clone(v["random3"][:256+12])
	if got := body(t, mustStep(t, m, now, serverFrame(v["server_dh_params"]))); !bytes.Equal(got, v["set_client_dh_params"]) {
		t.Fatalf("set_client_DH_params is %x", got)
	}
	checkEnd(t, m, now, v, 0)
}

func TestFingerprint(t *testing.T) {
	for text, want := range map[string]uint64{productionKey: 0xd09d1d85de64fd85, testKey: 0xb25898df208d2603} {
		if got := uint64(Fingerprint(parsePEM(t, text))); got != want {
			t.Errorf("fingerprint %x, want %x", got, want)
		}
	}
}

// TestRSAPadOfGotd: gotd's vector, 144 letters under randomness that is all zeros.
func TestRSAPadOfGotd(t *testing.T) {
	want := unhex(t, "bf68719e836806b040cd261ecaf66eb3c4ba19f3bbea3031b2e6cf29167bab647201d101b291dc"+
		"5b716a42e789a38d947fe59e9bcce8f30ef46a946743ea8b6babbce7fc0afc46b802aa453e83471d82a4dfad83f971f35"+
		"0b4b4fb474cd1c48fdf427e4b5fecce9ec3178ae7dac3985856fdefa21d6fdc5e0e0fd8a57bc4f51580d637d372be8d87"+
		"c9aa3fde8e6f8287bcb3be846aadcdd59465375479e248f62ed438f9804fbe36d41ca906243a5f740f3937949aa149ba8"+
		"a8b8e68b3f3e1e3cd3f946387520e21eee55845e1f015a919a22f6a72bfaecd2cae946c91983b41f9ffabe97963bbde8f"+
		"30eaf5fd3c5b8cecab8711bd269e441b6084f385726ff0")
	got, err := rsaPad(bytes.Repeat([]byte{'a'}, 144), parsePEM(t, productionKey), bytes.NewReader(make([]byte, 1024)))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x, %v", got, err)
	}
}
