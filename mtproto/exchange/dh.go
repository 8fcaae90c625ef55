package exchange

import (
	"math/big"
	"sync/atomic"
)

const (
	// dhBits is the length of dh_prime.
	dhBits = 2048
	// rangeBits: g_a and g_b keep a distance of 2^(2048-64) from both ends.
	rangeBits = dhBits - 64
	// primeRounds is how many rounds of Miller-Rabin, beside Baillie-PSW, an unknown prime must pass. It comes from a
	// peer that may have built it, so more than for random numbers.
	primeRounds = 64
	// maxPrimes bounds the cache of checked primes. Telegram has used one prime for years.
	maxPrimes = 16
)

// knownPrime is the prime that Telegram's servers use; it is a safe prime (a test checks that once more).
var knownPrime, _ = new(big.Int).SetString("C71CAEB9C6B1C9048E6C522F70F13F73980D40238E3E21C14934D037563D930F"+
	"48198A0AA7C14058229493D22530F4DBFA336F6E0AC925139543AED44CCE7C37"+
	"20FD51F69458705AC68CD4FE6B6B13ABDC9746512969328454F18FAF8C595F64"+
	"2477FE96BB2A941D5BCD1D4AC8CC49880708FA9B378E3C4F3A9060BEE67CF9A4"+
	"A4A695811051907E162753B56B0F6B410DBA74D8A84B2A14B3144E0EF1284754"+
	"FD17ED950D5965B4B9DD46582DB1178D169C6BC465B0D6FF9CA3928FEF5B9AE4"+
	"E418FC15E83EBEA0F87FA9FF5EED70050DED2849F47BF959D956850CE929851F"+
	"0D8115F635B105EE2E4E15D04B2454BF6F4FADF034B10403119CD8E3B92FCC5B", 16)

// primes holds further primes that passed, newest first. It is replaced as a whole, never changed.
var primes atomic.Pointer[[]*big.Int]

// CheckDH checks the group that a server proposes for Diffie-Hellman, in the key exchange and for passwords: p is a
// safe prime of 2048 bits, and g (2 to 7) generates its subgroup of order (p-1)/2. Primes that passed are remembered;
// a new one costs about half a second of CPU. The error is a *CheckError.
func CheckDH(g int, p *big.Int) error {
	if p.Sign() <= 0 || p.BitLen() != dhBits || p.Bit(0) == 0 {
		return violation(CheckPrime, "not an odd number of %d bits", dhBits)
	}
	if err := checkGenerator(g, p); err != nil {
		return err
	}
	if p.Cmp(knownPrime) == 0 || remembered(p) {
		return nil
	}
	if err := checkSafePrime(p); err != nil {
		return err
	}
	remember(p)
	return nil
}

// CheckRange checks a public value of the other side, or our own before it is sent: 2^1984 <= x <= p - 2^1984. The
// error is a *CheckError.
func CheckRange(x, p *big.Int) error {
	margin := new(big.Int).Lsh(big.NewInt(1), rangeBits)
	if x.Cmp(margin) < 0 {
		return violation(CheckPublic, "the public value is too small")
	}
	if x.Cmp(margin.Sub(p, margin)) > 0 {
		return violation(CheckPublic, "the public value is too large")
	}
	return nil
}

// checkGenerator checks that g is a quadratic residue modulo the safe prime p, by quadratic reciprocity.
func checkGenerator(g int, p *big.Int) error {
	mod := func(m int64) int64 { return new(big.Int).Mod(p, big.NewInt(m)).Int64() }
	var ok bool
	switch g {
	case 2:
		ok = mod(8) == 7
	case 3:
		ok = mod(3) == 2
	case 4:
		ok = true
	case 5:
		r := mod(5)
		ok = r == 1 || r == 4
	case 6:
		r := mod(24)
		ok = r == 19 || r == 23
	case 7:
		r := mod(7)
		ok = r == 3 || r == 5 || r == 6
	}
	if !ok {
		return violation(CheckGenerator, "g = %d does not generate the subgroup of this prime", g)
	}
	return nil
}

// checkSafePrime checks that p and (p-1)/2 are prime; the quick test of both comes first.
func checkSafePrime(p *big.Int) error {
	half := new(big.Int).Rsh(p, 1)
	for _, rounds := range []int{0, primeRounds} {
		if !p.ProbablyPrime(rounds) {
			return violation(CheckPrime, "not a prime")
		}
		if !half.ProbablyPrime(rounds) {
			return violation(CheckPrime, "(p-1)/2 is not a prime")
		}
	}
	return nil
}

func remembered(p *big.Int) bool {
	if list := primes.Load(); list != nil {
		for _, known := range *list {
			if known.Cmp(p) == 0 {
				return true
			}
		}
	}
	return false
}

// remember adds p; if another goroutine adds one at the same time, one of them is checked once more later.
func remember(p *big.Int) {
	list := []*big.Int{new(big.Int).Set(p)}
	if old := primes.Load(); old != nil {
		list = append(list, (*old)[:min(len(*old), maxPrimes-1)]...)
	}
	primes.Store(&list)
}
