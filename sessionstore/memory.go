package sessionstore

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// Memory is a store in memory, for tests. It seals as the real one does. The highest fence
// seen for a key is the current one.
type Memory struct {
	sealer Sealer

	mu     sync.Mutex
	kept   map[fleet.AccountID]kept
	keys   map[KeyID]fleet.AccountID
	fences map[string]int64
}

// kept is one account's record and how often it was written.
type kept struct {
	Sealed
	writes int64
	ids    []KeyID // in keys
}

// NewMemory makes an empty store.
func NewMemory(sealer Sealer) *Memory {
	return &Memory{
		sealer: sealer, kept: make(map[fleet.AccountID]kept),
		keys: make(map[KeyID]fleet.AccountID), fences: make(map[string]int64),
	}
}

// NewTestStore makes a Memory with a random master key.
func NewTestStore() (*Memory, error) {
	ring, err := NewMemoryKeyring("test")
	if err != nil {
		return nil, err
	}
	return NewMemory(Sealer{Keyring: ring, ClusterID: "test"}), nil
}

// Advance makes a fence the current one: writes with an older one fail from now on.
func (m *Memory) Advance(fence fleet.Fence) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fences[fence.Key] = max(m.fences[fence.Key], fence.CreateRevision)
}

// Load implements Store.
func (m *Memory) Load(ctx context.Context, id fleet.AccountID) (*Record, error) {
	m.mu.Lock()
	k, ok := m.kept[id]
	m.mu.Unlock()
	if !ok {
		return nil, NotFound(id)
	}
	return m.sealer.Open(ctx, id, k.Sealed, k.writes)
}

// Save implements Store.
func (m *Memory) Save(ctx context.Context, fence fleet.Fence, rec *Record) error {
	return m.save(ctx, fence, rec, false, m.sealer)
}

// ReplaceKey implements Store.
func (m *Memory) ReplaceKey(ctx context.Context, fence fleet.Fence, rec *Record) error {
	return m.save(ctx, fence, rec, true, m.sealer)
}

// Renew implements Store.
func (m *Memory) Renew(ctx context.Context, fence fleet.Fence, rec *Record) error {
	ring, ok := m.sealer.Keyring.(*MemoryKeyring)
	if !ok {
		return fmt.Errorf("renew session of %s: the keyring is no MemoryKeyring", rec.Account)
	}
	aead, wrapped, err := ring.masters.NewDataKey(ring.clusterID, rec.Account)
	if err != nil {
		return err
	}
	if err := m.save(ctx, fence, rec, true, m.sealer.Under(aead)); err != nil {
		return err
	}
	ring.mu.Lock()
	defer ring.mu.Unlock()
	ring.wrapped[rec.Account] = wrapped
	return nil
}

func (m *Memory) save(ctx context.Context, fence fleet.Fence, rec *Record, replace bool, sealer Sealer) error {
	stamped := *rec
	stamped.UpdatedAt = time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.kept[rec.Account]
	sealed, err := sealer.Seal(ctx, &stamped, old.writes+1)
	if err != nil {
		return err
	}
	if err := m.pass(rec.Account, fence); err != nil {
		return err
	}
	if ok && !replace {
		was, _, err := m.sealer.OpenCore(ctx, rec.Account, old.Core, old.writes)
		if err != nil {
			return fmt.Errorf("not overwritten: %w", err)
		}
		if err := Admit(was, rec); err != nil {
			return err
		}
	}
	ids := rec.KeyIDs()
	for id := range ids {
		if other, ok := m.keys[id]; ok && other != rec.Account {
			return KeyInUse(rec.Account, other, id)
		}
	}
	m.free(rec.Account)
	for id := range ids {
		m.keys[id] = rec.Account
	}
	m.kept[rec.Account] = kept{sealed, old.writes + 1, slices.Collect(maps.Keys(ids))}
	return nil
}

// pass compares and remembers a fence.
func (m *Memory) pass(id fleet.AccountID, fence fleet.Fence) error {
	if fence.CreateRevision <= 0 || fence.CreateRevision < m.fences[fence.Key] {
		return Fenced(id, fence)
	}
	m.fences[fence.Key] = fence.CreateRevision
	return nil
}

func (m *Memory) free(id fleet.AccountID) {
	for _, key := range m.kept[id].ids {
		delete(m.keys, key)
	}
}

// Delete implements Store.
func (m *Memory) Delete(_ context.Context, fence fleet.Fence, id fleet.AccountID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.pass(id, fence); err != nil {
		return err
	}
	m.free(id)
	delete(m.kept, id)
	return nil
}

// Holder implements Store.
func (m *Memory) Holder(_ context.Context, key KeyID) (fleet.AccountID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keys[key], nil
}

// Tamper writes other bytes over the stored ones, for tests of damage.
func (m *Memory) Tamper(id fleet.AccountID, change func(Sealed) Sealed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kept[id]
	changed := change(Sealed{bytes.Clone(k.Core), bytes.Clone(k.Checkpoint)})
	if !bytes.Equal(changed.Core, k.Core) {
		k.writes++
	}
	m.kept[id] = kept{changed, k.writes, k.ids}
}

// MemoryKeyring keeps wrapped data keys in memory, for tests.
type MemoryKeyring struct {
	clusterID string
	masters   Masters

	mu      sync.Mutex
	wrapped map[fleet.AccountID][]byte
}

// NewMemoryKeyring makes a keyring with a random master key.
func NewMemoryKeyring(clusterID string) (*MemoryKeyring, error) {
	var secret [masterSize]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, fmt.Errorf("draw a master key: %w", err)
	}
	master, err := NewMasterKey(secret[:])
	if err != nil {
		return nil, err
	}
	return &MemoryKeyring{
		clusterID: clusterID, masters: Masters{Current: master},
		wrapped: make(map[fleet.AccountID][]byte),
	}, nil
}

// DataKey implements Keyring.
func (k *MemoryKeyring) DataKey(_ context.Context, id fleet.AccountID) (cipher.AEAD, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if wrapped, ok := k.wrapped[id]; ok {
		return k.masters.DataKey(k.clusterID, id, wrapped)
	}
	aead, wrapped, err := k.masters.NewDataKey(k.clusterID, id)
	if err != nil {
		return nil, err
	}
	k.wrapped[id] = wrapped
	return aead, nil
}

// Shred implements Keyring.
func (k *MemoryKeyring) Shred(_ context.Context, id fleet.AccountID) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.wrapped, id)
	return nil
}
