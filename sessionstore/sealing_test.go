package sessionstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/fleet"
)

func secretKey() (k AuthKey) {
	for i := range k {
		k[i] = 0xAB
	}
	return k
}

// TestSecretsDoNotPrint: no verb, logger or encoder shows a key.
func TestSecretsDoNotPrint(t *testing.T) {
	key := secretKey()
	rec := &Record{Account: "a", Keys: map[int]DCKey{2: {Key: key}}, FutureAuthToken: []byte("\xab\xab\xab"), Checkpoint: []byte("\xab\xab\xab")}
	master, err := NewMasterKey(bytes.Repeat([]byte{0xAB}, 32))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{key, &key, rec, *rec, rec.Keys, rec.Keys[2], master, Masters{Current: master}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		log.Info("value", "v", v)
	}
	if b, err := json.Marshal(rec.Keys); err == nil {
		out.Write(b)
	}
	text := strings.ToLower(out.String())
	for _, leak := range []string{"abab", "171 171", "171,171", "0xab, 0xab", "\xab\xab", `\xab\xab`, "q6ur"} {
		if i := strings.Index(text, leak); i >= 0 {
			t.Errorf("%q shows in %.200q", leak, text[max(0, i-50):])
		}
	}
	if !strings.Contains(text, key.ID().String()) {
		t.Error("the key id is not shown")
	}
}

func TestKeyIDIsTheLowHalfOfSHA1(t *testing.T) {
	// SHA-1 of 256 zero bytes is b376885ac8452b6cbf9ced81b1080bfd570d9b91; the id is its last
	// eight bytes, little-endian.
	var zero AuthKey
	want := KeyID(binary.LittleEndian.Uint64([]byte{0xb1, 0x08, 0x0b, 0xfd, 0x57, 0x0d, 0x9b, 0x91}))
	if got := zero.ID(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func drawRecord(t *rapid.T) *Record {
	draw := func(name string) []byte { return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, name) }
	at := func(name string) time.Time {
		ms := rapid.Int64Range(-1, 1<<42).Draw(t, name)
		if ms < 0 {
			return time.Time{}
		}
		return time.UnixMilli(ms).UTC()
	}
	seconds := func(name string) int64 { return rapid.Int64Range(0, 1<<32).Draw(t, name) }
	r := &Record{
		Account: fleet.AccountID(rapid.StringMatching(`[a-z0-9-]{1,64}`).Draw(t, "account")),
		HomeDC:  rapid.IntRange(-5, 10005).Draw(t, "home"), UserID: rapid.Int64().Draw(t, "user"), Bot: rapid.Bool().Draw(t, "bot"),
		Unverified: rapid.Bool().Draw(t, "unverified"), UpdatesOf: rapid.Int64().Draw(t, "updates of"), FutureAuthToken: draw("token"), UpdatedAt: at("updated"), Keys: map[int]DCKey{},
		Leaving: rapid.Bool().Draw(t, "leaving"), Restriction: Restriction{string(draw("restricted")), string(draw("said")), at("restricted until")},
	}
	for range rapid.IntRange(0, 3).Draw(t, "waits") {
		r.Waits = append(r.Waits, Wait{string(draw("method")), string(draw("peer")), string(draw("reason")), at("until")})
	}
	for range rapid.IntRange(0, 5).Draw(t, "keys") {
		k := DCKey{TimeOffset: time.Duration(rapid.Int64().Draw(t, "offset")), CreatedAt: at("created"), DoubtedSince: at("doubted")}
		k.Key[0] = 1
		copy(k.Key[1:], rapid.SliceOfN(rapid.Byte(), 255, 255).Draw(t, "key"))
		for range rapid.IntRange(0, 4).Draw(t, "salts") {
			k.Salts = append(k.Salts, Salt{ValidSince: seconds("since"), ValidUntil: seconds("until"), Value: rapid.Int64().Draw(t, "salt")})
		}
		r.Keys[rapid.IntRange(-5, 10005).Draw(t, "dc")] = k
	}
	return r
}

func TestEncodingRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := core{rec: drawRecord(t), write: rapid.Int64().Draw(t, "write"), sum: SumOf(rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "checkpoint"))}
		b, err := encodeCore(want)
		if err != nil {
			t.Fatal(err)
		}
		if room := coreRoom(want.rec); len(b) > room {
			t.Fatalf("%d bytes outgrew their room of %d: the keys lie in memory that is not cleared", len(b), room)
		}
		got, err := decodeCore(b, recordVersion)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(core{}), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b AuthKey) bool { return a == b })); diff != "" || err != nil {
			t.Fatalf("%v %s", err, diff)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if _, err := decodeCore(b[:cut], recordVersion); err == nil {
			t.Fatal("a truncated record was decoded")
		}
		if _, err := decodeCore(append(b, 0), recordVersion); err == nil {
			t.Fatal("a longer record was decoded")
		}
	})
}

