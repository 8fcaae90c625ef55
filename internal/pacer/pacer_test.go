package pacer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	node  = Key{"node", "a"}
	proxy = Key{"proxy", "p"}
)

func TestBurstThenRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(map[string]Limit{"node": {PerSecond: 10, Burst: 5}})
		start := time.Now()
		for i := range 25 {
			if err := p.Wait(t.Context(), node); err != nil {
				t.Fatal(err)
			}
			want := time.Duration(max(0, i-4)) * 100 * time.Millisecond
			if got := time.Since(start).Round(time.Millisecond); got != want {
				t.Fatalf("token %d after %s, want %s", i, got, want)
			}
		}
	})
}

func TestSlowestKeyDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(map[string]Limit{"node": {PerSecond: 100, Burst: 1}, "proxy": {PerSecond: 1, Burst: 1}})
		start := time.Now()
		for range 3 {
			if err := p.Wait(t.Context(), node, proxy, Key{"unlimited", "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(start).Round(time.Millisecond); got != 2*time.Second {
			t.Fatalf("took %s, want 2s", got)
		}
		if err := p.Wait(t.Context(), Key{"proxy", "other"}); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start).Round(time.Millisecond); got != 2*time.Second {
			t.Fatalf("another proxy waited: %s", got)
		}
	})
}

func TestManyWaitersShareTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(map[string]Limit{"node": {PerSecond: 20, Burst: 1}})
		start := time.Now()
		var wg sync.WaitGroup
		for range 101 {
			wg.Go(func() {
				if err := p.Wait(t.Context(), node); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := time.Since(start).Round(time.Millisecond); got != 5*time.Second {
			t.Fatalf("101 waiters took %s, want 5s", got)
		}
	})
}

func TestCancelledWaiterGivesItsTokenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(map[string]Limit{"node": {PerSecond: 1, Burst: 1}})
		if err := p.Wait(t.Context(), node); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.Wait(ctx, node); !errors.Is(err, ErrTooLong) {
			t.Fatalf("got %v, want ErrTooLong", err)
		}
		ctx2, cancel2 := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Millisecond); cancel2() }()
		if err := p.Wait(ctx2, node); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want context.Canceled", err)
		}
		start := time.Now()
		if err := p.Wait(t.Context(), node); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got > time.Second {
			t.Fatalf("waited %s behind cancelled waiters", got)
		}
	})
}

func TestIdleBucketsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(map[string]Limit{"dc": {PerSecond: 1000, Burst: 1}})
		for i := range maxKeys {
			_ = p.Wait(t.Context(), Key{"dc", fmt.Sprint(i)})
		}
		time.Sleep(time.Second)
		_ = p.Wait(t.Context(), Key{"dc", "one more"})
		if n := len(p.buckets); n != 1 {
			t.Fatalf("%d buckets kept, want 1", n)
		}
	})
}
