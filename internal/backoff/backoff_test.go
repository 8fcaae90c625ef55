package backoff

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCeilingDoublesUpToMax(t *testing.T) {
	p := Policy{Base: time.Second, Max: 60 * time.Second, Factor: 2}
	for attempt, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		if got := p.Ceiling(attempt); got != want*time.Second {
			t.Errorf("attempt %d: ceiling %s, want %s", attempt, got, want*time.Second)
		}
	}
	for _, attempt := range []int{1000, math.MaxInt} {
		if got := p.Ceiling(attempt); got != p.Max {
			t.Errorf("attempt %d: ceiling %s, want %s", attempt, got, p.Max)
		}
	}
	if got := p.Ceiling(-3); got != time.Second {
		t.Errorf("negative attempt: %s", got)
	}
}

func TestZeroPolicyStillWaits(t *testing.T) {
	if got := (Policy{}).Next(5, nil); got != time.Millisecond {
		t.Errorf("got %s", got)
	}
	if got := (Policy{Base: time.Second, Max: time.Minute, Factor: math.NaN()}).Ceiling(1); got != 2*time.Second {
		t.Errorf("NaN factor: %s", got)
	}
}

func TestJitterIsFull(t *testing.T) {
	p := Policy{Base: time.Second, Max: time.Minute, Factor: 2}
	r := rand.New(rand.NewPCG(1, 2))
	var low, high int
	for range 1000 {
		switch d := p.Next(3, r); {
		case d <= 2*time.Second:
			low++
		case d > 6*time.Second:
			high++
		}
	}
	if low < 150 || high < 150 {
		t.Errorf("waits are not spread over the whole range: %d low, %d high of 1000", low, high)
	}
}

func TestWaitIsPositiveAndBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{
			Base:   time.Duration(rapid.Int64().Draw(t, "base")),
			Max:    time.Duration(rapid.Int64().Draw(t, "max")),
			Factor: rapid.Float64().Draw(t, "factor"),
		}
		attempt := rapid.Int().Draw(t, "attempt")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		if d := p.Next(attempt, r); d <= 0 || d > max(p.Max, p.Base, time.Millisecond) {
			t.Fatalf("%+v attempt %d: wait %d", p, attempt, d)
		}
	})
}
