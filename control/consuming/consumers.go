package consuming

import (
	"cmp"
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

// Limits of consumers.
const (
	maxConsumerHeld = 4096 // so that a place with as many accounts behind fits into one message of NATS
	maxDeliver      = 10_000
	minAckWait      = time.Second
	maxAckWait      = 12 * time.Hour
	defaultFetch    = 100
	maxFetch        = 1000
	defaultWait     = 30 * time.Second
	maxWait         = time.Minute
)

// consumersOf is what serves consumers, or why nothing does.
func consumersOf(h *methods.Host) (methods.Consumers, methods.Deliveries, error) {
	if h.Consumers == nil || h.Deliveries == nil {
		return nil, nil, methods.Unsupported("consumers")
	}
	return h.Consumers, h.Deliveries, nil
}

func checkConsumerSpec(s *v1.ConsumerSpec) error {
	ackWait := minAckWait
	if w := s.GetAckWait(); w != nil {
		ackWait = w.AsDuration()
	}
	return errors.Join(
		checkSelect(s.GetSelect()),
		checkRange("spec.max_in_flight", s.GetMaxInFlight(), 0, maxConsumerHeld),
		checkRange("spec.max_per_account", s.GetMaxPerAccount(), 0, maxConsumerHeld),
		checkRange("spec.max_deliver", s.GetMaxDeliver(), 0, maxDeliver),
		checkRange("spec.ack_wait", ackWait, minAckWait, maxAckWait),
	)
}

func createConsumer(ctx context.Context, host *methods.Host, req *v1.CreateConsumerRequest) (*v1.CreateConsumerReply, error) {
	consumers, _, err := consumersOf(host)
	if err == nil {
		err = errors.Join(methods.CheckName("name", req.GetName()), checkConsumerSpec(req.GetSpec()))
	}
	if err != nil {
		return nil, err
	}
	stored, err := consumers.Create(ctx, &v1.Consumer{Name: req.GetName(), Spec: orEmpty(req.GetSpec())})
	if err != nil {
		return nil, err
	}
	return &v1.CreateConsumerReply{Consumer: stored}, nil
}

func orEmpty[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

func getConsumer(ctx context.Context, host *methods.Host, req *v1.GetConsumerRequest) (*v1.GetConsumerReply, error) {
	consumers, _, err := consumersOf(host)
	if err == nil {
		err = methods.CheckName("name", req.GetName())
	}
	if err != nil {
		return nil, err
	}
	c, err := consumers.Get(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &v1.GetConsumerReply{Consumer: c}, nil
}

func listConsumers(ctx context.Context, host *methods.Host, _ *v1.ListConsumersRequest) (*v1.ListConsumersReply, error) {
	consumers, _, err := consumersOf(host)
	if err != nil {
		return nil, err
	}
	list, err := consumers.List(ctx)
	if err != nil {
		return nil, err
	}
	return &v1.ListConsumersReply{Consumers: list}, nil
}

func updateConsumer(ctx context.Context, host *methods.Host, req *v1.UpdateConsumerRequest) (*v1.UpdateConsumerReply, error) {
	consumers, _, err := consumersOf(host)
	wanted := req.GetResource()
	if err == nil {
		err = errors.Join(methods.CheckName("resource.name", wanted.GetName()), checkVersion(wanted.GetResourceVersion()), checkConsumerSpec(wanted.GetSpec()))
	}
	if err != nil {
		return nil, err
	}
	stored, err := consumers.Update(ctx, &v1.Consumer{Name: wanted.GetName(), Spec: orEmpty(wanted.GetSpec()), ResourceVersion: wanted.GetResourceVersion()})
	if err != nil {
		return nil, err
	}
	return &v1.UpdateConsumerReply{Consumer: stored}, nil
}

func checkVersion(version string) error {
	if version == "" {
		return convert.Invalid("resource.resource_version", "read the resource, change it, and send it back with its resource_version", "is missing")
	}
	return nil
}

func deleteConsumer(ctx context.Context, host *methods.Host, req *v1.DeleteConsumerRequest) (*v1.DeleteConsumerReply, error) {
	consumers, _, err := consumersOf(host)
	if err == nil {
		err = methods.CheckName("name", req.GetName())
	}
	if err == nil {
		err = consumers.Delete(ctx, req.GetName())
	}
	if err != nil {
		return nil, err
	}
	return &v1.DeleteConsumerReply{}, nil
}

func fetchEvents(ctx context.Context, host *methods.Host, req *v1.FetchEventsRequest) (*v1.FetchEventsReply, error) {
	_, deliveries, err := consumersOf(host)
	wait := defaultWait
	if w := req.GetWait(); w != nil {
		wait = w.AsDuration()
	}
	if err == nil {
		err = errors.Join(checkRange("max", req.GetMax(), 0, maxFetch), checkRange("wait", wait, 0, maxWait))
	}
	if err != nil {
		return nil, err
	}
	limit := int(req.GetMax())
	if limit == 0 {
		limit = defaultFetch
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	list, err := deliveries.Fetch(waiting, req.GetConsumer(), limit)
	if err != nil && ctx.Err() == nil && errors.Is(waiting.Err(), context.DeadlineExceeded) && isContext(err) {
		err = nil // nothing came in time
	}
	if err != nil {
		return nil, err
	}
	return &v1.FetchEventsReply{Deliveries: list}, nil
}

func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func consumeEvents(ctx context.Context, host *methods.Host, req *v1.ConsumeEventsRequest, send func(*v1.ConsumeEventsReply) error) error {
	_, deliveries, err := consumersOf(host)
	if err != nil {
		return err
	}
	if err := send(&v1.ConsumeEventsReply{Item: &v1.ConsumeEventsReply_Started{Started: &v1.ConsumeStarted{}}}); err != nil {
		return err
	}
	for {
		list, err := deliveries.Fetch(ctx, req.GetConsumer(), defaultFetch)
		if err != nil {
			return err
		}
		for _, d := range list {
			if err := send(&v1.ConsumeEventsReply{Item: &v1.ConsumeEventsReply_Delivery{Delivery: d}}); err != nil {
				return err
			}
		}
	}
}

func ackEvents(ctx context.Context, host *methods.Host, req *v1.AckEventsRequest) (*v1.AckEventsReply, error) {
	unknown, err := settle(ctx, host, methods.Ack, req, nil)
	if err != nil {
		return nil, err
	}
	return &v1.AckEventsReply{Unknown: unknown}, nil
}

func nakEvents(ctx context.Context, host *methods.Host, req *v1.NakEventsRequest) (*v1.NakEventsReply, error) {
	unknown, err := settle(ctx, host, methods.Nak, req, req.GetDelay())
	if err != nil {
		return nil, err
	}
	return &v1.NakEventsReply{Unknown: unknown}, nil
}

func keepEvents(ctx context.Context, host *methods.Host, req *v1.KeepEventsRequest) (*v1.KeepEventsReply, error) {
	unknown, err := settle(ctx, host, methods.Keep, req, nil)
	if err != nil {
		return nil, err
	}
	return &v1.KeepEventsReply{Unknown: unknown}, nil
}

func settle(ctx context.Context, host *methods.Host, verb methods.Verb, req interface {
	GetConsumer() string
	GetAckIds() []string
}, delay *durationpb.Duration,
) ([]string, error) {
	_, deliveries, err := consumersOf(host)
	if err == nil {
		err = errors.Join(checkRange("ack_ids", len(req.GetAckIds()), 1, maxFetch), checkRange("delay", delay.AsDuration(), 0, maxAckWait))
	}
	if err != nil {
		return nil, err
	}
	return deliveries.Settle(ctx, req.GetConsumer(), verb, req.GetAckIds(), delay.AsDuration())
}

func replayConsumer(ctx context.Context, host *methods.Host, req *v1.ReplayConsumerRequest) (*v1.ReplayConsumerReply, error) {
	_, deliveries, err := consumersOf(host)
	if err != nil {
		return nil, err
	}
	to, err := pointOf(req.GetFrom())
	if err != nil {
		return nil, err
	}
	cursor, err := deliveries.Seek(ctx, req.GetConsumer(), to)
	if err != nil {
		return nil, err
	}
	return &v1.ReplayConsumerReply{Cursor: cursor}, nil
}

func pointOf(p *v1.ReplayPoint) (methods.Point, error) {
	switch at := p.GetAt().(type) {
	case *v1.ReplayPoint_Position:
		if at.Position != "" {
			return methods.Point{Position: at.Position}, nil
		}
	case *v1.ReplayPoint_Time:
		if at.Time.CheckValid() == nil && !at.Time.AsTime().IsZero() {
			return methods.Point{Time: at.Time.AsTime()}, nil
		}
	}
	return methods.Point{}, convert.Invalid("from", "give position (begin, or a cursor) or time", "is missing or invalid")
}

func listDeadLetters(ctx context.Context, host *methods.Host, req *v1.ListDeadLettersRequest) (*v1.ListDeadLettersReply, error) {
	_, deliveries, err := consumersOf(host)
	if err == nil {
		err = errors.Join(methods.CheckName("name", req.GetName()), checkRange("limit", req.GetLimit(), 0, maxFetch))
	}
	if err != nil {
		return nil, err
	}
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultFetch
	}
	events, err := deliveries.DeadLetters(ctx, req.GetName(), req.GetWebhook(), limit)
	if err != nil {
		return nil, err
	}
	return &v1.ListDeadLettersReply{Events: events}, nil
}

func redeliverDeadLetters(ctx context.Context, host *methods.Host, req *v1.RedeliverDeadLettersRequest) (*v1.RedeliverDeadLettersReply, error) {
	n, err := redeliver(ctx, host, req.GetConsumer(), false, req)
	if err != nil {
		return nil, err
	}
	return &v1.RedeliverDeadLettersReply{Redelivered: n}, nil
}

func redeliverWebhook(ctx context.Context, host *methods.Host, req *v1.RedeliverWebhookRequest) (*v1.RedeliverWebhookReply, error) {
	n, err := redeliver(ctx, host, req.GetWebhook(), true, req)
	if err != nil {
		return nil, err
	}
	return &v1.RedeliverWebhookReply{Redelivered: n}, nil
}

func redeliver(ctx context.Context, host *methods.Host, name string, webhook bool, req interface {
	GetOfAccount() string
	GetLimit() int32
},
) (int32, error) {
	_, deliveries, err := consumersOf(host)
	account := fleet.AccountID(req.GetOfAccount())
	if err == nil {
		err = checkRange("limit", req.GetLimit(), 0, maxFetch)
	}
	if err == nil && account != "" {
		err = account.Validate()
	}
	if err != nil {
		return 0, err
	}
	n, err := deliveries.Redeliver(ctx, name, webhook, account, cmp.Or(int(req.GetLimit()), defaultFetch))
	return int32(n), err
}
