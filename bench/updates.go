package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/updates"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
)

// receiver is a client whose new messages are counted, in order and without an event log.
type receiver interface {
	client
	// received is how many new messages have come.
	received() int64
}

const (
	pushed       = 20_000 // updates that are measured
	pushedFirst  = 2_000  // to warm up
	pushesAMilli = 16     // the server's pace, a thousandth of a second
)

// updates measures what it costs to receive a message.
func (t job) updates(ctx context.Context, c client) (numbers, error) {
	r, ok := c.(receiver)
	if !ok {
		return nil, errors.New("it counts no messages")
	}
	if err := t.resume(ctx, r); err != nil {
		return nil, err
	}
	if err := t.push(ctx, r, pushedFirst); err != nil {
		return nil, err
	}
	cpu := cpuTime()
	if err := t.push(ctx, r, pushed); err != nil {
		return nil, err
	}
	key := "update_cpu_us"
	if t.N > 1 {
		key = fmt.Sprintf("update_cpu_us_%d", t.N)
	}
	return numbers{key: float64((cpuTime() - cpu).Nanoseconds()) / 1000 / pushed}, nil
}

// push lets the server send n messages, in turn to each client, and waits until all have come.
func (t job) push(ctx context.Context, r receiver, n int64) error {
	want := r.received() + n
	url := fmt.Sprintf("http://%s/say?n=%d&bots=%d", t.Server.Control, n, t.N)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask for messages: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("ask for messages: %s", answer.Status)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for r.received() < want {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d messages came: %w", n-want+r.received(), n, ctx.Err())
		}
	}
	return nil
}

// control lets children ask the server for messages.
func control(sim *simulator.Simulator, talker int64, ids []int64) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /greet", greet(sim, talker, ids[0]))
	mux.HandleFunc("POST /say", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		bots, err2 := strconv.Atoi(r.FormValue("bots"))
		if err != nil || err2 != nil || bots <= 0 || bots > len(ids) {
			http.Error(w, "n and bots must be numbers", http.StatusBadRequest)
			return
		}
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := range n {
			if i%pushesAMilli == 0 {
				<-tick.C
			}
			if _, err := sim.World().Say(talker, ids[i%bots], sentText); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
	})
	go func() { _ = http.Serve(l, mux) }() //nolint:gosec // of this machine only; the process ends with its parent
	return l, nil
}

// countedEvents is an event log that keeps nothing and counts new messages. Its accounts track
// some channels to begin with.
type countedEvents struct {
	messages *atomic.Int64
	channels int
}

func (e countedEvents) Claim(context.Context, fleet.AccountID, fleet.FencingToken) (actors.EventWriter, error) {
	return countingWriter(e), nil
}
func (countedEvents) Forget(fleet.AccountID)                             {}
func (countedEvents) Durable() eventlog.Cursor                           { return eventlog.Cursor{} }
func (countedEvents) PublishLive(context.Context, eventlog.Record) error { return nil }

type countingWriter countedEvents

func (countingWriter) Erase(context.Context) error { return nil }
func (countingWriter) Claimed() eventlog.Cursor    { return eventlog.Cursor{Epoch: 1, Seq: 1} }

func (w countingWriter) Replay(context.Context, eventlog.Cursor) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		if w.channels == 0 {
			return
		}
		r := eventlog.Record{Kind: eventlog.KindPositions, Epoch: 1, Seq: 1, Positions: []eventlog.Position{
			{Box: "pts", Value: 1}, {Box: "date", Value: time.Now().Unix()},
		}}
		for id := range w.channels {
			r.Positions = append(r.Positions, eventlog.Position{Box: fmt.Sprintf("channel:%d", firstChannel+int64(id)*channelStep), Value: 1000})
		}
		yield(r, nil)
	}
}

func (w countingWriter) Append(_ context.Context, recs ...eventlog.Record) (uint64, error) {
	for i := range recs {
		if recs[i].Kind == tlupdates.KindMessageNew {
			w.messages.Add(1)
		}
	}
	return uint64(len(recs)), nil
}

const (
	firstChannel = 1_000_000_000
	channelStep  = 300_001
)

func (o *ours) received() int64 { return o.messages.Load() }

func (g *gotd) received() int64 { return g.messages.Load() }

// manage lets a client's updates pass gotd's manager, which puts them in order.
func (g *gotd) manage(o *telegram.Options, userID int64) func(ctx context.Context, api updates.API, started func()) error {
	m := updates.New(updates.Config{Handler: telegram.UpdateHandlerFunc(func(_ context.Context, u tg.UpdatesClass) error {
		if all, ok := u.(*tg.Updates); ok {
			for _, one := range all.Updates {
				if _, ok := one.(*tg.UpdateNewMessage); ok {
					g.messages.Add(1)
				}
			}
		}
		return nil
	})})
	o.NoUpdates, o.UpdateHandler = false, m
	return func(ctx context.Context, api updates.API, started func()) error {
		return m.Run(ctx, api, userID, updates.AuthOptions{IsBot: true, OnStart: func(context.Context) { started() }})
	}
}

