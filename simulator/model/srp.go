package model

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"math/big"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// The server's half of two-step verification: core.telegram.org/api/srp.

const (
	srpG          = 3
	srpIterations = 100_000
	srpSize       = 256 // bytes of every number
)

// srpPrime is the safe prime that Telegram uses; g = 3 generates its subgroup.
var srpPrime = mustHex("c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f" +
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
		panic("model: constant is not hexadecimal")
	}
	return n
}

// password is a verifier: the password itself is not kept.
type password struct {
	hint         string
	salt1, salt2 []byte
	verifier     *big.Int // g^x mod p
}

// srpState is one offer of getPassword. It is good for one try.
type srpState struct {
	id      int64
	b       *big.Int
	publicB *big.Int
}

func newPassword(plain, hint string) *password {
	p := &password{hint: hint, salt1: random(40), salt2: random(16)}
	x := new(big.Int).SetBytes(passwordHash(plain, p.salt1, p.salt2))
	p.verifier = new(big.Int).Exp(big.NewInt(srpG), x, srpPrime)
	return p
}

// passwordHash is PH2 of the document.
func passwordHash(plain string, salt1, salt2 []byte) []byte {
	salted := func(data, salt []byte) []byte { return sha(salt, data, salt) }
	first := salted(salted([]byte(plain), salt1), salt2)
	stretched, err := pbkdf2.Key(sha512.New, string(first), salt1, srpIterations, 64)
	if err != nil {
		panic(err) // only for impossible lengths
	}
	return salted(stretched, salt2)
}

func (p *password) offer() *srpState {
	s := &srpState{b: new(big.Int).SetBytes(random(srpSize))}
	id := random(8)
	for i, v := range id {
		s.id |= int64(v) << (8 * i)
	}
	k := new(big.Int).SetBytes(sha(pad(srpPrime), pad(big.NewInt(srpG))))
	s.publicB = new(big.Int).Mul(k, p.verifier)
	s.publicB.Add(s.publicB, new(big.Int).Exp(big.NewInt(srpG), s.b, srpPrime))
	s.publicB.Mod(s.publicB, srpPrime)
	return s
}

// check says whether the client's A and M1 prove the knowledge of the password.
func (p *password) check(s *srpState, a, m1 []byte) bool {
	publicA := new(big.Int).SetBytes(a)
	if len(a) > srpSize || publicA.Cmp(big.NewInt(1)) <= 0 || publicA.Cmp(new(big.Int).Sub(srpPrime, big.NewInt(1))) >= 0 {
		return false
	}
	u := new(big.Int).SetBytes(sha(pad(publicA), pad(s.publicB)))
	base := new(big.Int).Exp(p.verifier, u, srpPrime)
	base.Mul(base, publicA).Mod(base, srpPrime)
	key := sha(pad(base.Exp(base, s.b, srpPrime)))
	mixed := sha(pad(srpPrime))
	subtle.XORBytes(mixed, mixed, sha(pad(big.NewInt(srpG))))
	want := sha(mixed, sha(p.salt1), sha(p.salt2), pad(publicA), pad(s.publicB), key)
	return subtle.ConstantTimeCompare(want, m1) == 1
}

func sha(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func pad(n *big.Int) []byte { return n.FillBytes(make([]byte, srpSize)) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func algo(salt1, salt2 []byte) *tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow {
	return &tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow{
		Salt1: salt1, Salt2: salt2, G: srpG, P: pad(srpPrime),
	}
}

// passwordOwner is the user whose password this key may ask for: its own, or the one whose
// code it has just entered.
func (c *call) passwordOwner() (*user, error) {
	if c.user != nil {
		return c.user, nil
	}
	if u := c.w.users[c.key.pending]; u != nil {
		return u, nil
	}
	return nil, rpcError(401, "AUTH_KEY_UNREGISTERED")
}

func (c *call) getPassword(*tg.AccountGetPasswordRequest) (bin.Encoder, error) {
	u, err := c.passwordOwner()
	if err != nil {
		return nil, err
	}
	out := &tg.AccountPassword{
		NewAlgo:       algo(random(8), random(16)),
		NewSecureAlgo: &tg.SecurePasswordKdfAlgoPBKDF2HMACSHA512iter100000{Salt: random(8)},
		SecureRandom:  random(256),
	}
	if u.password != nil {
		c.key.srp = u.password.offer()
		out.HasPassword = true
		out.SetCurrentAlgo(algo(u.password.salt1, u.password.salt2))
		out.SetSRPB(pad(c.key.srp.publicB))
		out.SetSRPID(c.key.srp.id)
		if u.password.hint != "" {
			out.SetHint(u.password.hint)
		}
	}
	return out, nil
}

func (c *call) checkPassword(q *tg.AuthCheckPasswordRequest) (bin.Encoder, error) {
	u, err := c.passwordOwner()
	if err != nil {
		return nil, err
	}
	proof, ok := q.Password.(*tg.InputCheckPasswordSRP)
	if !ok || u.password == nil {
		return nil, rpcError(400, "PASSWORD_HASH_INVALID")
	}
	offer := c.key.srp
	if offer == nil || offer.id != proof.SRPID {
		return nil, rpcError(400, "SRP_ID_INVALID")
	}
	c.key.srp = nil
	if !u.password.check(offer, proof.A, proof.M1) {
		return nil, rpcError(400, "PASSWORD_HASH_INVALID")
	}
	return c.login(u), nil
}
