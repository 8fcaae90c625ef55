package actors

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/simulator"
)

// awayPeers is a store of peers that answers nothing until the caller gives up.
type awayPeers struct {
	peers.Store
	away         atomic.Bool
	at, most, no atomic.Int64 // puts under way, at most, and all
}

func (p *awayPeers) Put(ctx context.Context, id fleet.AccountID, ps []peers.Peer) error {
	p.no.Add(1)
	p.most.Store(max(p.most.Load(), p.at.Add(1)))
	defer p.at.Add(-1)
	if p.away.Load() {
		<-ctx.Done()
		return errors.Join(errors.New("the store is away"), ctx.Err())
	}
	return p.Store.Put(ctx, id, ps)
}

// TestPeersAreStoredOneFlushAtATime: a store that hangs is asked again and again, never twice at a
// time, and gets everything once it is back.
func TestPeersAreStoredOneFlushAtATime(t *testing.T) {
	store := &awayPeers{Store: peers.NewMemory()}
	store.away.Store(true)
	bubbleWith(t, simulator.Config{Seed: 41}, func(d *Deps) { d.Peers = store }, func(t *testing.T, r *rig) {
		r.pair(t)
		time.Sleep(5 * time.Minute)
		if n := store.no.Load(); n < 10 || n > 300 || store.most.Load() > 2 {
			t.Errorf("two accounts made %d puts in five minutes, %d at a time", n, store.most.Load())
		}
		store.away.Store(false)
		time.Sleep(time.Minute)
		for id := range r.users {
			if found, err := store.Load(t.Context(), id); err != nil || len(found) == 0 {
				t.Errorf("%s: stored %v, %v", id, found, err)
			}
		}
	})
}

// TestTheFirstStateIsStoredAtOnce: a power loss right after a sign-in takes the event log's record
// of where the account began; the session has it, too.
func TestTheFirstStateIsStoredAtOnce(t *testing.T) {
	bubble(t, simulator.Config{Seed: 42}, func(t *testing.T, r *rig) {
		r.person(t, "ann", 2)
		settled(t)
		state, _, err := updatelog.DecodeCheckpoint(r.record(t, "ann").Checkpoint)
		if err != nil || !state.Known() {
			t.Errorf("a second after the sign-in the checkpoint says %v, %v", state, err)
		}
	})
}
