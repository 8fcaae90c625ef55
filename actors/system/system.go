// Package system makes the actor library fit for many accounts in one process: its log, its
// registry and the properties of our actors.
//
// # Usage
//
//	s := system.New(log)
//	pid := s.Root.Spawn(system.Props(workers, producer))
//	defer s.Shutdown()
//	defer system.Stop(s, pid)
//
// # Concurrency
//
// All functions may be called by any goroutine.
//
// # Errors
//
// There are none.
package system

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/hashicorp/go-hclog"
	cmap "github.com/orcaman/concurrent-map"

	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/internal/slogbridge"
)

// New makes an actor system that logs through hclog. Its records never show messages:
// those hold queries.
func New(log hclog.Logger) *actor.ActorSystem {
	quiet := log.Named("actor")
	if !log.IsDebug() {
		// Each restart and dead letter is an info record there. A logger whose parts share one
		// level is left alone: it would silence the house.
		before := log.GetLevel()
		if quiet.SetLevel(hclog.Warn); log.GetLevel() != before {
			quiet.SetLevel(before)
		}
	}
	s := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slogbridge.New(quiet))
	}))
	compactRegistry(s.ProcessRegistry)
	return s
}

// registryShards times 32 maps hold the process registry.
const registryShards = 16

// compactRegistry gives the process registry fewer maps: it comes with 32,768, each with room
// for eight processes and a node has a handful for each account, so that nearly all of it would
// stay empty. It must come before the first actor of ours.
func compactRegistry(registry *actor.ProcessRegistryValue) {
	old := registry.LocalPIDs.LocalPIDs
	registry.LocalPIDs.LocalPIDs = make([]cmap.ConcurrentMap, registryShards)
	for i := range registry.LocalPIDs.LocalPIDs {
		registry.LocalPIDs.LocalPIDs[i] = cmap.New()
	}
	for _, shard := range old {
		for id, process := range shard.Items() {
			registry.LocalPIDs.GetBucket(id).Set(id, process)
		}
	}
}

// Props describes an actor of ours.
func Props(workers *mailbox.Workers, producer actor.Producer) *actor.Props {
	return actor.PropsFromProducer(producer, actor.WithMailbox(mailbox.New), actor.WithDispatcher(workers))
}

// Stop stops an actor and waits for its end.
func Stop(s *actor.ActorSystem, pid *actor.PID) {
	_ = s.Root.StopFuture(pid).Wait() // it times out by itself after 10 s
}
