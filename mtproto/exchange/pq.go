package exchange

import (
	"math/big"
	"math/bits"
)

// pqEffort bounds the factoring of one pq, in steps of the pseudo-random walk. A factor of 32 bits takes about 80,000
// steps, so that the bound is some fifty times what an honest server asks for, and costs less than 0.1 s.
const pqEffort = 1 << 22

// factorPQ splits pq into its two different primes, the smaller first. It says no for anything else: even numbers,
// primes, squares, and products of more than two primes.
func factorPQ(pq uint64) (p, q uint64, ok bool) {
	if pq < 15 || pq%2 == 0 || pq >= 1<<63 || isPrime(pq) {
		return 0, 0, false
	}
	effort := pqEffort
	for c := uint64(1); effort > 0; c++ {
		f := brent(pq, c, &effort)
		if f == 1 || f == pq {
			continue
		}
		p, q = min(f, pq/f), max(f, pq/f)
		return p, q, p != q && isPrime(p) && isPrime(q)
	}
	return 0, 0, false
}

// isPrime is exact: the test of math/big has no liars below 2^64.
func isPrime(n uint64) bool { return new(big.Int).SetUint64(n).ProbablyPrime(0) }

// montgomery multiplies modulo an odd n < 2^63 without divisions; its products carry a constant factor, which does not
// matter to a walk that needs randomness only.
type montgomery struct{ n, negInverse uint64 }

func newMontgomery(n uint64) montgomery {
	inverse := n // right in 3 bits; each round doubles them
	for range 5 {
		inverse *= 2 - n*inverse
	}
	return montgomery{n: n, negInverse: -inverse}
}

func (m montgomery) mul(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	h, l := bits.Mul64(lo*m.negInverse, m.n)
	_, carry := bits.Add64(lo, l, 0)
	r := hi + h + carry
	if r >= m.n {
		r -= m.n
	}
	return r
}

// brent is Pollard's rho in Brent's form, over x -> x^2 + c. It returns a divisor of n, which is 1 or n when this walk
// found nothing or the effort is used up.
func brent(n, c uint64, effort *int) uint64 {
	const batch = 128 // differences that are multiplied before one gcd
	c %= n
	m := newMontgomery(n)
	step := func(x uint64) uint64 {
		x = m.mul(x, x) + c
		if x >= n {
			x -= n
		}
		return x
	}
	x, y, saved, product, g := uint64(0), uint64(2)%n, uint64(0), uint64(1), uint64(1)
	for r := 1; g == 1 && *effort > 0; r *= 2 {
		x = y
		for range r {
			y = step(y)
		}
		for k := 0; k < r && g == 1; k += batch {
			saved = y
			for range min(batch, r-k) {
				y = step(y)
				product = m.mul(product, distance(x, y))
			}
			g = gcd(product, n)
		}
		*effort -= 2 * r
	}
	if g != n {
		return g
	}
	// Both factors fell into one batch: take it again one by one.
	for g = 1; g == 1; {
		saved = step(saved)
		g = gcd(distance(x, saved), n)
	}
	return g
}

func distance(a, b uint64) uint64 {
	if a > b {
		return a - b
	}
	return b - a
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
