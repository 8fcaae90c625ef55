package eventlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"

	"github.com/telefleet/orchestrator/eventlog/stream"
	"github.com/telefleet/orchestrator/fleet"
)

// silentTries is how often a replay asks a silent store again.
const silentTries = 4

// trailBytes bounds the records that a replay keeps in memory; of the others it keeps the sequences, 8
// bytes each, and reads them twice.
const trailBytes = 1 << 20

// replays is how many replays run at a time.
func replays() int { return max(4, 2*runtime.GOMAXPROCS(0)) }

// Replay yields the account's records after from, in order, up to the Writer's own Claim, which
// is left out; former owners' claims and positions-only records are included. It waits for a
// replica that is behind.
//
// A cursor beyond the end of its epoch counts as that end. When retention dropped records
// after from, the first record yielded is of KindGap: the checkpoint's positions stand, and the
// difference repeats what was lost under the same ids. The zero Cursor starts at the oldest
// record kept and reports no gap.
//
// The records are found from the Claim backwards, each by the one after it (Record.Prev): a replay
// costs what the account appended, whatever the others did meanwhile. Only where a record is missing or
// damaged the range before it is searched.
//
// A few replays run at a time, first come, first served, the others wait: when a node starts, all its
// accounts replay at once, and shared among all of them the store would be too slow for each. No time
// bounds a replay as a whole; a store that gives no next record is asked again, silentTries times.
//
// ErrTruncated ends the iteration when the Claim itself is gone; ErrCorrupt or ErrNoKey come
// with a record that has a sequence and the iteration may go on.
func (w *Writer) Replay(ctx context.Context, from Cursor) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		pos := min(w.log.epochs.Load().Resolve(from.Epoch, from.Seq), w.claimed.Seq)
		if w.before > 0 && w.before <= pos {
			return // an idle account: nothing to look for
		}
		if err := w.replay(ctx, pos, yield); err != nil && !errors.Is(err, errStopped) {
			yield(Record{}, fmt.Errorf("replay events of %s: %w", w.account, err))
		}
	}
}

// errStopped: the caller wants no more.
var errStopped = errors.New("stopped")

// replay yields what lies between pos and the Claim.
func (w *Writer) replay(ctx context.Context, pos uint64, yield func(Record, error) bool) error {
	ctx, cancel := w.log.bound(ctx)
	defer cancel()
	select {
	case w.log.replaying <- struct{}{}:
		defer func() { <-w.log.replaying }()
	case <-ctx.Done():
		return w.log.ended(ctx.Err())
	}
	t, err := w.walkBack(ctx, pos)
	if err != nil {
		return w.log.ended(err)
	}
	r := replayer{w: w, pos: pos, whole: pos == 0, yield: yield}
	if t.at > pos { // that record is missing or damaged, and with it the way to those before it
		err = r.search(ctx, t.at)
	} else if t.at == 0 {
		err = r.expired(ctx, t.oldest)
	}
	if err == nil {
		err = r.follow(ctx, t)
	}
	return w.log.ended(err)
}

// trail is what lies between a place and a Claim: the sequences of the account's records, newest first,
// and the records that are kept in memory, which are the oldest. The others are read again.
type trail struct {
	seqs  []uint64
	raws  []stream.Raw
	bytes int
	// at is where the walk ended: 0, a place before it, or a record that cannot be read. oldest is the
	// record that named it.
	at, oldest uint64
}

func (t *trail) add(raw stream.Raw) {
	t.seqs, t.raws = append(t.seqs, raw.Seq), append(t.raws, raw)
	for t.bytes += len(raw.Data); t.bytes > trailBytes; {
		t.bytes -= len(t.raws[0].Data)
		t.raws[0] = stream.Raw{}
		t.raws = t.raws[1:]
	}
}

// walkBack follows the account's records from the Claim back to pos.
func (w *Writer) walkBack(ctx context.Context, pos uint64) (*trail, error) {
	t := &trail{at: w.claimed.Seq, oldest: w.claimed.Seq}
	for t.at > pos {
		raw, found, err := w.patiently(ctx, t.at)
		if err != nil {
			return nil, err
		}
		rec, err := decodeRecord(raw.Account, raw.Data)
		readable := found && raw.Account == w.account && err == nil && rec.Prev < t.at
		if t.at == w.claimed.Seq {
			if !readable {
				return nil, fmt.Errorf("%w: the claim itself", ErrTruncated)
			}
		} else if readable {
			t.add(raw)
		} else {
			return t, nil
		}
		t.oldest, t.at = t.at, rec.Prev
	}
	return t, nil
}

