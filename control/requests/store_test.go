package requests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/telefleet/orchestrator/eventlog/embedded"
	"github.com/telefleet/orchestrator/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// jetStream is a real one, in this process.
func jetStream(t *testing.T) jetstream.JetStream {
	t.Helper()
	srv, err := embedded.Start(t.Context(), embedded.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func newKV(t *testing.T, cfg KVConfig) Store {
	t.Helper()
	s, err := NewKV(t.Context(), jetStream(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stores are those over which every promise is tested.
func stores(t *testing.T, test func(t *testing.T, s Store)) {
	t.Run("memory", func(t *testing.T) { test(t, NewMemory(0)) })
	t.Run("jetstream", func(t *testing.T) { test(t, newKV(t, KVConfig{})) })
}

func TestStoreReplacesByRevisionOnly(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		ctx, k := t.Context(), Key{"a", "One_2-3"}
		wantErr := func(err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Fatalf("got %v, want %v", err, want)
			}
		}
		_, _, err := s.Get(ctx, k)
		wantErr(err, ErrNotFound)
		_, err = s.Update(ctx, k, []byte("x"), 0)
		wantErr(err, ErrConflict)
		_, err = s.Update(ctx, k, []byte("x"), 7)
		wantErr(err, ErrConflict)
		wantErr(s.Delete(ctx, k, 0), ErrConflict)
		first, err := s.Create(ctx, k, []byte("1"))
		wantErr(err, nil)
		_, err = s.Create(ctx, k, []byte("x"))
		wantErr(err, ErrConflict)
		second, err := s.Update(ctx, k, []byte("2"), first)
		wantErr(err, nil)
		if second <= first {
			t.Fatalf("revision %d after %d", second, first)
		}
		_, err = s.Update(ctx, k, []byte("x"), first)
		wantErr(err, ErrConflict)
		wantErr(s.Delete(ctx, k, first), ErrConflict)
		value, revision, err := s.Get(ctx, k)
		wantErr(err, nil)
		if string(value) != "2" || revision != second {
			t.Fatalf("got %q at %d", value, revision)
		}
		wantErr(s.Delete(ctx, k, second), nil)
		_, _, err = s.Get(ctx, k)
		wantErr(err, ErrNotFound)
		_, err = s.Create(ctx, k, []byte("3"))
		wantErr(err, nil)
	})
}

func TestStorePurgesOneAccount(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		for _, k := range []Key{{"a", "1"}, {"a", "2"}, {"a-b", "1"}} {
			if _, err := s.Create(ctx, k, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Purge(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Get(ctx, Key{"a", "2"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("a.2: %v", err)
		}
		if _, _, err := s.Get(ctx, Key{"a-b", "1"}); err != nil {
			t.Errorf("another account's is gone: %v", err)
		}
	})
}

// TestStoreCreatesOnce: of many who create, one wins.
func TestStoreCreatesOnce(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		var mu sync.Mutex
		var group sync.WaitGroup
		won := 0
		for range 20 {
			group.Go(func() {
				_, err := s.Create(t.Context(), Key{"a", "1"}, []byte("x"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, ErrConflict) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won != 1 {
			t.Errorf("%d won", won)
		}
	})
}

func TestMemoryForgetsAfterTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory(0)
		if _, err := s.Create(t.Context(), Key{"a", "1"}, []byte("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(TTL - time.Second)
		if _, _, err := s.Get(t.Context(), Key{"a", "1"}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, _, err := s.Get(t.Context(), Key{"a", "1"}); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestBucketHasLimits(t *testing.T) {
	js := jetStream(t)
	s, err := NewKV(t.Context(), js, KVConfig{})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "KV_REQUESTS")
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	if cfg.MaxAge != TTL || cfg.MaxBytes != DefaultMaxBytes || cfg.MaxMsgSize != MaxValue || cfg.Discard != jetstream.DiscardNew {
		t.Errorf("max age %s, max bytes %d, max value %d, discard %s", cfg.MaxAge, cfg.MaxBytes, cfg.MaxMsgSize, cfg.Discard)
	}
	if _, err := s.Create(t.Context(), Key{"a", "1"}, make([]byte, MaxValue+1)); err == nil || errors.Is(err, ErrConflict) {
		t.Errorf("a value beyond the limit: %v", err)
	}
}

// TestFullBucketRefuses: a full bucket refuses new commands and forgets no old one.
func TestFullBucketRefuses(t *testing.T) {
	s := newKV(t, KVConfig{MaxBytes: 4 << 10})
	value := bytes.Repeat([]byte("x"), 1<<10)
	var full error
	for i := 0; full == nil && i < 10; i++ {
		_, full = s.Create(t.Context(), Key{"a", fmt.Sprint(i)}, value)
	}
	if full == nil || errors.Is(full, ErrConflict) {
		t.Fatalf("got %v", full)
	}
	if _, _, err := s.Get(t.Context(), Key{"a", "0"}); err != nil {
		t.Errorf("the first is gone: %v", err)
	}
}

// broken is a Store that always fails.
type broken struct{}

var errBroken = errors.New("the store is down")

func (broken) Get(context.Context, Key) ([]byte, uint64, error) { return nil, 0, errBroken }
func (broken) Create(context.Context, Key, []byte) (uint64, error) {
	return 0, errBroken
}
func (broken) Update(context.Context, Key, []byte, uint64) (uint64, error) {
	return 0, errBroken
}
func (broken) Delete(context.Context, Key, uint64) error    { return errBroken }
func (broken) Purge(context.Context, fleet.AccountID) error { return errBroken }
