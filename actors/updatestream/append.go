package updatestream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

const (
	// MaxBatch bounds the records of one append.
	MaxBatch = 256
	// LowSpaceRetry is the wait after the log has refused an append for want of space.
	LowSpaceRetry = 2 * time.Second
)

// appended is the outcome of an append.
type appended struct {
	seq uint64
	err error
}

// usualRoom is for what comes in a millisecond of a busy account.
const usualRoom = 32

// rooms are for records: a stream has one only while it has something to append.
var rooms sync.Pool // of *[]eventlog.Record

func room() []eventlog.Record {
	if r, ok := rooms.Get().(*[]eventlog.Record); ok {
		return *r
	}
	return make([]eventlog.Record, 0, usualRoom)
}

func giveBack(r []eventlog.Record) {
	if cap(r) >= usualRoom && cap(r) <= MaxBatch {
		clear(r)
		r = r[:0]
		rooms.Put(&r)
	}
}

// emit queues one Emit for the log: its positions lie in its last record.
func (s *stream) emit(now time.Time, e updates.Emit) {
	durable := e.Durable()
	if durable && s.pending == nil {
		s.pending = room()
	}
	first := len(s.pending)
	for i := range e.Events {
		r := s.record(now, &e.Events[i])
		if durable {
			s.pending = append(s.pending, r)
		} else if err := s.Events.PublishLive(context.Background(), r); err != nil {
			s.log().Debug("live event is not published", "kind", r.Kind, "error", err.Error())
		}
	}
	if durable {
		s.pending = append(s.pending[:first], updatelog.Place(s.pending[first:], e.Positions, s.ID, now)...)
	}
	s.msgIDs = append(s.msgIDs, e.MsgIDs...)
}

// record is one event as the log takes it.
func (s *stream) record(now time.Time, e *updates.Event) eventlog.Record {
	if gap, ok := e.Payload.(updates.Gap); ok && gap.Reason == updates.GapReset {
		for _, skipped := range s.skips {
			*skipped = append(*skipped, gap)
		}
	}
	payload, err := tlupdates.Encode(e.Payload)
	if err != nil {
		s.log().Error("event payload is not encoded", "kind", e.Kind, "error", err.Error())
	}
	return eventlog.Record{Account: s.ID, Kind: e.Kind, ID: e.ID, Time: now, Payload: payload}
}

// append starts the next append, unless one is under way.
func (s *stream) append(ctx actor.Context) {
	if len(s.batch) > 0 || s.resting || s.ended {
		return
	}
	if len(s.pending) == 0 {
		s.acknowledge(ctx, s.msgIDs)
		s.msgIDs = nil
		return
	}
	s.batch, s.pending = s.pending, nil
	if len(s.batch) > MaxBatch {
		s.pending = slices.Clone(s.batch[MaxBatch:])
		s.batch = s.batch[:MaxBatch:MaxBatch]
	} else {
		s.ackNext, s.msgIDs = s.msgIDs, nil
	}
	self, root, w, batch := ctx.Self(), ctx.ActorSystem().Root, s.writer, s.batch
	bounded := s.bound.context()
	s.Go(func() {
		seq, err := w.Append(bounded, batch...)
		root.Send(self, &appended{seq: seq, err: err})
	})
}

func (s *stream) appended(ctx actor.Context, m *appended) {
	n, seq := len(s.batch), m.seq
	var partial *eventlog.AppendError
	if errors.As(m.err, &partial) {
		n, seq = partial.Done, partial.Last
	} else if m.err != nil {
		n = 0
	}
	if err := updatelog.Apply(&s.durable, s.batch[:n]); err != nil { // the positions are our own
		s.log().Error("positions are not applied", "error", err.Error())
	}
	if n > 0 && len(s.batch[n-1].Positions) > 0 {
		s.last = eventlog.Cursor{Epoch: s.writer.Claimed().Epoch, Seq: seq}
	}
	if rest := s.batch[n:]; len(rest) > 0 {
		s.pending = slices.Concat(rest, s.pending)
	}
	giveBack(s.batch)
	s.batch = nil
	switch {
	case m.err == nil:
		ids := s.ackNext
		s.ackNext = nil
		s.acknowledge(ctx, ids)
		s.append(ctx)
	case errors.Is(m.err, eventlog.ErrLowSpace), errors.Is(m.err, eventlog.ErrBusy):
		s.log().Error("events are not stored; the stream waits", "error", m.err.Error())
		s.msgIDs = append(s.ackNext, s.msgIDs...)
		s.ackNext = nil
		s.resting = true
		self, root := ctx.Self(), ctx.ActorSystem().Root
		time.AfterFunc(LowSpaceRetry, func() { root.Send(self, &retryAppend{}) })
	case errors.Is(m.err, eventlog.ErrTooLarge) && len(s.pending) > 0:
		s.log().Error("event is too large for the log; its payload is dropped", "kind", s.pending[0].Kind)
		s.pending[0].Payload = nil
		s.msgIDs = append(s.ackNext, s.msgIDs...)
		s.ackNext = nil
		s.append(ctx)
	default:
		s.end(ctx, m.err)
	}
}

// acknowledge lets the connection acknowledge pushes, and returns their credit.
func (s *stream) acknowledge(ctx actor.Context, ids []int64) {
	if len(ids) > 0 && s.home != nil {
		ctx.Send(s.home, &connection.Processed{Taken: len(ids), MsgIDs: ids})
	}
}
