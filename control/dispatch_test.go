package control

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

// bench is a node's consumers: "c" exists, and its events name the node that hands them out.
type bench struct {
	methods.Consumers
	methods.Deliveries
	methods.WebhookTools
	node    string
	waiting chan struct{} // a Fetch that finds nothing is told here
	empty   bool
}

func (b *bench) Get(_ context.Context, name string) (*v1.Consumer, error) {
	if name != "c" {
		return nil, fleet.Errorf(fleet.CodeNotFound, "CONSUMER_UNKNOWN", "there is no %s", name)
	}
	return &v1.Consumer{Name: name}, nil
}

func (b *bench) Fetch(ctx context.Context, _ string, _ int) ([]*v1.Delivery, error) {
	if b.empty {
		b.waiting <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []*v1.Delivery{{AckId: b.node}}, nil
}

func (b *bench) Settle(_ context.Context, _ string, _ methods.Verb, ids []string, _ time.Duration) ([]string, error) {
	if ids[0] != b.node {
		return ids, nil
	}
	return nil, nil
}

func (b *bench) Replay(context.Context, string, methods.Point) (string, error) { return b.node, nil }

// hooks is a bench as control.Webhooks.
type hooks struct{ methods.Webhooks }

func (hooks) Get(context.Context, string) (*v1.Webhook, error) { return &v1.Webhook{}, nil }

func (n *townNode) work() *bench {
	b := &bench{node: n.name, waiting: make(chan struct{}, 1)}
	n.cfg.Dispatch = &Dispatch{Consumers: b, Deliveries: b, Webhooks: hooks{}, Tools: b, ConsumerOwners: n, WebhookOwners: n}
	return b
}

func TestCallsOfAConsumerGoToTheNodeThatWorksOnIt(t *testing.T) {
	w := newTown(t, "n1", "n2")
	for _, n := range w.nodes {
		n.work()
	}
	w.open()
	ctx := t.Context()
	for _, owner := range []string{"n1", "n2"} {
		w.move("c", owner)
		w.move("w", owner)
		for _, n := range w.nodes {
			consumers := orchestratorv1connect.NewConsumerServiceClient(http.DefaultClient, n.url)
			got, err := consumers.FetchEvents(ctx, &v1.FetchEventsRequest{Consumer: "c"})
			if err != nil || len(got.GetDeliveries()) != 1 || got.GetDeliveries()[0].GetAckId() != owner {
				t.Fatalf("%s, asked at %s: got %v, %v", owner, n.name, got, err)
			}
			if acked, err := consumers.AckEvents(ctx, &v1.AckEventsRequest{Consumer: "c", AckIds: []string{owner}}); err != nil || len(acked.GetUnknown()) != 0 {
				t.Errorf("%s, asked at %s: got %v, %v", owner, n.name, acked, err)
			}
			stream, err := consumers.ConsumeEvents(ctx, &v1.ConsumeEventsRequest{Consumer: "c"})
			if err != nil {
				t.Fatal(err)
			}
			if !stream.Receive() || stream.Msg().GetStarted() == nil || !stream.Receive() || stream.Msg().GetDelivery().GetAckId() != owner {
				t.Errorf("%s, asked at %s: got %v, %v", owner, n.name, stream.Msg(), stream.Err())
			}
			_ = stream.Close()
			hooks := orchestratorv1connect.NewWebhookServiceClient(http.DefaultClient, n.url)
			from := &v1.ReplayPoint{At: &v1.ReplayPoint_Position{Position: Begin}}
			if at, err := hooks.ReplayWebhook(ctx, &v1.ReplayWebhookRequest{Webhook: "w", From: from}); err != nil || at.GetCursor() != owner {
				t.Errorf("%s, asked at %s: got %v, %v", owner, n.name, at, err)
			}
		}
	}
	consumers := orchestratorv1connect.NewConsumerServiceClient(http.DefaultClient, w.nodes["n1"].url)
	for consumer, reason := range map[string]string{"d": "CONSUMER_UNKNOWN", "No": "FIELD_INVALID", "": "FIELD_INVALID"} {
		_, err := consumers.FetchEvents(ctx, &v1.FetchEventsRequest{Consumer: consumer})
		if got := detailOf(t, err).GetReason(); got != reason {
			t.Errorf("%q: got %v, want %s", consumer, err, reason)
		}
	}
	w.move("c", "")
	_, err := consumers.FetchEvents(ctx, &v1.FetchEventsRequest{Consumer: "c"})
	if got := detailOf(t, err).GetReason(); got != reasonNoOwner {
		t.Errorf("got %v", err)
	}
}

// A node that shuts down does not wait for those who wait for events.
func TestWaitingForEventsEndsWithTheNode(t *testing.T) {
	w := newTown(t, "n1")
	n := w.nodes["n1"]
	b := n.work()
	b.empty = true
	w.open()
	w.move("c", "n1")
	failed := make(chan error, 1)
	go func() {
		_, err := orchestratorv1connect.NewConsumerServiceClient(http.DefaultClient, n.url).
			FetchEvents(context.Background(), &v1.FetchEventsRequest{Consumer: "c", Wait: durationpb.New(time.Minute)})
		failed <- err
	}()
	<-b.waiting
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := n.srv.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; detailOf(t, err).GetReason() != "SHUTTING_DOWN" {
		t.Errorf("got %v", err)
	}
}

// detailOf is what an error of a call says beside its message.
func detailOf(t *testing.T, err error) *v1.ErrorDetail {
	t.Helper()
	var answer *connect.Error
	if !errors.As(err, &answer) || len(answer.Details()) != 1 {
		t.Fatalf("got %v, want an error with a detail", err)
	}
	v, err := answer.Details()[0].Value()
	if err != nil {
		t.Fatal(err)
	}
	return v.(*v1.ErrorDetail)
}

func TestSubscriptionSelectsByLabels(t *testing.T) {
	h := newHouse(t)
	for i, account := range []fleet.AccountID{"a", "b", "gone", "a"} {
		h.append(Event{Cursor: string(rune('1' + i)), Account: account, Kind: "raw", ID: string(rune('1' + i))})
	}
	url, _ := h.start()
	subscribe := func(url string) (ids []string, err error) {
		stream, err := orchestratorv1connect.NewEventServiceClient(http.DefaultClient, url).
			Subscribe(t.Context(), &v1.SubscribeRequest{Selector: "team=red", Position: Begin, UntilNow: true})
		if err != nil {
			return nil, err
		}
		defer stream.Close() // the error that matters is stream.Err
		for stream.Receive() {
			if e := stream.Msg().GetEvent(); e != nil {
				ids = append(ids, e.GetId())
			}
		}
		return ids, stream.Err()
	}
	if _, err := subscribe(url); detailOf(t, err).GetReason() != "UNSUPPORTED" {
		t.Errorf("got %v", err)
	}
	other := newHouse(t)
	other.log = h.log
	other.cfg.Labels = func(_ context.Context, id fleet.AccountID) (map[string]string, error) {
		if id == "gone" {
			return nil, fleet.Errorf(fleet.CodeNotFound, "ACCOUNT_UNKNOWN", "there is none")
		}
		return map[string]string{"team": map[fleet.AccountID]string{"a": "red", "b": "blue"}[id]}, nil
	}
	url, _ = other.start()
	if ids, err := subscribe(url); err != nil || !slices.Equal(ids, []string{"1", "4"}) {
		t.Errorf("got %v, %v", ids, err)
	}
	other.cfg.Labels = func(context.Context, fleet.AccountID) (map[string]string, error) {
		return nil, errors.New("etcd is away")
	}
	url, _ = other.start()
	if ids, err := subscribe(url); err == nil || len(ids) > 0 {
		t.Errorf("got %v, %v", ids, err)
	}
}
