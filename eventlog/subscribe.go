package eventlog

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/telefleet/orchestrator/eventlog/stream"
	"github.com/telefleet/orchestrator/fleet"
)

// From is where a subscription begins; the zero From is the beginning.
type From struct {
	cursor Cursor
	time   time.Time
	isNew  bool
}

// FromBeginning begins with the oldest record kept.
func FromBeginning() From { return From{} }

// FromNew begins with what is appended after the call.
func FromNew() From { return From{isNew: true} }

// FromCursor begins with the record after c. The zero Cursor is the beginning.
func FromCursor(c Cursor) From { return From{cursor: c} }

// FromTime begins with the first record stored at t or later.
func FromTime(t time.Time) From { return From{time: t} }

// SubscribeOptions select what a subscription yields.
type SubscribeOptions struct {
	From From
	// Accounts and Kinds select; empty selects all. Gaps are always yielded.
	Accounts []fleet.AccountID
	Kinds    []string
	// Follow waits for new records at the end; otherwise the iteration ends at the place that
	// was the end when it began.
	Follow bool
	// Live adds live events (see PublishLive) from the call of Subscribe on, with Follow only. They
	// have Seq 0 and come in no defined order with durable ones; at most 256 wait, the oldest is
	// dropped. They wait until the context ends, or the first iteration does: iterate once.
	Live bool
	// Internal shows claims and positions-only records too.
	Internal bool
}

// Subscribe yields records in the order of the log. It pulls: nothing is read ahead beyond one
// page of 256 records, and a slow caller costs no memory. The caller saves Record.Cursor and
// resumes from it.
//
// When records after the position were dropped by retention or a purge, a record of KindGap
// says which sequences; its Account is empty when they may have been any account's. An error
// with a record whose Account is set concerns that record alone, which cannot be read (ErrCorrupt,
// ErrNoKey; a live one for any cause, because it cannot be asked for again), and the caller may go
// on; any other error ends the iteration.
//
// What is appended or published after Subscribe has returned is seen, whenever the iteration begins.
func (l *Log) Subscribe(ctx context.Context, o SubscribeOptions) iter.Seq2[Record, error] {
	live, leave, err := l.joinLive(ctx, o.Follow && o.Live)
	var start *reader
	if err == nil {
		start, err = l.startReader(ctx, o.From, o.Accounts)
	}
	return func(yield func(Record, error) bool) {
		defer leave()
		if err == nil {
			r := *start
			err := l.subscribe(ctx, &r, live, o, yield)
			if err != nil {
				yield(Record{}, fmt.Errorf("subscribe to events: %w", err))
			}
			return
		}
		yield(Record{}, fmt.Errorf("subscribe to events: %w", err))
	}
}

// subscribe runs one iteration; nil means that the caller stopped or that the end was reached.
func (l *Log) subscribe(ctx context.Context, r *reader, live *liveQueue, o SubscribeOptions, yield func(Record, error) bool) error {
	ctx, cancel := l.bound(ctx)
	defer cancel()
	sel := newSelection(o.Accounts, o.Kinds, o.Internal)
	if o.Follow {
		l.hub.follow()
	}
	for {
		items, wait, err := r.read(ctx, o.Follow)
		if stream.Unsent(err) { // the servers are away for a moment: an append waits for them, too
			if !stream.Sleep(ctx, stream.NoLeaderWait) {
				return l.ended(ctx.Err())
			}
			continue
		}
		if err != nil {
			return l.ended(err)
		}
		for _, it := range items {
			if ok, err := l.deliver(ctx, it, sel, yield); !ok || err != nil {
				return l.ended(err)
			}
		}
		if live != nil {
			for _, raw := range live.take() {
				if ok, err := l.deliver(ctx, item{raw: raw}, sel, yield); !ok || err != nil {
					return l.ended(err)
				}
			}
		}
		if wait == nil {
			if !o.Follow && len(items) == 0 {
				return nil
			}
			continue
		}
		var more <-chan struct{}
		if live != nil {
			more = live.more
		}
		select {
		case <-wait:
		case <-more:
		case <-ctx.Done():
			return l.ended(ctx.Err())
		}
	}
}

