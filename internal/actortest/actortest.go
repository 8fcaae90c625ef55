// Package actortest ends actor systems so that a synctest bubble can end with them.
//
// # Usage
//
//	synctest.Test(t, func(t *testing.T) {
//		system := actor.NewActorSystem()
//		defer actortest.Stop(system, pids...)
//		...
//	})
package actortest

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Linger is the fake time after which nothing of an actor system is left: a dead letter keeps
// a throttling goroutine for one second.
const Linger = 2 * time.Second

// Stop stops the actors, shuts the system down and lets fake time pass until its last
// goroutine has ended. It must be called inside a bubble.
func Stop(system *actor.ActorSystem, pids ...*actor.PID) {
	for _, pid := range pids {
		_ = system.Root.StopFuture(pid).Wait() // it ends by itself after 10 s
	}
	system.Shutdown()
	time.Sleep(Linger)
}
