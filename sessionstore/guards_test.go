package sessionstore

import (
	"bytes"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// TestG10NothingSecretIsStoredInClearText: gotd's own storage of sessions is a JSON file with the auth key in it. What our
// stores are given holds neither keys nor salts, tokens or checkpoints as they are, and that no file of gotd's is written
// is a rule of internal/archtest.
func TestG10NothingSecretIsStoredInClearText(t *testing.T) {
	store, err := NewTestStore()
	if err != nil {
		t.Fatal(err)
	}
	rec := &Record{
		Account: "a", HomeDC: 2, UserID: 1234567890123,
		Keys:            map[int]DCKey{2: {Key: secretKey(), Salts: []Salt{{Value: 0x1122334455667788}}, CreatedAt: time.Now()}},
		FutureAuthToken: []byte("future auth token"), Checkpoint: []byte("checkpoint of updates"),
	}
	if err := store.Save(t.Context(), fleet.Fence{Key: "own/a", CreateRevision: 1}, rec); err != nil {
		t.Fatal(err)
	}
	kept := store.kept["a"]
	stored := append(bytes.Clone(kept.Core), kept.Checkpoint...)
	if len(kept.Core) < 256 || len(kept.Checkpoint) == 0 {
		t.Fatalf("%d and %d bytes are stored", len(kept.Core), len(kept.Checkpoint))
	}
	key := secretKey()
	for name, secret := range map[string][]byte{
		"auth key": key[:8], "salt": {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}, "token": rec.FutureAuthToken,
		"checkpoint": rec.Checkpoint, "JSON": []byte("auth_key"),
	} {
		if bytes.Contains(stored, secret) {
			t.Errorf("the %s can be read in what is stored", name)
		}
	}
}
