package consuming

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

// serve calls the method that takes req.
func serve(t *testing.T, host *methods.Host, req proto.Message) error {
	t.Helper()
	for _, m := range All() {
		if m.Descriptor.Input().FullName() != req.ProtoReflect().Descriptor().FullName() {
			continue
		}
		if m.Stream != nil {
			return m.Stream(t.Context(), host, req, func(proto.Message) error { return nil })
		}
		_, err := m.Unary(t.Context(), host, req)
		return err
	}
	t.Fatalf("nothing takes a %T", req)
	return nil
}

func TestServerWithoutConsumersSaysSo(t *testing.T) {
	for _, m := range All() {
		err := serve(t, &methods.Host{}, m.New())
		var own *fleet.Error
		if !errors.As(err, &own) || own.Code != fleet.CodeUnimplemented || own.Remedy == "" {
			t.Errorf("%s: got %v", m.Descriptor.FullName(), err)
		}
	}
}

// offered is a host whose consumers and webhooks must not be reached.
func offered() *methods.Host {
	return &methods.Host{
		Consumers: struct{ methods.Consumers }{}, Deliveries: struct{ methods.Deliveries }{},
		Webhooks: struct{ methods.Webhooks }{}, Tools: struct{ methods.WebhookTools }{},
	}
}

func TestBadRequestsNameTheField(t *testing.T) {
	long := make([]string, 1001)
	for want, req := range map[string]proto.Message{
		"name: must be 1 to 64 characters of a-z, 0-9 and - (got \"A\")": &v1.GetConsumerRequest{Name: "A"},
		"name: must be 1 to 64 characters of a-z, 0-9 and - (got \"\")":  &v1.CreateWebhookRequest{},
		"spec.select: accounts and kinds must have at most 1000 entries (got 1001)": &v1.CreateConsumerRequest{
			Name: "c", Spec: &v1.ConsumerSpec{Select: &v1.EventSelector{Kinds: long}},
		},
		"spec.select.kinds: has an entry that is no name and no pattern (got \"[\")": &v1.CreateWebhookRequest{
			Name: "c", Spec: &v1.WebhookSpec{Select: &v1.EventSelector{Kinds: []string{"["}}},
		},
		"selector: has the invalid term \"a b\"":              &v1.CreateConsumerRequest{Name: "c", Spec: &v1.ConsumerSpec{Select: &v1.EventSelector{Selector: "a b"}}},
		"spec.ack_wait: must be from 1s to 12h0m0s (got 1ms)": &v1.CreateConsumerRequest{Name: "c", Spec: &v1.ConsumerSpec{AckWait: durationpb.New(time.Millisecond)}},
		"spec.max_in_flight: must be from 0 to 4096 (got -1)": &v1.CreateConsumerRequest{Name: "c", Spec: &v1.ConsumerSpec{MaxInFlight: -1}},
		"spec.concurrency: must be from 0 to 64 (got 65)":     &v1.CreateWebhookRequest{Name: "c", Spec: &v1.WebhookSpec{Concurrency: 65}},
		"resource.resource_version: is missing":               &v1.UpdateWebhookRequest{Resource: &v1.Webhook{Name: "c"}},
		"max: must be from 0 to 1000 (got 1001)":              &v1.FetchEventsRequest{Consumer: "c", Max: 1001},
		"wait: must be from 0s to 1m0s (got 1h0m0s)":          &v1.FetchEventsRequest{Consumer: "c", Wait: durationpb.New(time.Hour)},
		"ack_ids: must be from 1 to 1000 (got 0)":             &v1.AckEventsRequest{Consumer: "c"},
		"delay: must be from 0s to 12h0m0s (got -1s)":         &v1.NakEventsRequest{Consumer: "c", AckIds: []string{"x"}, Delay: durationpb.New(-time.Second)},
		"from: is missing or invalid":                         &v1.ReplayConsumerRequest{Consumer: "c", From: &v1.ReplayPoint{At: &v1.ReplayPoint_Time{Time: &timestamppb.Timestamp{Nanos: -1}}}},
		"keep: must be from 0s to 720h0m0s (got 721h0m0s)":    &v1.RotateWebhookSecretRequest{Name: "c", Keep: durationpb.New(721 * time.Hour)},
		"limit: must be from 0 to 500 (got 501)":              &v1.ListDeliveriesRequest{Name: "c", Limit: 501},
	} {
		err := serve(t, offered(), req)
		var own *fleet.Error
		if !errors.As(err, &own) || own.Message != want || own.Code != fleet.CodeInvalidArgument || own.Remedy == "" {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// silent has no events.
type silent struct{ methods.Deliveries }

func (silent) Fetch(ctx context.Context, _ string, _ int) ([]*v1.Delivery, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestFetchThatFindsNothingIsEmpty(t *testing.T) {
	host := offered()
	host.Deliveries = silent{}
	if err := serve(t, host, &v1.FetchEventsRequest{Consumer: "c", Wait: durationpb.New(time.Millisecond)}); err != nil {
		t.Errorf("got %v", err)
	}
}
