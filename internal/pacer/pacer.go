// Package pacer spreads work over time with one token bucket per key, such as a node, a proxy
// or a DC.
//
// # Usage
//
// Wait takes one token of each named key and returns once all are due. Reservations are made
// at once, so waiters are served in the order of their calls.
//
// # Concurrency
//
// A Pacer is safe for concurrent use and starts no goroutine.
//
// # Errors
//
// Wait returns the context's error, or ErrTooLong when the wait would outlast the context's
// deadline; the tokens are then given back.
package pacer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// ErrTooLong: the tokens would come only after the context's deadline.
var ErrTooLong = errors.New("pacer: wait is longer than the deadline")

// maxKeys bounds the buckets; at the limit full (idle) buckets are forgotten, which changes
// nothing for their keys.
const maxKeys = 16384

// Limit is the refill rate of a bucket, in tokens per second, and its size. PerSecond <= 0
// means no limit; Burst < 1 counts as 1.
type Limit struct {
	PerSecond float64
	Burst     int
}

// Key names a bucket: Class chooses its Limit ("node", "proxy", "dc"), Name the bucket.
type Key struct{ Class, Name string }

// Pacer holds the buckets.
type Pacer struct {
	limits map[string]Limit

	mu      sync.Mutex
	buckets map[Key]*rate.Limiter
}

// New makes a Pacer with a limit per class; a class that is absent is not limited.
func New(limits map[string]Limit) *Pacer {
	p := &Pacer{limits: make(map[string]Limit, len(limits)), buckets: make(map[Key]*rate.Limiter)}
	for class, l := range limits {
		if l.PerSecond > 0 {
			l.Burst = max(l.Burst, 1)
			p.limits[class] = l
		}
	}
	return p
}

// Wait takes one token of each key and waits until the last of them is due.
func (p *Pacer) Wait(ctx context.Context, keys ...Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	reserved := p.reserve(now, keys)
	var wait time.Duration
	for _, r := range reserved {
		wait = max(wait, r.DelayFrom(now))
	}
	if wait == 0 {
		return nil
	}
	// In the reverse order: a bucket gives back only what no later reservation built upon.
	giveBack := func() {
		at := time.Now()
		for i := len(reserved) - 1; i >= 0; i-- {
			reserved[i].CancelAt(at)
		}
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(now.Add(wait)) {
		giveBack()
		return fmt.Errorf("%w: %s", ErrTooLong, wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		giveBack()
		return ctx.Err()
	}
}

// reserve takes the tokens of all keys under one lock, so that two callers with the same keys
// cannot each be first in one bucket and second in the other.
func (p *Pacer) reserve(now time.Time, keys []Key) []*rate.Reservation {
	p.mu.Lock()
	defer p.mu.Unlock()
	var reserved []*rate.Reservation
	for _, k := range keys {
		l, limited := p.limits[k.Class]
		if !limited {
			continue
		}
		b := p.buckets[k]
		if b == nil {
			p.forgetIdle(now)
			b = rate.NewLimiter(rate.Limit(l.PerSecond), l.Burst)
			p.buckets[k] = b
		}
		reserved = append(reserved, b.ReserveN(now, 1))
	}
	return reserved
}

// forgetIdle makes room at the limit. When no bucket is idle the map grows: each busy one then
// has a waiter, and forgetting it would break its limit.
func (p *Pacer) forgetIdle(now time.Time) {
	if len(p.buckets) < maxKeys {
		return
	}
	for k, b := range p.buckets {
		if b.TokensAt(now) >= float64(b.Burst()) {
			delete(p.buckets, k)
		}
	}
}
