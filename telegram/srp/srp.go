// Package srp proves knowledge of a two-step verification password without sending it: the client side of
// Telegram's SRP (core.telegram.org/api/srp).
//
// # Usage
//
//	proof, err := srp.Answer(password, srp.Params{Salt1: a.Salt1, Salt2: a.Salt2, G: a.G, P: a.P}, pw.SRPB, pw.SRPID, nil)
//	// inputCheckPasswordSRP{srp_id: proof.ID, A: proof.A, M1: proof.M1}
//
// Answer and Verifier cost about 100 ms of CPU (100,000 rounds of PBKDF2): call them outside of mailboxes and locks.
// They wipe the password, whatever they return.
//
// # Concurrency
//
// The functions keep no state; any number of goroutines may call them.
//
// # Errors
//
// *ParamError says that the server's parameters broke a security check; the password must not be tried with them.
package srp

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/telefleet/orchestrator/mtproto/exchange"
)

const (
	// size is the length of p and of all numbers modulo p, in bytes, padded in front.
	size = 256
	// iterations of PBKDF2, by the algorithm's name.
	iterations = 100_000
	// newSaltBytes are appended to salt1 when a password is set.
	newSaltBytes = 32
	// maxDraws bounds the draws of a; a g_a outside the safe range is rarer than one in 2^63.
	maxDraws = 8
)

// Params is passwordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow.
type Params struct {
	Salt1, Salt2 []byte
	G            int
	// P is the 2048-bit modulus, big-endian.
	P []byte
}

// Proof is what inputCheckPasswordSRP carries.
type Proof struct {
	// ID is the srp_id that the server gave with its srp_B.
	ID int64
	// A is the client's public value, 256 bytes.
	A []byte
	// M1 is the proof, 32 bytes.
	M1 []byte
}

// ParamError says which of the server's parameters must not be trusted.
type ParamError struct {
	Field string // p, g, srp_B, u, k_v
	Err   error
}

func (e *ParamError) Error() string {
	return fmt.Sprintf("password parameters: %s: %v", e.Field, e.Err)
}

// Unwrap returns the reason.
func (e *ParamError) Unwrap() error { return e.Err }

var (
	errEmpty  = errors.New("is zero")
	errLength = errors.New("has not 256 bytes")
	errRange  = errors.New("is outside the range from 1 to p-1")
)

// group is the checked pair of g and p.
type group struct {
	g, p   *big.Int
	pBytes [size]byte
	gBytes [size]byte
}

func checkGroup(algo Params) (*group, error) {
	p := new(big.Int).SetBytes(algo.P)
	if p.BitLen() > 8*size {
		return nil, &ParamError{Field: "p", Err: errLength}
	}
	if err := exchange.CheckDH(algo.G, p); err != nil {
		field := "p"
		if ce := (*exchange.CheckError)(nil); errors.As(err, &ce) && ce.Check == exchange.CheckGenerator {
			field = "g"
		}
		return nil, &ParamError{Field: field, Err: err}
	}
	grp := &group{g: big.NewInt(int64(algo.G)), p: p}
	p.FillBytes(grp.pBytes[:])
	grp.g.FillBytes(grp.gBytes[:])
	return grp, nil
}

// Answer computes the proof for the server's srp_B and srp_id. It wipes the password. entropy nil means crypto/rand.
func Answer(password []byte, algo Params, srpB []byte, srpID int64, entropy io.Reader) (Proof, error) {
	defer clear(password)
	if entropy == nil {
		entropy = rand.Reader
	}
	grp, err := checkGroup(algo)
	if err != nil {
		return Proof{}, err
	}
	gb, err := grp.checkServerValue(srpB)
	if err != nil {
		return Proof{}, err
	}
	a, ga, err := grp.draw(entropy)
	if err != nil {
		return Proof{}, fmt.Errorf("draw client value: %w", err)
	}
	proof := Proof{ID: srpID, A: pad(ga)}
	gbBytes := pad(gb)

	u := new(big.Int).SetBytes(hash(proof.A, gbBytes))
	if u.Sign() == 0 {
		return Proof{}, &ParamError{Field: "u", Err: errEmpty}
	}
	x, err := secret(password, algo)
	if err != nil {
		return Proof{}, err
	}
	k := new(big.Int).SetBytes(hash(grp.pBytes[:], grp.gBytes[:]))
	kv := k.Mul(k, new(big.Int).Exp(grp.g, x, grp.p))
	if kv.Mod(kv, grp.p); kv.Sign() == 0 {
		return Proof{}, &ParamError{Field: "k_v", Err: errEmpty}
	}
	t := gb.Sub(gb, kv)
	t.Mod(t, grp.p)
	exponent := u.Mul(u, x)
	exponent.Add(exponent, a)
	key := sha256.Sum256(pad(t.Exp(t, exponent, grp.p)))

	hp, hg := sha256.Sum256(grp.pBytes[:]), sha256.Sum256(grp.gBytes[:])
	subtle.XORBytes(hp[:], hp[:], hg[:])
	proof.M1 = hash(hp[:], hash(algo.Salt1), hash(algo.Salt2), proof.A, gbBytes, key[:])
	return proof, nil
}

