package actors

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/hashicorp/go-hclog"
	cmap "github.com/orcaman/concurrent-map"

	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/internal/slogbridge"
)

// newSystem makes an actor system that logs through hclog. Its records never show messages:
// those hold queries.
func newSystem(log hclog.Logger) *actor.ActorSystem {
	quiet := log.Named("actor")
	if !log.IsDebug() {
		// Each restart and dead letter is an info record there. A logger whose parts share one
		// level is left alone: it would silence the house.
		before := log.GetLevel()
		if quiet.SetLevel(hclog.Warn); log.GetLevel() != before {
			quiet.SetLevel(before)
		}
	}
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slogbridge.New(quiet))
	}))
	compactRegistry(system.ProcessRegistry)
	return system
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

// propsOf describes an actor of ours.
func propsOf(workers *mailbox.Workers, producer actor.Producer) *actor.Props {
	return actor.PropsFromProducer(producer, actor.WithMailbox(mailbox.New), actor.WithDispatcher(workers))
}

// stopActor stops an actor and waits for its end.
func stopActor(system *actor.ActorSystem, pid *actor.PID) {
	_ = system.Root.StopFuture(pid).Wait() // it times out by itself after 10 s
}
