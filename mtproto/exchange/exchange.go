// Package exchange makes auth keys: Telegram's Diffie-Hellman key exchange as a pure machine, client side, with every
// check that the specification (core.telegram.org/mtproto/auth_key and security_guidelines) asks for.
//
// # Usage
//
//	m := exchange.New(exchange.Config{Keys: list.Keys, DC: exchange.DCField(2, false, false)})
//	effects, err := m.Step(now, exchange.Start{})
//	for err == nil && effects.Result == nil {
//		// send each of effects.Write as one transport packet, read one packet
//		effects, err = m.Step(now, exchange.Frame{Data: packet})
//	}
//
// The machine does no I/O, reads no clock and starts no goroutine. A Step costs up to about 5 ms of CPU (one
// exponentiation of 2048 bits); the first sight of an unknown prime costs half a second once.
//
// # Concurrency
//
// A Machine has one user. CheckDH may be called by any goroutine.
//
// # Errors
//
// An error ends the exchange: close the socket, forget the Machine. *CheckError: the server (or somebody between)
// broke a rule, named by its Check. *TransportError: the server refused, by a code. *RefusedError: the server answered
// with dh_gen_fail or server_DH_params_fail. Others are local: bad configuration or no entropy.
package exchange

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Config is what an exchange needs to know.
type Config struct {
	// Keys are the server's RSA keys that we ship, in order of preference; at least one, all of 2048 bits.
	Keys []*rsa.PublicKey
	// DC is the dc field of p_q_inner_data_dc; see DCField.
	DC int
	// Rand is the source of nonces and secrets; nil means crypto/rand. Tests only give another one.
	Rand io.Reader
	// TempExpiresIn asks for a temporary key that lives so many seconds; 0 asks for a permanent one.
	TempExpiresIn int
}

// DCField returns the dc field that the server expects: test DCs count from 10000, media DCs (CDN ones not) are
// negative. The server answers a wrong one by transport error -444.
func DCField(id int, test, media bool) int {
	if test {
		id += 10000
	}
	if media {
		id = -id
	}
	return id
}

// Input is what a Step takes: Start first, then a Frame for each packet that arrived.
type Input interface{ input() }

// Start begins the exchange; it is the first input and comes once.
type Start struct{}

// Frame is the payload of one transport packet. It is read only, and nothing of it is kept.
type Frame struct{ Data []byte }

func (Start) input() {}
func (Frame) input() {}

// Effects is what the caller must do after a Step.
type Effects struct {
	// Write holds payloads of transport packets, to be sent in order.
	Write [][]byte
	// Result is set by the last Step: the exchange is over.
	Result *Result
}

// Result is a finished exchange. It is never printed in full: every formatting verb shows the key id only.
type Result struct {
	// Key is the auth key.
	Key [256]byte
	// KeyID is the id that the server knows it by: the last 8 bytes of SHA1(Key).
	KeyID int64
	// Salt is the first server salt.
	Salt int64
	// TimeOffset is the server's clock minus ours, in whole seconds.
	TimeOffset time.Duration
}

// Format implements fmt.Formatter, so that no verb prints the key.
func (r Result) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "auth key %016x (redacted)", uint64(r.KeyID))
}

// Names of the checks in a CheckError.
const (
	CheckEnvelope  = "envelope"     // not an unencrypted message, or its TL object is unexpected or broken
	CheckNonce     = "nonce"        // nonce or server_nonce is not the one of this exchange
	CheckRSAKey    = "rsa key"      // the server offers no key that we know
	CheckPQ        = "pq"           // pq is not a product of two different primes in the allowed range
	CheckAnswer    = "answer"       // the encrypted answer does not carry its own hash
	CheckPrime     = "dh prime"     // dh_prime is no safe prime of 2048 bits
	CheckGenerator = "generator"    // g does not generate the subgroup
	CheckPublic    = "public value" // g_a or g_b is outside the safe range
	CheckNonceHash = "new nonce hash"
	CheckRetries   = "retries" // the server asked for too many retries
)

// CheckError says that the peer broke a rule of the exchange. It holds no secret.
type CheckError struct {
	Check  string // one of the constants
	Detail string
}

func (e *CheckError) Error() string { return fmt.Sprintf("check of %s: %s", e.Check, e.Detail) }

func violation(check, format string, args ...any) error {
	return &CheckError{Check: check, Detail: fmt.Sprintf(format, args...)}
}

// TransportError is a refusal of the server below the protocol: -404 (a broken or outdated query: start anew), -429
// (too many connections or queries), -444 (wrong DC).
type TransportError struct{ Code int }

func (e *TransportError) Error() string {
	return fmt.Sprintf("transport error %d", e.Code)
}

// RefusedError is an authentic answer of the server that it will not make a key in this exchange. A new exchange may
// succeed.
type RefusedError struct{ Answer string }

func (e *RefusedError) Error() string { return "server answered " + e.Answer }

// Errors of the caller.
var (
	ErrState = errors.New("input does not fit the state")
	ErrKeys  = errors.New("no usable RSA key configured")
)

// Fingerprint returns the id of a server key in the protocol: the low 64 bits of SHA1 over its TL serialisation.
func Fingerprint(k *rsa.PublicKey) int64 {
	var b []byte
	b = appendBytes(b, k.N.Bytes())
	b = appendBytes(b, minimalBytes(uint64(k.E)))
	sum := sha1.Sum(b)
	return int64(binary.LittleEndian.Uint64(sum[12:]))
}

// New returns a machine that waits for Start. Mistakes in cfg are reported by that first Step.
func New(cfg Config) *Machine {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Machine{cfg: cfg}
}
