package stream

import (
	"testing"
	"time"
)

func TestDurableIsTwoSyncIntervalsOld(t *testing.T) {
	s := Synced{Interval: time.Second}
	t0 := time.Now()
	s.Reset(10, 10, t0)
	at := func(d time.Duration) time.Time { return t0.Add(d) }
	for i := range uint64(100) {
		now := at(time.Duration(i) * 100 * time.Millisecond)
		s.Acked(11+i, now)
		// What was acknowledged 2 s ago at the latest is synced; samples cost at most 250 ms.
		got := s.Durable(now)
		most, least := 10+max(i, 19)-19, 10+max(i, 23)-23
		if got > most || got < least {
			t.Fatalf("after %s: durable %d, want %d to %d", now.Sub(t0), got, least, most)
		}
		if len(s.samples) > 10 {
			t.Fatalf("%d samples", len(s.samples))
		}
	}
	if got := s.Durable(at(9900*time.Millisecond + 2*time.Second)); got != 110 {
		t.Errorf("in the end %d, want 110", got)
	}
	always := Synced{Interval: time.Second, Always: true}
	always.Acked(7, t0)
	if got := always.Durable(t0); got != 7 {
		t.Errorf("sync always: %d", got)
	}
}
