package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/fleet"
)

// Defaults of ConsumerOptions, and how often a moved cursor is saved.
const (
	DefaultMaxInFlight   = 256
	DefaultMaxPerAccount = 32
	DefaultAckWait       = 30 * time.Second
	consumerSaveEvery    = time.Second
	// maxHeldBytes stops the reading of a consumer as MaxInFlight does; up to one page more may be
	// held.
	maxHeldBytes = 16 << 20
)

// ConsumerOptions set up a durable consumer. They are not stored: each opening gives them.
type ConsumerOptions struct {
	// From is where a consumer that does not exist yet begins.
	From From
	// Accounts, Kinds and Internal select as in SubscribeOptions.
	Accounts []fleet.AccountID
	Kinds    []string
	Internal bool
	// Match, if set, decides of each record that the others select; gaps are not asked about. Its
	// error ends the Fetch, and the next one asks again. It is called by the Fetch.
	Match func(ctx context.Context, r *Record) (bool, error)
	// MaxInFlight bounds the events held: delivered, or waiting behind one of the same
	// account. At the limit reading stops. Default 256.
	MaxInFlight int
	// MaxPerAccount bounds the events held of one account; beyond it the account's events stay
	// in the store and the others go on. Default 32.
	MaxPerAccount int
	// AckWait is after how long an event that was not acknowledged is delivered again; default 30 s.
	AckWait time.Duration
	// MaxDeliver is after how many deliveries an event becomes a dead letter; 0: never.
	// The count is saved with the cursor.
	MaxDeliver int
}

// Delivery is one event handed to a consumer.
type Delivery struct {
	Record
	// AckID settles it; opaque, safe in URLs.
	AckID string
	// Attempt counts from 1.
	Attempt int
	// Err is ErrCorrupt or ErrNoKey when the record cannot be read; acknowledge it to go on.
	Err error
}

// Consumer is a durable cursor with acknowledgements. An account's events are delivered one at
// a time and in order: a later one waits until the earlier one is acknowledged or a dead
// letter. Delivery is at least once; after a crash what was acknowledged within the last
// second may come again.
//
// One dispatcher runs a consumer: opening it elsewhere ends the former one with ErrInUse.
type Consumer struct {
	log  *Log
	name string
	opts ConsumerOptions
	sel  selection
	kv   jetstream.KeyValue

	fetching chan struct{} // one token: the fetcher owns reader and the lanes' readers
	reader   *reader

	mu       sync.Mutex
	kick     chan struct{} // one token: something was settled
	scan     Cursor        // read up to here; its epoch is the one that the reader knows
	lanes    map[fleet.AccountID]*lane
	held     map[string]*entry
	bytes    int // of what is held
	revision uint64
	dirty    bool
	savedAt  time.Time
	ended    error
}

// lane is one account's held events, in order; the empty account has the gaps of all.
type lane struct {
	queue []*entry
	// again are dead letters that were put back, in their order. They go before the queue, and no place
	// is saved of them: until they are settled they are dead letters still.
	again []*entry
	// spill, if set, reads the account's events that did not fit, up to the scan; at is where
	// it stands. The fetcher owns spill itself.
	spill *reader
	at    uint64
	// last is a selected record that is known to have existed: when the spill ends before it,
	// retention or a purge took it.
	last uint64
	// attempts of the record after at, from before the consumer was opened.
	attempts int
}

type entry struct {
	rec     Record // sealed
	err     error
	id      string
	attempt int
	flying  bool
	due     time.Time // when it may be delivered (again)
	dead    uint64    // its sequence among the dead letters, if it was put back
}

// head is the event that the lane's next one waits for.
func (l *lane) head() *entry {
	switch {
	case len(l.queue) > 0 && l.queue[0].flying, len(l.again) == 0 && len(l.queue) > 0:
		return l.queue[0]
	case len(l.again) > 0:
		return l.again[0]
	}
	return nil
}

func (o ConsumerOptions) withDefaults() ConsumerOptions {
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.MaxPerAccount <= 0 {
		o.MaxPerAccount = DefaultMaxPerAccount
	}
	if o.AckWait <= 0 {
		o.AckWait = DefaultAckWait
	}
	return o
}

// Fetch waits for at least one event and returns at most max of them, ordered per account. One
// Fetch runs at a time; others wait.
func (c *Consumer) Fetch(ctx context.Context, max int) ([]Delivery, error) {
	ctx, cancel := c.log.bound(ctx)
	defer cancel()
	select {
	case c.fetching <- struct{}{}:
		defer func() { <-c.fetching }()
	case <-ctx.Done():
		return nil, c.fail(ctx.Err())
	}
	c.log.hub.follow()
	if max < 1 {
		max = 1
	}
	for {
		out, next, err := c.pick(ctx, max)
		if err != nil || len(out) > 0 {
			return out, c.fail(err)
		}
		progress, wait, err := c.fill(ctx)
		if err != nil {
			return nil, c.fail(err)
		}
		if progress {
			continue
		}
		if err := c.await(ctx, wait, next); err != nil {
			return nil, c.fail(err)
		}
	}
}

