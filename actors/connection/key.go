package connection

import (
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
