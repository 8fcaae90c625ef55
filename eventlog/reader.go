package eventlog

import (
	"context"
	"time"

	"github.com/telefleet/orchestrator/eventlog/stream"
	"github.com/telefleet/orchestrator/fleet"
)

// maxHoles bounds the ranges remembered by a reader of all accounts; at the limit the two
// oldest become one.
const maxHoles = 256

// replicaWait paces the repeats while a replica is behind.
const replicaWait = 20 * time.Millisecond

// reader walks the log from a position: from the hub's ring when it reaches back so far, else
// in pages from the store. It belongs to one goroutine.
//
// A reader of one account sees gaps by Record.Prev. A reader of all accounts sees every
// sequence, so a missing one is a gap by itself: below the stream's first sequence retention
// took it, from anybody; above, a purge did, which matters only to the account whose next
// record names it as its previous one.
type reader struct {
	log     *Log
	account fleet.AccountID // empty: all
	table   *stream.Table
	pos     uint64 // everything up to here was read or reported
	seen    uint64 // one account: its records up to here were yielded or reported
	fresh   bool   // one account, from the beginning: what was there before its first record is no loss
	end     uint64 // without follow: where to stop
	holes   []Gap
}

// item is a stored record, or one already decoded (a gap, or a record that was looked into).
type item struct {
	raw stream.Raw
	rec *Record
	err error
}

func (l *Log) startReader(ctx context.Context, from From, accounts []fleet.AccountID) (*reader, error) {
	done, err := l.enter()
	if err != nil {
		return nil, err
	}
	defer done()
	r := &reader{log: l, table: l.epochs.Load()}
	if len(accounts) == 1 {
		r.account = accounts[0]
	}
	st, err := l.store.State(ctx)
	if err != nil {
		return nil, err
	}
	r.end = st.Last
	switch {
	case from.isNew:
		r.pos = st.Last
	case !from.time.IsZero():
		first, err := l.store.FirstSince(ctx, from.time)
		if err != nil {
			return nil, err
		}
		r.pos = st.Last
		if first > 0 {
			r.pos = first - 1
		}
	default:
		if from.cursor.Epoch > r.table.Current() && l.meta != nil { // another node opened it
			if err := l.review(ctx, Cursor{Epoch: r.table.Current(), Seq: l.synced.Known()}); err != nil {
				return nil, err
			}
			r.table = l.epochs.Load()
		}
		r.pos = min(r.table.Resolve(from.cursor.Epoch, from.cursor.Seq), st.Last)
		if from.cursor.IsZero() { // the beginning of what is kept: no gap before it
			r.pos, r.fresh = max(st.First, 1)-1, true
		}
	}
	r.seen = r.pos
	return r, nil
}

// read gives the next items. wait is set when there are none and follow is on: it is closed
// when there may be more. No items, no wait and no follow is the end.
func (r *reader) read(ctx context.Context, follow bool) (items []item, wait <-chan struct{}, err error) {
	if t := r.log.epochs.Load(); t != r.table {
		r.pos = t.Resolve(r.table.Current(), r.pos)
		r.seen, r.table, r.holes = min(r.seen, r.pos), t, nil
	}
	raws, low, ok, changed := r.log.hub.after(r.pos)
	if ok && follow {
		items, err = r.takeAll(ctx, raws)
		if err == nil && len(raws) == 0 {
			return items, changed, nil
		}
		return items, nil, err
	}
	if raws, err = r.log.readPage(ctx, r.account, r.pos+1); err != nil {
		return nil, nil, err
	}
	for !follow && len(raws) > 0 && raws[len(raws)-1].Seq > r.end {
		raws = raws[:len(raws)-1]
	}
	if len(raws) > 0 {
		items, err = r.take(ctx, raws, 0)
		return items, nil, err
	}
	target := low
	if !follow {
		target = r.end
	}
	if target <= r.pos {
		if follow { // the tail is about to begin
			return nil, changed, nil
		}
		return nil, nil, nil
	}
	lead, found, err := r.leaderNext(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case found && lead.Seq <= target: // a replica that is behind
		if !stream.Sleep(ctx, replicaWait) {
			return nil, nil, ctx.Err()
		}
		items, err = r.take(ctx, []stream.Raw{lead}, 0)
		return items, nil, err
	default:
		items, err = r.take(ctx, nil, target)
		if len(items) == 0 && follow && err == nil {
			return r.read(ctx, follow)
		}
		return items, nil, err
	}
}

// takeAll is take for raws that leave nothing out, of no account. What one account's reader has
// seen then moves with others' records too: an idle account misses nothing.
func (r *reader) takeAll(ctx context.Context, raws []stream.Raw) (items []item, err error) {
	if r.account == "" {
		return r.take(ctx, raws, 0)
	}
	for i := range raws {
		whole := r.seen >= r.pos
		it, err := r.take(ctx, raws[i:i+1], 0)
		if err != nil {
			return nil, err
		}
		items = append(items, it...)
		if whole {
			r.seen = max(r.seen, r.pos)
		}
	}
	return items, nil
}

