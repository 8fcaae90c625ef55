package actortest

import (
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"
)

// TestBubbleEndsAfterADeadLetter fails by a deadlock report when a goroutine stays behind.
func TestBubbleEndsAfterADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := actor.NewActorSystem()
		started := make(chan struct{})
		pid := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				close(started)
			}
		}))
		<-started
		system.Root.Send(actor.NewPID(system.Address(), "nobody"), "lost")
		Stop(system, pid)
	})
}
