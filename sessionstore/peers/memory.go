package peers

import (
	"context"
	"fmt"
	"sync"

	"github.com/telefleet/orchestrator/fleet"
)

// memory keeps peers in memory.
type memory struct {
	mu sync.Mutex
	by map[fleet.AccountID][]Peer
}

// NewMemory makes a Store for tests and for nodes that keep nothing.
func NewMemory() Store { return &memory{by: make(map[fleet.AccountID][]Peer)} }

func (m *memory) Load(ctx context.Context, account fleet.AccountID) ([]Peer, error) {
	if err := begin(ctx, account); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Peer(nil), m.by[account]...), nil
}

func (m *memory) Put(ctx context.Context, account fleet.AccountID, ps []Peer) error {
	if err := begin(ctx, account, ps...); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.by[account], _ = mergeInto(m.by[account], ps)
	return nil
}

func (m *memory) Delete(ctx context.Context, account fleet.AccountID) error {
	if err := begin(ctx, account); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.by, account)
	return nil
}

// begin checks what every call checks.
func begin(ctx context.Context, account fleet.AccountID, ps ...Peer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := account.Validate(); err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	for _, p := range ps {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}
