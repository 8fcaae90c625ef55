package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

func fill(w *world, from, to int) {
	for i := from; i <= to; i++ {
		w.append(fmt.Sprint("c", i), fmt.Sprint("e", i))
	}
}

func numbers(from, to int) (out []string) {
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprint("e", i))
	}
	return out
}

func TestEventsGoOnWhenTheirNodeDies(t *testing.T) {
	for name, end := range map[string]func(*testNode, *testing.T){
		"killed":  func(n *testNode, _ *testing.T) { n.kill() },
		"stopped": func(n *testNode, t *testing.T) { n.stop(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			fill(w, 1, 3)
			first := w.node(t)
			second := w.node(t)
			c := dial(t, first, second)
			var got []string
			var interruptions []error
			opts := client.EventOptions{From: client.Begin, Interrupted: func(err error) {
				interruptions = append(interruptions, err)
				fill(w, 4, 6) // while nobody listens
			}}
			ended := make(chan struct{})
			for event, err := range c.Events(t.Context(), opts) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, event.GetId())
				if event.GetId() == "e3" {
					go func() { defer close(ended); end(first, t) }()
				}
				if len(got) == 6 {
					break
				}
			}
			<-ended
			if !slices.Equal(got, numbers(1, 6)) || len(interruptions) != 1 {
				t.Errorf("got %v after %v", got, interruptions)
			}
		})
	}
}

func TestEventsOutliveEveryNodeOnce(t *testing.T) {
	w := newWorld()
	fill(w, 1, 1)
	nodes := []*testNode{w.node(t), w.node(t), w.node(t)}
	c := dial(t, nodes...)
	var got []string
	for event, err := range c.Events(t.Context(), client.EventOptions{From: client.Begin}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, event.GetId())
		if len(got) == len(nodes) {
			break
		}
		nodes[len(got)-1].kill()
		fill(w, len(got)+1, len(got)+1)
	}
	if !slices.Equal(got, numbers(1, 3)) {
		t.Errorf("got %v", got)
	}
}

// TestStreamThatBreaksBeforeItsFirstEventMissesNothing: it goes on where it began, at whichever
// node.
func TestStreamThatBreaksBeforeItsFirstEventMissesNothing(t *testing.T) {
	w := newWorld()
	fill(w, 1, 3) // before: nobody asked for these
	first := w.node(t, func(cfg *control.Config) {
		for i, m := range cfg.Methods {
			if m.Stream == nil || m.Descriptor.Name() != "Subscribe" {
				continue
			}
			cfg.Methods[i].Stream = func(ctx context.Context, host *methods.Host, req proto.Message, send func(proto.Message) error) error {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				_ = m.Stream(ctx, host, req, func(item proto.Message) error {
					defer cancel() // the connection breaks behind `started`
					return send(item)
				})
				fill(w, 4, 6) // while nobody listens
				return fleet.Errorf(fleet.CodeUnavailable, "SHUTTING_DOWN", "the node shuts down")
			}
		}
	})
	c := dial(t, first, w.node(t))
	var got []string
	var began []string
	for event, err := range c.Events(t.Context(), client.EventOptions{Started: func(at string) { began = append(began, at) }}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, event.GetId()); len(got) == 3 {
			break
		}
	}
	if !slices.Equal(got, numbers(4, 6)) || !slices.Equal(began, []string{"c3"}) {
		t.Errorf("got %v, began at %q", got, began)
	}
}

func TestRepeatedEventsAreDropped(t *testing.T) {
	w := newWorld()
	for i, id := range []string{"e1", "e2", "e1", "", "", "e3", "e2", "e1"} {
		w.append(fmt.Sprint("c", i), id)
	}
	c := dial(t, w.node(t))
	for window, want := range map[int][]string{
		0:  {"e1", "e2", "", "", "e3"},
		2:  {"e1", "e2", "", "", "e3", "e1"}, // e1 was forgotten when e3 came
		-1: {"e1", "e2", "e1", "", "", "e3", "e2", "e1"},
	} {
		var got []string
		for event, err := range c.Account("a").Events(t.Context(), client.EventOptions{From: client.Begin, UntilNow: true, Window: window}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, event.GetId())
		}
		if !slices.Equal(got, want) {
			t.Errorf("window %d: got %q, want %q", window, got, want)
		}
	}
}

