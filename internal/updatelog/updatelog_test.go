package updatelog

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/updates"
)

// scripted is a log whose records are given.
type scripted struct {
	records []eventlog.Record
	err     error
	from    eventlog.Cursor
	damaged uint64 // the sequence of one that cannot be read
}

func (s *scripted) Claim(context.Context, fleet.AccountID, fleet.FencingToken) (Writer, error) {
	return s, nil
}
func (s *scripted) Durable() eventlog.Cursor                                   { return eventlog.Cursor{} }
func (s *scripted) PublishLive(context.Context, eventlog.Record) error         { return nil }
func (s *scripted) Forget(fleet.AccountID)                                     {}
func (s *scripted) Erase(context.Context) error                                { return nil }
func (s *scripted) Claimed() eventlog.Cursor                                   { return eventlog.Cursor{Epoch: 1, Seq: 99} }
func (s *scripted) Append(context.Context, ...eventlog.Record) (uint64, error) { return 0, nil }
func (s *scripted) Replay(_ context.Context, from eventlog.Cursor) iter.Seq2[eventlog.Record, error] {
	s.from = from
	return func(yield func(eventlog.Record, error) bool) {
		if s.err != nil && !yield(eventlog.Record{}, s.err) {
			return
		}
		for _, r := range s.records {
			var err error
			if r.Seq != 0 && r.Seq == s.damaged {
				r, err = eventlog.Record{Seq: r.Seq}, eventlog.ErrCorrupt
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func TestClaimTakesTheLaterOfCheckpointAndRecords(t *testing.T) {
	checkpoint, err := EncodeCheckpoint(updates.State{Pts: 5, Qts: 1, Date: 7}, eventlog.Cursor{Epoch: 1, Seq: 40})
	if err != nil {
		t.Fatal(err)
	}
	log := &scripted{records: []eventlog.Record{
		{ID: "m1", Seq: 41, Positions: []eventlog.Position{{Box: "pts", Value: 6}}},
		{Seq: 42, Epoch: 1, Positions: []eventlog.Position{{Box: "channel:3", Value: 9}}},
		{ID: "m2", Seq: 43},
	}}
	pos, err := Claim(t.Context(), log, "a", 1, checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	want := updates.State{Pts: 6, Qts: 1, Date: 7, Channels: map[int64]int{3: 9}}
	if log.from.Seq != 40 || !cmp.Equal(pos.State, want) || !cmp.Equal(pos.Seen, []string{"m1", "m2"}) || pos.Last.Seq != 42 {
		t.Errorf("from %v: state %+v, seen %v, last %v", log.from, pos.State, pos.Seen, pos.Last)
	}
	log.records = log.records[:2] // no event without a position behind it
	if pos, err = Claim(t.Context(), log, "a", 1, checkpoint); err != nil || pos.Last.Seq != 99 {
		t.Errorf("last %v, %v; want the claim", pos.Last, err)
	}
}

// TestClaimOutlivesADamagedRecord: the account starts from before it, and knows what is behind it.
func TestClaimOutlivesADamagedRecord(t *testing.T) {
	log := &scripted{damaged: 42, records: []eventlog.Record{
		{ID: "m1", Seq: 41, Epoch: 1, Positions: []eventlog.Position{{Box: "pts", Value: 6}}},
		{ID: "m2", Seq: 42, Epoch: 1, Positions: []eventlog.Position{{Box: "pts", Value: 7}}},
		{ID: "m3", Seq: 43, Epoch: 1, Positions: []eventlog.Position{{Box: "pts", Value: 8}}},
	}}
	pos, err := Claim(t.Context(), log, "a", 1, nil)
	if err != nil || pos.State.Pts != 6 || pos.Last.Seq != 41 || !cmp.Equal(pos.Seen, []string{"m1", "m3"}) {
		t.Errorf("%+v, %v; want to go on behind m1, with m3 known", pos, err)
	}
}

func TestClaimGoesOnWhereRetentionWas(t *testing.T) {
	log := &scripted{err: eventlog.ErrTruncated, records: []eventlog.Record{{Positions: []eventlog.Position{{Box: "pts", Value: 2}}}}}
	pos, err := Claim(t.Context(), log, "a", 1, nil)
	if err != nil || pos.State.Pts != 2 {
		t.Errorf("%+v, %v", pos, err)
	}
	log.err = eventlog.ErrClosed
	if _, err := Claim(t.Context(), log, "a", 1, nil); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("a closed log gave %v", err)
	}
}

func TestDamagedCheckpointsAreRefused(t *testing.T) {
	good, err := EncodeCheckpoint(updates.State{Pts: 5, Date: 7}, eventlog.Cursor{Epoch: 3, Seq: 40})
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, _, err := DecodeCheckpoint(good[:n]); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("the first %d bytes of a checkpoint gave %v", n, err)
		}
	}
}

func TestCheckpointsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := eventlog.Cursor{Epoch: rapid.Uint64().Draw(t, "epoch"), Seq: rapid.Uint64().Draw(t, "seq")}
		state := updates.State{Pts: rapid.IntRange(1, 1<<30).Draw(t, "pts"), Date: rapid.IntRange(1, 1<<30).Draw(t, "date")}
		b, err := EncodeCheckpoint(state, at)
		if err != nil {
			t.Fatal(err)
		}
		got, cursor, err := DecodeCheckpoint(b)
		if err != nil || cursor != at || got.Pts != state.Pts || got.Date != state.Date {
			t.Fatalf("%+v at %v became %+v at %v, %v", state, at, got, cursor, err)
		}
	})
}