// checkServerValue checks srp_B: below p, and far enough from both ends.
func (grp *group) checkServerValue(srpB []byte) (*big.Int, error) {
	if len(srpB) > size {
		return nil, &ParamError{Field: "srp_B", Err: errLength}
	}
	gb := new(big.Int).SetBytes(srpB)
	if gb.Sign() == 0 || gb.Cmp(grp.p) >= 0 {
		return nil, &ParamError{Field: "srp_B", Err: errRange}
	}
	if err := exchange.CheckRange(gb, grp.p); err != nil {
		return nil, &ParamError{Field: "srp_B", Err: err}
	}
	return gb, nil
}

// draw draws a until g_a is in the safe range.
func (grp *group) draw(entropy io.Reader) (a, ga *big.Int, err error) {
	var b [size]byte
	defer clear(b[:])
	for range maxDraws {
		if _, err := io.ReadFull(entropy, b[:]); err != nil {
			return nil, nil, fmt.Errorf("read entropy: %w", err)
		}
		a = new(big.Int).SetBytes(b[:])
		ga = new(big.Int).Exp(grp.g, a, grp.p)
		if exchange.CheckRange(ga, grp.p) == nil {
			return a, ga, nil
		}
	}
	return nil, nil, fmt.Errorf("none usable in %d: the source of randomness is broken", maxDraws)
}

// Verifier computes v = g^x mod p, 256 bytes: what the server keeps instead of the password, and the
// new_password_hash of account.passwordInputSettings. It wipes the password. To set a password, give it the Params of
// NewParams.
func Verifier(password []byte, algo Params) ([]byte, error) {
	defer clear(password)
	grp, err := checkGroup(algo)
	if err != nil {
		return nil, err
	}
	x, err := secret(password, algo)
	if err != nil {
		return nil, err
	}
	return pad(x.Exp(grp.g, x, grp.p)), nil
}

// NewParams returns the server's new_algo with 32 random bytes appended to its first salt, as a new password needs
// them. entropy nil means crypto/rand.
func NewParams(algo Params, entropy io.Reader) (Params, error) {
	if entropy == nil {
		entropy = rand.Reader
	}
	salt := make([]byte, len(algo.Salt1)+newSaltBytes)
	n := copy(salt, algo.Salt1)
	if _, err := io.ReadFull(entropy, salt[n:]); err != nil {
		return Params{}, fmt.Errorf("draw salt: %w", err)
	}
	algo.Salt1 = salt
	return algo, nil
}

// secret is x = PH2(password, salt1, salt2).
func secret(password []byte, algo Params) (*big.Int, error) {
	ph1 := saltedHash(saltedHash(password, algo.Salt1), algo.Salt2)
	defer clear(ph1)
	long, err := pbkdf2.Key(sha512.New, string(ph1), algo.Salt1, iterations, sha512.Size)
	if err != nil {
		return nil, fmt.Errorf("derive password hash: %w", err)
	}
	defer clear(long)
	return new(big.Int).SetBytes(saltedHash(long, algo.Salt2)), nil
}

func saltedHash(data, salt []byte) []byte { return hash(salt, data, salt) }

func hash(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func pad(x *big.Int) []byte { return x.FillBytes(make([]byte, size)) }
