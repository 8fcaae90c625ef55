package eventlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"time"

	"github.com/telefleet/orchestrator/eventlog/stream"
	"github.com/telefleet/orchestrator/fleet"
)

// replicaWait paces the repeats while a replica is behind.
const replicaWait = 20 * time.Millisecond

// silentTries is how often a replay asks a silent store again.
const silentTries = 4

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
// A few replays run at a time, first come, first served, the others wait: when a node starts, all its
// accounts replay at once, and shared among all of them the store would be too slow for each. No time
// bounds a replay as a whole; a store that gives no next record is asked again, silentTries times.
//
// ErrTruncated ends the iteration when the Claim itself is gone; ErrCorrupt or ErrNoKey come
// with a record that has a sequence and the iteration may go on.
func (w *Writer) Replay(ctx context.Context, from Cursor) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		end := w.claimed.Seq
		pos := min(w.log.epochs.Load().Resolve(from.Epoch, from.Seq), end)
		if w.before > 0 && w.before <= pos {
			return // an idle account: the range may be all that the others did meanwhile
		}
		select {
		case w.log.replaying <- struct{}{}:
			defer func() { <-w.log.replaying }()
		case <-w.log.closing.Done():
			yield(Record{}, fmt.Errorf("replay events of %s: %w", w.account, ErrClosed))
			return
		case <-ctx.Done():
			yield(Record{}, fmt.Errorf("replay events of %s: %w", w.account, ctx.Err()))
			return
		}
		first := pos > 0
		for pos < end {
			raws, err := w.replayPage(ctx, pos+1, end)
			if err != nil {
				yield(Record{}, fmt.Errorf("replay events of %s: %w", w.account, err))
				return
			}
			for _, raw := range raws {
				r, err := w.log.fromStore(ctx, raw)
				if err != nil && !unreadable(err) {
					yield(Record{}, fmt.Errorf("replay events of %s: %w", w.account, err))
					return
				}
				if first && err == nil {
					gap, gapErr := w.replayGap(ctx, pos, r)
					if gapErr != nil || gap != nil && !yield(*gap, nil) {
						if gapErr != nil {
							yield(Record{}, fmt.Errorf("replay events of %s: %w", w.account, gapErr))
						}
						return
					}
					first = false
				}
				pos = raw.Seq
				if pos >= end {
					return
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

// replayPage reads the next records, waiting until there are some: the Claim is still to come.
func (w *Writer) replayPage(ctx context.Context, from, end uint64) ([]stream.Raw, error) {
	silent := 0
	for {
		raws, err := w.log.readPage(ctx, w.account, from)
		if errors.Is(err, stream.ErrSilent) && silent < silentTries {
			silent++
			w.log.cfg.Logger.Warn("event log: a replay is slow", "account", w.account, "from", from, "to", end, "try", silent)
			if stream.Sleep(ctx, time.Duration(silent)*replicaWait) {
				continue
			}
		}
		if err != nil || len(raws) > 0 && raws[0].Seq <= end {
			return raws, err
		}
		if len(raws) > 0 { // only what this Writer appended later is left
			return nil, fmt.Errorf("%w: the claim itself", ErrTruncated)
		}
		last, found, err := w.log.store.Last(ctx, w.account)
		if err != nil {
			return nil, err
		}
		if !found || last.Seq < end {
			return nil, fmt.Errorf("%w: the claim itself", ErrTruncated)
		}
		if !stream.Sleep(ctx, replicaWait) {
			return nil, ctx.Err()
		}
	}
}

// replayGap tells whether records between pos and r, the first one found, were dropped.
func (w *Writer) replayGap(ctx context.Context, pos uint64, r Record) (*Record, error) {
	to := r.Prev
	if to == 0 && r.Seq > pos+1 { // the subject was empty when r was appended
		st, err := w.log.store.State(ctx)
		if err != nil {
			return nil, err
		}
		to = min(st.First, r.Seq) - 1
	}
	if to <= pos {
		return nil, nil
	}
	g := gapRecord(w.account, Gap{From: pos + 1, To: to})
	g.Epoch = w.log.epochs.Load().At(to)
	return &g, nil
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
