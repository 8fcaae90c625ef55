package etcd

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

const (
	// cacheSize bounds the opened data keys in memory; at the limit an arbitrary one goes.
	cacheSize = 8192
	// cacheAge bounds how long another node may still use a key that was shredded.
	cacheAge = 10 * time.Minute
)

// KeyringConfig of a Keyring.
type KeyringConfig struct {
	// Prefix is put before every key, normally empty.
	Prefix string
	// ClusterID is the cluster_id of the configuration.
	ClusterID string
	// Masters wrap the data keys: those that the node has. Which one is current, the store says.
	Masters sessionstore.Masters
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// Keyring is sessionstore.Keyring on etcd.
type Keyring struct {
	client *clientv3.Client
	cfg    KeyringConfig

	mu      sync.Mutex
	cache   map[fleet.AccountID]cached
	masters sessionstore.Masters // the current one first, once opened
	opened  bool
	choice  uint64 // counts rotations, so that who read before one does not undo it
	// drops counts keys that were forgotten or renewed, so that one that was read before is not kept.
	drops uint64
}

type cached struct {
	aead cipher.AEAD
	at   time.Time
}

// NewKeyring makes a keyring.
func NewKeyring(client *clientv3.Client, cfg KeyringConfig) *Keyring {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Keyring{client: client, cfg: cfg, cache: make(map[fleet.AccountID]cached), masters: cfg.Masters}
}

func (k *Keyring) dir() string                   { return k.cfg.Prefix + "dek/" }
func (k *Keyring) key(id fleet.AccountID) string { return k.dir() + string(id) }
func (k *Keyring) cachedKey(id fleet.AccountID) (aead cipher.AEAD, drops uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, ok := k.cache[id]; ok && time.Since(c.at) <= cacheAge {
		aead = c.aead
	}
	return aead, k.drops
}

// remember keeps a key that was read when so many had been dropped.
func (k *Keyring) remember(id fleet.AccountID, aead cipher.AEAD, drops uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if drops == k.drops {
		k.keep(id, aead)
	}
}

// renewed takes the place of what is remembered, and of what is being read.
func (k *Keyring) renewed(id fleet.AccountID, aead cipher.AEAD) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drops++
	k.keep(id, aead)
}

// keep puts a key into the cache; mu is held.
func (k *Keyring) keep(id fleet.AccountID, aead cipher.AEAD) {
	if _, known := k.cache[id]; !known && len(k.cache) >= cacheSize {
		for other := range k.cache {
			delete(k.cache, other)
			break
		}
	}
	k.cache[id] = cached{aead: aead, at: time.Now()}
}

// Forget drops an account's key from memory, for when its deletion was seen.
func (k *Keyring) Forget(id fleet.AccountID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.cache, id)
	k.drops++
}

// DataKey implements sessionstore.Keyring.
func (k *Keyring) DataKey(ctx context.Context, id fleet.AccountID) (cipher.AEAD, error) {
	aead, drops := k.cachedKey(id)
	if aead != nil {
		return aead, nil
	}
	if err := id.Validate(); err != nil && id != fleet.Fleetwide {
		return nil, err
	}
	for range attempts {
		wrapped, err := k.readOrMake(ctx, id)
		if err != nil {
			return nil, err
		}
		if wrapped != nil {
			return k.open(ctx, id, wrapped, drops)
		}
	}
	return nil, fmt.Errorf("make data key of %s: %w", id, errBusy)
}

// readOrMake gives the wrapped data key of an account; nil when the current master key has changed
// meanwhile. A new one is stored only under the master key that is current in that moment: what a
// rotation has not seen would be lost with the former one.
func (k *Keyring) readOrMake(ctx context.Context, id fleet.AccountID) ([]byte, error) {
	resp, err := k.client.Get(ctx, k.key(id))
	if err != nil {
		return nil, fmt.Errorf("read data key of %s: %w", id, err)
	}
	if len(resp.Kvs) > 0 {
		return resp.Kvs[0].Value, nil
	}
	if err := k.Open(ctx); err != nil {
		return nil, err
	}
	k.mu.Lock()
	masters := k.masters
	k.mu.Unlock()
	_, wrapped, err := masters.NewDataKey(k.cfg.ClusterID, id)
	if err != nil {
		return nil, err
	}
	txn, err := k.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(k.key(id)), "=", 0),
			clientv3.Compare(clientv3.Value(k.master("current")), "=", masters.Current.ID())).
		Then(clientv3.OpPut(k.key(id), string(wrapped))).
		Else(clientv3.OpGet(k.key(id))).Commit()
	if err != nil {
		return nil, fmt.Errorf("store data key of %s: %w", id, err)
	}
	if txn.Succeeded {
		return wrapped, nil
	}
	if kvs := txn.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 { // another node was first
		return kvs[0].Value, nil
	}
	return nil, nil
}

