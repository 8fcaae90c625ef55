package etcd

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
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
	// Masters wrap the data keys.
	Masters sessionstore.Masters
}

// Keyring is sessionstore.Keyring on etcd.
type Keyring struct {
	client *clientv3.Client
	cfg    KeyringConfig

	mu    sync.Mutex
	cache map[fleet.AccountID]cached
}

type cached struct {
	aead cipher.AEAD
	at   time.Time
}

// NewKeyring makes a keyring.
func NewKeyring(client *clientv3.Client, cfg KeyringConfig) *Keyring {
	return &Keyring{client: client, cfg: cfg, cache: make(map[fleet.AccountID]cached)}
}

func (k *Keyring) dir() string                   { return k.cfg.Prefix + "dek/" }
func (k *Keyring) key(id fleet.AccountID) string { return k.dir() + string(id) }
func (k *Keyring) cachedKey(id fleet.AccountID) cipher.AEAD {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.cache[id]
	if !ok || time.Since(c.at) > cacheAge {
		return nil
	}
	return c.aead
}

func (k *Keyring) remember(id fleet.AccountID, aead cipher.AEAD) {
	k.mu.Lock()
	defer k.mu.Unlock()
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
}

// DataKey implements sessionstore.Keyring.
func (k *Keyring) DataKey(ctx context.Context, id fleet.AccountID) (cipher.AEAD, error) {
	if aead := k.cachedKey(id); aead != nil {
		return aead, nil
	}
	if err := id.Validate(); err != nil && id != fleet.Fleetwide {
		return nil, err
	}
	resp, err := k.client.Get(ctx, k.key(id))
	if err != nil {
		return nil, fmt.Errorf("read data key of %s: %w", id, err)
	}
	if len(resp.Kvs) > 0 {
		return k.open(id, resp.Kvs[0].Value)
	}
	_, wrapped, err := k.cfg.Masters.NewDataKey(k.cfg.ClusterID, id)
	if err != nil {
		return nil, err
	}
	txn, err := k.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(k.key(id)), "=", 0)).
		Then(clientv3.OpPut(k.key(id), string(wrapped))).
		Else(clientv3.OpGet(k.key(id))).Commit()
	if err != nil {
		return nil, fmt.Errorf("store data key of %s: %w", id, err)
	}
	if !txn.Succeeded { // another node was first
		wrapped = txn.Responses[0].GetResponseRange().Kvs[0].Value
	}
	return k.open(id, wrapped)
}

func (k *Keyring) open(id fleet.AccountID, wrapped []byte) (cipher.AEAD, error) {
	aead, err := k.cfg.Masters.DataKey(k.cfg.ClusterID, id, wrapped)
	if err != nil {
		return nil, err
	}
	k.remember(id, aead)
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

// Rewrap wraps every data key under the current master key and returns how many it changed.
// When it has returned without error on one node, the old master key may be taken away from
// all.
func (k *Keyring) Rewrap(ctx context.Context) (changed int, err error) {
	from, end := k.dir(), clientv3.GetPrefixRangeEnd(k.dir())
	var errs []error
	for {
		resp, err := k.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(1000))
		if err != nil {
			return changed, fmt.Errorf("list data keys: %w", err)
		}
		for _, kv := range resp.Kvs {
			id := fleet.AccountID(strings.TrimPrefix(string(kv.Key), k.dir()))
			wrapped, err := k.cfg.Masters.Rewrap(k.cfg.ClusterID, id, kv.Value)
			if err != nil {
				errs = append(errs, err)
			}
			if wrapped == nil {
				continue
			}
			_, err = k.client.Txn(ctx).
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

// PassphraseSalt reads the salt for sessionstore.MasterKeyFromPassphrase, making one the
// first time.
func PassphraseSalt(ctx context.Context, client *clientv3.Client, prefix string) ([]byte, error) {
	salt := make([]byte, sessionstore.SaltSize)
	if _, err := rand.Read(salt); err != nil {
		return nil, fmt.Errorf("draw a salt: %w", err)
	}
	key := prefix + "master/salt"
	txn, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(salt))).
		Else(clientv3.OpGet(key)).Commit()
	if err != nil {
		return nil, fmt.Errorf("store the passphrase's salt: %w", err)
	}
	if !txn.Succeeded {
		salt = txn.Responses[0].GetResponseRange().Kvs[0].Value
	}
	return salt, nil
}
