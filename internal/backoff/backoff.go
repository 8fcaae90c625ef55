// Package backoff computes waits between attempts: exponential growth with full jitter.
//
// # Usage
//
// A Policy is a value; Next takes the attempt's number and the entropy, so that tests and fake
// time decide both.
package backoff

import (
	"math"
	"time"
)

// Rand draws an integer in [0, n); n > 0. *rand.Rand of math/rand/v2 implements it.
type Rand interface{ Int64N(n int64) int64 }

// Policy bounds the wait before an attempt. The ceiling of attempt n (counted from 0) is
// min(Max, Base * Factor^n); the wait is uniform in (0, ceiling].
type Policy struct {
	// Base is the ceiling of the first wait; <= 0 counts as 1 ms.
	Base time.Duration
	// Max bounds every ceiling; below Base it counts as Base.
	Max time.Duration
	// Factor is the growth; < 1 counts as 2.
	Factor float64
}

// Ceiling is the longest wait before the given attempt.
func (p Policy) Ceiling(attempt int) time.Duration {
	base, factor := p.Base, p.Factor
	if base <= 0 {
		base = time.Millisecond
	}
	if !(factor >= 1) { // also NaN
		factor = 2
	}
	limit := max(p.Max, base)
	// In floats a large attempt is +Inf, which the comparison handles.
	if c := float64(base) * math.Pow(factor, float64(max(attempt, 0))); c < float64(limit) {
		return time.Duration(c)
	}
	return limit
}

// Next is the wait before the given attempt. With a nil rand it is the ceiling.
func (p Policy) Next(attempt int, rand Rand) time.Duration {
	c := p.Ceiling(attempt)
	if rand == nil {
		return c
	}
	return time.Duration(rand.Int64N(int64(c)) + 1)
}