// TestRecordsOfOlderVersionsAreRead: what was stored before records knew of doubted keys, or of restrictions and of
// signing out, opens as a record that has nothing of that; and no other version does.
func TestRecordsOfOlderVersionsAreRead(t *testing.T) {
	ring, err := NewMemoryKeyring("c")
	if err != nil {
		t.Fatal(err)
	}
	aead, err := ring.DataKey(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	rec := &Record{Account: "a", HomeDC: 2, UserID: 7, Keys: map[int]DCKey{2: {Key: secretKey()}}}
	plain, err := encodeCore(core{rec: rec, write: 1})
	if err != nil {
		t.Fatal(err)
	}
	third := plain[:len(plain)-len(appendTime(nil, time.Time{}))]
	second := third[:len(third)-len(appendTime([]byte{0, 0, 0}, time.Time{}))]
	for _, tc := range []struct {
		version byte
		plain   []byte
		opens   bool
	}{
		{1, second, false}, {2, second, true}, {2, third, false}, {3, third, true}, {3, second, false}, {3, plain, false},
		{recordVersion, third, false}, {recordVersion, plain, true}, {recordVersion + 1, plain, false},
	} {
		blob, err := seal(aead, associated("c", "a", kindRecord, tc.version), tc.plain, tc.version)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := Sealer{Keyring: ring, ClusterID: "c"}.OpenCore(t.Context(), "a", blob, 1)
		switch {
		case !tc.opens && !errors.Is(err, ErrCorrupt):
			t.Errorf("version %d of %d bytes: %v", tc.version, len(tc.plain), err)
		case tc.opens && (err != nil || !cmp.Equal(got, rec, cmp.Comparer(func(a, b AuthKey) bool { return a == b }))):
			t.Errorf("version %d of %d bytes: %+v, %v", tc.version, len(tc.plain), got, err)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	b, err := encodeCore(core{rec: &Record{Account: "a", Keys: map[int]DCKey{2: {Key: secretKey(), Salts: make([]Salt, 2)}}}, write: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCore(b, recordVersion)
		if err != nil {
			return
		}
		if again, err := encodeCore(c); err == nil && len(again) > len(b) {
			t.Errorf("%d bytes decode to a record of %d", len(b), len(again))
		}
	})
}

// TestSealBindsItsContext: another cluster, account, kind or version does not open it.
func TestSealBindsItsContext(t *testing.T) {
	aead, err := newAEAD(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	blob, err := seal(aead, associated("c", "a", kindRecord, 1), []byte("plain"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := unseal(aead, associated("c", "a", kindRecord, 1), blob, 1); err != nil || string(plain) != "plain" {
		t.Fatalf("%q, %v", plain, err)
	}
	for name, ad := range map[string][]byte{
		"cluster": associated("d", "a", kindRecord, 1), "account": associated("c", "b", kindRecord, 1),
		"kind": associated("c", "a", kindDataKey, 1), "checkpoint": associated("c", "a", kindCheckpoint, 1), "version": associated("c", "a", kindRecord, 2),
		"shifted": associated("ca", "", kindRecord, 1),
	} {
		if _, err := unseal(aead, ad, blob, 1); !errors.Is(err, errBlob) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMasterKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := LoadMasterKey(path, false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	made, err := LoadMasterKey(path, true)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
		t.Errorf("file %v, %v", info, err)
	}
	again, err := LoadMasterKey(path, true)
	if err != nil || again.id != made.id {
		t.Errorf("read again: %v, %v", again, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	var fe *fleet.Error
	if _, err := LoadMasterKey(path, false); !errors.As(err, &fe) || !strings.Contains(fe.Remedy, "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadMasterKey(path, true); err == nil || !strings.Contains(err.Error(), "32 bytes (got 5)") {
		t.Errorf("truncated: %v", err)
	}
}

func TestPassphrase(t *testing.T) {
	kdf, err := NewKDF()
	if err != nil {
		t.Fatal(err)
	}
	kdf.Memory, kdf.Passes = 64, 1 // quick; the rest is the same
	a, err := MasterKeyFromPassphrase([]byte("correct horse battery"), kdf)
	if err != nil || a.KDF() == nil {
		t.Fatal(err)
	}
	again, err := MasterKeyFromPassphrase([]byte("correct horse battery"), *a.KDF())
	if err != nil || again.ID() != a.ID() {
		t.Errorf("derived again: %v, %v", again, err)
	}
	b, err := MasterKeyFromPassphrase([]byte("correct horse batterz"), kdf)
	if err != nil || a.id == b.id {
		t.Errorf("two passphrases, one key; %v", err)
	}
	if _, err := MasterKeyFromPassphrase([]byte("short"), kdf); err == nil {
		t.Error("a short passphrase was accepted")
	}
	for name, bad := range map[string]KDF{
		"salt": {Salt: kdf.Salt[:3], Passes: 1, Memory: 64, Lanes: 1}, "passes": {Salt: kdf.Salt, Memory: 64, Lanes: 1},
		"no lane": {Salt: kdf.Salt, Passes: 1, Memory: 64}, "memory": {Salt: kdf.Salt, Passes: 1, Memory: 4 << 20, Lanes: 1},
	} {
		if _, err := MasterKeyFromPassphrase([]byte("correct horse battery"), bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestMasterKeyRotation(t *testing.T) {
	older, err := NewMasterKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	newer, err := NewMasterKey(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	before, both, after := Masters{Current: older}, Masters{Current: newer, Old: []*MasterKey{older}}, Masters{Current: newer}
	_, wrapped, err := before.NewDataKey("c", "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := both.DataKey("c", "a", wrapped); err != nil {
		t.Errorf("during rotation: %v", err)
	}
	if _, err := after.DataKey("c", "a", wrapped); !errors.Is(err, ErrMasterKey) {
		t.Errorf("with the wrong master key: %v", err)
	}
	rewrapped, err := both.Rewrap("c", "a", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after.DataKey("c", "a", rewrapped); err != nil {
		t.Errorf("after rotation: %v", err)
	}
	if again, err := both.Rewrap("c", "a", rewrapped); err != nil || again != nil {
		t.Errorf("wrapped twice: %v", err)
	}
	for name, bad := range map[string][]byte{"short": wrapped[:5], "flipped": append(bytes.Clone(wrapped[:len(wrapped)-1]), wrapped[len(wrapped)-1]^1)} {
		if _, err := before.DataKey("c", "a", bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := before.DataKey("c", "b", wrapped); !errors.Is(err, ErrCorrupt) {
		t.Errorf("of another account: %v", err)
	}
}

func BenchmarkSealOpen(b *testing.B) {
	ring, err := NewMemoryKeyring("bench")
	if err != nil {
		b.Fatal(err)
	}
	s := Sealer{Keyring: ring, ClusterID: "bench"}
	rec := &Record{Account: "a", HomeDC: 2, Keys: map[int]DCKey{2: {Key: secretKey(), Salts: make([]Salt, 32)}}, Checkpoint: make([]byte, 4096)}
	for b.Loop() {
		blob, err := s.Seal(b.Context(), rec, 1)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Open(b.Context(), "a", blob, 1); err != nil {
			b.Fatal(err)
		}
	}
}
