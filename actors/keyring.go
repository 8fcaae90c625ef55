package actors

import (
	"slices"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/sessionstore"
)

// keyring is the auth keys of an account, by DC. The account's record has them only while it is stored, so
// that an idle account has each once.
type keyring []connection.Key

func keyringOf(keys map[int]sessionstore.DCKey) keyring {
	ring := make(keyring, 0, len(keys))
	for dc, key := range keys {
		ring = append(ring, connection.KeyOf(dc, key))
	}
	return ring
}

func (k keyring) at(dc int) int {
	return slices.IndexFunc(k, func(key connection.Key) bool { return key.DC == dc })
}

// get is the key with a DC, the zero one if there is none.
func (k keyring) get(dc int) connection.Key {
	if at := k.at(dc); at >= 0 {
		return k[at]
	}
	return connection.Key{}
}

// find is a copy of the key with a DC, nil if there is none.
func (k keyring) find(dc int) *connection.Key {
	if k.at(dc) < 0 {
		return nil
	}
	key := k.get(dc)
	return &key
}

// put sets the key with its DC.
func (k *keyring) put(key connection.Key) {
	if at := k.at(key.DC); at >= 0 {
		(*k)[at] = key
		return
	}
	*k = append(*k, key)
}

func (k *keyring) drop(dc int) {
	*k = slices.DeleteFunc(*k, func(key connection.Key) bool { return key.DC == dc })
}

// stored is what a record holds.
func (k keyring) stored() map[int]sessionstore.DCKey {
	keys := make(map[int]sessionstore.DCKey, len(k))
	for _, key := range k {
		keys[key.DC] = key.Stored()
	}
	return keys
}

// hold takes over a record that has been read, or begun.
func (a *account) hold(rec *sessionstore.Record) {
	a.record, a.keys = rec, keyringOf(rec.Keys)
	rec.Keys = nil
}

// whole is a copy of the record with its keys.
func (a *account) whole() *sessionstore.Record {
	c := *a.record
	c.Keys = a.keys.stored()
	return &c
}
