// Package etcd keeps session records and wrapped data keys in etcd:
//
//	session/<id>     the sealed record; etcd's count of its writes is in it, so that an old one
//	                 that is put back is found out
//	checkpoint/<id>  the record's checkpoint, sealed; written when it has changed
//	keys/<key id>    the account that has this auth key
//	dek/<id>         the account's data key, wrapped by the master key
//	master/...       which master key is current; see Keyring.Rotate
//
// # Usage
//
//	key, err := etcd.Passphrase(ctx, client, "", passphrase) // or sessionstore.LoadMasterKey
//	ring := etcd.NewKeyring(client, etcd.KeyringConfig{Masters: masters, ClusterID: id})
//	store := etcd.NewStore(client, "", ring)
//
// # Concurrency
//
// Store and Keyring are safe for concurrent use.
//
// # Errors
//
// Those of package sessionstore; anything else means that etcd did not answer. A write
// whose answer was lost may have taken effect: writing the same record again is harmless.
package etcd
