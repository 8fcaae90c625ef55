package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/telefleet/orchestrator/actors"
	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/diskspace"
)

// spaceEvery is how often free space is looked at; of an external log, how often NATS is asked.
const (
	spaceEvery         = time.Second
	spaceEveryExternal = 10 * time.Second
)

// watchSpace pauses all accounts before a store sees a full disk, and lets them go on when there is space.
func (n *Node) watchSpace(ctx context.Context, cfg configs.Config) {
	if cfg.Events.MinFree <= 0 {
		return
	}
	every := spaceEvery
	if cfg.External() {
		every = spaceEveryExternal
	}
	diskspace.New(uint64(cfg.Events.MinFree)).Watch(ctx, every, n.freeSpace(cfg), n.tellSpace)
}

// freeSpace is what the scarcer of the node's disk and the event log has left.
func (n *Node) freeSpace(cfg configs.Config) func(context.Context) (uint64, error) {
	warned, last := false, uint64(math.MaxUint64)
	return func(ctx context.Context) (uint64, error) {
		disk, err := diskspace.Free(cfg.DataDir)
		if err != nil {
			return 0, err
		}
		log, err := n.events.Free(ctx)
		switch {
		case err == nil:
			last = log
		case errors.Is(err, eventlog.ErrUnlimited):
			last = log
			if !warned {
				n.log.Warn("the space of the external NATS is not watched: it sets no storage limit for this account", "remedy", "set one, or watch the disks of its servers")
			}
			warned = true
		case !cfg.External():
			return 0, err
		} // an external log that is away refuses appends by itself
		return min(disk, last), nil
	}
}

// tellSpace carries out what the guard says.
func (n *Node) tellSpace(s diskspace.State) {
	if !s.Low {
		n.log.Info("disk space is back: the accounts go on", "free_bytes", s.Free)
		n.fleet.Hold(nil)
		return
	}
	message := fmt.Sprintf("%d bytes are free, %d are needed to go on", s.Free, s.Need)
	if s.Err != nil {
		message = s.Err.Error()
	}
	n.log.Error("low disk space: all accounts of this node are paused", "reason", message)
	meaning, _ := fleet.MeaningOf(fleet.ConditionConnected, fleet.ReasonLowDiskSpace)
	n.fleet.Hold(&actors.Hold{Reason: string(fleet.ReasonLowDiskSpace), Message: "its node has too little disk space: " + message, Remedy: meaning.Remedy})
}
