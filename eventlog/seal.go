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

	mu   sync.Mutex
	keys map[fleet.AccountID]cipher.AEAD
	// drops counts drop calls, so that a load that overlaps one is not kept.
	drops uint64
}

func (c *keyCache) get(ctx context.Context, account fleet.AccountID) (cipher.AEAD, error) {
	c.mu.Lock()
	k, drops := c.keys[account], c.drops
	c.mu.Unlock()
	if k != nil {
		return k, nil
	}
	k, err := c.load(ctx, account)
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
	k, err := c.get(ctx, account)
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
	k, err := c.get(ctx, account)
	if err != nil {
		return nil, err
	}
	n := k.NonceSize()
	if len(sealed) < n {
		return nil, fmt.Errorf("%w: sealed payload has %d bytes", ErrCorrupt, len(sealed))
	}
	out, err := k.Open(nil, sealed[:n], sealed[n:], sealData(account, kind, id))
	if err != nil {
		return nil, fmt.Errorf("%w: payload of %s does not open", ErrCorrupt, account)
	}
	return out, nil
}

// sealData binds a payload to its account, kind and id; lengths keep the parts apart.
func sealData(account fleet.AccountID, kind, id string) []byte {
	b := append(make([]byte, 0, 64+len(kind)+len(id)), "orchestrator/event/1\x00"...)
	b = appendBytes(b, string(account))
	b = appendBytes(b, kind)
	return appendBytes(b, id)
}
