package stream

import (
	"sync"
	"time"
)

// Synced knows which sequence is surely on disk. The store acknowledges before it syncs
// and syncs every interval, so what was acknowledged two intervals ago is synced. It keeps
// samples of (time, highest sequence acknowledged by then), four per interval.
type Synced struct {
	// Interval is how often the store syncs; Always, that it syncs each record.
	Interval time.Duration
	Always   bool

	mu      sync.Mutex
	durable uint64
	last    uint64
	lastAt  time.Time
	samples []syncSample // ascending; at most 2 intervals' worth and one
}

type syncSample struct {
	at  time.Time
	seq uint64
}

// Reset forgets all; durable is known to be synced.
func (s *Synced) Reset(durable, last uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable, s.last, s.lastAt, s.samples = durable, last, now, nil
}

// Acked notes that seq was acknowledged at now.
func (s *Synced) Acked(seq uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(now)
	s.last, s.lastAt = max(s.last, seq), now
	if n := len(s.samples); n == 0 || now.Sub(s.samples[n-1].at) >= s.Interval/4 {
		s.samples = append(s.samples, syncSample{now, s.last})
	}
}

// Known is the highest acknowledged sequence.
func (s *Synced) Known() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Durable is the highest sequence that is surely on disk at now.
func (s *Synced) Durable(now time.Time) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(now)
	return s.durable
}

func (s *Synced) settle(now time.Time) {
	old := now.Add(-2 * s.Interval)
	if s.Always || !s.lastAt.After(old) {
		s.durable, s.samples = s.last, nil
		return
	}
	n := 0
	for n < len(s.samples) && !s.samples[n].at.After(old) {
		s.durable = s.samples[n].seq
		n++
	}
	s.samples = s.samples[n:]
}