// renewal is a new data key in place of an account's former one: what to write, and under which
// conditions.
type renewal struct {
	aead  cipher.AEAD
	ops   []clientv3.Op
	conds []clientv3.Cmp
}

// renewal draws a data key. As with a first one, it may be stored only while its master key is the
// current one.
func (k *Keyring) renewal(ctx context.Context, id fleet.AccountID) (renewal, error) {
	if err := k.Open(ctx); err != nil {
		return renewal{}, err
	}
	k.mu.Lock()
	masters := k.masters
	k.mu.Unlock()
	aead, wrapped, err := masters.NewDataKey(k.cfg.ClusterID, id)
	if err != nil {
		return renewal{}, err
	}
	return renewal{
		aead: aead, ops: []clientv3.Op{clientv3.OpPut(k.key(id), string(wrapped))},
		conds: []clientv3.Cmp{clientv3.Compare(clientv3.Value(k.master("current")), "=", masters.Current.ID())},
	}, nil
}

// Find gives the data key of an account for reading: it makes none, and returns nil where there is
// none. With fresh it does not answer from memory: the account may have been signed out, and have
// another key, since.
func (k *Keyring) Find(ctx context.Context, id fleet.AccountID, fresh bool) (cipher.AEAD, error) {
	aead, drops := k.cachedKey(id)
	if aead != nil && !fresh {
		return aead, nil
	}
	resp, err := k.client.Get(ctx, k.key(id))
	if err != nil {
		return nil, fmt.Errorf("read data key of %s: %w", id, err)
	}
	if len(resp.Kvs) == 0 {
		k.Forget(id)
		return nil, nil
	}
	return k.open(ctx, id, resp.Kvs[0].Value, drops)
}

// open opens a wrapped data key that was read when so many keys had been dropped.
func (k *Keyring) open(ctx context.Context, id fleet.AccountID, wrapped []byte, drops uint64) (cipher.AEAD, error) {
	if err := k.allowed(ctx, id, wrapped); err != nil {
		return nil, err
	}
	k.mu.Lock()
	masters := k.masters
	k.mu.Unlock()
	aead, err := masters.DataKey(k.cfg.ClusterID, id, wrapped)
	if err != nil {
		return nil, err
	}
	k.remember(id, aead, drops)
	return aead, nil
}

// Shred implements sessionstore.Keyring. Other nodes may hold the key in memory for up to
// ten minutes more.
func (k *Keyring) Shred(ctx context.Context, id fleet.AccountID) error {
	k.Forget(id)
	if _, err := k.client.Delete(ctx, k.key(id)); err != nil {
		return fmt.Errorf("shred data key of %s: %w", id, err)
	}
	k.Forget(id)
	return nil
}

// rewrap wraps every data key under the current master key and returns how many it changed.
func (k *Keyring) rewrap(ctx context.Context) (changed int, err error) {
	k.mu.Lock()
	masters := k.masters
	k.mu.Unlock()
	from, end := k.dir(), clientv3.GetPrefixRangeEnd(k.dir())
	var errs []error
	for {
		resp, err := k.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(1000))
		if err != nil {
			return changed, fmt.Errorf("list data keys: %w", err)
		}
		for _, kv := range resp.Kvs {
			id := fleet.AccountID(strings.TrimPrefix(string(kv.Key), k.dir()))
			wrapped, err := masters.Rewrap(k.cfg.ClusterID, id, kv.Value)
			if err != nil {
				errs = append(errs, err)
			}
			if wrapped == nil {
				continue
			}
			_, err = k.client.Txn(ctx). // one that was changed meanwhile was deleted, or wrapped by another rotation
							If(clientv3.Compare(clientv3.ModRevision(string(kv.Key)), "=", kv.ModRevision)).
							Then(clientv3.OpPut(string(kv.Key), string(wrapped))).Commit()
			if err != nil {
				return changed, fmt.Errorf("store data key of %s: %w", id, err)
			}
			changed++
		}
		if !resp.More || len(resp.Kvs) == 0 {
			return changed, errors.Join(errs...)
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}
