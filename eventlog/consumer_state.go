package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/fleet"
)

// consumerState is what is stored of a consumer: everything up to Scan is settled, except the
// events of accounts in Behind, which are settled up to the sequence given there. It has at
// most MaxInFlight entries.
type consumerState struct {
	Scan   string                     `json:"scan"`
	Behind map[fleet.AccountID]uint64 `json:"behind,omitempty"`
	// Attempts counts the deliveries of the first unsettled event of accounts in Behind.
	Attempts map[fleet.AccountID]int `json:"attempts,omitempty"`
}

// floor is the place up to which everything is settled.
func (st consumerState) floor() (Cursor, error) {
	at, err := ParseCursor(st.Scan)
	for _, seq := range st.Behind {
		at.Seq = min(at.Seq, seq)
	}
	return at, err
}

// Consumer opens the durable consumer called name ([a-z0-9-]{1,64}), creating it at o.From.
// It takes the consumer over from a dispatcher that still has it open.
func (l *Log) Consumer(ctx context.Context, name string, o ConsumerOptions) (*Consumer, error) {
	if err := checkConsumerName(name); err != nil {
		return nil, err
	}
	done, err := l.enter()
	if err != nil {
		return nil, err
	}
	defer done()
	kv, err := l.consumers(ctx)
	if err != nil {
		return nil, fmt.Errorf("open consumer %s: %w", name, err)
	}
	o = o.withDefaults()
	c := &Consumer{
		log: l, name: name, opts: o, kv: kv, sel: newSelection(o.Accounts, o.Kinds, o.Internal),
		fetching: make(chan struct{}, 1), kick: make(chan struct{}, 1),
		lanes: make(map[fleet.AccountID]*lane), held: make(map[string]*entry),
	}
	if err := c.load(ctx); err != nil {
		return nil, fmt.Errorf("open consumer %s: %w", name, err)
	}
	return c, nil
}

func checkConsumerName(name string) error {
	if fleet.AccountID(name).Validate() != nil {
		return fmt.Errorf("%w: consumer: name must match [a-z0-9-]{1,64} (got %.80q)", ErrInvalid, name)
	}
	return nil
}

// places is where consumers' states are kept, made when it is first used.
type places struct {
	mu sync.Mutex
	kv jetstream.KeyValue
}

func (l *Log) consumers(ctx context.Context) (jetstream.KeyValue, error) {
	l.places.mu.Lock()
	defer l.places.mu.Unlock()
	if l.places.kv != nil {
		return l.places.kv, nil
	}
	kv, err := l.store.JS.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: l.cfg.Name + "_CONSUMERS", Replicas: l.cfg.Replicas, History: 1,
	})
	if err == nil {
		l.places.kv = kv
	}
	return kv, err
}

// readConsumer gives what is stored of a consumer, nil when nothing is, and the revision that the
// next save replaces.
func (l *Log) readConsumer(ctx context.Context, kv jetstream.KeyValue, name string) (*consumerState, uint64, error) {
	stored, err := kv.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		// A deleted consumer leaves a marker, whose revision a new one must follow.
		del, err := deleted(ctx, kv, name)
		if err != nil || del == nil {
			return nil, 0, err
		}
		return nil, del.Revision(), nil
	}
	if err != nil {
		return nil, 0, err
	}
	st := new(consumerState)
	if err := json.Unmarshal(stored.Value(), st); err != nil {
		return nil, 0, fmt.Errorf("%w: its state does not decode", ErrCorrupt)
	}
	if _, err := st.floor(); err != nil {
		return nil, 0, fmt.Errorf("%w: its state does not decode", ErrCorrupt)
	}
	return st, stored.Revision(), nil
}

