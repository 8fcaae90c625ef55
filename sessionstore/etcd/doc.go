// Package etcd keeps session records and wrapped data keys in etcd: session/<id> (sealed),
// keys/<key id> (which account has an auth key) and dek/<id> (data key, wrapped by the
// master key).
package etcd
