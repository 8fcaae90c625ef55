package client

import (
	"context"
	"errors"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/retry"
	"github.com/telefleet/orchestrator/fleet"
)

// CreateConsumer adds a durable consumer of events; it begins where spec.from says. Reason:
// CONSUMER_EXISTS.
func (c *Client) CreateConsumer(ctx context.Context, name string, spec *v1.ConsumerSpec) (*v1.Consumer, error) {
	reply, err := call(ctx, c, once, on(consumerService.CreateConsumer), &v1.CreateConsumerRequest{Name: name, Spec: spec})
	return reply.GetConsumer(), err
}

// GetConsumer reads a consumer. Reason: CONSUMER_UNKNOWN.
func (c *Client) GetConsumer(ctx context.Context, name string) (*v1.Consumer, error) {
	reply, err := call(ctx, c, repeatable, on(consumerService.GetConsumer), &v1.GetConsumerRequest{Name: name})
	return reply.GetConsumer(), err
}

// Consumers reads all consumers, ordered by name.
func (c *Client) Consumers(ctx context.Context) ([]*v1.Consumer, error) {
	reply, err := call(ctx, c, repeatable, on(consumerService.ListConsumers), &v1.ListConsumersRequest{})
	return reply.GetConsumers(), err
}

// UpdateConsumer replaces the spec of a consumer as it was read: its resource version must still
// hold, else reason CONFLICT. The place is kept.
func (c *Client) UpdateConsumer(ctx context.Context, consumer *v1.Consumer) (*v1.Consumer, error) {
	reply, err := call(ctx, c, once, on(consumerService.UpdateConsumer), &v1.UpdateConsumerRequest{Resource: consumer})
	return reply.GetConsumer(), err
}

// DeleteConsumer removes a consumer with its place and its dead letters.
func (c *Client) DeleteConsumer(ctx context.Context, name string) error {
	_, err := call(ctx, c, once, on(consumerService.DeleteConsumer), &v1.DeleteConsumerRequest{Name: name})
	return err
}

// ReplayPosition is a cursor of an event, behind which to begin, or Begin.
func ReplayPosition(position string) *v1.ReplayPoint {
	return &v1.ReplayPoint{At: &v1.ReplayPoint_Position{Position: position}}
}

// ReplayTime begins with the first event that was recorded then or later.
func ReplayTime(t time.Time) *v1.ReplayPoint {
	return &v1.ReplayPoint{At: &v1.ReplayPoint_Time{Time: timestamppb.New(t)}}
}

// ReplayConsumer moves a consumer's place and returns it: events behind it come, whatever was
// settled.
func (c *Client) ReplayConsumer(ctx context.Context, name string, from *v1.ReplayPoint) (cursor string, err error) {
	reply, err := call(ctx, c, repeatable, on(consumerService.ReplayConsumer), &v1.ReplayConsumerRequest{Consumer: name, From: from})
	return reply.GetCursor(), err
}

// DeadLetters reads the oldest events that a consumer, or the webhook of that name, gave up; limit
// 0 = 100.
func (c *Client) DeadLetters(ctx context.Context, name string, webhook bool, limit int) ([]*Event, error) {
	reply, err := call(ctx, c, repeatable, on(consumerService.ListDeadLetters), &v1.ListDeadLettersRequest{Name: name, Webhook: webhook, Limit: int32(limit)})
	return reply.GetEvents(), err
}

// RedeliverDeadLetters puts the oldest dead letters of a consumer back, those of one account or with an
// empty account of all; limit 0 = 100. They come before what is left of their account, in their order, but
// behind what was settled meanwhile. It returns how many. Reason: TOO_MANY_HELD.
func (c *Client) RedeliverDeadLetters(ctx context.Context, consumer, account string, limit int) (int, error) {
	reply, err := call(ctx, c, repeatable, on(consumerService.RedeliverDeadLetters), &v1.RedeliverDeadLettersRequest{Consumer: consumer, OfAccount: account, Limit: int32(limit)})
	return int(reply.GetRedelivered()), err
}