// load restores the cursor and saves it at once, so that a former dispatcher notices.
func (c *Consumer) load(ctx context.Context) error {
	st, revision, err := c.log.readConsumer(ctx, c.kv, c.name)
	if err != nil {
		return err
	}
	from := c.opts.From
	c.revision = revision
	if st != nil {
		at, err := ParseCursor(st.Scan)
		if err != nil {
			return err
		}
		from = FromCursor(at)
	}
	if c.reader, err = c.log.startReader(ctx, from, c.opts.Accounts); err != nil {
		return err
	}
	if st != nil {
		// The stored zero cursor means "from sequence 1": unlike a new consumer's it reports
		// what retention dropped meanwhile.
		scan := from.cursor
		c.reader.pos = min(c.reader.table.Resolve(scan.Epoch, scan.Seq), c.reader.end)
		c.reader.seen, c.reader.fresh = c.reader.pos, false
		for a, seq := range st.Behind {
			seq = c.reader.table.Resolve(scan.Epoch, seq)
			if seq >= c.reader.pos {
				continue // what it was behind of was cut off
			}
			c.lanes[a] = &lane{spill: c.spillReader(a, seq), at: seq, last: seq + 1, attempts: st.Attempts[a]}
		}
	}
	c.scan, c.dirty = c.reader.place(), true
	return c.save(ctx)
}

