// Package sessionstore keeps the session of each account: auth keys, home DC, salts and the
// checkpoint of its update stream, sealed at rest. Implementations are Memory here and the
// one on etcd in the subpackage etcd; both pass the contract suite in storetest.
//
// # Usage
//
// Open a Keyring with the fleet's master key, then a store over it. Load and Save whole
// records: they are small (at most MaxSealed bytes) and written seldom.
//
// # Concurrency
//
// Stores and keyrings are safe for concurrent use. One account is written by one owner at a
// time; its fence says so and the store compares it in the same transaction.
//
// # Errors
//
// Decisions are taken with errors.Is on the Err variables; all are *fleet.Error with a
// remedy. A damaged record is ErrCorrupt, never an empty record.
package sessionstore
