package updatestream

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// maxAhead is how many records may wait for the log before a difference is asked: one brings
// up to 1,000 messages more.
const maxAhead = 2 * MaxBatch

// ask makes the calls that the machine wants, as long as the log keeps up.
func (s *stream) ask(ctx actor.Context) {
	for len(s.deferred) > 0 && len(s.batch)+len(s.pending) < maxAhead && !s.ended {
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

// begin stores the first state of an account at once, not when the log is surely synced: before the
// first checkpoint only the log knows where the account began, and a power loss can take that
// record. No event precedes this state, so that none is left out by it.
func (s *stream) begin(ctx actor.Context, in updates.Input) {
	first, ok := in.(updates.StateReceived)
	if !ok || s.durable.Known() || first.State.Date == 0 {
		return
	}
	state := updates.State{Pts: first.State.Pts, Qts: first.State.Qts, Seq: first.State.Seq, Date: first.State.Date}
	data, err := updatelog.EncodeCheckpoint(state, s.last)
	if err != nil {
		s.log().Error("checkpoint is not encoded", "error", err.Error())
		return
	}
	ctx.Send(ctx.Parent(), &CheckpointDue{Data: data})
}

// judge remembers which boxes have asked in vain: the stream is not even before they succeed.
func (s *stream) judge(in updates.Input) {
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

func (s *stream) fail(box updates.Box) {
	if s.failing == nil {
		s.failing = map[updates.Box]struct{}{}
	}
	s.failing[box] = struct{}{}
}

// call makes one call of the machine; the answer comes back as an input.
func (s *stream) call(ctx actor.Context, req bin.Encoder, convert func([]byte) (updates.Input, error), failed func(updates.FailureKind, time.Duration) updates.Input) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	c := connection.InternalCall(req, func(result []byte, err error) {
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

func (s *stream) askState(ctx actor.Context) {
	s.call(ctx, &tg.UpdatesGetStateRequest{}, func(b []byte) (updates.Input, error) {
		var state tg.UpdatesState
		if err := state.Decode(&bin.Buffer{Buf: b}); err != nil {
			return nil, err
		}
		return tlupdates.FromState(&state), nil
	}, differenceFailed)
}

func (s *stream) askDifference(ctx actor.Context, e updates.GetDifference) {
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

func (s *stream) askChannel(ctx actor.Context, e updates.GetChannelDifference) {
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
