package requests

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// version begins every sealed value.
const version = 1

// errSeal: a value does not open under the account's key.
var errSeal = errors.New("the seal does not fit")

// record is what is stored, sealed: replies hold the text of messages.
type record struct {
	Token  fleet.FencingToken `json:"token"`
	Method string             `json:"method"`
	// Hash of the request; the request itself is not stored.
	Hash [sha256.Size]byte `json:"hash"`
	// Since is when the first attempt began.
	Since time.Time `json:"since"`
	// Attempt counts them.
	Attempt int `json:"attempt"`
	// Outcome is absent while none is known.
	Outcome *outcome `json:"outcome,omitempty"`
}

type outcome struct {
	Reply []byte `json:"reply,omitempty"`
	// Lost says that the reply was too large to keep.
	Lost  bool     `json:"lost,omitempty"`
	Error *refusal `json:"error,omitempty"`
}

// refusal is a *fleet.Error without its cause.
type refusal struct {
	Code       fleet.Code    `json:"code"`
	Reason     string        `json:"reason"`
	Message    string        `json:"message"`
	Argument   int           `json:"argument,omitempty"`
	Method     string        `json:"method,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	Remedy     string        `json:"remedy,omitempty"`
}

func refusalOf(e *fleet.Error) *refusal {
	return &refusal{
		Code: e.Code, Reason: e.Reason, Message: e.Message, Argument: e.Argument, Method: e.Method,
		RetryAfter: e.RetryAfter, Remedy: e.Remedy,
	}
}

func (r *refusal) err() *fleet.Error {
	return &fleet.Error{
		Code: r.Code, Reason: r.Reason, Message: r.Message, Argument: r.Argument, Method: r.Method,
		RetryAfter: r.RetryAfter, Remedy: r.Remedy,
	}
}

// associated binds a sealed value to what it is, the account and its name.
func associated(what string, key Key) []byte {
	ad := []byte{version}
	for _, s := range []string{"orchestrator", what, string(key.Account), key.ID} {
		ad = binary.AppendUvarint(ad, uint64(len(s)))
		ad = append(ad, s...)
	}
	return ad
}

func (r *record) seal(aead cipher.AEAD, key Key) ([]byte, error) {
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return sealValue(aead, associated("request", key), plain)
}

func open(aead cipher.AEAD, key Key, sealed []byte) (*record, error) {
	plain, err := openValue(aead, associated("request", key), sealed)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r := new(record)
	if err := json.Unmarshal(plain, r); err != nil {
		return nil, fmt.Errorf("%w: %w", errSeal, err)
	}
	return r, nil
}

// sealValue seals a value and wipes it.
func sealValue(aead cipher.AEAD, associated, plain []byte) ([]byte, error) {
	defer clear(plain)
	n := 1 + aead.NonceSize()
	sealed := make([]byte, n, n+len(plain)+aead.Overhead())
	sealed[0] = version
	if _, err := rand.Read(sealed[1:n]); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return aead.Seal(sealed, sealed[1:n], plain, associated), nil
}

func openValue(aead cipher.AEAD, associated, sealed []byte) ([]byte, error) {
	n := 1 + aead.NonceSize()
	if len(sealed) < n {
		return nil, fmt.Errorf("%w: %d bytes are too few", errSeal, len(sealed))
	}
	if sealed[0] != version {
		return nil, fmt.Errorf("%w: it has version %d, this program knows %d", errSeal, sealed[0], version)
	}
	plain, err := aead.Open(nil, sealed[1:n], sealed[n:], associated)
	if err != nil {
		return nil, errSeal
	}
	return plain, nil
}

// deriveRandomIDs makes the account's function from request id and number to random_id.
//
// Its key is what the account's cipher makes of zeros under one reserved nonce: a pseudorandom
// string that only who has the data key can make. Values are sealed under random nonces of 192
// bits, which do not hit the reserved one.
func deriveRandomIDs(aead cipher.AEAD) func(id string, n int) int64 {
	label := sha256.Sum256([]byte("orchestrator random_id v1"))
	subkey := aead.Seal(nil, label[:aead.NonceSize()], make([]byte, sha256.Size), label[:])[:sha256.Size]
	return func(id string, n int) int64 {
		if n > 0 {
			id += ":" + strconv.Itoa(n) // no request id holds a colon
		}
		for {
			mac := hmac.New(sha256.New, subkey)
			mac.Write([]byte(id))
			if v := int64(binary.BigEndian.Uint64(mac.Sum(nil))); v != 0 { // Telegram refuses 0
				return v
			}
			id += ":"
		}
	}
}

// key is the account's data key.
func (l *Ledger) key(ctx context.Context, account fleet.AccountID) (cipher.AEAD, error) {
	aead, err := l.cfg.Keys(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	if aead == nil {
		return nil, errors.New("data key: there is none")
	}
	return aead, nil
}
