package connection

import (
	"slices"
	"time"

	"github.com/telefleet/orchestrator/mtproto/exchange"
	"github.com/telefleet/orchestrator/sessionstore"
)

// Key is an auth key with one DC as it is used: account, link and engine share the secret and the salts,
// which nobody changes in place.
type Key struct {
	DC         int
	Secret     *sessionstore.AuthKey
	Salts      []sessionstore.Salt
	TimeOffset time.Duration
	CreatedAt  time.Time
	// DoubtedSince is that of the record; the account alone uses it.
	DoubtedSince time.Time
}

// KeyOf is a stored key.
func KeyOf(dc int, k sessionstore.DCKey) Key {
	secret := k.Key
	return Key{DC: dc, Secret: &secret, Salts: k.Salts, TimeOffset: k.TimeOffset, CreatedAt: k.CreatedAt, DoubtedSince: k.DoubtedSince}
}

// Stored is the key as a session record holds it.
func (k Key) Stored() sessionstore.DCKey {
	return sessionstore.DCKey{Key: *k.Secret, Salts: k.Salts, TimeOffset: k.TimeOffset, CreatedAt: k.CreatedAt, DoubtedSince: k.DoubtedSince}
}

// keyOf is a fresh key.
func keyOf(dc int, r *exchange.Result, now time.Time) Key {
	return KeyOf(dc, sessionstore.DCKey{
		Key: r.Key, TimeOffset: r.TimeOffset, CreatedAt: now,
		Salts: []sessionstore.Salt{{Value: r.Salt}},
	})
}

// Keyring is the auth keys of an account, by DC. The account's record has them only while it is stored, so
// that an idle account has each once.
type Keyring []Key

// KeyringOf is the keys of a record.
func KeyringOf(keys map[int]sessionstore.DCKey) Keyring {
	ring := make(Keyring, 0, len(keys))
	for dc, key := range keys {
		ring = append(ring, KeyOf(dc, key))
	}
	return ring
}

func (k Keyring) at(dc int) int {
	return slices.IndexFunc(k, func(key Key) bool { return key.DC == dc })
}

// Get is the key with a DC, the zero one if there is none.
func (k Keyring) Get(dc int) Key {
	if at := k.at(dc); at >= 0 {
		return k[at]
	}
	return Key{}
}

// Find is a copy of the key with a DC, nil if there is none.
func (k Keyring) Find(dc int) *Key {
	if k.at(dc) < 0 {
		return nil
	}
	key := k.Get(dc)
	return &key
}

// Put sets the key with its DC.
func (k *Keyring) Put(key Key) {
	if at := k.at(key.DC); at >= 0 {
		(*k)[at] = key
		return
	}
	*k = append(*k, key)
}

// Drop forgets the key with a DC.
func (k *Keyring) Drop(dc int) {
	*k = slices.DeleteFunc(*k, func(key Key) bool { return key.DC == dc })
}

// Stored is the keys as a record holds them.
func (k Keyring) Stored() map[int]sessionstore.DCKey {
	keys := make(map[int]sessionstore.DCKey, len(k))
	for _, key := range k {
		keys[key.DC] = key.Stored()
	}
	return keys
}
