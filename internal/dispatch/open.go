package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
)

// closeTimeout bounds the saving of a place that is given up.
const closeTimeout = 5 * time.Second

// saveEvery is how often the place of a consumer is saved while nobody calls.
const saveEvery = time.Second

// open is a consumer of the event log while this node works on it. It is opened when it is first
// needed, and anew after its place was moved.
type open struct {
	log   *eventlog.Log
	kind  string // consumer, webhook
	name  string // as people know it
	id    string // in the event log
	opts  eventlog.ConsumerOptions
	raw   bool
	check func() error

	viewing sync.Mutex
	view    *methods.View

	mu       sync.Mutex
	consumer *eventlog.Consumer
	closed   bool
}

// options are those of the event log for what a consumer selects.
func (d *Dispatch) options(s *v1.EventSelector) (eventlog.ConsumerOptions, error) {
	var o eventlog.ConsumerOptions
	for _, a := range s.GetAccounts() {
		o.Accounts = append(o.Accounts, fleet.AccountID(a))
	}
	labelled, err := d.Labels().Matcher(s.GetSelector())
	if err != nil {
		return o, err
	}
	kinds := s.GetKinds()
	o.Match = func(ctx context.Context, r *eventlog.Record) (bool, error) {
		if !methods.KindMatches(r.Kind, kinds) {
			return false, nil
		}
		if labelled == nil {
			return true, nil
		}
		return labelled(ctx, r.Account)
	}
	return o, nil
}

// get gives the consumer, opening it where needed.
func (o *open) get(ctx context.Context) (*eventlog.Consumer, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, notHere(o.kind, o.name)
	}
	if err := o.check(); err != nil {
		return nil, notHere(o.kind, o.name)
	}
	if o.consumer == nil {
		c, err := o.log.Consumer(ctx, o.id, o.opts)
		if err != nil {
			return nil, err
		}
		o.consumer = c
	}
	return o.consumer, nil
}

// forget drops a consumer that has ended, so that it is opened anew.
func (o *open) forget(c *eventlog.Consumer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.consumer == c {
		o.consumer = nil
	}
}

// ended tells that a consumer was closed or moved, here or by another node.
func ended(err error) bool {
	return errors.Is(err, eventlog.ErrInUse) || errors.Is(err, eventlog.ErrClosed)
}

// fetch waits for events and takes at most limit.
func (o *open) fetch(ctx context.Context, limit int) ([]*v1.Delivery, error) {
	for {
		c, err := o.get(ctx)
		if err != nil {
			return nil, err
		}
		list, err := c.Fetch(ctx, limit)
		switch {
		case err == nil && o.check() != nil: // another node may hand them out by now
			return nil, notHere(o.kind, o.name)
		case err == nil:
			return o.convert(ctx, list), nil
		case !ended(err) || ctx.Err() != nil:
			return nil, err
		}
		o.forget(c)
	}
}

func (o *open) convert(ctx context.Context, list []eventlog.Delivery) []*v1.Delivery {
	o.viewing.Lock()
	defer o.viewing.Unlock()
	out := make([]*v1.Delivery, len(list))
	for i, d := range list {
		out[i] = &v1.Delivery{
			AckId: d.AckID, Attempt: int32(d.Attempt), Event: o.view.Event(ctx, EventOf(d.Record, d.Err), o.raw),
		}
	}
	return out
}

// settle does something with a delivery; known is false when it is not out.
func (o *open) settle(ctx context.Context, verb methods.Verb, ackID string, delay time.Duration) (known bool, err error) {
	c, err := o.get(ctx)
	if err != nil {
		return false, err
	}
	switch verb {
	case methods.Ack:
		err = c.Ack(ctx, ackID)
	case methods.Nak:
		err = c.Nak(ackID, delay)
	case methods.Keep:
		err = c.InProgress(ackID)
	}
	switch {
	case errors.Is(err, eventlog.ErrNotFound):
		return false, nil
	case ended(err):
		o.forget(c)
		return false, nil
	}
	return err == nil, err
}

// redeliver puts dead letters back.
func (o *open) redeliver(ctx context.Context, account fleet.AccountID, limit int) (int, error) {
	for {
		c, err := o.get(ctx)
		if err != nil {
			return 0, err
		}
		n, err := c.Redeliver(ctx, account, limit)
		switch {
		case errors.Is(err, eventlog.ErrFull):
			return n, fleet.Errorf(fleet.CodeResourceExhausted, "TOO_MANY_HELD", "the %s %s holds as many events as it may", o.kind, o.name).
				WithRemedy("settle some, or raise max_in_flight, then repeat it")
		case !ended(err) || ctx.Err() != nil:
			return n, err
		}
		o.forget(c)
	}
}

// seek moves the place.
func (o *open) seek(ctx context.Context, to methods.Point) (string, error) {
	from, err := fromOf(ctx, o.log, to)
	if err != nil {
		return "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.check() != nil {
		return "", notHere(o.kind, o.name)
	}
	if o.consumer != nil { // whoever waits for its events finds it closed, and waits at the new place
		if err := o.consumer.Close(ctx); err != nil && !ended(err) {
			return "", err
		}
		o.consumer = nil
	}
	at, err := o.log.SeekConsumer(ctx, o.id, from)
	return at.String(), err
}

// keepPlace saves the place every now and then until ctx ends.
func (o *open) keepPlace(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		o.mu.Lock()
		c := o.consumer
		o.mu.Unlock()
		if c != nil {
			if err := c.Save(ctx); ended(err) {
				o.forget(c)
			}
		}
	}
}

// close saves the place and refuses further calls.
func (o *open) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.consumer == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := o.consumer.Close(ctx); err != nil && !ended(err) {
		return err
	}
	return nil
}
