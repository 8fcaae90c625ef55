package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/etcd"
	"github.com/telefleet/orchestrator/sessionstore/storetest"
)

func masters(t *testing.T, fills ...byte) (m sessionstore.Masters) {
	t.Helper()
	for i, fill := range fills {
		if i == 0 {
			m.Current = masterKey(t, fill)
			continue
		}
		m.Old = append(m.Old, masterKey(t, fill))
	}
	return m
}

// wrappedUnder counts the data keys by the master key that they are wrapped under.
func (w world) wrappedUnder(t *testing.T) map[string]int {
	t.Helper()
	resp, err := client.Get(t.Context(), w.prefix+"dek/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, kv := range resp.Kvs {
		count[sessionstore.MasterOf(kv.Value)]++
	}
	return count
}

// TestRotationUnderLoad: two nodes read, write and make data keys all the time; nothing fails, and
// afterwards everything opens with the new master key alone (F21).
func TestRotationUnderLoad(t *testing.T) {
	one := newWorld(t)
	two := openWorld(t, one.prefix, masters(t, 1))
	nodes := map[string]world{"n1": one, "n2": two}
	for name, w := range nodes {
		if err := w.ring.Announce(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	const workers = 4
	var (
		stop    atomic.Bool
		working sync.WaitGroup
		done    [workers]atomic.Int64
	)
	for i := range workers {
		w := []world{one, two}[i%2]
		working.Go(func() {
			for n := 0; !stop.Load(); n++ {
				id := fleet.AccountID(fmt.Sprintf("w%d-%d", i, n))
				rec := &sessionstore.Record{Account: id, HomeDC: 2, UserID: int64(n + 1)}
				if err := w.store.Save(t.Context(), w.own(t, id), rec); err != nil {
					t.Errorf("%s: save: %v", id, err)
				}
				first := fleet.AccountID(fmt.Sprintf("w%d-0", i))
				w.ring.Forget(first) // read it as a node does that has just started
				if _, err := w.store.Load(t.Context(), first); err != nil {
					t.Errorf("%s: load: %v", first, err)
				}
				done[i].Add(1)
			}
		})
	}
	progress := func() {
		for i := range workers {
			for from := done[i].Load(); done[i].Load() < from+3 && !t.Failed(); {
				if _, err := client.Get(t.Context(), "turn"); err != nil { // lets others work
					t.Fatal(err)
				}
			}
		}
	}
	progress()
	next := masters(t, 2, 1)
	live := []string{"n1", "n2"}
	r, err := one.ring.Rotate(t.Context(), next, "n1", live)
	if err != nil || len(r.Waiting) != 1 || r.Waiting[0] != "n2" || r.Rewrapped != 0 {
		t.Errorf("before the other node has the key: %+v, %v", r, err)
	}
	progress()
	r, err = two.ring.Rotate(t.Context(), next, "n2", live)
	if err != nil || len(r.Waiting) != 0 || r.Rewrapped < workers || r.Master != next.Current.ID() {
		t.Errorf("with both: %+v, %v", r, err)
	}
	progress()
	stop.Store(true)
	working.Wait()
	if got := one.wrappedUnder(t); len(got) != 1 || got[next.Current.ID()] == 0 {
		t.Errorf("wrapped under %v, want %s alone", got, next.Current.ID())
	}
	after := openWorld(t, one.prefix, masters(t, 2))
	for i := range workers {
		if _, err := after.store.Load(t.Context(), fleet.AccountID(fmt.Sprintf("w%d-0", i))); err != nil {
			t.Errorf("with the new key alone: %v", err)
		}
	}
	before := openWorld(t, one.prefix, masters(t, 1))
	err = before.ring.Open(t.Context())
	if !errors.Is(err, sessionstore.ErrMasterKey) || !strings.Contains(err.Error(), next.Current.ID()) {
		t.Errorf("with the former key alone: %v", err)
	}
}

// TestRetiredMasterKeyIsRefused: a data key under it, put back from an old copy, opens within the
// grace only.
func TestRetiredMasterKeyIsRefused(t *testing.T) {
	w := newWorld(t)
	if err := w.store.Save(t.Context(), w.own(t, "a"), storetest.Record("a", 1)); err != nil {
		t.Fatal(err)
	}
	key := w.prefix + "dek/a"
	old, err := client.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64
	ring := etcd.NewKeyring(client, etcd.KeyringConfig{
		Prefix: w.prefix, ClusterID: "c", Masters: masters(t, 2, 1),
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	if r, err := ring.Rotate(t.Context(), masters(t, 2, 1), "n", []string{"n"}); err != nil || r.Rewrapped != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := client.Put(t.Context(), key, string(old.Kvs[0].Value)); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.DataKey(t.Context(), "a"); err != nil {
		t.Errorf("within the grace: %v", err)
	}
	ring.Forget("a")
	ahead.Store(int64(time.Hour))
	if _, err := ring.DataKey(t.Context(), "a"); !errors.Is(err, sessionstore.ErrMasterKey) || !strings.Contains(err.Error(), "retired") {
		t.Errorf("after the grace: %v", err)
	}
	// Another rotation wraps it anew, where the former key is still given.
	if r, err := ring.Rotate(t.Context(), masters(t, 2, 1), "n", []string{"n"}); err != nil || r.Rewrapped != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := ring.DataKey(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// failing fails transactions after a number of them.
type failing struct {
	clientv3.KV
	left int
}

func (f *failing) Txn(ctx context.Context) clientv3.Txn {
	if f.left--; f.left < 0 {
		return noAnswer{}.Txn(ctx)
	}
	return f.KV.Txn(ctx)
}

// TestInterruptedRotationIsCompleted: wherever it breaks off, every data key opens, and another
// rotation completes it.
func TestInterruptedRotationIsCompleted(t *testing.T) {
	for left := range 5 {
		w := newWorld(t)
		for i := range 3 {
			id := fleet.AccountID(fmt.Sprintf("a%d", i))
			if err := w.store.Save(t.Context(), w.own(t, id), storetest.Record(id, byte(i))); err != nil {
				t.Fatal(err)
			}
		}
		c := clientv3.NewCtxClient(t.Context())
		c.KV = &failing{KV: client.KV, left: left}
		broken := etcd.NewKeyring(c, etcd.KeyringConfig{Prefix: w.prefix, ClusterID: "c", Masters: masters(t, 2, 1)})
		if _, err := broken.Rotate(t.Context(), masters(t, 2, 1), "n", []string{"n"}); err == nil {
			t.Fatalf("%d transactions: no error", left)
		}
		both := openWorld(t, w.prefix, masters(t, 2, 1))
		for i := range 3 {
			if _, err := both.store.Load(t.Context(), fleet.AccountID(fmt.Sprintf("a%d", i))); err != nil {
				t.Errorf("%d transactions: %v", left, err)
			}
		}
		if r, err := both.ring.Rotate(t.Context(), masters(t, 2, 1), "n", []string{"n"}); err != nil || len(r.Waiting) > 0 {
			t.Errorf("%d transactions: %+v, %v", left, r, err)
		}
		if got := w.wrappedUnder(t); len(got) != 1 || got[masterKey(t, 2).ID()] != 3 {
			t.Errorf("%d transactions: wrapped under %v", left, got)
		}
	}
}

// TestRotationNeedsTheFormerKey, and does nothing without it.
func TestRotationNeedsTheFormerKey(t *testing.T) {
	w := newWorld(t)
	if err := w.store.Save(t.Context(), w.own(t, "a"), storetest.Record("a", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ring.Rotate(t.Context(), masters(t, 2), "n", []string{"n"}); !errors.Is(err, sessionstore.ErrMasterKey) {
		t.Errorf("got %v", err)
	}
	if _, err := w.store.Load(t.Context(), "a"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if got := w.wrappedUnder(t); got[masterKey(t, 1).ID()] != 1 {
		t.Errorf("wrapped under %v", got)
	}
}

func passphrase(t *testing.T, prefix, text string) *sessionstore.MasterKey {
	t.Helper()
	key, err := etcd.Passphrase(t.Context(), client, prefix, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPassphraseInsteadOfAKeyFile: its parameters are stored, a wrong one is told from the start and
// leaves nothing behind, and a new one comes by rotation.
func TestPassphraseInsteadOfAKeyFile(t *testing.T) {
	const right, wrong, later = "correct horse battery", "correct horse batterz", "another staple altogether"
	prefix := t.Name() + "/"
	derivations := func() int {
		resp, err := client.Get(t.Context(), prefix+"master/kdf/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			t.Fatal(err)
		}
		return int(resp.Count)
	}
	w := openWorld(t, prefix, sessionstore.Masters{Current: passphrase(t, prefix, right)})
	if err := w.store.Save(t.Context(), w.own(t, "a"), storetest.Record("a", 1)); err != nil {
		t.Fatal(err)
	}
	again := passphrase(t, prefix, right)
	w = openWorld(t, prefix, sessionstore.Masters{Current: again})
	if _, err := w.store.Load(t.Context(), "a"); err != nil {
		t.Errorf("derived again: %v", err)
	}
	mistyped := openWorld(t, prefix, sessionstore.Masters{Current: passphrase(t, prefix, wrong)})
	if err := mistyped.ring.Open(t.Context()); !errors.Is(err, sessionstore.ErrMasterKey) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if n := derivations(); n != 1 {
		t.Errorf("%d derivations are stored, want 1", n)
	}
	next := sessionstore.Masters{Current: passphrase(t, prefix, later), Old: []*sessionstore.MasterKey{again}}
	if r, err := w.ring.Rotate(t.Context(), next, "n", []string{"n"}); err != nil || r.Rewrapped != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	w = openWorld(t, prefix, sessionstore.Masters{Current: passphrase(t, prefix, later)})
	if _, err := w.store.Load(t.Context(), "a"); err != nil {
		t.Errorf("with the new passphrase alone: %v", err)
	}
}

// TestPassphraseOnTwoNewNodes: both derived a key of their own before either was stored. One wins,
// and the other one, which derives again, agrees.
func TestPassphraseOnTwoNewNodes(t *testing.T) {
	const text = "correct horse battery"
	prefix := t.Name() + "/"
	a := openWorld(t, prefix, sessionstore.Masters{Current: passphrase(t, prefix, text)})
	b := openWorld(t, prefix, sessionstore.Masters{Current: passphrase(t, prefix, text)})
	if err := a.ring.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.ring.Open(t.Context()); !errors.Is(err, sessionstore.ErrMasterKey) {
		t.Errorf("two master keys: %v", err)
	}
	b = openWorld(t, prefix, sessionstore.Masters{Current: passphrase(t, prefix, text)})
	if err := b.ring.Open(t.Context()); err != nil {
		t.Errorf("derived again: %v", err)
	}
}

// slowKV holds back the first answer for a key until it is let go.
type slowKV struct {
	clientv3.KV
	key         string
	held        atomic.Bool
	asked, goOn chan struct{}
}

func (s *slowKV) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if key != s.key || !s.held.CompareAndSwap(false, true) {
		return s.KV.Get(ctx, key, opts...)
	}
	close(s.asked)
	resp, err := s.KV.Get(ctx, key, opts...)
	select {
	case <-s.goOn:
	case <-ctx.Done():
	}
	return resp, err
}

// TestReadingDuringARotationKeepsTheNewKey: who began to look for the current key before a rotation of its own node, and is
// answered after it, neither fails nor forgets the new one.
func TestReadingDuringARotationKeepsTheNewKey(t *testing.T) {
	w := newWorld(t)
	slow := &slowKV{KV: client.KV, key: w.prefix + "master/current", asked: make(chan struct{}), goOn: make(chan struct{})}
	held := clientv3.NewCtxClient(t.Context())
	held.KV = slow
	ring := etcd.NewKeyring(held, etcd.KeyringConfig{Prefix: w.prefix, ClusterID: "c", Masters: masters(t, 1)})
	if err := w.ring.Open(t.Context()); err != nil { // key 1 is current
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() { opened <- ring.Open(t.Context()) }()
	<-slow.asked
	if r, err := ring.Rotate(t.Context(), masters(t, 2, 1), "n", []string{"n"}); err != nil || len(r.Waiting) > 0 {
		t.Fatalf("rotate: %+v, %v", r, err)
	}
	close(slow.goOn)
	if err := <-opened; err != nil {
		t.Errorf("who read meanwhile: %v", err)
	}
	if _, err := ring.DataKey(t.Context(), "a"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
