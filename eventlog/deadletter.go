package eventlog

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/eventlog/stream"
	"github.com/telefleet/orchestrator/fleet"
)

// Dead letters lie in a stream of their own, sealed as they were in the log, under
// "dead.<prefix><consumer>.<account>". They share the log's limit of age and take at most
// an eighth of its bytes.
func (l *Log) deadStore(ctx context.Context, consumer string) (*stream.Store, error) {
	prefix := "dead." + l.store.Prefix
	s, err := l.store.Beside(ctx, prefix+consumer+".", jetstream.StreamConfig{
		Name: l.cfg.Name + "_DEAD", Description: "events that consumers gave up",
		Subjects: []string{prefix + "*.*"}, MaxAge: l.cfg.MaxAge, MaxBytes: max(l.cfg.MaxBytes/8, 1<<20),
		Replicas: l.cfg.Replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return s, nil
}

// bury makes dead letters of entries and settles them.
func (c *Consumer) bury(ctx context.Context, dead []*entry) error {
	if len(dead) == 0 {
		return nil
	}
	if err := c.log.checkSpace(ctx); err != nil {
		return fmt.Errorf("dead letter: %w", err)
	}
	s, err := c.log.deadStore(ctx, c.name)
	if err != nil {
		return err
	}
	for _, e := range dead {
		if e.rec.Gap == nil && e.err == nil && e.dead == 0 {
			body, err := encodeRecord(e.rec, e.rec.Payload)
			if err != nil {
				return err
			}
			m := &nats.Msg{Subject: s.Subject(e.rec.Account), Data: body, Header: nats.Header{}}
			m.Header.Set(stream.OriginHeader, e.rec.Cursor().String())
			if _, err := s.JS.PublishMsg(ctx, m, jetstream.WithExpectStream(s.Name)); err != nil {
				return fmt.Errorf("dead letter: %w", err)
			}
		}
		c.log.cfg.Logger.Warn("event log: dead letter", "consumer", c.name, "account", e.rec.Account, "cursor", e.rec.Cursor().String(), "attempts", e.attempt)
		c.mu.Lock()
		if c.held[e.id] == e {
			c.settle(e)
		}
		c.mu.Unlock()
	}
	return nil
}

// Redeliver puts dead letters back, the oldest first: of one account, or of all when account is empty,
// and at most limit, as far as MaxInFlight allows. It returns how many it put back, without those that were
// already; ErrFull when there was no room for any.
//
// They come before what is left of their account, in their order and one at a time as all events do, but
// behind what the consumer has settled meanwhile. One that is settled is a dead letter no more; one that is
// given up again stays one. So do all that are not settled when the consumer is opened next.
func (c *Consumer) Redeliver(ctx context.Context, account fleet.AccountID, limit int) (int, error) {
	done, err := c.log.enter()
	if err != nil {
		return 0, c.fail(err)
	}
	defer done()
	s, err := c.log.deadStore(ctx, c.name)
	if err != nil {
		return 0, c.fail(err)
	}
	if account == "" {
		account = "*"
	}
	n := 0
	for pos := uint64(0); n < limit; {
		raws, err := s.Page(ctx, account, pos+1)
		if err != nil || len(raws) == 0 {
			return n, c.fail(err)
		}
		for _, raw := range raws {
			pos = raw.Seq
			put, err := c.putAgain(raw)
			if errors.Is(err, ErrFull) && n > 0 {
				return n, nil
			}
			if err != nil {
				return n, c.fail(err)
			}
			if put {
				n++
			}
			if n == limit {
				break
			}
		}
		c.wake()
	}
	return n, nil
}

// putAgain holds a dead letter at the end of those of its account that were put back.
func (c *Consumer) putAgain(raw stream.Raw) (bool, error) {
	rec, err := decodeRecord(raw.Account, raw.Data)
	if err != nil {
		rec = Record{Account: raw.Account}
	}
	at, cursorErr := ParseCursor(raw.Origin)
	rec.Epoch, rec.Seq = at.Epoch, at.Seq
	e := &entry{rec: rec, err: errors.Join(err, cursorErr), id: fmt.Sprintf("dead.%d", raw.Seq), dead: raw.Seq}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended != nil:
		return false, c.ended
	case c.held[e.id] != nil:
		return false, nil
	case len(c.held) >= c.opts.MaxInFlight || c.bytes >= maxHeldBytes:
		return false, fmt.Errorf("%w: %d; settle some first", ErrFull, len(c.held))
	}
	l := c.lanes[rec.Account]
	if l == nil {
		l = &lane{}
		c.lanes[rec.Account] = l
	}
	l.again = append(l.again, e)
	c.held[e.id] = e
	c.bytes += len(rec.Payload)
	return true, nil
}

// unbury removes dead letters that were put back and settled.
func (c *Consumer) unbury(ctx context.Context, dead []uint64) error {
	if len(dead) == 0 {
		return nil
	}
	s, err := c.log.deadStore(ctx, c.name)
	if err != nil {
		return err
	}
	for _, seq := range dead {
		if err := s.Stream.DeleteMsg(ctx, seq); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return fmt.Errorf("remove dead letter: %w", err)
		}
	}
	return nil
}

// DeadLetters yields a consumer's dead letters, oldest first. Seq and Epoch are the record's
// place in the dead letters, not in the log.
func (l *Log) DeadLetters(ctx context.Context, consumer string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s, err := l.deadStore(ctx, consumer)
		for pos := uint64(0); err == nil; {
			var raws []stream.Raw
			raws, err = s.Page(ctx, "*", pos+1)
			if err == nil && len(raws) == 0 {
				return
			}
			for _, raw := range raws {
				pos = raw.Seq
				r, recErr := decodeRecord(raw.Account, raw.Data)
				r.Seq = raw.Seq
				if recErr == nil {
					recErr = l.unseal(ctx, &r)
				}
				if !yield(r, recErr) {
					return
				}
			}
		}
		yield(Record{}, fmt.Errorf("dead letters of %s: %w", consumer, err))
	}
}

// purgeDead removes an account's dead letters of all consumers.
func (l *Log) purgeDead(ctx context.Context, account fleet.AccountID) error {
	return l.purgeDeadSubject(ctx, "dead."+l.store.Prefix+"*."+string(account))
}

func (l *Log) dropDead(ctx context.Context, consumer string) error {
	return l.purgeDeadSubject(ctx, "dead."+l.store.Prefix+consumer+".*")
}

func (l *Log) purgeDeadSubject(ctx context.Context, subject string) error {
	s, err := l.store.JS.Stream(ctx, l.cfg.Name+"_DEAD")
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSubject(subject))
	}
	if err != nil {
		return fmt.Errorf("purge dead letters: %w", err)
	}
	return nil
}
