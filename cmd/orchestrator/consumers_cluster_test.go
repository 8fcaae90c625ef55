package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/simulator"
)

// worker is who works on a consumer's events, from several places at once.
type worker struct {
	t       *testing.T
	mu      sync.Mutex
	next    map[string]int // by account: the number of its first message that is not settled
	naks    int
	repeats int
	changed chan struct{}
}

// ackWait is how long an event may be worked on.
const ackWait = 5 * time.Second

// work handles events until all accounts have had n messages, and gives every fourth back.
func (w *worker) work(ctx context.Context, sdk *client.Client, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for d, err := range sdk.Consume(ctx, "crm", client.ConsumeOptions{Batch: 2, Wait: time.Second}) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.t.Errorf("consume: %v", err)
			return
		}
		if err := w.handle(ctx, d, rng.IntN(4) == 0); err != nil && ctx.Err() == nil {
			w.t.Errorf("settle: %v", err)
			return
		}
	}
}

func (w *worker) handle(ctx context.Context, d *client.Delivery, back bool) error {
	account := d.GetAccount()
	_, number, ok := strings.Cut(d.GetMessageNew().GetText(), "number ")
	if g := d.GetGap(); g != nil {
		w.t.Errorf("%s has a gap: %v", account, g)
	}
	if !ok {
		return d.Ack(ctx)
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	w.mu.Lock()
	switch next := w.next[account]; {
	case n > next:
		w.t.Errorf("%s: message %d came before %d was settled", account, n, next)
	case n < next:
		w.repeats++
	}
	if back {
		w.naks++
	}
	w.mu.Unlock()
	if back {
		return d.Nak(ctx, 0)
	}
	// It counts before it is settled: from then on the next one may come to somebody else.
	w.mu.Lock()
	w.next[account] = max(w.next[account], n+1)
	close(w.changed)
	w.changed = make(chan struct{})
	w.mu.Unlock()
	return d.Ack(ctx)
}

// until waits until every account has settled n messages.
func (w *worker) until(accounts []string, n int) {
	w.t.Helper()
	limit := time.NewTimer(outage)
	defer limit.Stop()
	for {
		w.mu.Lock()
		behind, changed := "", w.changed
		for _, a := range accounts {
			if w.next[a] < n {
				behind = fmt.Sprintf("%s has settled %d of %d", a, w.next[a], n)
			}
		}
		w.mu.Unlock()
		if behind == "" || w.t.Failed() {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			w.t.Fatal(behind)
		}
	}
}

// dispatcher is the name of the node that works on the consumer.
func (c *testCluster) dispatcher(sdk *client.Client) (name string) {
	c.t.Helper()
	c.eventually(func() string {
		consumer, err := sdk.GetConsumer(c.within(), "crm")
		if err != nil {
			return err.Error()
		}
		nodes, err := sdk.Nodes(c.within())
		for _, n := range nodes {
			if n.GetId() == consumer.GetStatus().GetNode() {
				name = n.GetName()
				return ""
			}
		}
		return fmt.Sprintf("the consumer is at %q, which is none of %v: %v", consumer.GetStatus().GetNode(), nodes, err)
	})
	return name
}

// TestConsumerGoesOnAtAnotherNode: three processes, one of which works on a consumer. It is killed while
// events are settled and given back; another one takes over. Each account's events come in their order, one
// at a time, and none is left out.
func TestConsumerGoesOnAtAnotherNode(t *testing.T) {
	t.Parallel()
	const each = 20
	c := startCluster(t, 3)
	sdk := c.client(c.names...)
	talker := addUser(t, c.sim, simulator.UserSpec{Phone: "+15558888888", Username: "crmtalker", HomeDC: 1})
	if _, err := sdk.CreateConsumer(c.within(), "crm", &v1.ConsumerSpec{
		Select: &v1.EventSelector{Accounts: c.accounts, Kinds: []string{"message_new"}}, AckWait: durationpb.New(ackWait),
	}); err != nil {
		t.Fatal(err)
	}
	say := func(from, to int) {
		t.Helper()
		for n := from; n < to; n++ {
			for id := range c.accountOf {
				if _, err := c.sim.World().Say(talker.ID, id, fmt.Sprint("number ", n)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	w := &worker{t: t, next: map[string]int{}, changed: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	for i := range c.names {
		own := c.client(append(c.names[i:], c.names[:i]...)...)
		working.Go(func() { w.work(ctx, own, uint64(i)) })
	}
	t.Cleanup(func() { stop(); working.Wait() })
	say(0, each)
	w.until(c.accounts, each/4)
	former := c.dispatcher(sdk)
	c.mu.Lock()
	struck := c.running[former]
	delete(c.running, former)
	c.mu.Unlock()
	struck.kill()
	say(each, 2*each)
	w.until(c.accounts, 2*each)
	if now := c.dispatcher(sdk); now == former {
		t.Errorf("the consumer is still at %s", former)
	}
	stop()
	working.Wait()
	t.Logf("%d events given back, %d came again", w.naks, w.repeats)
	c.noKeyIsLost()
}
