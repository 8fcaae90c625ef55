package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// maxAhead is how many records may wait for the log before a difference is asked: one brings
// up to 1,000 messages more.
const maxAhead = 2 * maxBatch

// ask makes the calls that the machine wants, as long as the log keeps up.
func (s *updateStream) ask(ctx actor.Context) {
	for len(s.deferred) > 0 && len(s.pending) < maxAhead && !s.ended {
		effect := s.deferred[0]
		s.deferred = s.deferred[1:]
		switch e := effect.(type) {
		case updates.GetState:
			s.askState(ctx)
		case updates.GetDifference:
			s.askDifference(ctx, e)
		case updates.GetChannelDifference:
			s.askChannel(ctx, e)
		}
	}
}

// judge remembers which boxes have asked in vain: the stream is not even before they succeed.
func (s *updateStream) judge(in updates.Input) {
	common := updates.Box{Kind: updates.BoxPts}
	switch in := in.(type) {
	case updates.DifferenceFailed:
		s.fail(common)
	case updates.StateReceived, updates.Difference:
		delete(s.failing, common)
	case updates.ChannelDifferenceFailed:
		if in.Kind == updates.FailureTemporary || in.Kind == updates.FailureUnknown {
			s.fail(updates.ChannelBox(in.Channel))
		} else { // the machine gives the channel up
			delete(s.failing, updates.ChannelBox(in.Channel))
		}
	case updates.ChannelDifference:
		delete(s.failing, updates.ChannelBox(in.Channel))
	}
}

func (s *updateStream) fail(box updates.Box) {
	put(&s.failing, box, struct{}{})
}

// call makes one call of the machine; the answer comes back as an input.
func (s *updateStream) call(ctx actor.Context, req bin.Encoder, convert func([]byte) (updates.Input, error), failed func(updates.FailureKind, time.Duration) updates.Input) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	c := internalCall(req, func(result []byte, err error) {
		root.Send(self, &answered{input: func() updates.Input {
			if err == nil {
				in, undecodable := convert(result)
				if undecodable == nil {
					return in
				}
				err = undecodable
			}
			kind, wait := tlupdates.Failure(err)
			return failed(kind, wait)
		}})
	})
	ctx.Send(ctx.Parent(), c)
}

func differenceFailed(kind updates.FailureKind, wait time.Duration) updates.Input {
	return updates.DifferenceFailed{Kind: kind, RetryAfter: wait}
}

func (s *updateStream) askState(ctx actor.Context) {
	s.call(ctx, &tg.UpdatesGetStateRequest{}, func(b []byte) (updates.Input, error) {
		var state tg.UpdatesState
		if err := state.Decode(&bin.Buffer{Buf: b}); err != nil {
			return nil, err
		}
		return tlupdates.FromState(&state), nil
	}, differenceFailed)
}

func (s *updateStream) askDifference(ctx actor.Context, e updates.GetDifference) {
	src := s.src
	s.call(ctx, tlupdates.DifferenceRequest(e), func(b []byte) (updates.Input, error) {
		d, err := tg.DecodeUpdatesDifference(&bin.Buffer{Buf: b})
		if err != nil {
			return nil, err
		}
		s.learn(d)
		return tlupdates.FromDifference(d, src), nil
	}, differenceFailed)
}

func (s *updateStream) askChannel(ctx actor.Context, e updates.GetChannelDifference) {
	failed := func(kind updates.FailureKind, wait time.Duration) updates.Input {
		return updates.ChannelDifferenceFailed{Channel: e.Channel, Kind: kind, RetryAfter: wait}
	}
	req, err := tlupdates.ChannelDifferenceRequest(e, s.peers)
	if err != nil { // no access hash is known
		kind, wait := tlupdates.Failure(err)
		ctx.Send(ctx.Self(), &answered{input: func() updates.Input { return failed(kind, wait) }})
		return
	}
	src := s.src
	s.call(ctx, req, func(b []byte) (updates.Input, error) {
		d, err := tg.DecodeUpdatesChannelDifference(&bin.Buffer{Buf: b})
		if err != nil {
			return nil, err
		}
		s.learn(d)
		return tlupdates.FromChannelDifference(e.Channel, d, src), nil
	}, failed)
}

// startStream starts the account's update stream from what the log and the checkpoint say.
func (a *account) startStream(ctx actor.Context) {
	s, pos, self, peers := a.shared, a.loaded.log, a.record.UserID, &a.peers
	props := system.Props(s.conn.Workers, func() actor.Actor {
		stream := newUpdateStream(s, pos, self, peers)
		pos.Seen = nil // the machine has them; supervision never restarts a stream
		return stream
	})
	a.stream = ctx.SpawnPrefix(props, "updatestream-")
	for _, m := range a.early {
		ctx.Send(a.stream, m)
	}
	a.early = nil
	a.conditions.level, a.conditions.behind, a.conditions.stuck = false, time.Time{}, false
	a.tellStream(ctx)
	if a.home != nil && a.home.ready {
		ctx.Send(a.stream, &homeUp{true})
	}
}

// sync hands a wish to be even to the stream, and remembers who waits: the stream may fail.
func (a *account) sync(ctx actor.Context, m *syncUpdates) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	given := *m
	given.done = func(err error) { root.Send(self, &synced{&given, err}) }
	put(&a.syncs, &given, m.done)
	ctx.Send(a.stream, &given)
}

func (a *account) stopStream(ctx actor.Context) {
	if a.stream != nil && !a.streamClosing {
		ctx.Send(a.stream, &drainStream{})
	}
}

func (a *account) checkpoint(ctx actor.Context, m *checkpointDue) {
	a.record.Checkpoint = m.data
	a.save(ctx, nil)
}

// streamEnded takes the last checkpoint of a stream that has stopped working.
func (a *account) streamEnded(ctx actor.Context, m *streamEnded) {
	if m.checkpoint != nil && a.authorized() {
		a.record.Checkpoint = m.checkpoint
		a.save(ctx, nil)
	}
	if m.err != nil {
		a.log().Warn("update stream ended", "error", m.err.Error())
		a.streamErr = m.err
	}
	if a.stream != nil && !a.streamClosing {
		a.streamClosing = true
		ctx.Poison(a.stream) // after what was sent to it before
	}
}

// streamStopped starts the stream again from the log, where it ended by a failure.
func (a *account) streamStopped(ctx actor.Context) {
	a.stream, a.streamClosing = nil, false
	a.tellNow(ctx)
	for c, result := range a.observing {
		delete(a.observing, c)
		c.Done(result, nil)
	}
	for m, done := range a.syncs {
		delete(a.syncs, m)
		done(errStreamStopped)
	}
	err := a.streamErr
	a.streamErr = nil
	switch {
	case a.reviving:
		a.revive(ctx)
	case a.winding != nil || a.draining || a.state.terminal() || a.failure != nil || !a.authorized():
	case fenced(err):
		a.stop(ctx, StateFenced, "FENCED", "another node owns the account", "")
	default: // read back what is in the log: the whole account starts anew
		ctx.(actor.Supervisor).EscalateFailure(&storeError{errStreamEnded}, nil)
	}
}
