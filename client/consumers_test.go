package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
)

// shelf is a consumer that all nodes share: one account's events, the next one when the former is
// settled.
type shelf struct {
	mu    sync.Mutex
	left  []string
	acked []string
	calls []string
	lose  int // acknowledgements whose answer is lost
}

func (s *shelf) serve(w *world) {
	on(w, func(_ context.Context, r *v1.FetchEventsRequest) (*v1.FetchEventsReply, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.GetConsumer() != "c" {
			return nil, fleet.Errorf(fleet.CodeNotFound, "CONSUMER_UNKNOWN", "there is none")
		}
		if len(s.left) == 0 {
			return &v1.FetchEventsReply{}, nil
		}
		return &v1.FetchEventsReply{Deliveries: []*v1.Delivery{{AckId: s.left[0], Attempt: 1, Event: &v1.Event{Id: s.left[0]}}}}, nil
	})
	on(w, func(_ context.Context, r *v1.AckEventsRequest) (*v1.AckEventsReply, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		id := r.GetAckIds()[0]
		if len(s.left) == 0 || s.left[0] != id {
			return &v1.AckEventsReply{Unknown: []string{id}}, nil
		}
		s.left, s.acked = s.left[1:], append(s.acked, id)
		if s.lose > 0 {
			s.lose--
			return nil, fleet.Errorf(fleet.CodeUnavailable, "OWNER_LOST", "the connection broke")
		}
		return &v1.AckEventsReply{}, nil
	})
	note := func(what string, ids []string, extra any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, fmt.Sprint(what, ids, extra))
	}
	on(w, func(_ context.Context, r *v1.NakEventsRequest) (*v1.NakEventsReply, error) {
		note("nak", r.GetAckIds(), r.GetDelay().AsDuration())
		return &v1.NakEventsReply{}, nil
	})
	on(w, func(_ context.Context, r *v1.KeepEventsRequest) (*v1.KeepEventsReply, error) {
		note("keep", r.GetAckIds(), "")
		return &v1.KeepEventsReply{}, nil
	})
}

func TestConsumingGoesOnWhenItsNodeDies(t *testing.T) {
	w := newWorld()
	s := &shelf{left: numbers(1, 6), lose: 2}
	s.serve(w)
	first, second := w.node(t), w.node(t)
	c := dial(t, first, second)
	var got []string
	for d, err := range c.Consume(t.Context(), "c", client.ConsumeOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.GetId())
		if d.GetId() == "e3" {
			first.kill()
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(got) == 6 {
			break
		}
	}
	if !slices.Equal(got, numbers(1, 6)) || !slices.Equal(s.acked, got) {
		t.Errorf("got %v, acknowledged %v", got, s.acked)
	}
}

// No node at all, for longer than calls are tried: what has begun goes on, and is told why it waits.
func TestConsumingOutlivesAllNodes(t *testing.T) {
	w := newWorld()
	s := &shelf{left: numbers(1, 2)}
	s.serve(w)
	n := w.node(t)
	c, err := client.New([]string{n.url}, client.WithRetry(0))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := 0
	var last error
	for d, err := range c.Consume(ctx, "c", client.ConsumeOptions{Interrupted: func(error) {
		if told++; told == 3 {
			cancel()
		}
	}}) {
		if last = err; err != nil {
			continue
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.kill()
	}
	if told != 3 || !errors.Is(last, context.Canceled) {
		t.Errorf("told %d times, ended with %v", told, last)
	}
}

func TestConsumingEndsWhereTryingAgainDoesNotHelp(t *testing.T) {
	w := newWorld()
	(&shelf{}).serve(w)
	c := dial(t, w.node(t))
	for d, err := range c.Consume(t.Context(), "none", client.ConsumeOptions{}) {
		if !errors.Is(err, client.Reason("CONSUMER_UNKNOWN")) || d != nil {
			t.Fatalf("got %v, %v", d, err)
		}
	}
}

func TestDeliveryIsGivenBackOrKept(t *testing.T) {
	w := newWorld()
	s := &shelf{left: numbers(1, 1)}
	s.serve(w)
	c := dial(t, w.node(t))
	list, err := c.FetchEvents(t.Context(), "c", client.ConsumeOptions{Batch: 5, Wait: time.Second})
	if err != nil || len(list) != 1 || list[0].Attempt != 1 {
		t.Fatalf("got %v, %v", list, err)
	}
	if err := errors.Join(list[0].Keep(t.Context()), list[0].Nak(t.Context(), time.Minute)); err != nil {
		t.Fatal(err)
	}
	if want := []string{"keep[e1]", "nak[e1] 1m0s"}; !slices.Equal(s.calls, want) {
		t.Errorf("got %v, want %v", s.calls, want)
	}
}
