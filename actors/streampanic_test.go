package actors

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram"
)

// mine is an event log that breaks the stream from inside, as often as it is told to.
type mine struct {
	*journal
	left  atomic.Int64
	blown chan struct{} // one for each explosion
}

func (m *mine) PublishLive(ctx context.Context, rec eventlog.Record) error {
	if rec.Account == "bob" && m.left.Add(-1) >= 0 {
		m.blown <- struct{}{}
		panic("planted")
	}
	return m.journal.PublishLive(ctx, rec)
}

// blow lets ann type to bob: a live event, which the mine waits for.
func (m *mine) blow(t *testing.T, ann *Env) {
	t.Helper()
	ctx := bounded(t)
	peer, err := telegram.ResolvePeer(ctx, ann, "@user_bob")
	if err != nil {
		t.Fatal(err)
	}
	input, err := peer.Input()
	if err != nil {
		t.Fatal(err)
	}
	typing := &tg.MessagesSetTypingRequest{Peer: input, Action: &tg.SendMessageTypingAction{}}
	if err := ann.Invoke(ctx, typing, &tg.BoolBox{}); err != nil {
		t.Fatalf("type: %v", err)
	}
	select {
	case <-m.blown:
	case <-ctx.Done():
		t.Fatal("bob never heard of it")
	}
}

func newMined(t *testing.T, seed uint64) (*rig, *mine) {
	t.Helper()
	var m *mine
	r := newRig(t, simulator.Config{Seed: seed}, func(d *Deps) {
		m = &mine{journal: d.Events.(*journal), blown: make(chan struct{}, 100)}
		d.Events = m
	})
	return r, m
}

// TestF15PanicInTheStreamLosesNothing: the account reads its log again and goes on; those who
// wait for it are answered, its neighbour notices nothing.
func TestF15PanicInTheStreamLosesNothing(t *testing.T) {
	t.Parallel()
	r, m := newMined(t, 70)
	ann, bob := r.pair(t)
	m.left.Store(1)
	synced := make(chan error, 1)
	release := r.log.hold() // keeps Sync waiting
	r.say(t, 3)
	go func() { synced <- bob.Sync(bounded(t)) }()
	if _, err := nearest(bounded(t), bob); err != nil {
		t.Fatal(err)
	}
	go release()
	m.blow(t, ann)
	if err := <-synced; err != nil && reason(err) == err.Error() {
		t.Errorf("Sync during the panic gave %v, want success or a typed error", err)
	}
	r.say(t, 3)
	r.verify(t)
	r.log.locked(func() {
		if r.log.claims["ann"] != 1 || r.log.claims["bob"] != 2 {
			t.Errorf("claims %v, want 1 of the neighbour and 2 of the account", r.log.claims)
		}
	})
}

// TestF15PanicsInTheStreamQuarantine: an account that fails again and again is taken out of
// service, without a socket.
func TestF15PanicsInTheStreamQuarantine(t *testing.T) {
	t.Parallel()
	r, m := newMined(t, 71)
	ann, _ := r.pair(t)
	m.left.Store(restartBudget + 1)
	for range restartBudget + 1 {
		r.sync(t, "bob")
		m.blow(t, ann)
	}
	st := r.status(t, "bob", StateQuarantined)
	if st.Reason != "RESTART_BUDGET" || st.Remedy == "" {
		t.Errorf("status %+v, want RESTART_BUDGET with a remedy", st)
	}
	if _, err := nearest(bounded(t), r.env(t, "bob")); reason(err) != "ACCOUNT_QUARANTINED" {
		t.Errorf("a call gave %v, want ACCOUNT_QUARANTINED", err)
	}
	delete(r.users, "bob")
	r.verify(t)
	if n := r.fleet.Sockets(); n != 1 {
		t.Errorf("%d sockets are open, want the neighbour's only", n)
	}
}