// Delivery is one event that a consumer has handed out. Its account's next one comes when it is
// settled.
type Delivery struct {
	*Event
	// Attempt counts the deliveries of this event, from 1.
	Attempt int

	client   *Client
	consumer string
	id       string
}

// Ack settles the event. It is no error when it was settled before, or is out no longer: then it
// comes again.
func (d *Delivery) Ack(ctx context.Context) error {
	_, err := call(ctx, d.client, repeatable, on(consumerService.AckEvents), &v1.AckEventsRequest{Consumer: d.consumer, AckIds: []string{d.id}})
	return err
}

// Nak gives the event back: it comes again after the delay, and its account's next ones after it.
func (d *Delivery) Nak(ctx context.Context, delay time.Duration) error {
	_, err := call(ctx, d.client, repeatable, on(consumerService.NakEvents), &v1.NakEventsRequest{Consumer: d.consumer, AckIds: []string{d.id}, Delay: durationpb.New(delay)})
	return err
}

// Keep gives the event ack_wait more time, from now on.
func (d *Delivery) Keep(ctx context.Context) error {
	_, err := call(ctx, d.client, repeatable, on(consumerService.KeepEvents), &v1.KeepEventsRequest{Consumer: d.consumer, AckIds: []string{d.id}})
	return err
}

// ConsumeOptions say how to consume.
type ConsumeOptions struct {
	// Batch is how many events are asked for at a time, each of another account; 0 = DefaultBatch.
	// All of them must be settled within the consumer's ack_wait, or they come again.
	Batch int
	// Wait is how long the node waits when there is none; 0 = 30 s, at most 60 s.
	Wait time.Duration
	// Interrupted is told why the events are asked for again; for logs. It is called by the
	// iterator's goroutine.
	Interrupted func(error)
}

// DefaultBatch is how many events a consumer asks for at a time.
const DefaultBatch = 16

// FetchEvents takes events of a consumer, at most o.Batch; none when none came in time.
func (c *Client) FetchEvents(ctx context.Context, consumer string, o ConsumeOptions) ([]*Delivery, error) {
	req := &v1.FetchEventsRequest{Consumer: consumer, Max: int32(o.Batch)}
	if o.Batch <= 0 {
		req.Max = DefaultBatch
	}
	if o.Wait > 0 {
		req.Wait = durationpb.New(o.Wait)
	}
	reply, err := call(ctx, c, repeatable, on(consumerService.FetchEvents), req)
	out := make([]*Delivery, 0, len(reply.GetDeliveries()))
	for _, d := range reply.GetDeliveries() {
		out = append(out, &Delivery{Event: d.GetEvent(), Attempt: int(d.GetAttempt()), client: c, consumer: consumer, id: d.GetAckId()})
	}
	return out, err
}

// Consume yields the events of a durable consumer; the loop settles each by Ack or Nak. When the
// connection breaks or the node stops it goes on, at any node, for as long as ctx lasts; only the
// beginning is bounded by WithRetry. Several clients share the events of one consumer. Each comes
// at least once: again when it was not settled within ack_wait.
//
// The iteration ends with an error that it yields: that of ctx, or one that trying again does not
// mend, such as CONSUMER_UNKNOWN.
func (c *Client) Consume(ctx context.Context, consumer string, o ConsumeOptions) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		began, failed := false, 0
		for {
			list, err := c.FetchEvents(ctx, consumer, o)
			var e *Error
			if err != nil && (!began || ctx.Err() != nil || !errors.As(err, &e) || e.Code != fleet.CodeUnavailable) {
				yield(nil, err)
				return
			}
			if err != nil {
				if o.Interrupted != nil {
					o.Interrupted(err)
				}
				retry.Pause(ctx, failed) // where ctx ends, the next call says so
				failed++
				continue
			}
			began, failed = true, 0
			for _, d := range list {
				if !yield(d, nil) {
					return
				}
			}
		}
	}
}
