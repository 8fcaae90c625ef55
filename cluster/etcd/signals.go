package etcd

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

const (
	// signalTTL, in seconds, is how long a signal waits for nodes that list their tables anew.
	signalTTL = 60
	// signalSize keeps the names of one signal below etcd's limit for a value.
	signalSize = 5000
)

// signal says that the network works again: of accounts, of a node, or of all when both are
// empty.
type signal struct {
	Accounts []fleet.AccountID `json:"accounts,omitempty"`
	Node     fleet.NodeID      `json:"node,omitempty"`
}

func decodeSignal(_ string, value []byte) (s signal, err error) {
	if err = json.Unmarshal(value, &s); err != nil {
		return s, fmt.Errorf("decode signal: %w", err)
	}
	return s, nil
}

// NetworkRestored tells the owners of the accounts, or a node, or all nodes when both are
// empty, that the network works again, and returns how many accounts that is. It does not wait
// for them. ErrNodeNotFound.
func (m *Member) NetworkRestored(ctx context.Context, accounts []fleet.AccountID, node fleet.NodeID) (int, error) {
	if node != "" {
		if _, _, err := m.readNode(ctx, node); err != nil {
			return 0, err
		}
	}
	lease, err := m.client.Grant(ctx, signalTTL)
	if err != nil {
		return 0, fmt.Errorf("signal: take a lease: %w", err)
	}
	put := func(s signal) error {
		if _, err := m.client.Put(ctx, m.keys.signals()+rand.Text(), encode(s), clientv3.WithLease(lease.ID)); err != nil {
			return fmt.Errorf("signal: %w", err)
		}
		return nil
	}
	if len(accounts) == 0 {
		return m.owned(node), put(signal{Node: node})
	}
	for part := range slices.Chunk(accounts, signalSize) {
		if err := put(signal{Accounts: part}); err != nil {
			return 0, err
		}
	}
	return len(accounts), nil
}

// owned counts the accounts of a node, or of all.
func (m *Member) owned(node fleet.NodeID) int {
	rows, _, _ := m.owners.snapshot()
	n := 0
	for _, r := range rows {
		if node == "" || r.value == node {
			n++
		}
	}
	return n
}

// restored gathers signals for the goroutine that calls the handler.
type restored struct {
	mu  sync.Mutex
	all bool
	ids map[fleet.AccountID]bool
}

// signalled notes a signal that means this node.
func (m *Member) signalled(_ string, _, is *row[signal]) {
	if is == nil || is.value.Node != "" && is.value.Node != m.node {
		return
	}
	m.heard.mu.Lock()
	if len(is.value.Accounts) == 0 {
		m.heard.all = true
	}
	for _, id := range is.value.Accounts {
		if m.heard.ids == nil {
			m.heard.ids = make(map[fleet.AccountID]bool)
		}
		m.heard.ids[id] = true
	}
	m.heard.mu.Unlock()
	m.dirty.poke()
}

// tellRestored hands signals to the handler, those for accounts of this node only.
func (m *Member) tellRestored(h cluster.Handler) {
	m.heard.mu.Lock()
	all, ids := m.heard.all, m.heard.ids
	m.heard.all, m.heard.ids = false, nil
	m.heard.mu.Unlock()
	if h.NetworkRestored == nil {
		return
	}
	if all {
		h.NetworkRestored("")
		return
	}
	for id := range ids {
		m.mu.Lock()
		_, here := m.claims[id]
		m.mu.Unlock()
		if here {
			h.NetworkRestored(id)
		}
	}
}