// place is where the reader stands.
func (r *reader) place() Cursor { return Cursor{Epoch: r.table.Current(), Seq: r.pos} }

func (r *reader) leaderNext(ctx context.Context) (stream.Raw, bool, error) {
	done, err := r.log.enter()
	if err != nil {
		return stream.Raw{}, false, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, stream.Timeout)
	defer cancel()
	return r.log.store.Next(ctx, r.account, r.pos+1)
}

// take moves over raws, or over nothing up to target, and puts gaps before what follows them.
func (r *reader) take(ctx context.Context, raws []stream.Raw, target uint64) ([]item, error) {
	items := make([]item, 0, len(raws))
	first := uint64(0) // the stream's first sequence, asked for once and only when needed
	for _, raw := range raws {
		if r.account != "" {
			it, err := r.takeOwn(ctx, raw, &first)
			if err != nil {
				return nil, err
			}
			items = append(items, it...)
			r.pos = raw.Seq
			continue
		}
		gap, err := r.missing(ctx, raw.Seq-1, &first)
		if err != nil {
			return nil, err
		}
		items = append(items, gap...)
		r.pos = raw.Seq
		rec, err := r.log.decode(raw)
		if err == nil && len(r.holes) > 0 {
			if g, ok := r.hole(rec); ok {
				items = append(items, r.gapItem(rec.Account, g, raw.Seq-1))
			}
		}
		items = append(items, item{raw: raw, rec: &rec, err: err})
	}
	if target > r.pos {
		if r.account == "" {
			gap, err := r.missing(ctx, target, &first)
			if err != nil {
				return nil, err
			}
			items = append(items, gap...)
		} else if err := r.streamFirst(ctx, &first); err != nil {
			return nil, err
		} else if first <= r.seen+1 { // retention took nothing: the account had no records
			r.seen = target
		}
		r.pos = target
	}
	return items, nil
}

// takeOwn handles a record while reading one account.
func (r *reader) takeOwn(ctx context.Context, raw stream.Raw, first *uint64) ([]item, error) {
	if raw.Account != r.account {
		return nil, nil
	}
	rec, err := r.log.decode(raw)
	var items []item
	if err == nil {
		to := rec.Prev
		if to == 0 && raw.Seq > r.seen+1 && r.seen > 0 { // the subject had expired
			if err := r.streamFirst(ctx, first); err != nil {
				return nil, err
			}
			to = min(*first, raw.Seq) - 1
		}
		if to > r.seen && !r.fresh {
			items = append(items, r.gapItem(r.account, Gap{From: r.seen + 1, To: to}, raw.Seq-1))
		}
	}
	r.seen, r.fresh = raw.Seq, false
	return append(items, item{raw: raw, rec: &rec, err: err}), nil
}

// missing accounts for the sequences from pos+1 to to, which the stream does not hold.
func (r *reader) missing(ctx context.Context, to uint64, first *uint64) ([]item, error) {
	from := r.pos + 1
	if to < from {
		return nil, nil
	}
	if err := r.streamFirst(ctx, first); err != nil {
		return nil, err
	}
	var items []item
	if *first > from { // retention took them
		dropped := min(*first-1, to)
		items = append(items, r.gapItem("", Gap{From: from, To: dropped}, dropped))
		from = dropped + 1
	}
	if from <= to {
		if len(r.holes) >= maxHoles {
			r.holes[1].From = r.holes[0].From
			r.holes = r.holes[1:]
		}
		r.holes = append(r.holes, Gap{From: from, To: to})
	}
	return items, nil
}

// hole tells whether the record's previous one lies in a range that a purge took.
func (r *reader) hole(rec Record) (Gap, bool) {
	for _, g := range r.holes {
		if rec.Prev >= g.From && rec.Prev <= g.To {
			return Gap{From: g.From, To: rec.Prev}, true
		}
	}
	return Gap{}, false
}

// gapItem is a gap that is told at seq, directly before the record that showed it.
func (r *reader) gapItem(account fleet.AccountID, g Gap, seq uint64) item {
	rec := gapRecord(account, g)
	rec.Seq, rec.Epoch = seq, r.table.At(seq)
	return item{rec: &rec}
}

func (r *reader) streamFirst(ctx context.Context, first *uint64) error {
	if *first != 0 {
		return nil
	}
	done, err := r.log.enter()
	if err != nil {
		return err
	}
	defer done()
	st, err := r.log.store.State(ctx)
	*first = st.First
	return err
}
