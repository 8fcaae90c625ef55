package actors

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/hashicorp/go-hclog"

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
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slogbridge.New(quiet))
	}))
}

// stopActor stops an actor and waits for its end.
func stopActor(system *actor.ActorSystem, pid *actor.PID) {
	_ = system.Root.StopFuture(pid).Wait() // it times out by itself after 10 s
}
