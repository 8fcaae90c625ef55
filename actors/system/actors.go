package system

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/mailbox"
)

// Actors spawns actors that share their properties. The library takes properties for each, of which
// only the producer differs: a quarter of a kilobyte for every actor. These find theirs by name.
type Actors struct {
	props *actor.Props

	mu        sync.Mutex
	producers map[string]actor.Producer // of actors that have not stopped
}

// NewActors makes a spawner of actors that workers run.
func NewActors(workers *mailbox.Workers) *Actors {
	a := &Actors{producers: map[string]actor.Producer{}}
	a.props = Props(workers, func() actor.Actor { return &shell{all: a} })
	return a
}

// Spawn makes a child of an actor. Its name is a prefix and a number of its own. The producer runs in
// the child, so it must not touch what the parent goes on using.
func (a *Actors) Spawn(parent actor.Context, prefix string, producer actor.Producer) *actor.PID {
	name := prefix + parent.ActorSystem().ProcessRegistry.NextId()
	path := parent.Self().Id + "/" + name
	a.mu.Lock()
	a.producers[path] = producer
	a.mu.Unlock()
	pid, err := parent.SpawnNamed(a.props, name)
	if err != nil {
		panic(err) // unreachable: no number comes twice
	}
	a.rename(pid.Id)
	return pid
}

func (a *Actors) producer(path string) actor.Producer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.producers[path]
}

// rename lets a producer be found by a string of the same text: that of the address, which is kept anyhow.
func (a *Actors) rename(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if producer, ok := a.producers[path]; ok { // else it has stopped already
		delete(a.producers, path)
		a.producers[path] = producer
	}
}

func (a *Actors) forget(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.producers, path)
}

// shell is what the library takes for the actor. It makes the real one when it hears its first
// message.
type shell struct {
	all  *Actors
	real actor.Actor
}

// Receive implements actor.Actor.
func (s *shell) Receive(ctx actor.Context) {
	if s.real == nil {
		s.real = s.all.producer(ctx.Self().Id)()
	}
	if _, last := ctx.Message().(*actor.Stopped); last {
		defer s.all.forget(ctx.Self().Id)
	}
	s.real.Receive(ctx)
}

// HandleFailure implements actor.SupervisorStrategy.
func (s *shell) HandleFailure(in *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, rs *actor.RestartStatistics, reason, message any) {
	strategy, ok := s.real.(actor.SupervisorStrategy)
	if !ok {
		strategy = actor.DefaultSupervisorStrategy()
	}
	strategy.HandleFailure(in, sup, child, rs, reason, message)
}