func (c *Consumer) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("consumer %s: %w", c.name, c.log.ended(err))
}

// await returns when there may be something to deliver.
func (c *Consumer) await(ctx context.Context, wait <-chan struct{}, next time.Time) error {
	var timer <-chan time.Time
	until := next
	c.mu.Lock()
	if save := c.savedAt.Add(consumerSaveEvery); c.dirty && (until.IsZero() || save.Before(until)) {
		until = save
	}
	c.mu.Unlock()
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-wait:
	case <-timer:
	case <-c.kick:
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.saveIfDue(ctx)
}

// pick takes the deliverable heads of the lanes. next is when one becomes deliverable by time.
func (c *Consumer) pick(ctx context.Context, max int) (out []Delivery, next time.Time, err error) {
	now := time.Now()
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return nil, next, c.ended
	}
	var dead []*entry
	var picked []*entry
	for _, l := range c.lanes {
		e := l.head()
		if e == nil || len(picked) >= max {
			continue
		}
		if e.due.After(now) {
			if next.IsZero() || e.due.Before(next) {
				next = e.due
			}
			continue
		}
		if c.opts.MaxDeliver > 0 && e.attempt >= c.opts.MaxDeliver {
			dead = append(dead, e)
			continue
		}
		c.dirty = c.dirty || e.attempt > 0
		e.attempt++
		e.flying, e.due = true, now.Add(c.opts.AckWait)
		picked = append(picked, e)
	}
	c.mu.Unlock()
	if err := c.bury(ctx, dead); err != nil {
		c.putBack(picked)
		return nil, next, err
	}
	for i, e := range picked {
		d := Delivery{Record: e.rec, AckID: e.id, Attempt: e.attempt, Err: e.err}
		if d.Err == nil && d.Gap == nil {
			if err := c.log.unseal(ctx, &d.Record); err != nil && !unreadable(err) {
				c.putBack(picked[i:])
				if i > 0 {
					return out, next, nil
				}
				return nil, next, err
			} else if err != nil {
				d.Err = err
			}
		}
		out = append(out, d)
	}
	if len(dead) > 0 && len(out) == 0 {
		return c.pick(ctx, max) // what waited behind the dead ones
	}
	return out, next, nil
}

// putBack undoes picks that were not handed out.
func (c *Consumer) putBack(es []*entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range es {
		e.attempt--
		e.flying, e.due = false, time.Time{}
	}
}

