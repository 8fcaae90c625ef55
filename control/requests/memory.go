package requests

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// maxSwept is how many values Memory holds before it looks for those to forget.
const maxSwept = 10_000

// Memory keeps values in memory, for tests.
type Memory struct {
	mu   sync.Mutex
	last uint64
	by   map[Key]stored
	ttl  time.Duration
}

type stored struct {
	value    []byte
	revision uint64
	at       time.Time
}

// NewMemory makes an empty Memory that forgets values after ttl; 0 = TTL.
func NewMemory(ttl time.Duration) *Memory {
	if ttl <= 0 {
		ttl = TTL
	}
	return &Memory{by: map[Key]stored{}, ttl: ttl}
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, key Key) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	s, ok := m.find(key)
	if !ok {
		return nil, 0, ErrNotFound
	}
	return bytes.Clone(s.value), s.revision, nil
}

// Create implements Store.
func (m *Memory) Create(ctx context.Context, key Key, value []byte) (uint64, error) {
	return m.write(ctx, key, value, 0)
}

// Update implements Store.
func (m *Memory) Update(ctx context.Context, key Key, value []byte, revision uint64) (uint64, error) {
	if revision == 0 {
		return 0, ErrConflict
	}
	return m.write(ctx, key, value, revision)
}

func (m *Memory) write(ctx context.Context, key Key, value []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if s, _ := m.find(key); s.revision != revision {
		return 0, ErrConflict
	}
	if len(m.by) >= maxSwept {
		for k := range m.by {
			m.find(k)
		}
	}
	m.last++
	m.by[key] = stored{bytes.Clone(value), m.last, time.Now()}
	return m.last, nil
}

// Delete implements Store.
func (m *Memory) Delete(ctx context.Context, key Key, revision uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s, ok := m.find(key); !ok || s.revision != revision {
		return ErrConflict
	}
	delete(m.by, key)
	return nil
}

// Purge implements Store.
func (m *Memory) Purge(ctx context.Context, account fleet.AccountID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for key := range m.by {
		if key.Account == account {
			delete(m.by, key)
		}
	}
	return nil
}

// find gives a value that is not too old, and forgets one that is; mu is held.
func (m *Memory) find(key Key) (stored, bool) {
	s, ok := m.by[key]
	if ok && time.Since(s.at) >= m.ttl {
		delete(m.by, key)
		return stored{}, false
	}
	return s, ok
}
