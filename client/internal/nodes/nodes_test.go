package nodes

import (
	"testing"
	"time"
)

func TestJitterGrowsToItsLimit(t *testing.T) {
	const base, limit = 50 * time.Millisecond, 2 * time.Second
	for attempt := range 100 {
		ceiling := limit
		if attempt < 6 {
			ceiling = base << attempt
		}
		for range 20 {
			if d := Jitter(base, limit, attempt); d < ceiling/2 || d > ceiling {
				t.Errorf("attempt %d waits %s, want %s to %s", attempt, d, ceiling/2, ceiling)
			}
		}
	}
}
