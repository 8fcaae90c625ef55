// Package updatelog joins an account's update state with its event log: the log is the
// write-ahead log of the state, and a checkpoint says from where it must be read back.
//
// # Concurrency
//
// All functions may be called by any goroutine; a Position belongs to one owner.
//
// # Errors
//
// ErrCheckpoint for a checkpoint that cannot be read; those of the log as they are.
package updatelog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/updates"
)

// ErrCheckpoint means that a checkpoint is damaged.
var ErrCheckpoint = errors.New("checkpoint is damaged")

// Writer appends the events of one account; *eventlog.Writer.
type Writer interface {
	Claimed() eventlog.Cursor
	Replay(ctx context.Context, from eventlog.Cursor) iter.Seq2[eventlog.Record, error]
	Append(ctx context.Context, recs ...eventlog.Record) (lastSeq uint64, err error)
	// Erase removes what was appended before.
	Erase(ctx context.Context) error
}

// Log opens an account's events.
type Log interface {
	Claim(ctx context.Context, account fleet.AccountID, token fleet.FencingToken) (Writer, error)
	// Durable is the last place that is surely synced to disk.
	Durable() eventlog.Cursor
	// PublishLive delivers an event that is not logged.
	PublishLive(ctx context.Context, rec eventlog.Record) error
	// Forget drops an account's data key from memory: it has another one.
	Forget(account fleet.AccountID)
}

// Position is where an account's events stand: the writer, the update state after its last
// record, the ids that are in the log since the checkpoint, and where the next checkpoint may
// stand: a crash can leave events without the positions behind them, whose ids must be read
// back as long as the positions do not cover them.
type Position struct {
	Writer Writer
	State  updates.State
	Last   eventlog.Cursor
	Seen   []string
}

// Claim makes this owner the only writer of the account's events, and reads back what was
// appended after the checkpoint: the positions are the later of the two. Positions behind a damaged record
// are not taken: the difference repeats what it held, and of the others ids that are in the log.
func Claim(ctx context.Context, log Log, id fleet.AccountID, token fleet.FencingToken, checkpoint []byte) (*Position, error) {
	pos := &Position{}
	var from eventlog.Cursor
	if len(checkpoint) > 0 {
		var err error
		if pos.State, from, err = DecodeCheckpoint(checkpoint); err != nil {
			return nil, err
		}
	}
	w, err := log.Claim(ctx, id, token)
	if err != nil {
		return nil, fmt.Errorf("claim event log: %w", err)
	}
	pos.Writer, pos.Last = w, w.Claimed()
	covered, uncovered, damaged := from, false, false
	for rec, err := range w.Replay(ctx, from) {
		if errors.Is(err, eventlog.ErrTruncated) {
			continue // retention was here: the checkpoint's positions stand, repeats carry the same ids
		}
		if errors.Is(err, eventlog.ErrCorrupt) && rec.Seq != 0 {
			damaged, uncovered = true, true
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("replay event log: %w", err)
		}
		if rec.ID != "" {
			pos.Seen = append(pos.Seen, rec.ID)
		}
		if damaged {
			continue
		}
		if err := Apply(&pos.State, []eventlog.Record{rec}); err != nil {
			return nil, fmt.Errorf("replay event log: %w", err)
		}
		if len(rec.Positions) > 0 {
			covered, uncovered = rec.Cursor(), false
		} else if rec.ID != "" {
			uncovered = true
		}
	}
	if uncovered {
		pos.Last = covered
	}
	return pos, nil
}

// Place puts the positions that hold after an append into its last record; an append without
// events is one record of positions only.
func Place(records []eventlog.Record, positions []updates.Position, id fleet.AccountID, now time.Time) []eventlog.Record {
	if len(records) == 0 {
		records = append(records, eventlog.Record{Account: id, Kind: eventlog.KindPositions, Time: now})
	}
	placed := make([]eventlog.Position, 0, len(positions))
	for _, p := range positions {
		placed = append(placed, eventlog.Position{Box: p.Box.String(), Value: p.Value})
	}
	records[len(records)-1].Positions = placed
	return records
}

// Apply takes the positions of stored records over into a state.
func Apply(state *updates.State, records []eventlog.Record) error {
	for _, r := range records {
		for _, p := range r.Positions {
			box, err := updates.ParseBox(p.Box)
			if err != nil {
				return err
			}
			state.Apply(updates.Position{Box: box, Value: p.Value})
		}
	}
	return nil
}

// EncodeCheckpoint is the log's cursor, two varints, and the update state that holds there.
func EncodeCheckpoint(state updates.State, at eventlog.Cursor) ([]byte, error) {
	b := binary.AppendUvarint(nil, at.Epoch)
	b = binary.AppendUvarint(b, at.Seq)
	s, err := state.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint: %w", err)
	}
	return append(b, s...), nil
}

// DecodeCheckpoint reads what EncodeCheckpoint wrote; ErrCheckpoint for anything else.
func DecodeCheckpoint(b []byte) (updates.State, eventlog.Cursor, error) {
	var state updates.State
	epoch, n := binary.Uvarint(b)
	if n <= 0 {
		return state, eventlog.Cursor{}, fmt.Errorf("%w: no epoch", ErrCheckpoint)
	}
	seq, m := binary.Uvarint(b[n:])
	if m <= 0 {
		return state, eventlog.Cursor{}, fmt.Errorf("%w: no sequence", ErrCheckpoint)
	}
	if err := state.UnmarshalBinary(b[n+m:]); err != nil {
		return state, eventlog.Cursor{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return state, eventlog.Cursor{Epoch: epoch, Seq: seq}, nil
}
