package actors

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/actortest"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/simulator"
)

// stop ends a fleet inside a bubble.
func stop(f *Fleet) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = f.Shutdown(ctx)
	time.Sleep(actortest.Linger)
}

func start(t *testing.T, h *harness) *Fleet {
	t.Helper()
	f, err := Start(h.deps)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDialErrorsBackOffAndNeverQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		var dials []time.Time
		h.deps.Transport.Dial = func(context.Context, string, string) (net.Conn, error) {
			dials = append(dials, time.Now())
			return nil, errNetwork
		}
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if st := h.states.of("a"); st.State != fleet.StateBackoff {
			t.Errorf("state %s after two hours without network, want backoff", st.State)
		}
		for i := 1; i < len(dials); i++ {
			if gap := dials[i].Sub(dials[i-1]); gap > time.Minute+time.Second {
				t.Errorf("dial %d came %v after the one before", i, gap)
			}
		}
		if n := len(dials); n < 120 || n > 600 {
			t.Errorf("%d dials in two hours, want a backoff of up to a minute with full jitter", n)
		}
	})
}

// TestAHealthyPeriodResetsTheBackoff: after an outage that drove the backoff to its ceiling and half a
// minute of health, a cut is mended at once.
func TestAHealthyPeriodResetsTheBackoff(t *testing.T) {
	var down atomic.Bool
	change := func(d *Deps) {
		dial := d.Transport.Dial
		d.Transport.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if down.Load() {
				return nil, errNetwork
			}
			return dial(ctx, network, addr)
		}
		d.Redial = backoff.Policy{Base: time.Second, Max: time.Minute, Factor: 2}
	}
	bubbleWith(t, simulator.Config{Seed: 96}, change, func(t *testing.T, r *rig) {
		r.person(t, "ann", 2)
		for round := range 5 { // a backoff of up to a minute is short by chance
			down.Store(true)
			r.sim.Server().KillConnections(nil)
			time.Sleep(10 * time.Minute)
			down.Store(false)
			time.Sleep(time.Minute + healthyAfter + time.Second) // the longest wait, then health
			synctest.Wait()
			if n := r.fleet.Sockets(); n != 1 {
				t.Fatalf("round %d: %d sockets after the outage", round, n)
			}
			before := r.dials()
			r.sim.Server().KillConnections(nil)
			time.Sleep(firstRedial + 2*time.Second) // the simulator looks once a second
			synctest.Wait()
			if n := r.dials() - before; n != 1 || r.fleet.Sockets() != 1 {
				t.Fatalf("round %d: %d dials, %d sockets right after the cut, want 1", round, n, r.fleet.Sockets())
			}
		}
	})
}

func TestNetworkRestoredEndsTheBackoff(t *testing.T) {
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
		before := dials.Load()
		f.NetworkRestored("a")
		synctest.Wait()
		if got := dials.Load() - before; got != 1 {
			t.Errorf("%d dials at the signal, want 1", got)
		}
		f.NetworkRestored("b") // another account: nothing happens
		synctest.Wait()
		if got := dials.Load() - before; got != 1 {
			t.Errorf("%d dials after another account's signal, want 1", got)
		}
	})
}

// panicReader breaks the engine and the key exchange inside the actor.
type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("planted") }

func TestPanicsQuarantineAfterTheBudgetAndLeaveNeighboursAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		d := &pipeDialer{serve: swallow}
		h.deps.Transport.Dial = d.dial
		h.deps.Rand = panicReader{}
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(restartWindow)
		synctest.Wait()
		st := h.states.of("a")
		if st.State != fleet.StateQuarantined || st.Reason != "RESTART_BUDGET" {
			t.Fatalf("state %s (%s), want quarantined", st.State, st.Reason)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.dials) != restartBudget+1 || d.most != 1 || d.open != 0 {
			t.Errorf("%d dials, at most %d sockets at a time, %d open at the end; want %d, 1, 0", len(d.dials), d.most, d.open, restartBudget+1)
		}
	})
}

func TestNeverTwoHomeSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		d := &pipeDialer{serve: func(c net.Conn) {
			_, _ = c.Read(make([]byte, 64)) // a part of the first packet, then the end
			_ = c.Close()
		}}
		h.deps.Transport.Dial = d.dial
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		for range 50 {
			f.NetworkRestored("a")
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.most != 1 || len(d.dials) < 10 {
			t.Errorf("%d dials, at most %d sockets at a time; want one at a time", len(d.dials), d.most)
		}
	})
}