// tracked are the sizes of accounts that track this many channels.
var tracked = []int{0, 50, 6000}

// channels measures what an account costs that tracks many channels.
func (t job) channels(ctx context.Context, role string) (numbers, error) {
	accounts := t.N
	if role == "gotd" {
		accounts = 2 // each channel costs it a goroutine
	}
	out := numbers{}
	for _, n := range tracked {
		rss, goroutines := settled(), runtime.NumGoroutine()
		track := t.trackOurs
		if role == "gotd" {
			track = t.trackGotd
		}
		stop, err := track(ctx, accounts, n)
		if err != nil {
			return nil, err
		}
		out[fmt.Sprintf("account_bytes_%d_channels", n)] = float64(settled()-rss) / float64(accounts)
		out[fmt.Sprintf("account_goroutines_%d_channels", n)] = float64(runtime.NumGoroutine()-goroutines) / float64(accounts)
		stop()
	}
	most := float64(tracked[len(tracked)-1])
	out["channel_bytes"] = (out["account_bytes_6000_channels"] - out["account_bytes_0_channels"]) / most
	out["channel_goroutines"] = (out["account_goroutines_6000_channels"] - out["account_goroutines_0_channels"]) / most
	return out, nil
}

func (t job) trackOurs(ctx context.Context, accounts, channels int) (func(), error) {
	t.Channels = channels
	o, err := newOurs(t)
	if err != nil {
		return nil, err
	}
	t.N = accounts
	return o.close, t.resume(ctx, o)
}

// trackGotd runs gotd's manager alone, without a client: its channels are what is measured.
func (t job) trackGotd(ctx context.Context, accounts, channels int) (func(), error) {
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, accounts)
	for i := range accounts {
		user := int64(i + 1)
		ready := make(chan struct{})
		m := updates.New(updates.Config{
			Handler: telegram.UpdateHandlerFunc(func(context.Context, tg.UpdatesClass) error { return nil }),
			Storage: fixedStorage{channels}, AccessHasher: fixedHashes{},
		})
		go func() {
			ended <- m.Run(run, quietAPI{}, user, updates.AuthOptions{IsBot: true, OnStart: func(context.Context) { close(ready) }})
		}()
		select {
		case <-ready:
		case err := <-ended:
			return stop, err
		}
	}
	return func() {
		stop()
		for range accounts {
			<-ended //nolint:errcheck // its context was cancelled
		}
	}, nil
}

// fixedStorage is a state that tracks some channels. It keeps nothing, so that the manager's own
// memory is what is measured.
type fixedStorage struct{ channels int }

func (fixedStorage) GetState(context.Context, int64) (updates.State, bool, error) {
	return updates.State{Pts: 1, Date: int(time.Now().Unix())}, true, nil
}

func (s fixedStorage) ForEachChannels(ctx context.Context, user int64, f func(ctx context.Context, channelID int64, pts int) error) error {
	for i := range s.channels {
		if err := f(ctx, firstChannel+int64(i)*channelStep, 1000); err != nil {
			return err
		}
	}
	return nil
}

func (fixedStorage) SetState(context.Context, int64, updates.State) error { return nil }
func (fixedStorage) SetPts(context.Context, int64, int) error             { return nil }
func (fixedStorage) SetQts(context.Context, int64, int) error             { return nil }
func (fixedStorage) SetDate(context.Context, int64, int) error            { return nil }
func (fixedStorage) SetSeq(context.Context, int64, int) error             { return nil }
func (fixedStorage) SetDateSeq(context.Context, int64, int, int) error    { return nil }
func (fixedStorage) GetChannelPts(context.Context, int64, int64) (int, bool, error) {
	return 1000, true, nil
}
func (fixedStorage) SetChannelPts(context.Context, int64, int64, int) error { return nil }

type fixedHashes struct{}

func (fixedHashes) SetChannelAccessHash(context.Context, int64, int64, int64) error { return nil }
func (fixedHashes) GetChannelAccessHash(context.Context, int64, int64) (int64, bool, error) {
	return 1, true, nil
}

// quietAPI answers as a server on which nothing happens.
type quietAPI struct{}

func (quietAPI) UpdatesGetState(context.Context) (*tg.UpdatesState, error) {
	return &tg.UpdatesState{Pts: 1, Date: int(time.Now().Unix())}, nil
}

func (quietAPI) UpdatesGetDifference(context.Context, *tg.UpdatesGetDifferenceRequest) (tg.UpdatesDifferenceClass, error) {
	return &tg.UpdatesDifferenceEmpty{Date: int(time.Now().Unix())}, nil
}

func (quietAPI) UpdatesGetChannelDifference(context.Context, *tg.UpdatesGetChannelDifferenceRequest) (tg.UpdatesChannelDifferenceClass, error) {
	return &tg.UpdatesChannelDifferenceEmpty{Final: true, Pts: 1000}, nil
}
