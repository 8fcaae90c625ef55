package actors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram"
)

// TestHandoversWhileTalkingLoseNothing: an account is released and claimed again and again while
// it is written to, in bad weather and with a log that fails now and then.
func TestHandoversWhileTalkingLoseNothing(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Seed: 80 + seed})
			ann, _ := r.pair(t)
			r.sim.Faults().SetPush(mtserver.PushFaults{Drop: 0.1, Reorder: 0.1, Repeat: 0.1, Delay: 0.1, MaxDelay: 50 * time.Millisecond})
			rng := rand.New(rand.NewPCG(seed, 1))
			r.log.setFail(func(_ fleet.AccountID, recs []eventlog.Record) error { // asked with the journal's lock held
				switch rng.IntN(12) {
				case 0:
					return errors.New("disk on fire")
				case 1, 2:
					return &eventlog.AppendError{Done: len(recs) - 1, Err: eventlog.ErrUnknownOutcome}
				}
				return nil
			})
			bob, err := telegram.ResolvePeer(bounded(t), ann, "@user_bob")
			if err != nil {
				t.Fatal(err)
			}
			stop, talked := make(chan struct{}), make(chan int)
			go func() {
				n := 0
				defer func() { talked <- n }()
				for ; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					m := telegram.Outgoing{Text: fmt.Sprint("message ", n), RandomID: int64(n + 1)}
					for { // the log fails under ann, too: the account restarts and the call is repeated
						env, ok := r.fleet.Running(t.Context(), "ann")
						if !ok {
							return
						}
						_, err := telegram.SendMessage(t.Context(), env, bob, m)
						if err == nil || errors.Is(err, telegram.ErrMessageUnknown) { // it was sent; more was said since than is searched
							break
						}
						if code := reason(err); code == err.Error() {
							t.Errorf("message %d: %v", n, err)
							return
						}
					}
				}
			}()
			for i := range 20 {
				gone := make(chan struct{})
				r.fleet.Lost("bob", time.Now().Add(5*time.Second), func() { close(gone) })
				<-gone
				r.say(t, 5) // one difference, many records
				r.own("bob")
				if i%3 > 0 { // else it is released at once
					r.settle(bounded(t), t, "bob")
				}
			}
			close(stop)
			if n := <-talked; n == 0 {
				t.Error("nothing was said")
			}
			r.log.setFail(nil)
			r.verify(t)
		})
	}
}

// TestCancelledCallsDoNotHoldTheDrain: a caller who has gone is not waited for.
func TestCancelledCallsDoNotHoldTheDrain(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 90})
	ann, _ := r.pair(t)
	p := r.tap(once(1, nearestMethod, 420, "FLOOD_WAIT_50"))
	ctx, cancel := context.WithCancel(bounded(t))
	ended := make(chan error, 1)
	go func() {
		_, err := nearest(ctx, ann)
		ended <- err
	}()
	p.await(t, nearestMethod, 1)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended by %v", err)
	}
	begun, gone := time.Now(), make(chan struct{})
	r.fleet.Lost("ann", begun.Add(40*time.Second), func() { close(gone) })
	<-gone
	if d := time.Since(begun); d > 30*time.Second {
		t.Errorf("the drain took %v: it waited for a call whose caller had gone", d)
	}
}

// TestReleaseDoesNotWaitForABackoff: an account that waits to be started again is released at
// once, so that another node can try.
func TestReleaseDoesNotWaitForABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.sessions.loadErr = errors.New("store is away")
		h.deps.Redial = backoff.Policy{Base: time.Minute, Max: time.Hour, Factor: 2}
		f := start(t, h)
		defer stop(f)
		for i := range 10 {
			id := fleet.AccountID(fmt.Sprint("a", i))
			f.Owned(testGrant(id))
			time.Sleep(time.Second)
			synctest.Wait()
			begun, gone := time.Now(), make(chan struct{})
			f.Lost(id, begun.Add(time.Second), func() { close(gone) })
			<-gone
			if d := time.Since(begun); d > 2*time.Second {
				t.Errorf("%s: released after %v", id, d)
			}
		}
	})
}
