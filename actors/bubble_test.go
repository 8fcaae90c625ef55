package actors

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/internal/actortest"
	"github.com/telefleet/orchestrator/simulator"
)

// bubble runs a test in fake time: a rig whose node and simulator are joined by pipes.
func bubble(t *testing.T, cfg simulator.Config, run func(t *testing.T, r *rig)) {
	t.Helper()
	bubbleWith(t, cfg, func(*Deps) {}, run)
}

// bubbleWith is bubble with other dependencies.
func bubbleWith(t *testing.T, cfg simulator.Config, change func(*Deps), run func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		pipes := simulator.NewPipes()
		cfg.Server.ListenOn, cfg.Server.Housekeeping = pipes.Listen, time.Second
		t.Cleanup(func() { time.Sleep(actortest.Linger) }) // runs last
		run(t, newRig(t, cfg, func(d *Deps) { d.Transport.Dial = pipes.Dial }, change))
	})
}

// settled waits until nothing in the bubble has anything to do at present.
func settled(t *testing.T) {
	t.Helper()
	time.Sleep(time.Second)
	synctest.Wait()
}
