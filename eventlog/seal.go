package eventlog

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"sync"

	"github.com/telefleet/orchestrator/fleet"
)

// maxKeys bounds the cache of data keys; at the limit an arbitrary one is forgotten.
const maxKeys = 4096

// keyCache seals and opens payloads with the accounts' data keys.
type keyCache struct {
	load func(ctx context.Context, account fleet.AccountID) (cipher.AEAD, error)
	find func(ctx context.Context, account fleet.AccountID, fresh bool) (cipher.AEAD, error)

	mu   sync.Mutex
	keys map[fleet.AccountID]cipher.AEAD
	// drops counts drop calls, so that a load that overlaps one is not kept.
	drops uint64
}

// known gives the cached key, nil for none, and how many drops there have been.
func (c *keyCache) known(account fleet.AccountID) (cipher.AEAD, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys[account], c.drops
}

// forSealing gives the account's key, which is made where there is none.
func (c *keyCache) forSealing(ctx context.Context, account fleet.AccountID) (cipher.AEAD, error) {
	k, drops := c.known(account)
	if k != nil {
		return k, nil
	}
	k, err := c.load(ctx, account)
	return c.keep(account, drops, k, err)
}

// forOpening gives the account's key, with fresh the one that it has now.
func (c *keyCache) forOpening(ctx context.Context, account fleet.AccountID, fresh bool) (cipher.AEAD, error) {
	k, drops := c.known(account)
	if k != nil && !fresh {
		return k, nil
	}
	k, err := c.find(ctx, account, fresh)
	return c.keep(account, drops, k, err)
}

// keep caches a key that was asked for when there had been so many drops.
func (c *keyCache) keep(account fleet.AccountID, drops uint64, k cipher.AEAD, err error) (cipher.AEAD, error) {
	if err != nil {
		return nil, fmt.Errorf("data key of %s: %w", account, err)
	}
	if k == nil {
		return nil, fmt.Errorf("data key of %s: %w", account, ErrNoKey)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drops == drops {
		if len(c.keys) >= maxKeys {
			for id := range c.keys {
				delete(c.keys, id)
				break
			}
		}
		c.keys[account] = k
	}
	return k, nil
}

func (c *keyCache) drop(account fleet.AccountID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, account)
	c.drops++
}

// seal gives nonce and ciphertext; an empty payload stays empty and needs no key.
func (c *keyCache) seal(ctx context.Context, account fleet.AccountID, kind, id string, payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	k, err := c.forSealing(ctx, account)
	if err != nil {
		return nil, err
	}
	out := make([]byte, k.NonceSize(), k.NonceSize()+len(payload)+k.Overhead())
	if _, err := rand.Read(out); err != nil {
		return nil, fmt.Errorf("seal payload: %w", err)
	}
	return k.Seal(out, out, payload, sealData(account, kind, id)), nil
}

func (c *keyCache) open(ctx context.Context, account fleet.AccountID, kind, id string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	for _, fresh := range [...]bool{false, true} {
		k, err := c.forOpening(ctx, account, fresh)
		if err != nil {
			return nil, err
		}
		n := k.NonceSize()
		if len(sealed) < n {
			return nil, fmt.Errorf("%w: sealed payload has %d bytes", ErrCorrupt, len(sealed))
		}
		if out, err := k.Open(nil, sealed[:n], sealed[n:], sealData(account, kind, id)); err == nil {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%w: payload of %s does not open", ErrCorrupt, account)
}

// sealData binds a payload to its account, kind and id; lengths keep the parts apart.
func sealData(account fleet.AccountID, kind, id string) []byte {
	b := append(make([]byte, 0, 64+len(kind)+len(id)), "orchestrator/event/1\x00"...)
	b = appendBytes(b, string(account))
	b = appendBytes(b, kind)
	return appendBytes(b, id)
}
