package etcd_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/telefleet/orchestrator/cluster/embedded"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/etcd"
	"github.com/telefleet/orchestrator/sessionstore/storetest"
)

// client reaches the one etcd of this package's tests.
var client *clientv3.Client

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "etcd")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	s, err := embedded.Start(context.Background(), embedded.Config{Dir: dir, UnsafeNoFsync: true})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	client = s.Client()
	code := m.Run()
	if err := s.Close(); err != nil {
		fmt.Println(err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	return code
}

func masterKey(t *testing.T, fill byte) *sessionstore.MasterKey {
	t.Helper()
	k, err := sessionstore.NewMasterKey(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type world struct {
	prefix string
	ring   *etcd.Keyring
	store  *etcd.Store
}

func newWorld(t *testing.T) world {
	return openWorld(t, t.Name()+"/"+rand.Text()+"/", sessionstore.Masters{Current: masterKey(t, 1)})
}

func openWorld(t *testing.T, prefix string, masters sessionstore.Masters) world {
	t.Helper()
	ring := etcd.NewKeyring(client, etcd.KeyringConfig{Prefix: prefix, ClusterID: "c", Masters: masters})
	return world{prefix, ring, etcd.NewStore(client, prefix, ring)}
}

// own is what cluster does to make a node the owner.
func (w world) own(t *testing.T, id fleet.AccountID) fleet.Fence {
	t.Helper()
	key := w.prefix + "own/" + string(id)
	if _, err := client.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	resp, err := client.Put(t.Context(), key, "n")
	if err != nil {
		t.Fatal(err)
	}
	return fleet.Fence{Key: key, CreateRevision: resp.Header.Revision}
}

// tamper writes a value only where it has been changed, as whoever has broken in would.
func (w world) tamper(t *testing.T, id fleet.AccountID, change func(sessionstore.Sealed) sessionstore.Sealed) {
	t.Helper()
	session, checkpoint := w.prefix+"session/"+string(id), w.prefix+"checkpoint/"+string(id)
	read := func(key string) []byte {
		resp, err := client.Get(t.Context(), key)
		if err != nil || len(resp.Kvs) != 1 {
			t.Fatalf("%s: %v, %v", key, resp, err)
		}
		return resp.Kvs[0].Value
	}
	was := sessionstore.Sealed{Core: read(session), Checkpoint: read(checkpoint)}
	is := change(sessionstore.Sealed{Core: bytes.Clone(was.Core), Checkpoint: bytes.Clone(was.Checkpoint)})
	for key, values := range map[string][2][]byte{session: {was.Core, is.Core}, checkpoint: {was.Checkpoint, is.Checkpoint}} {
		var err error
		switch {
		case bytes.Equal(values[0], values[1]):
		case values[1] == nil && key == checkpoint:
			_, err = client.Delete(t.Context(), key)
		default:
			_, err = client.Put(t.Context(), key, string(values[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		w := newWorld(t)
		return storetest.Fixture{
			Store: w.store,
			Own:   func(id fleet.AccountID) fleet.Fence { return w.own(t, id) },
			Tamper: func(id fleet.AccountID, change func(sessionstore.Sealed) sessionstore.Sealed) {
				w.tamper(t, id, change)
			},
		}
	})
}

// noAnswer fails every request, as an etcd that is gone.
type noAnswer struct{ clientv3.KV }

var errNoAnswer = errors.New("etcd is gone")

func (noAnswer) Get(context.Context, string, ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	return nil, errNoAnswer
}
func (noAnswer) Txn(context.Context) clientv3.Txn { return noTxn{} }

type noTxn struct{}

func (noTxn) If(...clientv3.Cmp) clientv3.Txn        { return noTxn{} }
func (noTxn) Then(...clientv3.Op) clientv3.Txn       { return noTxn{} }
func (noTxn) Else(...clientv3.Op) clientv3.Txn       { return noTxn{} }
func (noTxn) Commit() (*clientv3.TxnResponse, error) { return nil, errNoAnswer }

func TestStoreWithoutEtcdFails(t *testing.T) {
	c := clientv3.NewCtxClient(t.Context())
	c.KV = noAnswer{}
	for _, keys := range []*etcd.Keyring{
		newWorld(t).ring, // its key was opened before
		etcd.NewKeyring(c, etcd.KeyringConfig{ClusterID: "c", Masters: sessionstore.Masters{Current: masterKey(t, 1)}}),
	} {
		storetest.RunFailing(t, etcd.NewStore(c, "", keys))
	}
}

// TestNothingReadableIsStored: neither keys nor what is sealed are found in etcd.
func TestNothingReadableIsStored(t *testing.T) {
	w := newWorld(t)
	rec := storetest.Record("a", 1)
	rec.Checkpoint = []byte("a very distinct checkpoint")
	if err := w.store.Save(t.Context(), w.own(t, "a"), rec); err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(t.Context(), w.prefix, clientv3.WithPrefix())
	if err != nil || len(resp.Kvs) < 4 {
		t.Fatalf("%d keys, %v", len(resp.Kvs), err)
	}
	key := storetest.Key(1)
	for _, kv := range resp.Kvs {
		for _, secret := range [][]byte{key[:16], rec.Checkpoint, rec.FutureAuthToken} {
			if bytes.Contains(kv.Value, secret) {
				t.Errorf("%s shows a secret", kv.Key)
			}
		}
	}
}

// TestSameKeyImportedAtOnce: of two accounts that get one key at the same time, one does.
func TestSameKeyImportedAtOnce(t *testing.T) {
	w := newWorld(t)
	const n = 8
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		id := fleet.AccountID(fmt.Sprintf("a%d", i))
		fence := w.own(t, id)
		wg.Go(func() { errs[i] = w.store.Save(t.Context(), fence, storetest.Record(id, 1)) })
	}
	wg.Wait()
	saved := 0
	for _, err := range errs {
		if err == nil {
			saved++
		} else if !errors.Is(err, sessionstore.ErrKeyInUse) {
			t.Error(err)
		}
	}
	if saved != 1 {
		t.Errorf("%d accounts got the key", saved)
	}
}

func TestWrongMasterKeyIsNamed(t *testing.T) {
	w := newWorld(t)
	if err := w.store.Save(t.Context(), w.own(t, "a"), storetest.Record("a", 1)); err != nil {
		t.Fatal(err)
	}
	other := openWorld(t, w.prefix, sessionstore.Masters{Current: masterKey(t, 2)})
	if _, err := other.store.Load(t.Context(), "a"); !errors.Is(err, sessionstore.ErrMasterKey) {
		t.Errorf("got %v", err)
	}
}

func TestShreddedKeyMakesTheSessionUnreadable(t *testing.T) {
	w := newWorld(t)
	if err := w.store.Save(t.Context(), w.own(t, "a"), storetest.Record("a", 1)); err != nil {
		t.Fatal(err)
	}
	if err := w.ring.Shred(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Load(t.Context(), "a"); !errors.Is(err, sessionstore.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if err := w.ring.Shred(t.Context(), "never-there"); err != nil {
		t.Error(err)
	}
}

func TestKeyringsOfTwoNodesAgree(t *testing.T) {
	w := newWorld(t)
	second := openWorld(t, w.prefix, sessionstore.Masters{Current: masterKey(t, 1)})
	var wg sync.WaitGroup
	sealed := make([][]byte, 2)
	nonce := make([]byte, 24)
	for i, ring := range []*etcd.Keyring{w.ring, second.ring} {
		wg.Go(func() {
			aead, err := ring.DataKey(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			sealed[i] = aead.Seal(nil, nonce, []byte("x"), nil)
		})
	}
	wg.Wait()
	if !bytes.Equal(sealed[0], sealed[1]) {
		t.Error("two data keys for one account")
	}
}

// TestFleetHasAKeyOfItsOwn: what belongs to no account is sealed, too; other names are refused.
func TestFleetHasAKeyOfItsOwn(t *testing.T) {
	w := newWorld(t)
	if _, err := w.ring.DataKey(t.Context(), fleet.Fleetwide); err != nil {
		t.Error(err)
	}
	if fleet.Fleetwide.Validate() == nil {
		t.Error("an account may have the fleet's name")
	}
	if _, err := w.ring.DataKey(t.Context(), "_other"); err == nil {
		t.Error("a key was made for a name that no account can have")
	}
}

// hooked runs a function before one transaction, counted from 1.
type hooked struct {
	clientv3.KV
	count, at int
	hook      func()
}

func (h *hooked) Txn(ctx context.Context) clientv3.Txn {
	if h.count++; h.count == h.at {
		h.hook()
	}
	return h.KV.Txn(ctx)
}

// TestOwnerThatChangesDuringAWriteFencesIt: the token is compared by the writing
// transaction itself, not only before it.
func TestOwnerThatChangesDuringAWriteFencesIt(t *testing.T) {
	w := newWorld(t)
	stale := w.own(t, "a")
	rec := storetest.Record("a", 1)
	if err := w.store.Save(t.Context(), stale, rec); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(*etcd.Store, fleet.Fence) error{
		"save":   func(s *etcd.Store, f fleet.Fence) error { return s.Save(t.Context(), f, storetest.Record("a", 1)) },
		"delete": func(s *etcd.Store, f fleet.Fence) error { return s.Delete(t.Context(), f, "a") },
	} {
		stale := w.own(t, "a")
		c := clientv3.NewCtxClient(t.Context())
		c.KV = &hooked{KV: client.KV, at: 2, hook: func() { w.own(t, "a") }} // 1 reads, 2 writes
		store := etcd.NewStore(c, w.prefix, w.ring)
		if err := write(store, stale); !errors.Is(err, sessionstore.ErrFenced) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.store.Load(t.Context(), "a"); err != nil {
		t.Errorf("after stale writes: %v", err)
	}
}

// TestAnotherNodeFindsTheRenewedKey: a node that remembers an account's former data key reads the new
// one when it asks again; it never makes one, and what was sealed under the former key stays shut.
func TestAnotherNodeFindsTheRenewedKey(t *testing.T) {
	w := newWorld(t)
	other := etcd.NewKeyring(client, etcd.KeyringConfig{Prefix: w.prefix, ClusterID: "c", Masters: sessionstore.Masters{Current: masterKey(t, 1)}})
	if aead, err := other.Find(t.Context(), "a", false); aead != nil || err != nil {
		t.Errorf("a key of nobody: %v, %v", aead, err)
	}
	fence := w.own(t, "a")
	if err := w.store.Save(t.Context(), fence, storetest.Record("a", 1)); err != nil {
		t.Fatal(err)
	}
	former, err := other.Find(t.Context(), "a", false)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, former.NonceSize())
	sealed := former.Seal(nil, nonce, []byte("said"), nil)
	if err := w.store.Renew(t.Context(), fence, &sessionstore.Record{Account: "a"}); err != nil {
		t.Fatal(err)
	}
	for _, ring := range []*etcd.Keyring{w.ring, other} {
		now, err := ring.Find(t.Context(), "a", ring == other)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := now.Open(nil, nonce, sealed, nil); err == nil {
			t.Error("the renewed key opens what the former one has sealed")
		}
		mine, err := w.ring.DataKey(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := now.Open(nil, nonce, mine.Seal(nil, nonce, []byte("new"), nil), nil); err != nil {
			t.Errorf("it is not the key that is in use: %v", err)
		}
	}
}
