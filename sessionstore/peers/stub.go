package peers

import (
	"context"
	"crypto/cipher"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/fleet"
)

// Config of the JetStream store.
type Config struct {
	Bucket   string
	Replicas int
	Keys     func(ctx context.Context, account fleet.AccountID) (cipher.AEAD, error)
}

// NewKV opens or creates the bucket.
func NewKV(ctx context.Context, js jetstream.JetStream, cfg Config) (Store, error) { return nil, nil }

// NewMemory keeps peers in memory.
func NewMemory() Store { return nil }

// Cache is an account's working set of peers.
type Cache struct{}

// NewCache loads the account's peers.
func NewCache(ctx context.Context, s Store, account fleet.AccountID, maxPeers int) (*Cache, error) {
	return nil, nil
}

// Get gives a peer by identity.
func (c *Cache) Get(k Key) (Peer, bool) { return Peer{}, false }

// ByUsername gives a peer by username, without @, in any case.
func (c *Cache) ByUsername(name string) (Peer, bool) { return Peer{}, false }

// Observe merges sightings.
func (c *Cache) Observe(ps ...Peer) {}

// Due says when the next Flush should run; ok is false when nothing is to be written.
func (c *Cache) Due() (at time.Time, ok bool) { return time.Time{}, false }

// Flush writes what changed.
func (c *Cache) Flush(ctx context.Context) error { return nil }