// fill reads more: first what spilled of accounts that caught up, then the log itself unless
// the limit is reached.
func (c *Consumer) fill(ctx context.Context) (progress bool, wait <-chan struct{}, err error) {
	progress, err = c.refill(ctx)
	if progress || err != nil {
		return progress, nil, err
	}
	c.mu.Lock()
	full := len(c.held) >= c.opts.MaxInFlight || c.bytes >= maxHeldBytes
	c.mu.Unlock()
	if full {
		return false, nil, nil
	}
	items, _, wait, err := c.read(ctx, c.reader, true)
	if err != nil {
		return false, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range items {
		c.enqueue(it, false)
	}
	if scan := c.reader.place(); c.scan != scan {
		c.scan, c.dirty = scan, true
	}
	return wait == nil, wait, nil
}

// refill reads one page of each spilled lane that is at most half full.
func (c *Consumer) refill(ctx context.Context) (progress bool, err error) {
	type job struct {
		account fleet.AccountID
		lane    *lane
	}
	var jobs []job
	c.mu.Lock()
	for a, l := range c.lanes {
		room := len(c.held) < c.opts.MaxInFlight && c.bytes < maxHeldBytes
		if l.spill != nil && len(l.queue) <= c.opts.MaxPerAccount/2 && (room || len(l.queue) == 0) {
			jobs = append(jobs, job{a, l})
		}
	}
	scan := c.scan.Seq
	c.mu.Unlock()
	for _, j := range jobs {
		rd := j.lane.spill
		rd.end = scan
		items, found, _, err := c.read(ctx, rd, false)
		if err != nil {
			return progress, err
		}
		progress = true
		c.mu.Lock()
		if found == 0 { // caught up with the scan
			j.lane.spill = nil
			if j.lane.last > rd.seen {
				items = append(items, rd.gapItem(j.account, Gap{From: rd.seen + 1, To: scan}, scan))
			}
		}
		for _, it := range items {
			if !c.enqueue(it, true) {
				break
			}
		}
		if j.lane.spill != nil {
			j.lane.at = j.lane.spill.pos
		}
		c.settleLane(j.account)
		c.dirty = true
		c.mu.Unlock()
	}
	return progress, nil
}

// read is rd.read for what is selected, and how much was read. On an error rd has not moved.
func (c *Consumer) read(ctx context.Context, rd *reader, follow bool) (items []item, found int, wait <-chan struct{}, err error) {
	before := *rd
	before.holes = slices.Clone(rd.holes)
	all, wait, err := rd.read(ctx, follow)
	for _, it := range all {
		ok := err == nil && c.sel.wants(it.rec, it.err)
		if ok && c.opts.Match != nil && it.rec.Gap == nil {
			ok, err = c.opts.Match(ctx, it.rec)
		}
		if ok {
			items = append(items, it)
		}
	}
	if err != nil {
		*rd = before
		return nil, 0, nil, err
	}
	return items, len(all), wait, nil
}

// enqueue holds a selected item; mu is held. It reports false when the lane is full: the lane
// then goes on from the store, after the last record it holds.
func (c *Consumer) enqueue(it item, refill bool) bool {
	rec, err := it.rec, it.err
	l := c.lanes[rec.Account]
	if l == nil {
		l = &lane{}
		c.lanes[rec.Account] = l
	}
	if rec.Account != "" && l.spill != nil && !refill {
		l.last = rec.Seq
		return true // read later
	}
	if rec.Account != "" && len(l.queue) >= c.opts.MaxPerAccount {
		at := l.queue[len(l.queue)-1].rec.Seq
		l.spill, l.at, l.last = c.spillReader(rec.Account, at), at, max(l.last, rec.Seq)
		return false
	}
	e := &entry{rec: *rec, err: err, id: ackID(rec)}
	if rec.Gap == nil && rec.Seq == l.at+1 {
		e.attempt = l.attempts
	}
	l.attempts = 0
	if c.held[e.id] == nil {
		l.queue = append(l.queue, e)
		c.held[e.id] = e
		c.bytes += len(rec.Payload)
	}
	return true
}

func (c *Consumer) spillReader(account fleet.AccountID, after uint64) *reader {
	return &reader{log: c.log, account: account, table: c.reader.table, pos: after, seen: after}
}

func ackID(r *Record) string {
	if r.Gap != nil {
		return fmt.Sprintf("%s.gap.%s", r.Cursor(), r.Account)
	}
	return r.Cursor().String()
}

// Ack settles deliveries. An unknown AckID (settled before, or never delivered) is ErrNotFound,
// after the others were settled. The cursor is saved at most once a second.
func (c *Consumer) Ack(ctx context.Context, ackIDs ...string) error {
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return c.fail(c.ended)
	}
	unknown := ""
	var dead []uint64
	for _, id := range ackIDs {
		e := c.held[id]
		if e == nil || e.attempt == 0 {
			unknown = id
			continue
		}
		c.settle(e)
		if e.dead > 0 {
			dead = append(dead, e.dead)
		}
	}
	c.mu.Unlock()
	c.wake()
	if err := errors.Join(c.unbury(ctx, dead), c.saveIfDue(ctx)); err != nil {
		return c.fail(err)
	}
	if unknown != "" {
		return c.fail(fmt.Errorf("%w: delivery %.80q", ErrNotFound, unknown))
	}
	return nil
}

// Nak asks for a delivery again after delay.
func (c *Consumer) Nak(ackID string, delay time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.held[ackID]
	if e == nil || !e.flying {
		return c.fail(fmt.Errorf("%w: delivery %.80q", ErrNotFound, ackID))
	}
	e.flying, e.due = false, time.Now().Add(delay)
	c.wake()
	return nil
}

// InProgress gives a delivery AckWait more time, from now on.
func (c *Consumer) InProgress(ackID string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.held[ackID]
	if e == nil || !e.flying {
		return c.fail(fmt.Errorf("%w: delivery %.80q", ErrNotFound, ackID))
	}
	e.due = time.Now().Add(c.opts.AckWait)
	return nil
}

func (c *Consumer) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// settle removes an entry; mu is held. It is the head of its lane: only heads are delivered.
func (c *Consumer) settle(e *entry) {
	l := c.lanes[e.rec.Account]
	delete(c.held, e.id)
	c.bytes -= len(e.rec.Payload)
	if e.dead > 0 {
		l.again = l.again[1:]
	} else {
		l.queue = l.queue[1:]
	}
	c.dirty = true
	c.settleLane(e.rec.Account)
}

func (c *Consumer) settleLane(account fleet.AccountID) {
	if l := c.lanes[account]; l != nil && len(l.queue)+len(l.again) == 0 && l.spill == nil {
		delete(c.lanes, account)
	}
}

// Name is the consumer's name.
func (c *Consumer) Name() string { return c.name }

// InFlight is how many events are held: delivered and not settled, or waiting behind one.
func (c *Consumer) InFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}
