package etcd

import (
	"context"
	"sync"
	"time"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// reconcile looks at each account that something happened to, and is the one goroutine that
// calls the handler.
func (m *Member) reconcile(ctx context.Context, h cluster.Handler) {
	var claims sync.WaitGroup
	defer claims.Wait()
	// What a node does depends on the state of the tables, not on having heard of each change:
	// everything is looked at again from time to time.
	again := time.NewTicker(m.cfg.Profile.TTL)
	defer again.Stop()
	for {
		select {
		case <-m.dirty.wake:
		case <-again.C:
			m.lookAtAssigned()
			m.dirty.addAll(m.held())
		case <-ctx.Done():
			return
		}
		m.tellRestored(h)
		for id := range m.dirty.take() {
			m.decide(ctx, h, id, &claims)
		}
	}
}

// lookAtAssigned makes the reconciler look at every account that is assigned to this node.
func (m *Member) lookAtAssigned() {
	rows, _, _ := m.assigns.snapshot()
	for id, r := range rows {
		if r.value == m.node {
			m.dirty.add(fleet.AccountID(id))
		}
	}
}

// decide takes the next step for one account.
func (m *Member) decide(ctx context.Context, h cluster.Handler, id fleet.AccountID, claims *sync.WaitGroup) {
	m.mu.Lock()
	c, s := m.claims[id], m.session
	m.mu.Unlock()
	if c == nil {
		if m.wanted(id, s) {
			c = m.startClaim(id, s)
			claims.Go(func() { m.runClaim(ctx, id, c) })
		}
		return
	}
	m.mu.Lock()
	state, grant := c.state, c.grant
	if state == granted && c.session.gate.Check() != nil {
		// Fenced before anybody was told: there is nothing to hand over.
		delete(m.claims, id)
		m.wakeLocked()
		m.mu.Unlock()
		m.dirty.add(id)
		return
	}
	if state == granted {
		c.state = owned
	}
	m.mu.Unlock()
	if state == granted {
		m.log.Debug("owned", "account", string(id), "token", grant.Fence.CreateRevision)
		h.Owned(ctx, grant)
		state = owned
	}
	if state != owned {
		return
	}
	if reason := m.lostReason(id, c); reason != "" {
		m.lose(h, c, reason)
		return
	}
	if spec, ok := m.specs.get(string(id)); ok && spec.mod > c.specMod {
		c.specMod = spec.mod
		if h.Changed != nil {
			value := spec.value.Clone()
			value.ResourceVersion = spec.mod
			h.Changed(value)
		}
	}
}

// wanted says whether to claim: assigned here, owned by nobody as far as this node knows.
func (m *Member) wanted(id fleet.AccountID, s *session) bool {
	if m.isLeaving() || s.gate.Check() != nil {
		return false
	}
	if assign, ok := m.assigns.get(string(id)); !ok || assign.value != m.node {
		return false
	}
	if rev, _ := m.owners.state(); rev == 0 {
		return false
	}
	_, taken := m.owners.get(string(id))
	return !taken
}

// lostReason says why an owned account must go, or nothing. A table that has not yet seen
// the claim says nothing about it.
func (m *Member) lostReason(id fleet.AccountID, c *claim) cluster.LostReason {
	if c.session.gate.Check() != nil {
		if c.session.over.Load() {
			return cluster.LostFenced
		}
		return "" // Fenced is being called; the account comes up again after it
	}
	token := c.grant.Fence.CreateRevision
	if own, ok, seen := m.owners.look(string(id)); seen >= token && (!ok || own.create != token) {
		return cluster.LostFenced // somebody deleted the key
	}
	if m.isLeaving() {
		return cluster.LostLeaving
	}
	if spec, ok, seen := m.specs.look(string(id)); !ok && seen >= c.specMod || ok && !spec.value.DeletedAt.IsZero() {
		return cluster.LostDeleted
	}
	if assign, ok := m.assigns.get(string(id)); !ok || assign.value != m.node {
		return cluster.LostMoved
	}
	return ""
}

// lose asks the handler to let an account go, unless it is doing so already.
func (m *Member) lose(h cluster.Handler, c *claim, reason cluster.LostReason) {
	if reason == cluster.LostFenced {
		c.grant.Guard.Revoke()
	}
	m.mu.Lock()
	was := c.state
	c.state = losing
	m.mu.Unlock()
	if was != owned {
		return
	}
	m.log.Debug("lost", "account", string(c.grant.Account), "reason", string(reason))
	if h.Lost != nil {
		h.Lost(c.grant, reason)
	}
}

// wakeLocked tells Leave that a claim has gone.
func (m *Member) wakeLocked() {
	close(m.released)
	m.released = make(chan struct{})
}

// wakeJoinedLocked tells the leader's loop that the session or leaving has changed.
func (m *Member) wakeJoinedLocked() {
	close(m.joined)
	m.joined = make(chan struct{})
}
