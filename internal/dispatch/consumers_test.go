package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
)

func TestConsumerBeginsWhereItSays(t *testing.T) {
	r := newRig(t)
	n := r.node()
	at := r.append("a", "message_new", "1")
	r.append("a", "message_new", "2")
	for name, c := range map[string]struct {
		from string
		want []string
	}{"new": {"", []string{"3"}}, "all": {"begin", []string{"1", "2", "3"}}, "here": {at.String(), []string{"2", "3"}}} {
		made, err := n.api.Consumers.Create(t.Context(), &v1.Consumer{Name: name, Spec: spec(func(s *v1.ConsumerSpec) { s.From = c.from })})
		if err != nil || made.GetStatus().GetCursor() == "" {
			t.Fatalf("%s: got %v, %v", name, made, err)
		}
		defer take(t, name, map[fleet.AccountID][]string{"a": c.want}, n)
	}
	r.append("a", "message_new", "3")
	_, err := n.api.Consumers.Create(t.Context(), &v1.Consumer{Name: "new", Spec: &v1.ConsumerSpec{}})
	wantReason(t, err, "CONSUMER_EXISTS")
	_, err = n.api.Consumers.Create(t.Context(), &v1.Consumer{Name: "bad", Spec: &v1.ConsumerSpec{From: "yesterday"}})
	wantReason(t, err, "POSITION_INVALID")
}