func TestEventsEndWithTheirContext(t *testing.T) {
	w := newWorld()
	fill(w, 1, 1)
	c := dial(t, w.node(t))
	ctx, cancel := context.WithCancel(t.Context())
	var last error
	for _, err := range c.Events(ctx, client.EventOptions{From: client.Begin}) {
		if last = err; err == nil {
			cancel()
		}
	}
	want(t, last, client.ReasonCanceled, fleet.CodeCanceled)
	if !errors.Is(last, context.Canceled) {
		t.Errorf("%v is not context.Canceled", last)
	}
	cancel()
}

func TestEventsEndWithWhatTryingAgainDoesNotMend(t *testing.T) {
	w := newWorld()
	c := dial(t, w.node(t))
	for reason, opts := range map[client.Reason]client.EventOptions{
		"POSITION_INVALID": {From: "x"}, "ACCOUNT_UNKNOWN": {Accounts: []string{"unknown"}}, "ACCOUNT_ID_INVALID": {Accounts: []string{"B"}},
	} {
		count := 0
		for event, err := range c.Events(t.Context(), opts) {
			count++
			if event != nil || !errors.Is(err, reason) {
				t.Errorf("got %v, %v, want %s", event, err, reason)
			}
		}
		if count != 1 {
			t.Errorf("%s: %d items", reason, count)
		}
	}
}

func TestNodeThatKeepsBreakingStreamsIsNotHurried(t *testing.T) {
	w := newWorld()
	opened := 0
	streams(w, func(_ context.Context, _ *v1.SubscribeRequest, send func(*v1.SubscribeReply) error) error {
		opened++
		if err := send(&v1.SubscribeReply{Item: &v1.SubscribeReply_Started{}}); err != nil {
			return err
		}
		return fleet.Errorf(fleet.CodeUnavailable, "LOG_UNAVAILABLE", "the log is away")
	})
	c := dial(t, w.node(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tries := 0
	opts := client.EventOptions{Interrupted: func(error) {
		if tries++; tries == 4 {
			cancel()
		}
	}}
	var last error
	for _, err := range c.Events(ctx, opts) {
		last = err
	}
	if want(t, last, client.ReasonCanceled, fleet.CodeCanceled); opened != 4 {
		t.Errorf("%d streams were opened", opened)
	}
}

func TestSlowLoopSlowsTheNode(t *testing.T) {
	const count = 1500
	w := newWorld()
	sent := make(chan int, count)
	big := make([]byte, 16<<10) // 24 MiB in all: more than any buffer on the way
	streams(w, func(_ context.Context, _ *v1.SubscribeRequest, send func(*v1.SubscribeReply) error) error {
		if err := send(&v1.SubscribeReply{Item: &v1.SubscribeReply_Started{}}); err != nil {
			return err
		}
		for i := range count {
			event := &v1.Event{Id: fmt.Sprint("e", i+1), Cursor: fmt.Sprint("c", i+1), Tl: big}
			if err := send(&v1.SubscribeReply{Item: &v1.SubscribeReply_Event{Event: event}}); err != nil {
				return err
			}
			sent <- i
		}
		return nil
	})
	c := dial(t, w.node(t))
	var got []string
	for event, err := range c.Events(t.Context(), client.EventOptions{UntilNow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, event.GetId()); len(got) == 1 {
			if _, err := c.Account("unknown").Me(t.Context()); err == nil { // other calls pass by the full stream
				t.Error("the account is known")
			}
			if n := len(sent); n == count {
				t.Errorf("all %d events were sent to a loop that took one", n)
			}
		}
	}
	if !slices.Equal(got, numbers(1, count)) {
		t.Errorf("%d events", len(got))
	}
}

func TestBreakEndsTheStream(t *testing.T) {
	w := newWorld()
	gone := make(chan struct{})
	streams(w, func(ctx context.Context, _ *v1.SubscribeRequest, send func(*v1.SubscribeReply) error) error {
		defer close(gone)
		if err := send(&v1.SubscribeReply{Item: &v1.SubscribeReply_Event{Event: &v1.Event{Id: "e1"}}}); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
	c := dial(t, w.node(t))
	for range c.Events(t.Context(), client.EventOptions{}) {
		break
	}
	<-gone
}
