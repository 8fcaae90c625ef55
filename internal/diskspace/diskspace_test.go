package diskspace

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuardDoesNotFlutter(t *testing.T) {
	const mib = 1 << 20
	g := New(512 * mib)
	for i, step := range []struct {
		free uint64
		low  bool
	}{{1000, false}, {577, false}, {575, true}, {600, true}, {639, true}, {400, true}, {0, true}, {640, false}, {600, false}, {576, false}, {511, true}} {
		was := g.Low()
		changed := g.See(step.free * mib)
		if g.Low() != step.low || changed != (was != step.low) {
			t.Errorf("step %d: with %d MiB free low is %v, changed %v", i, step.free, g.Low(), changed)
		}
	}
	if small := New(80); small.See(90) || !small.See(89) {
		t.Error("the margin of a small limit is not an eighth of it")
	}
}

func TestFreeIsOfTheDirectory(t *testing.T) {
	if n, err := Free(t.TempDir()); err != nil || n == 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := Free(t.TempDir() + "/none"); err == nil {
		t.Error("a directory that is not there has free space")
	}
}

// What cannot be known counts as none; changes are told once, and an alarm again every minute.
func TestWatchTellsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		broken := errors.New("no such disk")
		began := time.Now()
		free := func(context.Context) (uint64, error) {
			switch s := time.Since(began) / time.Second; {
			case s < 10:
				return 1 << 30, nil
			case s < 100:
				return 0, broken
			default:
				return 1 << 30, nil
			}
		}
		type told struct {
			second int
			low    bool
		}
		var got []told
		tell := func(s State) {
			got = append(got, told{int(time.Since(began) / time.Second), s.Low})
			if s.Low && !errors.Is(s.Err, broken) {
				t.Errorf("low by %v", s.Err)
			}
			if !s.Low {
				cancel()
			}
		}
		New(1<<20).Watch(ctx, time.Second, free, tell)
		if want := []told{{10, true}, {70, true}, {100, false}}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	})
}
