package etcd

import (
	"context"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// TestAssignmentKnownBeforeOwnersIsClaimed: the tables are listed independently of each other. An
// account that is assigned while the owners are not known yet must be looked at again once they
// are; nothing else happens to it that would make somebody look.
func TestAssignmentKnownBeforeOwnersIsClaimed(t *testing.T) {
	w := newWorld(t)
	w.create("late")
	m, err := Join(t.Context(), w.client, Config{Prefix: w.prefix, Profile: testProfile()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Leave(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	assign := &mvccpb.KeyValue{Key: []byte(m.keys.assign("late")), Value: []byte(m.node), CreateRevision: 5, ModRevision: 5}
	m.assigns.reset([]*mvccpb.KeyValue{assign}, 5)
	for id := range m.dirty.take() { // as the reconciler does
		if m.wanted(id, m.session) {
			t.Fatal("claimed while it is not known who owns it")
		}
	}
	m.owners.reset(nil, 6)
	if ids := m.dirty.take(); len(ids) != 1 {
		t.Fatalf("looks at %v when the owners are known, want the assigned account", ids)
	}
	if !m.wanted("late", m.session) {
		t.Error("an account that is assigned here and owned by nobody is not wanted")
	}
}

// TestAClaimThatIsJustSeenIsNotLost: the owner's key appears while the reconciler looks whether it is
// still there.
func TestAClaimThatIsJustSeenIsNotLost(t *testing.T) {
	w := newWorld(t)
	m, err := Join(t.Context(), w.client, Config{Prefix: w.prefix, Profile: testProfile()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Leave(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	const token = 7
	row := func(key, value string, rev int64) []*mvccpb.KeyValue {
		return []*mvccpb.KeyValue{{Key: []byte(key), Value: []byte(value), CreateRevision: rev, ModRevision: rev}}
	}
	m.assigns.reset(row(m.keys.assign("a"), string(m.node), 5), 5)
	c := &claim{session: m.session, specMod: 1000}
	c.grant.Fence.CreateRevision = token
	for range 20_000 {
		m.owners.reset(nil, token-1)
		go m.owners.reset(row(m.keys.own("a"), string(m.node), token), token)
		for seen := false; !seen; {
			if reason := m.lostReason("a", c); reason != "" {
				t.Fatalf("given up as %s", reason)
			}
			_, seen = m.owners.get("a")
		}
	}
}