// deleted gives the deletion marker, nil when there is none.
func deleted(ctx context.Context, kv jetstream.KeyValue, name string) (jetstream.KeyValueEntry, error) {
	entries, err := kv.History(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	return entries[len(entries)-1], nil
}

// ConsumerStatus is how far a consumer has come, as last saved.
type ConsumerStatus struct {
	// Cursor is the place up to which everything is settled; Scan up to where it was read.
	Cursor, Scan Cursor
	// Behind is how many accounts have events before Scan that are not settled.
	Behind int
}

// ConsumerStatus reads what is saved of a consumer; ErrNotFound when nothing is.
func (l *Log) ConsumerStatus(ctx context.Context, name string) (out ConsumerStatus, err error) {
	if err := checkConsumerName(name); err != nil {
		return out, err
	}
	done, err := l.enter()
	if err != nil {
		return out, err
	}
	defer done()
	kv, err := l.consumers(ctx)
	if err != nil {
		return out, fmt.Errorf("read consumer %s: %w", name, err)
	}
	st, _, err := l.readConsumer(ctx, kv, name)
	if err == nil && st == nil {
		err = ErrNotFound
	}
	if err != nil {
		return out, fmt.Errorf("read consumer %s: %w", name, err)
	}
	if out.Cursor, err = st.floor(); err != nil {
		return out, err
	}
	out.Scan, err = ParseCursor(st.Scan)
	out.Behind = len(st.Behind)
	return out, err
}

// maxSeekTries bounds the tries of SeekConsumer against a dispatcher that saves.
const maxSeekTries = 20

// SeekConsumer makes a consumer begin anew at from, whatever was settled. A dispatcher that has it
// open ends with ErrInUse when it next saves; end it first.
func (l *Log) SeekConsumer(ctx context.Context, name string, from From) (Cursor, error) {
	if err := checkConsumerName(name); err != nil {
		return Cursor{}, err
	}
	rd, err := l.startReader(ctx, from, nil)
	if err != nil {
		return Cursor{}, fmt.Errorf("seek consumer %s: %w", name, err)
	}
	done, err := l.enter()
	if err != nil {
		return Cursor{}, err
	}
	defer done()
	kv, err := l.consumers(ctx)
	if err != nil {
		return Cursor{}, fmt.Errorf("seek consumer %s: %w", name, err)
	}
	data, err := json.Marshal(consumerState{Scan: rd.place().String()})
	if err != nil {
		return Cursor{}, fmt.Errorf("seek consumer %s: %w", name, err)
	}
	for range maxSeekTries {
		var revision uint64
		if _, revision, err = l.readConsumer(ctx, kv, name); err == nil || errors.Is(err, ErrCorrupt) {
			_, err = kv.Update(ctx, name, data, revision)
		}
		if err == nil {
			return rd.place(), nil
		}
		if !errors.Is(err, jetstream.ErrKeyExists) {
			break
		}
	}
	return Cursor{}, fmt.Errorf("seek consumer %s: %w", name, err)
}

// DeleteConsumer forgets a consumer's cursor and its dead letters. A dispatcher that has it
// open ends with ErrInUse.
func (l *Log) DeleteConsumer(ctx context.Context, name string) error {
	if err := checkConsumerName(name); err != nil {
		return err
	}
	done, err := l.enter()
	if err != nil {
		return err
	}
	defer done()
	kv, err := l.consumers(ctx)
	if err == nil {
		err = kv.Delete(ctx, name)
	}
	if err == nil {
		err = l.dropDead(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("delete consumer %s: %w", name, err)
	}
	return nil
}

// state is what can be saved now; mu is held.
func (c *Consumer) state() consumerState {
	scan := c.scan.Seq
	if g := c.lanes[""]; g != nil && len(g.queue) > 0 { // an unsettled gap of all accounts
		scan = min(scan, g.queue[0].rec.Gap.From-1)
	}
	st := consumerState{}
	for a, l := range c.lanes {
		if a == "" {
			continue
		}
		at, behind, attempts := scan, false, l.attempts
		if l.spill != nil {
			at, behind = l.at, true
		}
		if len(l.queue) > 0 {
			at, behind = l.queue[0].rec.Seq-1, true
			if g := l.queue[0].rec.Gap; g != nil {
				at = g.From - 1
			}
			attempts = l.queue[0].attempt
		}
		if behind && at < scan {
			if st.Behind == nil {
				st.Behind = make(map[fleet.AccountID]uint64)
			}
			st.Behind[a] = at
			if attempts > 0 {
				if st.Attempts == nil {
					st.Attempts = make(map[fleet.AccountID]int)
				}
				st.Attempts[a] = attempts
			}
		}
	}
	st.Scan = Cursor{Epoch: c.scan.Epoch, Seq: scan}.String()
	return st
}

// Cursor is the place up to which everything is settled.
func (c *Consumer) Cursor() Cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, err := c.state().floor()
	if err != nil {
		panic(fmt.Sprintf("consumer %s: %v", c.name, err)) // a broken invariant: its own text of a cursor
	}
	return at
}

func (c *Consumer) saveIfDue(ctx context.Context) error {
	c.mu.Lock()
	due := c.dirty && time.Since(c.savedAt) >= consumerSaveEvery
	c.mu.Unlock()
	if !due {
		return nil
	}
	return c.save(ctx)
}

// save writes the state by revision: a conflict means that another dispatcher took over. mu is
// held over the write, so that saves are in order.
func (c *Consumer) save(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return c.ended
	}
	data, err := json.Marshal(c.state())
	if err != nil {
		return fmt.Errorf("save cursor: %w", err)
	}
	// A cancelled save would leave the revision unknown, and look like a take-over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.log.cfg.AckTimeout)
	defer cancel()
	revision, err := c.kv.Update(ctx, c.name, data, c.revision)
	if errors.Is(err, jetstream.ErrKeyExists) {
		if revision, err = c.ownSave(ctx, data); err != nil {
			c.ended = err
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("save cursor: %w", err)
	}
	c.revision, c.dirty, c.savedAt = revision, false, time.Now()
	return nil
}

// ownSave tells a take-over from an own save whose acknowledgement was lost and which was then
// repeated.
func (c *Consumer) ownSave(ctx context.Context, data []byte) (uint64, error) {
	e, err := c.kv.Get(ctx, c.name)
	if err == nil && string(e.Value()) == string(data) && e.Revision() > c.revision {
		return e.Revision(), nil
	}
	return 0, fmt.Errorf("%w: another dispatcher took the consumer over", ErrInUse)
}

// Save saves the cursor if it has moved, at most once a second. Fetch and Ack do so too; a
// dispatcher calls it while nobody calls them.
func (c *Consumer) Save(ctx context.Context) error {
	done, err := c.log.enter()
	if err != nil {
		return c.fail(err)
	}
	defer done()
	return c.fail(c.saveIfDue(ctx))
}

// Flush saves the cursor now.
func (c *Consumer) Flush(ctx context.Context) error {
	done, err := c.log.enter()
	if err != nil {
		return c.fail(err)
	}
	defer done()
	return c.fail(c.save(ctx))
}

// Close saves the cursor and ends the consumer; unsettled events are delivered again when it
// is opened next.
func (c *Consumer) Close(ctx context.Context) error {
	err := c.Flush(ctx)
	c.mu.Lock()
	if c.ended == nil {
		c.ended = ErrClosed
	}
	c.mu.Unlock()
	c.wake()
	return err
}