func TestConsumerSelectsByKindAccountAndLabels(t *testing.T) {
	r := newRig(t)
	n := r.node()
	ctx := t.Context()
	r.account("a", map[string]string{"team": "red"})
	r.account("b", map[string]string{"team": "blue"})
	for name, s := range map[string]*v1.EventSelector{
		"kinds": {Kinds: []string{"message_*"}}, "labels": {Selector: "team=blue"}, "both": {Accounts: []string{"a", "c"}, Kinds: []string{"read"}},
	} {
		if _, err := n.api.Consumers.Create(ctx, &v1.Consumer{Name: name, Spec: &v1.ConsumerSpec{Select: s}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range []fleet.AccountID{"a", "b", "c"} {
		r.append(a, "message_new", "1")
		r.append(a, "read", "2")
		r.append(a, "message_edited", "3")
	}
	take(t, "kinds", map[fleet.AccountID][]string{"a": {"1", "3"}, "b": {"1", "3"}, "c": {"1", "3"}}, n)
	take(t, "labels", map[fleet.AccountID][]string{"b": {"1", "2", "3"}}, n)
	take(t, "both", map[fleet.AccountID][]string{"a": {"2"}, "c": {"2"}}, n)

	// Labels are those of the moment.
	red, err := r.accounts.GetSpec(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	red.Labels = map[string]string{"team": "blue"}
	if _, err := r.accounts.UpdateSpec(ctx, red); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node sees the label", func() bool {
		labels, err := n.Member.Labels(ctx, "a")
		return err == nil && labels["team"] == "blue"
	})
	r.append("a", "read", "4")
	take(t, "labels", map[fleet.AccountID][]string{"a": {"4"}}, n)
	if _, err := n.Labels()(ctx, "none"); err == nil {
		t.Error("an account that is not there has labels")
	}
}

// Nodes come and go while events are written and taken: each event is taken once, in order.
func TestConsumerMovesBetweenNodes(t *testing.T) {
	r := newRig(t)
	first := r.node()
	const consumers, each = 6, 30
	for i := range consumers {
		if _, err := first.api.Consumers.Create(t.Context(), &v1.Consumer{Name: fmt.Sprint("c", i), Spec: &v1.ConsumerSpec{}}); err != nil {
			t.Fatal(err)
		}
	}
	round := func(from int, nodes ...*testNode) {
		ids := numbered(from + each)[from:]
		r.append("a", "message_new", ids...)
		r.append("b", "message_new", ids...)
		for i := range consumers {
			take(t, fmt.Sprint("c", i), map[fleet.AccountID][]string{"a": ids, "b": ids}, nodes...)
		}
	}
	round(0, first)
	second := r.node()
	eventually(t, "the second node works on some", func() bool {
		second.consumers.mu.Lock()
		defer second.consumers.mu.Unlock()
		return len(second.consumers.open) > 0
	})
	round(each, first, second)
	first.stop()
	round(2*each, second)
	list, err := second.api.Consumers.List(t.Context())
	if err != nil || len(list) != consumers {
		t.Fatalf("got %v, %v", list, err)
	}
	for _, c := range list {
		eventually(t, "its place is saved", func() bool {
			is, err := second.api.Consumers.Get(t.Context(), c.GetName())
			if err != nil {
				t.Fatal(err)
			}
			return is.GetStatus().GetLag() == 0 && is.GetStatus().GetNode() == string(second.Member.Node())
		})
	}
}

func TestUpdateReplayAndDeleteOfAConsumer(t *testing.T) {
	r := newRig(t)
	n := r.node()
	ctx := t.Context()
	made, err := n.api.Consumers.Create(ctx, &v1.Consumer{Name: "c", Spec: spec(func(s *v1.ConsumerSpec) { s.AckWait = durationpb.New(time.Hour) })})
	if err != nil {
		t.Fatal(err)
	}
	at := r.append("a", "message_new", "1")
	r.append("a", "read", "2")
	take(t, "c", map[fleet.AccountID][]string{"a": {"1", "2"}}, n)

	// A caller that waits goes on at the new place.
	got := make(chan error, 1)
	go func() {
		list, err := n.api.Deliveries.Fetch(ctx, "c", 1)
		if err == nil && (len(list) != 1 || list[0].GetEvent().GetId() != "2" || list[0].GetAttempt() != 1) {
			err = fmt.Errorf("got %v", list)
		}
		got <- err
	}()
	if cursor, err := n.api.Deliveries.Seek(ctx, "c", methods.Point{Position: at.String()}); err != nil || cursor != at.String() {
		t.Fatalf("at %s, %v", cursor, err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}

	changed := proto.CloneOf(made)
	changed.Spec.Select.Kinds = []string{"message_new"}
	if _, err := n.api.Consumers.Update(ctx, changed); err != nil {
		t.Fatal(err)
	}
	_, err = n.api.Consumers.Update(ctx, changed)
	wantReason(t, err, "CONFLICT")
	changed.ResourceVersion = "x"
	_, err = n.api.Consumers.Update(ctx, changed)
	wantReason(t, err, "FIELD_INVALID")
	eventually(t, "the new spec is followed", func() bool {
		o, err := n.consumers.find("c")
		if err != nil {
			return false
		}
		ok, err := o.opts.Match(ctx, &eventlog.Record{Kind: "read", Account: "a"})
		return err == nil && !ok
	})
	r.append("a", "message_new", "3")
	take(t, "c", map[fleet.AccountID][]string{"a": {"3"}}, n) // "2" is not selected any more
	if _, err := n.api.Deliveries.Seek(ctx, "c", methods.Point{Time: time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	take(t, "c", map[fleet.AccountID][]string{"a": {"1", "3"}}, n)

	if err := n.api.Consumers.Delete(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	wantReason(t, n.api.Consumers.Delete(ctx, "c"), "CONSUMER_UNKNOWN")
	eventually(t, "it is worked on no more", func() bool { _, err := n.consumers.find("c"); return isReason(err, "NOT_OWNER") })
	if _, err := n.api.Consumers.Create(ctx, &v1.Consumer{Name: "c", Spec: &v1.ConsumerSpec{}}); err != nil {
		t.Fatal(err)
	}
	r.append("a", "message_new", "4")
	take(t, "c", map[fleet.AccountID][]string{"a": {"4"}}, n) // nothing of the former one
}

func TestEventThatIsGivenUpIsADeadLetter(t *testing.T) {
	r := newRig(t)
	n := r.node()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := n.api.Consumers.Create(ctx, &v1.Consumer{Name: "c", Spec: spec(func(s *v1.ConsumerSpec) { s.MaxDeliver = 2 })}); err != nil {
		t.Fatal(err)
	}
	r.append("a", "message_new", "1", "2")
	eventually(t, "the node works on it", func() bool { _, err := n.consumers.find("c"); return err == nil })
	for attempt := range 2 {
		list, err := n.api.Deliveries.Fetch(ctx, "c", 1)
		if err != nil || len(list) != 1 || list[0].GetEvent().GetId() != "1" || int(list[0].GetAttempt()) != attempt+1 {
			t.Fatalf("got %v, %v", list, err)
		}
		for _, verb := range []methods.Verb{methods.Keep, methods.Nak} {
			if unknown, err := n.api.Deliveries.Settle(ctx, "c", verb, []string{list[0].GetAckId(), "1-99"}, 0); err != nil || len(unknown) != 1 || unknown[0] != "1-99" {
				t.Fatalf("unknown %v, %v", unknown, err)
			}
		}
	}
	take(t, "c", map[fleet.AccountID][]string{"a": {"2"}}, n)
	dead, err := n.api.Deliveries.DeadLetters(ctx, "c", false, 10)
	if err != nil || len(dead) != 1 || dead[0].GetId() != "1" || dead[0].GetCursor() != "" {
		t.Errorf("got %v, %v", dead, err)
	}
	_, err = n.api.Deliveries.DeadLetters(ctx, "c", true, 10)
	wantReason(t, err, "WEBHOOK_UNKNOWN")
	if put, err := n.api.Deliveries.Redeliver(ctx, "c", false, "b", 10); err != nil || put != 0 {
		t.Errorf("%d dead letters of another account were put back, %v", put, err)
	}
	if put, err := n.api.Deliveries.Redeliver(ctx, "c", false, "a", 10); err != nil || put != 1 {
		t.Errorf("%d dead letters were put back, %v", put, err)
	}
	r.append("a", "message_new", "3")
	take(t, "c", map[fleet.AccountID][]string{"a": {"1", "3"}}, n)
	if dead, err = n.api.Deliveries.DeadLetters(ctx, "c", false, 10); err != nil || len(dead) != 0 {
		t.Errorf("after it was settled: %v, %v", dead, err)
	}
}

// A node whose lease is over hands nothing out, settles nothing and moves no place, even if it was
// over only while it waited.
func TestNodeWithoutItsLeaseDoesNothing(t *testing.T) {
	r := newRig(t)
	over := errors.New("the lease is over")
	asked, limit := 0, 0
	o := &open{
		log: r.log, kind: "consumer", name: "c", id: "c-1", view: methods.NewView(nil),
		check: func() error {
			if asked++; asked > limit {
				return over
			}
			return nil
		},
	}
	if _, err := r.log.SeekConsumer(t.Context(), "c-1", eventlog.FromBeginning()); err != nil {
		t.Fatal(err)
	}
	r.append("a", "message_new", "1")
	for limit = range 2 { // before, and after the event was found
		asked = 0
		list, err := o.fetch(t.Context(), 1)
		if wantReason(t, err, "NOT_OWNER"); len(list) > 0 {
			t.Errorf("handed out %v", list)
		}
	}
	asked, limit = 0, 0
	_, err := o.settle(t.Context(), methods.Ack, "1-2", 0)
	wantReason(t, err, "NOT_OWNER")
	_, err = o.seek(t.Context(), methods.Point{Position: methods.Begin})
	wantReason(t, err, "NOT_OWNER")
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
	st, err := r.log.ConsumerStatus(t.Context(), "c-1")
	if err != nil || st.Cursor.Seq != 1 { // the claim alone is before the event
		t.Errorf("place %v, %v", st, err)
	}
}
