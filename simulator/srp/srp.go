// Package srp is the server's half of two-step verification: core.telegram.org/api/srp.
//
// # Usage
//
//	pw := srp.New("secret", "the usual one")
//	offer := pw.Offer()
//	ok := pw.Check(offer, proof.A, proof.M1)
//
// # Concurrency
//
// A Password does not change. An Offer is used once.
//
// # Errors
//
// There are none: a wrong proof is false.
package srp

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"math/big"

	"github.com/gotd/td/tg"
)

const (
	generator  = 3
	iterations = 100_000
	size       = 256 // bytes of every number
)

// prime is the safe prime that Telegram uses; g = 3 generates its subgroup.
var prime = mustHex("c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f" +
	"48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c37" +
	"20fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f64" +
	"2477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4" +
	"a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754" +
	"fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4" +
	"e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f" +
	"0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b")

func mustHex(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 16)
	if !ok {
		panic("srp: constant is not hexadecimal")
	}
	return n
}

// Password is a verifier: the password itself is not kept.
type Password struct {
	Hint         string
	Salt1, Salt2 []byte
	verifier     *big.Int // g^x mod p
}

// Offer is one offer of getPassword. It is good for one try.
type Offer struct {
	ID      int64
	b       *big.Int
	PublicB *big.Int
}

func New(plain, hint string) *Password {
	p := &Password{Hint: hint, Salt1: Random(40), Salt2: Random(16)}
	x := new(big.Int).SetBytes(passwordHash(plain, p.Salt1, p.Salt2))
	p.verifier = new(big.Int).Exp(big.NewInt(generator), x, prime)
	return p
}

// passwordHash is PH2 of the document.
func passwordHash(plain string, salt1, salt2 []byte) []byte {
	salted := func(data, salt []byte) []byte { return sha(salt, data, salt) }
	first := salted(salted([]byte(plain), salt1), salt2)
	stretched, err := pbkdf2.Key(sha512.New, string(first), salt1, iterations, 64)
	if err != nil {
		panic(err) // only for impossible lengths
	}
	return salted(stretched, salt2)
}

func (p *Password) Offer() *Offer {
	s := &Offer{b: new(big.Int).SetBytes(Random(size))}
	id := Random(8)
	for i, v := range id {
		s.ID |= int64(v) << (8 * i)
	}
	k := new(big.Int).SetBytes(sha(Pad(prime), Pad(big.NewInt(generator))))
	s.PublicB = new(big.Int).Mul(k, p.verifier)
	s.PublicB.Add(s.PublicB, new(big.Int).Exp(big.NewInt(generator), s.b, prime))
	s.PublicB.Mod(s.PublicB, prime)
	return s
}

// Check says whether the client's A and M1 prove the knowledge of the password.
func (p *Password) Check(s *Offer, a, m1 []byte) bool {
	publicA := new(big.Int).SetBytes(a)
	if len(a) > size || publicA.Cmp(big.NewInt(1)) <= 0 || publicA.Cmp(new(big.Int).Sub(prime, big.NewInt(1))) >= 0 {
		return false
	}
	u := new(big.Int).SetBytes(sha(Pad(publicA), Pad(s.PublicB)))
	base := new(big.Int).Exp(p.verifier, u, prime)
	base.Mul(base, publicA).Mod(base, prime)
	key := sha(Pad(base.Exp(base, s.b, prime)))
	mixed := sha(Pad(prime))
	subtle.XORBytes(mixed, mixed, sha(Pad(big.NewInt(generator))))
	want := sha(mixed, sha(p.Salt1), sha(p.Salt2), Pad(publicA), Pad(s.PublicB), key)
	return subtle.ConstantTimeCompare(want, m1) == 1
}

func sha(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func Pad(n *big.Int) []byte { return n.FillBytes(make([]byte, size)) }

func Random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func Algorithm(salt1, salt2 []byte) *tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow {
	return &tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow{
		Salt1: salt1, Salt2: salt2, G: generator, P: Pad(prime),
	}
}
