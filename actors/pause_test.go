package actors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/updates"
)

func paused(generation int64) Desired  { return Desired{Paused: true, Generation: generation} }
func running(generation int64) Desired { return Desired{Generation: generation} }

func wantPaused(t *testing.T, what string, err error) {
	t.Helper()
	var e *fleet.Error
	if !errors.As(err, &e) || e.Reason != "ACCOUNT_PAUSED" || e.Code != fleet.CodeFailedPrecondition || e.Remedy == "" {
		t.Errorf("%s of a paused account: %v, want ACCOUNT_PAUSED with a remedy", what, err)
	}
}

// TestPausedFromTheBeginning: an account that is owned while its spec says so never dials.
func TestPausedFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		d := &pipeDialer{serve: swallow}
		h.deps.Transport.Dial = d.dial
		f := start(t, h)
		defer stop(f)
		g := testGrant("a")
		g.Desired = paused(3)
		f.Owned(g)
		time.Sleep(time.Hour)
		f.NetworkRestored("")
		synctest.Wait()
		if st := h.states.of("a"); st.State != fleet.StatePaused || st.Generation != 3 || st.Remedy == "" {
			t.Errorf("status %+v, want paused at generation 3 with a remedy", st)
		}
		env, ok := f.Running(t.Context(), "a")
		if !ok {
			t.Fatal("a paused account is not owned")
		}
		_, err := telegram.GetMe(t.Context(), env)
		wantPaused(t, "a call", err)
		wantPaused(t, "sync", env.Sync(t.Context()))
		_, err = telegram.RequestCode(t.Context(), env, "+15550001")
		wantPaused(t, "login", err)
		d.mu.Lock()
		dials := len(d.dials)
		d.mu.Unlock()
		if dials != 0 {
			t.Errorf("%d dials while paused", dials)
		}
		f.SetDesired("a", running(4))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if st := h.states.of("a"); len(d.dials) != 1 || st.Generation != 4 || st.State != fleet.StateConnecting {
			t.Errorf("%d dials after the resume, status %+v", len(d.dials), st)
		}
	})
}

// TestPauseEndsABackoff: no dial comes from a wait that had begun before.
func TestPauseEndsABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		var dials atomic.Int64
		h.deps.Transport.Dial = func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			return nil, errNetwork
		}
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for generation := int64(2); generation < 10; generation += 2 {
			f.SetDesired("a", paused(generation))
			synctest.Wait()
			before := dials.Load()
			time.Sleep(time.Hour)
			synctest.Wait()
			if n := dials.Load() - before; n != 0 {
				t.Errorf("%d dials while paused", n)
			}
			if st := h.states.of("a"); st.State != fleet.StatePaused || st.Generation != generation {
				t.Errorf("status %+v, want paused at generation %d", st, generation)
			}
			f.SetDesired("a", running(generation+1))
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if n := dials.Load() - before; n == 0 {
				t.Error("no dial after the resume")
			}
		}
	})
}

// TestSwitchedBackAndForth: many changes at once leave the last one, and one socket at most.
func TestSwitchedBackAndForth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		d := &pipeDialer{serve: swallow}
		h.deps.Transport.Dial = d.dial
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		for i := range int64(50) {
			f.SetDesired("a", Desired{Paused: i%2 == 0, Generation: i + 1})
			time.Sleep(time.Duration(i) * 40 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		f.SetDesired("a", paused(51))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if st := h.states.of("a"); d.most > 1 || d.open != 0 || st.State != fleet.StatePaused || st.Generation != 51 {
			t.Errorf("at most %d sockets at a time, %d open at the end, status %+v", d.most, d.open, st)
		}
	})
}