// patiently reads one record from a store that may be busy.
func (w *Writer) patiently(ctx context.Context, seq uint64) (raw stream.Raw, found bool, err error) {
	for silent := 1; ; silent++ {
		raw, found, err = w.readAt(ctx, seq)
		if !errors.Is(err, stream.ErrSilent) || silent > silentTries {
			return raw, found, err
		}
		w.log.cfg.Logger.Warn("event log: a replay is slow", "account", w.account, "at", seq, "try", silent)
	}
}

func (w *Writer) readAt(ctx context.Context, seq uint64) (stream.Raw, bool, error) {
	done, err := w.log.enter()
	if err != nil {
		return stream.Raw{}, false, err
	}
	defer done()
	return w.log.store.At(ctx, seq)
}

// replayer hands out the records of a replay.
type replayer struct {
	w     *Writer
	pos   uint64 // everything up to here was handed out or reported
	whole bool   // from the beginning of what is kept: what is missing before the first record is no gap
	yield func(Record, error) bool
}

// record hands one out.
func (r *replayer) record(ctx context.Context, raw stream.Raw) error {
	rec, err := r.w.log.fromStore(ctx, raw)
	if err != nil && !unreadable(err) {
		return err
	}
	r.pos, r.whole = raw.Seq, false
	if !r.yield(rec, err) {
		return errStopped
	}
	return nil
}

// gap reports that nothing up to to is left.
func (r *replayer) gap(to uint64) error {
	if to <= r.pos {
		return nil
	}
	g := gapRecord(r.w.account, Gap{From: r.pos + 1, To: to})
	g.Epoch = r.w.log.epochs.Load().At(to)
	whole := r.whole
	if r.pos, r.whole = to, false; !whole && !r.yield(g, nil) {
		return errStopped
	}
	return nil
}

// search hands out what is left up to end, the last that was there.
func (r *replayer) search(ctx context.Context, end uint64) error {
	for r.pos < end {
		raws, err := r.w.log.readPage(ctx, r.w.account, r.pos+1)
		if err != nil {
			return err
		}
		for _, raw := range raws {
			if raw.Seq > end {
				return r.gap(end)
			}
			if err := r.found(ctx, raw); err != nil {
				return err
			}
		}
		if len(raws) == 0 {
			break
		}
	}
	return r.gap(end)
}

// found hands out a record that a search has found, and what is missing before it.
func (r *replayer) found(ctx context.Context, raw stream.Raw) error {
	rec, err := decodeRecord(raw.Account, raw.Data)
	switch {
	case err != nil: // what it followed is unknown
	case rec.Prev == 0:
		err = r.expired(ctx, raw.Seq)
	default:
		err = r.gap(min(rec.Prev, raw.Seq-1))
	}
	if err != nil && !unreadable(err) {
		return err
	}
	return r.record(ctx, raw)
}

// expired reports what retention may have taken before a record that found its subject empty.
func (r *replayer) expired(ctx context.Context, oldest uint64) error {
	if r.whole || oldest <= r.pos+1 {
		return nil
	}
	done, err := r.w.log.enter()
	if err != nil {
		return err
	}
	defer done()
	st, err := r.w.log.store.State(ctx)
	if err != nil {
		return err
	}
	return r.gap(min(st.First, oldest) - 1)
}

// follow hands out the records of a trail.
func (r *replayer) follow(ctx context.Context, t *trail) error {
	again := len(t.seqs) - len(t.raws)
	for i := len(t.seqs) - 1; i >= 0; i-- {
		var raw stream.Raw
		found := i >= again
		if found {
			raw = t.raws[i-again]
		} else {
			var err error
			if raw, found, err = r.w.patiently(ctx, t.seqs[i]); err != nil {
				return err
			}
		}
		if !found { // retention has passed it meanwhile
			if err := r.gap(t.seqs[i]); err != nil {
				return err
			}
			continue
		}
		if err := r.record(ctx, raw); err != nil {
			return err
		}
	}
	return nil
}

func gapRecord(account fleet.AccountID, g Gap) Record {
	return Record{Account: account, Kind: KindGap, Seq: g.To, Gap: &g,
		ID: fmt.Sprintf("gap:%d-%d", g.From, g.To)}
}

// readPage is store.page as a counted call that Close interrupts.
func (l *Log) readPage(ctx context.Context, account fleet.AccountID, from uint64) ([]stream.Raw, error) {
	done, err := l.enter()
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := l.bound(ctx)
	defer cancel()
	raws, err := l.store.Page(ctx, account, from)
	if err != nil && l.closing.Err() != nil {
		err = ErrClosed
	}
	return raws, err
}

// bound ends ctx when the log closes.
func (l *Log) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.closing, cancel)
	return ctx, func() { stop(); cancel() }
}
