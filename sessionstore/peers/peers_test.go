package peers_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/sessionstore/peers/peerstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func keys(_ context.Context, id fleet.AccountID) (cipher.AEAD, error) {
	k := sha256.Sum256([]byte(id))
	return chacha20poly1305.NewX(k[:])
}

// startJetStream runs a server of its own: sessionstore does not know the event log.
func startJetStream(t testing.TB, dir string) jetstream.JetStream {
	t.Helper()
	srv, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	nc, err := nats.Connect("", nats.InProcessServer(srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close(); srv.Shutdown(); srv.WaitForShutdown() })
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func newKV(t testing.TB, js jetstream.JetStream, keys func(context.Context, fleet.AccountID) (cipher.AEAD, error)) peers.Store {
	t.Helper()
	s, err := peers.NewKV(t.Context(), js, peers.Config{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoresKeepTheContract(t *testing.T) {
	for name, s := range map[string]peers.Store{
		"memory": peers.NewMemory(),
		"kv":     newKV(t, startJetStream(t, t.TempDir()), keys),
	} {
		t.Run(name, func(t *testing.T) {
			for _, err := range peerstest.Run(t.Context(), s) {
				t.Error(err)
			}
		})
	}
}

// broken overwrites instead of merging and lets a min hash win.
type broken struct{ peers.Store }

func (b broken) Put(ctx context.Context, a fleet.AccountID, ps []peers.Peer) error {
	if err := b.Delete(ctx, a); err != nil {
		return err
	}
	return b.Store.Put(ctx, a, ps)
}

func TestBrokenStoreFailsTheContract(t *testing.T) {
	errs := peerstest.Run(t.Context(), broken{peers.NewMemory()})
	if len(errs) < 4 {
		t.Errorf("only %v", errs)
	}
}

func TestPagesAreSealedBoundAndBounded(t *testing.T) {
	dir := t.TempDir()
	js := startJetStream(t, dir)
	s := newKV(t, js, keys)
	var ps []peers.Peer
	for i := range int64(3000) {
		ps = append(ps, peers.Peer{ID: i + 1, Kind: peers.User, AccessHash: i, Username: fmt.Sprint("secretname", i)})
	}
	if err := s.Put(t.Context(), "a", ps); err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), "PEERS")
	if err != nil {
		t.Fatal(err)
	}
	names, err := kv.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 2 {
		t.Errorf("3000 peers lie in %d pages", len(names))
	}
	for _, n := range names {
		e, err := kv.Get(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Value()) > peers.MaxPageBytes {
			t.Errorf("page %s has %d bytes", n, len(e.Value()))
		}
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if data, _ := os.ReadFile(path); bytes.Contains(data, []byte("secretname")) {
				t.Errorf("clear text in %s", d.Name())
			}
		}
		return nil
	})
	// A page put in another's place does not open.
	one, err := kv.Get(t.Context(), names[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), names[1], one.Value()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "a"); !errors.Is(err, peers.ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
	if err := s.Put(t.Context(), "a", ps); !errors.Is(err, peers.ErrCorrupt) {
		t.Errorf("put over a corrupt page: %v", err)
	}
}

// TestAnotherAccountsPageIsRefused: even under the same data key, a page is bound to its account.
func TestAnotherAccountsPageIsRefused(t *testing.T) {
	js := startJetStream(t, t.TempDir())
	one := func(ctx context.Context, _ fleet.AccountID) (cipher.AEAD, error) { return keys(ctx, "shared") }
	s := newKV(t, js, one)
	if err := s.Put(t.Context(), "a", []peers.Peer{{ID: 1, Kind: peers.User, AccessHash: 2}}); err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), "PEERS")
	if err != nil {
		t.Fatal(err)
	}
	page, err := kv.Get(t.Context(), "a.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "b.0.0", page.Value()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(t.Context(), "b"); !errors.Is(err, peers.ErrCorrupt) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestOldPagePutBackIsHarmless: access hashes do not change, so a page of before knows less and
// nothing wrong; what is seen again is merged into it, and newer user names win.
func TestOldPagePutBackIsHarmless(t *testing.T) {
	js := startJetStream(t, t.TempDir())
	s := newKV(t, js, keys)
	kv, err := js.KeyValue(t.Context(), "PEERS")
	if err != nil {
		t.Fatal(err)
	}
	put := func(ps ...peers.Peer) {
		t.Helper()
		if err := s.Put(t.Context(), "a", ps); err != nil {
			t.Fatal(err)
		}
	}
	known := peers.Peer{ID: 1, Kind: peers.User, AccessHash: 2, Username: "former"}
	put(known)
	old, err := kv.Get(t.Context(), "a.0.0")
	if err != nil {
		t.Fatal(err)
	}
	renamed := known
	renamed.Username = "now"
	later := peers.Peer{ID: 3, Kind: peers.Channel, AccessHash: 4}
	put(renamed, later)
	if _, err := kv.Put(t.Context(), "a.0.0", old.Value()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(t.Context(), "a"); err != nil || len(got) != 1 || got[0] != known {
		t.Errorf("the old page gives %v, %v", got, err)
	}
	put(renamed, later)
	got, err := s.Load(t.Context(), "a")
	slices.SortFunc(got, func(a, b peers.Peer) int { return cmp.Compare(a.ID, b.ID) })
	if err != nil || !slices.Equal(got, []peers.Peer{renamed, later}) {
		t.Errorf("after they were seen again: %v, %v", got, err)
	}
}

func TestMissingKeyIsAnError(t *testing.T) {
	s := newKV(t, startJetStream(t, t.TempDir()), func(context.Context, fleet.AccountID) (cipher.AEAD, error) {
		return nil, fmt.Errorf("shredded: %w", peers.ErrNoKey)
	})
	if err := s.Put(t.Context(), "a", []peers.Peer{{ID: 1, Kind: peers.User}}); !errors.Is(err, peers.ErrNoKey) {
		t.Errorf("got %v", err)
	}
}

// TestStoreWithoutItsServerFails: nothing is invented, and nothing is taken for damage.
func TestStoreWithoutItsServerFails(t *testing.T) {
	js := startJetStream(t, t.TempDir())
	s := newKV(t, js, keys)
	if err := s.Put(t.Context(), "contract-a", []peers.Peer{{ID: 7, Kind: peers.User, AccessHash: 7}}); err != nil {
		t.Fatal(err)
	}
	js.Conn().Close()
	for name, s := range map[string]peers.Store{"kv": s, "failing": peerstest.Failing{Err: errors.New("disk on fire")}} {
		for _, err := range peerstest.RunFailing(t.Context(), s) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := peers.NewCache(t.Context(), s, "contract-a", 0); err == nil {
			t.Errorf("%s: a cache that knows nothing stands in for one that cannot be read", name)
		}
	}
	if len(peerstest.RunFailing(t.Context(), peers.NewMemory())) == 0 {
		t.Error("a store that works keeps the contract of one that does not")
	}
}