func TestCorruptSessionIsQuarantinedWithoutADial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.sessions.loadErr = sessionstore.ErrCorrupt
		h.deps.Transport.Dial = func(context.Context, string, string) (net.Conn, error) {
			t.Error("dialled with a corrupt session")
			return nil, errNetwork
		}
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := h.states.of("a"); st.State != fleet.StateQuarantined || st.Reason != "SESSION_CORRUPT" || st.Remedy == "" {
			t.Errorf("status %+v, want quarantined SESSION_CORRUPT with a remedy", st)
		}
		env, ok := f.Running(t.Context(), "a")
		if !ok {
			t.Fatal("the account is not running")
		}
		err := env.Invoke(t.Context(), &tg.HelpGetConfigRequest{}, &tg.Config{})
		var e *fleet.Error
		if !errors.As(err, &e) || e.Reason != "ACCOUNT_QUARANTINED" {
			t.Errorf("a call gave %v, want ACCOUNT_QUARANTINED", err)
		}
	})
}

func TestStoreOutageRestartsTheAccountUntilItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.sessions.loadErr = errors.New("store is away")
		d := &pipeDialer{serve: swallow}
		h.deps.Transport.Dial = d.dial
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(time.Hour) // far more attempts than the restart budget
		h.sessions.mu.Lock()
		h.sessions.loadErr = nil
		h.sessions.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.dials) == 0 {
			t.Errorf("no dial after the store came back; state %+v", h.states.of("a"))
		}
	})
}

func TestFencedAccountSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		var fenced atomic.Bool
		var bytes atomic.Int64
		d := &pipeDialer{serve: func(c net.Conn) {
			buf := make([]byte, 4096)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				if fenced.Load() {
					bytes.Add(int64(n))
				}
			}
		}}
		h.deps.Transport.Dial = d.dial
		g := testGrant("a")
		g.Check = func() error {
			if fenced.Load() {
				return errors.New("deadline passed")
			}
			return nil
		}
		f := start(t, h)
		defer stop(f)
		f.Owned(g)
		time.Sleep(time.Second)
		fenced.Store(true)
		if n := f.Fenced(); n != 1 {
			t.Errorf("%d sockets closed, want 1", n)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := bytes.Load(); n != 0 {
			t.Errorf("%d bytes left after the deadline", n)
		}
		if st := h.states.of("a"); st.State != fleet.StateFenced {
			t.Errorf("state %s, want fenced", st.State)
		}
	})
}

func TestNotBeforeDelaysTheFirstDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		d := &pipeDialer{serve: swallow}
		h.deps.Transport.Dial = d.dial
		g := testGrant("a")
		g.NotBefore = time.Now().Add(35 * time.Second)
		f := start(t, h)
		defer stop(f)
		f.Owned(g)
		time.Sleep(34 * time.Second)
		synctest.Wait()
		d.mu.Lock()
		early := len(d.dials)
		d.mu.Unlock()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if early != 0 || len(d.dials) != 1 {
			t.Errorf("%d dials before the time, %d after; want 0 and 1", early, len(d.dials))
		}
	})
}

func TestCallsOfAStoppingAccountAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.deps.Transport.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errNetwork }
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(time.Second)
		env, ok := f.Running(t.Context(), "a")
		if !ok {
			t.Fatal("the account is not running")
		}
		answered := make(chan error, 1)
		go func() { answered <- env.Invoke(t.Context(), &tg.HelpGetConfigRequest{}, &tg.Config{}) }()
		synctest.Wait()
		gone := make(chan struct{})
		f.Lost("a", time.Now().Add(time.Second), func() { close(gone) })
		<-gone
		if err := <-answered; err == nil {
			t.Error("the waiting call succeeded")
		}
		if _, ok := f.Running(t.Context(), "a"); ok {
			t.Error("the account is still running")
		}
	})
}

// TestAccountThatFailsWhileItDrainsIsGone: its successor would know nothing of the drain, and
// another node would wait for it for ever.
func TestAccountThatFailsWhileItDrainsIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		var planted atomic.Bool
		h.deps.Now = func() time.Time {
			if planted.CompareAndSwap(true, false) {
				panic("planted")
			}
			return time.Now()
		}
		f := start(t, h)
		defer stop(f)
		g := testGrant("a")
		g.Desired.Paused = true // it has no child whose end would go on with the drain
		f.Owned(g)
		time.Sleep(time.Second)
		synctest.Wait()
		planted.Store(true)
		gone := make(chan struct{})
		f.Lost("a", time.Now().Add(time.Minute), func() { close(gone) })
		time.Sleep(time.Hour)
		synctest.Wait()
		select {
		case <-gone:
		default:
			t.Error("an hour after it was lost the account is still there")
		}
		if planted.Load() {
			t.Error("the planted panic did not happen")
		}
	})
}