// TestPauseHoldsNoSocketAndLosesNothing: messages sent meanwhile arrive after the resume.
func TestPauseHoldsNoSocketAndLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 61})
	ann, _ := r.pair(t)
	for round := range int64(3) {
		r.fleet.SetDesired("ann", paused(2+2*round))
		st := r.states.await(t, "ann", fleet.StatePaused)
		if st.Generation != 2+2*round || st.UserID == 0 {
			t.Errorf("status %+v, want a paused user at generation %d", st, 2+2*round)
		}
		_, err := telegram.GetMe(bounded(t), ann)
		wantPaused(t, "a call", err)
		r.onlySockets(t, 1) // bob's
		for range 5 {
			r.send(t, "bob", "@user_ann", "while you were away")
		}
		r.fleet.SetDesired("ann", running(3+2*round))
		if st := r.states.await(t, "ann", fleet.StateOnline); st.Generation != 3+2*round {
			t.Errorf("status %+v, want generation %d", st, 3+2*round)
		}
	}
	r.chatter(t, 40)
	r.verify(t)
}

// onlySockets waits until the node holds so many sockets.
func (r *rig) onlySockets(t *testing.T, want int) {
	t.Helper()
	ctx := bounded(t)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for r.fleet.Sockets() != want {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("%d sockets, want %d", r.fleet.Sockets(), want)
		}
	}
}

// TestPausedAccountIsHandedOver: a drain of a paused account ends, and the next owner keeps the
// pause.
func TestPausedAccountIsHandedOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 62})
	r.pair(t)
	r.fleet.SetDesired("ann", paused(2))
	r.states.await(t, "ann", fleet.StatePaused)
	gone := make(chan struct{})
	r.fleet.Lost("ann", time.Now().Add(time.Second), func() { close(gone) })
	select {
	case <-gone:
	case <-bounded(t).Done():
		t.Fatal("not released")
	}
	r.send(t, "bob", "@user_ann", "between two owners")
	g := testGrant("ann")
	g.Desired = paused(2)
	r.fleet.Owned(g)
	r.states.await(t, "ann", fleet.StatePaused)
	r.onlySockets(t, 1)
	r.fleet.SetDesired("ann", running(3))
	r.states.await(t, "ann", fleet.StateOnline)
	r.verify(t)
}

// TestSkippedUpdatesAreNamed: what was lost and not fetched is returned, and said by a gap event;
// what comes later arrives.
func TestSkippedUpdatesAreNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 63})
	_, bob := r.pair(t)
	if skipped, err := bob.Skip(bounded(t)); err != nil || len(skipped) != 0 {
		t.Errorf("skipped %v, %v where nothing was missing", skipped, err)
	}
	r.sim.Faults().SetPush(mtserver.PushFaults{Drop: 1})
	for range 5 {
		if _, err := r.sim.World().Say(r.users["ann"], r.users["bob"], "lost"); err != nil {
			t.Fatal(err)
		}
	}
	r.sim.Faults().SetPush(mtserver.PushFaults{})
	skipped, err := bob.Skip(bounded(t))
	if err != nil || len(skipped) != 1 || skipped[0].To-skipped[0].From != 5 || skipped[0].Box.Kind != updates.BoxPts {
		t.Fatalf("skipped %v, %v, want 5 of pts", skipped, err)
	}
	want := fmt.Sprintf("pts:gap:%d:%d", skipped[0].From, skipped[0].To)
	r.log.locked(func() {
		if gaps := r.log.ids("bob", updates.KindGap); len(gaps) != 1 || gaps[0] != want {
			t.Errorf("gap events %v, want %s", gaps, want)
		}
	})
	r.send(t, "ann", "@user_bob", "after")
	r.sync(t, "bob")
	r.log.locked(func() {
		if n := len(r.log.ids("bob", "message_new")); n != 3 {
			t.Errorf("%d messages, want the three that were not skipped", n)
		}
	})
}

// TestPauseLetsRunningCallsEnd: a pause refuses new calls and waits for those that run; what was
// received is in the log and acknowledged before the socket closes.
func TestPauseLetsRunningCallsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 64})
	ann, _ := r.pair(t)
	key := r.key(t, "ann")
	p := r.tap(once(1, nearestMethod, 420, "FLOOD_WAIT_1"))
	ended := make(chan error, 1)
	go func() {
		_, err := nearest(bounded(t), ann)
		ended <- err
	}()
	p.await(t, nearestMethod, 1)
	release := r.log.hold() // the record of this message is still under way when the pause begins
	r.send(t, "bob", "@user_ann", "just before")
	r.log.await(t, "an append", func() bool { return r.log.busy["ann"] })
	r.fleet.SetDesired("ann", paused(2))
	r.status(t, "ann", fleet.StateDraining)
	_, err := telegram.GetMe(bounded(t), ann)
	wantPaused(t, "a new call", err)
	release()
	if err := <-ended; err != nil {
		t.Errorf("the running call ended by %v", err)
	}
	r.status(t, "ann", fleet.StatePaused)
	r.onlySockets(t, 1)
	if n := r.sim.Server().Unacked(key); n != 0 {
		t.Errorf("%d messages were not acknowledged", n)
	}
	r.fleet.SetDesired("ann", running(3))
	r.status(t, "ann", fleet.StateOnline)
	r.verify(t)
}

