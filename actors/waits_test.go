package actors

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram"
)

// waits are the refusals that ask for a wait, each with the seconds that it asks for. Slow mode has a test of its own.
var waits = []string{"FLOOD_WAIT", "FLOOD_PREMIUM_WAIT", "2FA_CONFIRM_WAIT", "TAKEOUT_INIT_DELAY"}

// refusing answers calls of a method as want says, by what they have in their order: "" lets one pass.
func (r *rig) refusing(method string, answers ...string) *tap {
	i := 0
	return r.tap(func(_ int64, name string) (int, string) {
		if name != method || i >= len(answers) {
			return 0, ""
		}
		i++
		if answers[i-1] == "" {
			return 0, ""
		}
		return 420, answers[i-1]
	})
}

// TestF17WaitsAreWaitedOut: each kind, for exactly its time, while other methods overtake.
func TestF17WaitsAreWaitedOut(t *testing.T) {
	for _, kind := range waits {
		t.Run(kind, func(t *testing.T) {
			bubble(t, simulator.Config{Seed: 301}, func(t *testing.T, r *rig) {
				ann, _ := r.pair(t)
				p := r.refusing(sendMethod, kind+"_40")
				begun := time.Now()
				sent := make(chan error, 1)
				go func() { sent <- sendRaw(t, ann, "waits", 1) }()
				p.await(t, sendMethod, 1)
				time.Sleep(39 * time.Second)
				if _, err := nearest(t.Context(), ann); err != nil {
					t.Errorf("another method: %v", err)
				}
				if n := p.count(sendMethod); n != 1 {
					t.Errorf("%d calls before the wait was over, want 1", n)
				}
				if err := <-sent; err != nil {
					t.Error(err)
				}
				if d := time.Since(begun); d < 40*time.Second || d > 41*time.Second {
					t.Errorf("the call took %v, want 40 s", d)
				}
				r.verify(t)
			})
		})
	}
}

// TestF17LongWaitsAreAnsweredAndShown: beyond a minute the caller hears how long, at once also of later calls; the status
// tells of it until it is over; and what it hears is no error of the library, for which helpers would sleep.
func TestF17LongWaitsAreAnsweredAndShown(t *testing.T) {
	for _, kind := range waits {
		t.Run(kind, func(t *testing.T) {
			bubble(t, simulator.Config{Seed: 302}, func(t *testing.T, r *rig) {
				ann, _ := r.pair(t)
				p := r.refusing(sendMethod, kind+"_600")
				end := time.Now().Add(600 * time.Second)
				for range 3 {
					err := sendRaw(t, ann, "too much", 1)
					var e *fleet.Error
					if !errors.As(err, &e) || e.Reason != kind || e.RetryAfter > 600*time.Second || e.RetryAfter < time.Until(end) || e.Remedy == "" {
						t.Fatalf("got %v, want %s with %v to wait", err, kind, time.Until(end))
					}
					if _, library := tgerr.As(err); library {
						t.Errorf("%v is an error of the library", err)
					}
					time.Sleep(100 * time.Second)
				}
				if n := p.count(sendMethod); n != 1 {
					t.Errorf("%d calls reached the server, want the first only", n)
				}
				if l := r.states.of("ann").Limited; l.Method != sendMethod || l.Reason != kind || l.Until.Sub(end) > time.Second {
					t.Errorf("the status shows %+v", l)
				}
				time.Sleep(time.Until(end) + 2*time.Second)
				if l := r.states.of("ann").Limited; l != (sessionstore.Wait{}) {
					t.Errorf("the status still shows %+v", l)
				}
				if err := sendRaw(t, ann, "late enough", 2); err != nil {
					t.Error(err)
				}
				r.verify(t)
			})
		})
	}
}

