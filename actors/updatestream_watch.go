package actors

import (
	"cmp"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/watchdog"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

const (
	// quietWhile is a third of the silence after which the difference is asked anyhow.
	quietWhile = 5 * time.Minute
	// probePatience is longer than a flood wait that passes unseen.
	probePatience = 90 * time.Second
	// beatsAQuiet is how often the watchdog looks in a quiet while.
	beatsAQuiet = 10
)

func newWatchdog(deps *Deps) watchdog.Watchdog {
	return watchdog.New(cmp.Or(deps.Watch.Quiet, quietWhile), cmp.Or(deps.Watch.Patience, max(probePatience, deps.FloodWait+probePatience/3)))
}

// beat is the time between two looks at what is due now and then.
func (s *updateStream) beat() time.Duration {
	return min(checkpointEvery, cmp.Or(s.deps.Watch.Quiet, quietWhile)/beatsAQuiet)
}

// probed is the answer to a probe of the watchdog.
type probed struct {
	result []byte
	err    error
}

// look lets the watchdog do what is due.
func (s *updateStream) look(ctx actor.Context) {
	if s.ended {
		return
	}
	switch s.watch.Tick(s.deps.Now()) {
	case watchdog.Probe:
		self, root := ctx.Self(), ctx.ActorSystem().Root
		c := internalCall(&tg.UpdatesGetStateRequest{}, func(result []byte, err error) { root.Send(self, &probed{result, err}) })
		ctx.Send(ctx.Parent(), c)
	case watchdog.Reconnect:
		ctx.Send(ctx.Parent(), &unwell{connection.Reconnect, "the connection lives, but brings no updates"})
	case watchdog.NewSession:
		ctx.Send(ctx.Parent(), &unwell{connection.NewSession, "a new connection brings no updates either"})
	}
}

// probed compares the server's state with ours. What is missing is asked at once.
func (s *updateStream) probed(ctx actor.Context, m *probed) {
	var state tg.UpdatesState
	ahead := m.err == nil && state.Decode(&bin.Buffer{Buf: m.result}) == nil && s.machine.Behind(tlupdates.FromState(&state).State)
	s.watch.Answered(s.deps.Now(), ahead)
	if ahead {
		s.step(ctx, updates.TooLong{})
	}
}

// sync starts what somebody waits for.
func (s *updateStream) sync(ctx actor.Context, m *syncUpdates) {
	switch {
	case s.ended:
		m.done(errStreamStopped)
	case m.poll != nil && m.poll.For > 0 && !s.machine.CanPoll(m.poll.Channel):
		m.done(fleet.Errorf(fleet.CodeResourceExhausted, "TOO_MANY_POLLED", "channel: %d channels of the account are polled already", updates.MaxPolls).
			WithRemedy("wait until one of them ends, or join the channel"))
	case m.poll != nil:
		s.syncs = append(s.syncs, m.done)
		s.step(ctx, *m.poll)
	case m.skipped != nil:
		s.syncs, s.skips = append(s.syncs, m.done), append(s.skips, m.skipped)
		s.step(ctx, updates.Skip{})
	default:
		s.syncs = append(s.syncs, m.done)
		s.step(ctx, updates.TooLong{})
	}
}

// unwell replaces a connection that its account's stream is not content with.
func (a *account) unwell(ctx actor.Context, m *unwell) {
	if a.home == nil || !a.home.ready {
		return
	}
	a.log().Warn("connected, but no updates come", "reason", m.reason)
	ctx.Send(a.home.pid, &connection.Replace{End: m.end, Err: errors.New(m.reason)})
}