// ended gives ErrClosed when the log's end is the cause.
func (l *Log) ended(err error) error {
	if err != nil && l.closing.Err() != nil {
		return ErrClosed
	}
	return err
}

// joinLive begins to collect live events, if they are wanted, until ctx ends or leave is called.
func (l *Log) joinLive(ctx context.Context, wanted bool) (q *liveQueue, leave func(), err error) {
	leave = func() {}
	if !wanted {
		return nil, leave, nil
	}
	done, err := l.enter()
	if err != nil {
		return nil, leave, err
	}
	defer done()
	if q, err = l.hub.joinLive(); err != nil {
		return nil, leave, err
	}
	stop := context.AfterFunc(ctx, func() { l.hub.leaveLive(q) })
	return q, func() { stop(); l.hub.leaveLive(q) }, nil
}

// deliver yields one item if it is selected. ok is false when the caller stopped.
func (l *Log) deliver(ctx context.Context, it item, sel selection, yield func(Record, error) bool) (ok bool, err error) {
	rec, err := it.rec, it.err
	if rec == nil {
		r, decodeErr := l.decode(it.raw)
		rec, err = &r, decodeErr
	}
	if !sel.wants(rec, err) {
		return true, nil
	}
	if err == nil && rec.Gap == nil {
		err = l.unseal(ctx, rec)
		switch {
		case err == nil || unreadable(err):
		case rec.Seq != 0:
			return false, err // it is in the log: whoever comes again may read it
		case ctx.Err() != nil:
			return false, ctx.Err()
		}
	}
	return yield(*rec, err), nil
}

// selection is what a subscriber asked for.
type selection struct {
	accounts map[fleet.AccountID]bool
	kinds    map[string]bool
	internal bool
}

func newSelection(accounts []fleet.AccountID, kinds []string, internal bool) selection {
	s := selection{internal: internal}
	if len(accounts) > 0 {
		s.accounts = make(map[fleet.AccountID]bool, len(accounts))
		for _, a := range accounts {
			s.accounts[a] = true
		}
	}
	if len(kinds) > 0 {
		s.kinds = make(map[string]bool, len(kinds))
		for _, k := range kinds {
			s.kinds[k] = true
		}
	}
	return s
}

func (s selection) wants(r *Record, err error) bool {
	if s.accounts != nil && r.Account != "" && !s.accounts[r.Account] {
		return false
	}
	if r.Gap != nil || err != nil {
		return true
	}
	if s.kinds != nil {
		return s.kinds[r.Kind]
	}
	return s.internal || !r.Internal()
}

// PublishLive delivers rec to current subscribers that asked for live events, on all nodes, and
// stores nothing. Delivery is at most once.
func (l *Log) PublishLive(ctx context.Context, rec Record) error {
	if err := rec.Account.Validate(); err != nil {
		return fmt.Errorf("publish live event: %w", err)
	}
	done, err := l.enter()
	if err != nil {
		return err
	}
	defer done()
	if rec.Time.IsZero() {
		rec.Time = l.cfg.Now()
	}
	sealed, err := l.keys.seal(ctx, rec.Account, rec.Kind, rec.ID, rec.Payload)
	if err != nil {
		return fmt.Errorf("publish live event of %s: %w", rec.Account, err)
	}
	body, err := encodeRecord(rec, sealed)
	if err != nil {
		return fmt.Errorf("publish live event of %s: %w", rec.Account, err)
	}
	if err := l.nc.Publish(livePrefix+l.store.Subject(rec.Account), body); err != nil {
		return fmt.Errorf("publish live event of %s: %w", rec.Account, err)
	}
	return nil
}