// TestF17SlowModeIsOfOneChat: the same method goes on elsewhere, and waits where it was refused, also for a second caller.
func TestF17SlowModeIsOfOneChat(t *testing.T) {
	bubble(t, simulator.Config{Seed: 303}, func(t *testing.T, r *rig) {
		ann, _ := r.pair(t)
		p := r.refusing(sendMethod, "SLOWMODE_WAIT_30")
		begun := time.Now()
		sent := make(chan error, 2)
		go func() { sent <- sendRaw(t, ann, "slow", 1) }()
		p.await(t, sendMethod, 1)
		time.Sleep(time.Second) // the refusal arrives
		go func() { sent <- sendRaw(t, ann, "slow, too", 2) }()
		self, err := telegram.ResolvePeer(t.Context(), ann, "me")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := telegram.SendMessage(t.Context(), ann, self, telegram.Outgoing{Text: "elsewhere"}); err != nil {
			t.Error(err)
		}
		if d := time.Since(begun); d > 2*time.Second || p.count(sendMethod) != 2 {
			t.Errorf("another chat had its message after %v, %d calls", d, p.count(sendMethod))
		}
		for range 2 {
			if err := <-sent; err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(begun); d < 30*time.Second || p.count(sendMethod) != 4 {
			t.Errorf("both messages were sent after %v, %d calls; want 30 s and 4", d, p.count(sendMethod))
		}
		r.verify(t)
	})
}

// TestWaitsSurviveARestartAndAMove: the next owner knows of them from the stored session, asks nothing of the server
// before, and calls again when they are over.
func TestWaitsSurviveARestartAndAMove(t *testing.T) {
	bubble(t, simulator.Config{Seed: 304}, func(t *testing.T, r *rig) {
		ann, _ := r.pair(t)
		p := r.refusing(sendMethod, "FLOOD_WAIT_600")
		if got := reason(sendRaw(t, ann, "too much", 1)); got != "FLOOD_WAIT" {
			t.Fatalf("got %q", got)
		}
		end := time.Now().Add(600 * time.Second)
		kept := r.stored(t, "ann", func(rec *sessionstore.Record) bool { return len(rec.Waits) == 1 }).Waits[0]
		if kept.Method != sendMethod || kept.Reason != "FLOOD_WAIT" || kept.Until.Sub(end).Abs() > time.Second {
			t.Errorf("stored %+v", kept)
		}
		r.release(t, "ann")

		elsewhere := r.deps // another node on the same stores
		f, err := Start(elsewhere)
		if err != nil {
			t.Fatal(err)
		}
		defer r.end(t, f)
		g := testGrant("ann")
		g.Fence.CreateRevision += 100
		f.Owned(g)
		env, ok := f.Running(t.Context(), "ann")
		if !ok {
			t.Fatal("the account does not run on the other node")
		}
		if _, err := nearest(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		if got := reason(sendRaw(t, env, "still too much", 2)); got != "FLOOD_WAIT" {
			t.Errorf("the next owner's call gave %q, want FLOOD_WAIT", got)
		}
		time.Sleep(550 * time.Second)
		if err := sendRaw(t, env, "waits for the rest", 3); err != nil {
			t.Error(err)
		}
		if time.Now().Before(end) || p.count(sendMethod) != 2 {
			t.Errorf("%v before the end, after %d calls", time.Until(end), p.count(sendMethod))
		}
		delete(r.users, "ann")
		r.verify(t)
	})
}

// TestCallsThatWaitedLeaveInTheirOrder: those that were refused, and those that came meanwhile.
func TestCallsThatWaitedLeaveInTheirOrder(t *testing.T) {
	bubble(t, simulator.Config{Seed: 305}, func(t *testing.T, r *rig) {
		ann, _ := r.pair(t)
		p := r.refusing(sendMethod, "FLOOD_WAIT_10", "FLOOD_WAIT_20", "FLOOD_WAIT_5")
		const n = 8
		sent := make(chan error, n)
		for i := range n {
			go func() { sent <- sendRaw(t, ann, fmt.Sprint("message ", i), int64(i+1)) }()
			time.Sleep(time.Second)
		}
		for range n {
			if err := <-sent; err != nil {
				t.Error(err)
			}
		}
		if c := p.count(sendMethod); c < n+1 || c > n+3 {
			t.Errorf("%d calls for %d messages", c, n)
		}
		bob := r.env(t, "bob")
		peer, err := telegram.ResolvePeer(t.Context(), bob, "@user_ann")
		if err != nil {
			t.Fatal(err)
		}
		history, err := telegram.GetHistory(t.Context(), bob, peer, telegram.HistoryOptions{Limit: n})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range history.Messages {
			got = append(got, m.(*tg.Message).Message)
		}
		slices.Reverse(got)
		for i, text := range got {
			if text != fmt.Sprint("message ", i) {
				t.Fatalf("arrived in the order %v", got)
			}
		}
		r.verify(t)
	})
}
