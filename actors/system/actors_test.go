package system

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/internal/actortest"
)

// parent has children of Actors and restarts those that fail.
type parent struct {
	all      *Actors
	children []actor.Producer
	failures []any
}

func (p *parent) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		for _, c := range p.children {
			p.all.Spawn(ctx, "child-", c)
		}
	case int: // for one child
		ctx.Send(ctx.Children()[m], "fail")
	}
}

func (p *parent) HandleFailure(_ *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	p.failures = append(p.failures, reason)
	sup.RestartChildren(child)
}

// TestActorsThatShareTheirPropertiesAreTheirOwn spawns two, lets one fail, and stops both.
func TestActorsThatShareTheirPropertiesAreTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, workers := New(hclog.NewNullLogger()), &mailbox.Workers{}
		all := NewActors(workers)
		var (
			mu   sync.Mutex // producers run in the actors
			made []string
		)
		child := func(name string) actor.Producer {
			return func() actor.Actor {
				mu.Lock()
				defer mu.Unlock()
				made = append(made, name)
				return actor.ReceiveFunc(func(ctx actor.Context) {
					if ctx.Message() == "fail" {
						panic(name)
					}
				})
			}
		}
		p := &parent{all: all, children: []actor.Producer{child("a"), child("b")}}
		root := s.Root.Spawn(Props(workers, func() actor.Actor { return &shell{all: all, real: p} }))
		synctest.Wait()
		slices.Sort(made)
		s.Root.Send(root, 1)
		synctest.Wait()
		if want := []string{"a", "b", "b"}; !slices.Equal(made, want) {
			t.Errorf("made %v, want %v", made, want)
		}
		if want := []any{"b"}; !slices.Equal(p.failures, want) {
			t.Errorf("the parent heard of the failures %v, want %v", p.failures, want)
		}
		if n := len(all.producers); n != 2 {
			t.Errorf("%d producers are known while two actors run", n)
		}
		actortest.Stop(s, root)
		if n := len(all.producers); n != 0 {
			t.Errorf("%d producers are kept when all actors have stopped", n)
		}
		workers.Close()
	})
}
