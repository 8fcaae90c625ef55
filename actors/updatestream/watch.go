package updatestream

import (
	"cmp"
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
	// QuietWhile is a third of the silence after which the difference is asked anyhow.
	QuietWhile = 5 * time.Minute
	// ProbePatience is longer than a flood wait that passes unseen.
	ProbePatience = 90 * time.Second
	// beatsAQuiet is how often the watchdog looks in a quiet while.
	beatsAQuiet = 10
)

func newWatchdog(acc *Config) watchdog.Watchdog {
	return watchdog.New(cmp.Or(acc.Quiet, QuietWhile), cmp.Or(acc.Patience, max(ProbePatience, acc.FloodWait+ProbePatience/3)))
}

// beatEvery is the time between two looks at what is due now and then.
func (s *stream) beatEvery() time.Duration {
	return min(CheckpointEvery, cmp.Or(s.Quiet, QuietWhile)/beatsAQuiet)
}

// probed is the answer to a probe of the watchdog.
type probed struct {
	result []byte
	err    error
}

// look lets the watchdog do what is due.
func (s *stream) look(ctx actor.Context) {
	if s.ended {
		return
	}
	switch s.watch.Tick(s.Now()) {
	case watchdog.Probe:
		self, root := ctx.Self(), ctx.ActorSystem().Root
		c := connection.InternalCall(&tg.UpdatesGetStateRequest{}, func(result []byte, err error) { root.Send(self, &probed{result, err}) })
		ctx.Send(ctx.Parent(), c)
	case watchdog.Reconnect:
		ctx.Send(ctx.Parent(), &Unwell{connection.Reconnect, "the connection lives, but brings no updates"})
	case watchdog.NewSession:
		ctx.Send(ctx.Parent(), &Unwell{connection.NewSession, "a new connection brings no updates either"})
	}
}

// probed compares the server's state with ours. What is missing is asked at once.
func (s *stream) probed(ctx actor.Context, m *probed) {
	var state tg.UpdatesState
	ahead := m.err == nil && state.Decode(&bin.Buffer{Buf: m.result}) == nil && s.machine.Behind(tlupdates.FromState(&state).State)
	s.watch.Answered(s.Now(), ahead)
	if ahead {
		s.step(ctx, updates.TooLong{})
	}
}

// sync starts what somebody waits for.
func (s *stream) sync(ctx actor.Context, m *Sync) {
	switch {
	case s.ended:
		m.Done(ErrStopped)
	case m.Poll != nil && m.Poll.For > 0 && !s.machine.CanPoll(m.Poll.Channel):
		m.Done(fleet.Errorf(fleet.CodeResourceExhausted, "TOO_MANY_POLLED", "channel: %d channels of the account are polled already", updates.MaxPolls).
			WithRemedy("wait until one of them ends, or join the channel"))
	case m.Poll != nil:
		s.syncs = append(s.syncs, m.Done)
		s.step(ctx, *m.Poll)
	case m.Skipped != nil:
		s.syncs, s.skips = append(s.syncs, m.Done), append(s.skips, m.Skipped)
		s.step(ctx, updates.Skip{})
	default:
		s.syncs = append(s.syncs, m.Done)
		s.step(ctx, updates.TooLong{})
	}
}
