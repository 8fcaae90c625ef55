package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/internal/chatcli"
	"github.com/telefleet/orchestrator/simulator"
)

// Each account says something every sendEvery; the demo's own check asks for a quarter of
// a message a second.
const sendEvery = 1500 * time.Millisecond

// witness collects what the public API delivers of new messages.
type witness struct {
	mu    sync.Mutex
	ids   map[seenKey]map[string]bool // event ids by message
	wake  chan struct{}
	shown func(*v1.Event)
}

// seenKey is one message as one account sees it.
type seenKey struct {
	account   string
	channel   int64 // 0 for users and basic groups, which share their numbers
	messageID int
}

func newWitness(show func(*v1.Event)) *witness {
	return &witness{ids: map[seenKey]map[string]bool{}, wake: make(chan struct{}, 1), shown: show}
}

func (w *witness) handle(e *v1.Event) error {
	w.shown(e)
	m := e.GetMessageNew()
	if m == nil {
		return nil
	}
	key := seenKey{account: e.GetAccount(), messageID: int(m.GetId())}
	if p := m.GetPeer(); p.GetKind() == v1.PeerKind_PEER_KIND_CHANNEL {
		key.channel = p.GetId()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ids[key] == nil {
		w.ids[key] = map[string]bool{}
	}
	w.ids[key][e.GetId()] = true
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// judge holds what was owed against what came: received counts the recipients' messages, lost
// what never came of either side, duplicated what came under two ids.
func (w *witness) judge(owed []simulator.Entry, accountOf map[int64]string) (received, lost, duplicated int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range owed {
		account, ours := accountOf[e.UserID]
		if !ours || e.Kind != "message_new" || accountOf[e.FromID] == "" {
			continue
		}
		n := len(w.ids[seenKey{account: account, messageID: e.MessageID}])
		switch {
		case n == 0:
			lost++
		case !e.Out:
			received++
		}
		if n > 1 {
			duplicated++
		}
	}
	return received, lost, duplicated
}

// play lets the accounts talk until the time is over or the demo is interrupted, then waits for
// the last events and judges.
func (d *demo) play(ctx context.Context) (demoReport, error) {
	r := demoReport{Accounts: len(d.cast), timed: d.duration > 0}
	readCtx, endReading := context.WithCancel(context.WithoutCancel(ctx))
	defer endReading()
	w := newWitness(func(e *v1.Event) {
		if d.g.output == "table" && len(d.cast) <= 10 {
			d.say("%s\n", chatcli.EventLine(e))
		}
	})
	ended, err := d.read(readCtx, w)
	if err != nil {
		return r, err
	}
	if r.Online, err = d.awaitOnline(ctx); err != nil {
		return r, err
	}
	since := d.sim.Ledger().Last()
	if d.faults {
		d.setFaults(true)
	}
	talkCtx, endTalking := context.WithCancel(ctx)
	defer endTalking()
	if d.duration > 0 {
		talkCtx, endTalking = context.WithTimeout(ctx, d.duration)
		defer endTalking()
	}
	began := time.Now()
	sent, err := d.talk(talkCtx)
	r.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	r.Sent = sent
	if err != nil {
		return r, err
	}
	r.interrupted, r.timed = ctx.Err() != nil, d.duration > 0 && ctx.Err() == nil
	if d.faults {
		c := d.sim.Faults().Counters()
		r.Cuts, r.Dropped, r.Reordered = &c.Cuts, &c.Dropped, &c.Reordered
		d.setFaults(false)
	}
	d.settle(context.WithoutCancel(ctx), w, since, &r)
	select {
	case err := <-ended:
		return r, fmt.Errorf("event stream ended: %w", err)
	default:
		return r, nil
	}
}

// read subscribes before anything is said, and goes on reading in the background.
func (d *demo) read(ctx context.Context, w *witness) (<-chan error, error) {
	began, ended := make(chan struct{}), make(chan error, 1)
	opts := client.EventOptions{Window: -1, Started: func(string) { close(began) }} // repetitions are counted
	go func() {
		for e, err := range d.api.Events(ctx, opts) {
			if err == nil {
				err = w.handle(e)
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	select {
	case <-began:
		return ended, nil
	case err := <-ended:
		return nil, err
	}
}

// awaitOnline waits for the last status report: reports come at most once a second.
func (d *demo) awaitOnline(ctx context.Context) (int, error) {
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		n, err := d.online(ctx)
		if err != nil || n == len(d.cast) {
			return n, err
		}
		select {
		case <-poll.C:
		case <-limit.C:
			return n, nil
		case <-ctx.Done():
			return n, context.Canceled
		}
	}
}

// talk lets every account write in its own rhythm and returns how many messages were sent.
func (d *demo) talk(ctx context.Context) (int, error) {
	var sent atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, len(d.cast))
	for i, a := range d.cast {
		wg.Go(func() {
			if err := d.speak(ctx, i, a, &sent); err != nil {
				failed <- fmt.Errorf("%s: %w", a.account, err)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return int(sent.Load()), err
	default:
		return int(sent.Load()), nil
	}
}

func (d *demo) speak(ctx context.Context, i int, a *actorOf, sent *atomic.Int64) error {
	start := time.NewTimer(sendEvery * time.Duration(i%16) / 16)
	defer start.Stop()
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	next := start.C
	for n := 1; ; n++ {
		select {
		case <-next:
		case <-ctx.Done():
			return nil
		}
		next = tick.C
		to := d.partner(i, n)
		if to == nil {
			continue
		}
		// A message that has begun is finished, so that sent counts what was sent.
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
		call = client.WithRequestID(call, "") // what is sent is counted at the simulator; it need not be remembered
		text := client.Text(fmt.Sprintf("message %d from %s to %s", n, a.account, to.account))
		_, err := d.api.Account(a.account).SendMessage(call, "@"+to.username, text)
		cancel()
		if err != nil {
			return err
		}
		sent.Add(1)
	}
}

// partner chooses whom account i writes to: users write to the next account in turn, the first
// message of its neighbour opens a bot's conversation, and bots answer who wrote to them first.
func (d *demo) partner(i, n int) *actorOf {
	count := len(d.cast)
	if !d.cast[i].bot() {
		to := d.cast[(i+1+(n-1)%2)%count]
		if to == d.cast[i] {
			to = d.cast[(i+1)%count]
		}
		return to
	}
	if n == 1 {
		return nil // nobody may have written yet
	}
	for back := 1; back < count; back++ {
		if from := d.cast[(i-back+count)%count]; !from.bot() {
			return from
		}
	}
	return nil
}

// settle waits until everything owed has come, or for so long that it will not come any more.
func (d *demo) settle(ctx context.Context, w *witness, since uint64, r *demoReport) {
	limit := settleTime
	if r.interrupted {
		limit = settleSignal
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	accountOf := map[int64]string{}
	for _, a := range d.cast {
		accountOf[a.userID] = a.account
	}
	if err := d.sync(ctx); err != nil {
		d.say("catching up: %v\n", err)
	}
	for {
		r.Received, r.Lost, r.Duplicated = w.judge(d.sim.Ledger().Entries(since), accountOf)
		if r.Lost == 0 && r.Received == r.Sent {
			return
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
}