// TestPauseDoesNotWaitForEver: what has no answer after the grace hears that the account is paused.
func TestPauseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.deps.Transport.Dial = (&pipeDialer{serve: swallow}).dial
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(time.Second)
		env, _ := f.Running(t.Context(), "a")
		ended := make(chan error, 1)
		go func() {
			_, err := nearest(t.Context(), env)
			ended <- err
		}()
		synctest.Wait()
		begun := time.Now()
		f.SetDesired("a", paused(2))
		wantPaused(t, "the running call", <-ended)
		if d := time.Since(begun); d < pauseGrace || d > pauseGrace+time.Second {
			t.Errorf("answered after %s, want %s", d, pauseGrace)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := h.states.of("a"); st.State != fleet.StatePaused {
			t.Errorf("state %s", st.State)
		}
	})
}

func disconnected(generation int64) Desired {
	return Desired{Paused: true, AtOnce: true, Generation: generation}
}

// TestDisconnectIsAtOnce: calls that wait fail, one that was sent and one that was not; the socket is closed;
// the account stays with its session and connects again.
func TestDisconnectIsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 65})
	ann, _ := r.pair(t)
	silent := make(chan struct{})
	flood := once(1, nearestMethod, 420, "FLOOD_WAIT_50")
	p := r.tap(func(key int64, method string) (int, string) {
		if method == sendMethod {
			<-silent // the server does not answer
		}
		return flood(key, method)
	})
	ended := make(chan error, 2)
	go func() {
		_, err := nearest(bounded(t), ann)
		ended <- err
	}()
	p.await(t, nearestMethod, 1)
	go func() { ended <- sendRaw(t, ann, "sent and not answered", 77) }()
	p.await(t, sendMethod, 1)
	r.fleet.SetDesired("ann", disconnected(2))
	for range 2 {
		if err := <-ended; reason(err) != "DISCONNECTED" {
			t.Errorf("a call that waited ended by %v", err)
		}
	}
	close(silent)
	r.status(t, "ann", fleet.StatePaused)
	r.onlySockets(t, 1)
	_, err := telegram.GetMe(bounded(t), ann)
	wantPaused(t, "a call", err)
	r.fleet.SetDesired("ann", running(3))
	r.status(t, "ann", fleet.StateOnline)
	r.verify(t)
}

// TestDisconnectEndsAPauseThatWaits.
func TestDisconnectEndsAPauseThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		d := &pipeDialer{serve: swallow}
		h.deps.Transport.Dial = d.dial
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(time.Second)
		env, _ := f.Running(t.Context(), "a")
		ended := make(chan error, 1)
		go func() {
			_, err := nearest(t.Context(), env)
			ended <- err
		}()
		synctest.Wait()
		f.SetDesired("a", paused(2))
		time.Sleep(time.Second)
		begun := time.Now()
		f.SetDesired("a", disconnected(3))
		if err := <-ended; reason(err) != "DISCONNECTED" || !time.Now().Equal(begun) {
			t.Errorf("the call ended by %v after %s, want DISCONNECTED at once", err, time.Since(begun))
		}
		synctest.Wait()
		d.mu.Lock()
		open := d.open
		d.mu.Unlock()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := h.states.of("a"); st.State != fleet.StatePaused || st.Generation != 3 || open != 0 {
			t.Errorf("status %+v, %d sockets open", st, open)
		}
		f.SetDesired("a", running(4)) // and back
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := h.states.of("a"); st.State != fleet.StateConnecting {
			t.Errorf("status %+v after the resume", st)
		}
	})
}
