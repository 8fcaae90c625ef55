package eventlog

import (
	"crypto/cipher"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/fleet"
)

func TestRecordSurvivesEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Record{
			Account: "a", Token: fleet.FencingToken(rapid.Int64().Draw(t, "token")), Prev: rapid.Uint64().Draw(t, "prev"),
			Time: time.Unix(0, rapid.Int64().Draw(t, "time")).UTC(),
			Kind: rapid.StringMatching(`[a-z_.]{1,20}`).Draw(t, "kind"), ID: rapid.String().Draw(t, "id"),
			Payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
		}
		for range rapid.IntRange(0, 5).Draw(t, "positions") {
			r.Positions = append(r.Positions, Position{rapid.String().Draw(t, "box"), rapid.Int64().Draw(t, "value")})
		}
		if len(r.ID) > maxNameBytes {
			t.Skip()
		}
		b, err := encodeRecord(r, r.Payload)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRecord("a", b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
		for n := range b {
			if _, err := decodeRecord("a", b[:n]); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("cut to %d bytes: %v", n, err)
			}
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	b, _ := encodeRecord(Record{Kind: "k", ID: "i", Time: time.Unix(1, 2), Positions: []Position{{"pts", 1}}}, []byte("x"))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord("a", b)
		if err != nil {
			return
		}
		if len(r.Positions) > maxPositions {
			t.Fatal("too many positions")
		}
	})
}

func TestCursorText(t *testing.T) {
	for _, c := range []Cursor{{}, {1, 0}, {1, 100}, {1 << 63, ^uint64(0)}} {
		if got, err := ParseCursor(c.String()); err != nil || got != c {
			t.Errorf("%s: got %v, %v", c, got, err)
		}
	}
	if c, err := ParseCursor(""); err != nil || !c.IsZero() {
		t.Errorf("empty: %v, %v", c, err)
	}
	for _, s := range []string{"1", "1-", "-1", "1-2-3", "01-2", "+1-2", "1.2", "1-99999999999999999999", "x-y"} {
		if c, err := ParseCursor(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: got %v, %v", s, c, err)
		}
	}
}

func TestValidateNamesEveryProblem(t *testing.T) {
	err := Config{MaxAge: time.Minute, MaxBytes: -1, Replicas: 3, Name: "a.b"}.Validate()
	for _, want := range []string{"dir:", "keys:", "max_age:", "max_bytes:", "replicas:", "name:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
	err = Config{URL: "nats://h", Keys: testKeys}.Validate()
	if err == nil || !strings.Contains(err.Error(), "sync_interval:") {
		t.Errorf("got %v", err)
	}
}

func TestPayloadIsBoundToAccountKindAndID(t *testing.T) {
	c := keyCache{load: testKeys, find: findTestKey, keys: map[accountID]cipher.AEAD{}}
	sealed, err := c.seal(t.Context(), "a", "k", "i", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.open(t.Context(), "a", "k", "i", sealed); err != nil {
		t.Fatal(err)
	}
	sameKey := c.keys["a"]
	c.keys["b"] = sameKey
	for _, n := range [][3]string{{"b", "k", "i"}, {"a", "l", "i"}, {"a", "k", "j"}, {"a", "ki", ""}} {
		_, err := c.open(t.Context(), accountID(n[0]), n[1], n[2], sealed)
		wantErr(t, err, ErrCorrupt)
	}
	sealed[len(sealed)-1] ^= 1
	_, err = c.open(t.Context(), "a", "k", "i", sealed)
	wantErr(t, err, ErrCorrupt)
	_, err = c.open(t.Context(), "a", "k", "i", []byte("short"))
	wantErr(t, err, ErrCorrupt)
}
