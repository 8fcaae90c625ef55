package actors

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram"
)

const createMethod = "messages.createChat"

// createChat acts each time that it is called: it must never be repeated unasked.
func createChat(t *testing.T, env *Env) error {
	t.Helper()
	peer, err := telegram.ResolvePeer(t.Context(), env, "@user_bob")
	if err != nil {
		t.Fatal(err)
	}
	req := &tg.MessagesCreateChatRequest{Users: []tg.InputUserClass{&tg.InputUser{UserID: peer.ID, AccessHash: peer.AccessHash}}, Title: "chat"}
	if telegram.Idempotent(req) {
		t.Fatal("messages.createChat is taken for harmless")
	}
	return env.Invoke(t.Context(), req, &tg.MessagesInvitedUsers{})
}

// heldCalls lets the simulator hold the calls of a method until the returned function is called.
func (r *rig) heldCalls(method string) (p *tap, release func()) {
	gate := make(chan struct{})
	p = r.tap(func(_ int64, name string) (int, string) {
		if name == method {
			<-gate
		}
		return 0, ""
	})
	return p, func() { close(gate) }
}

// TestDeadlinesEndCallsAndDropTheirAnswers: a call that takes too long ends at its deadline, to the second, and the server
// is told that nobody waits for the answer any more. Calls that were not sent yet never are.
func TestDeadlinesEndCallsAndDropTheirAnswers(t *testing.T) {
	bubble(t, simulator.Config{Seed: 311}, func(t *testing.T, r *rig) {
		ann, _ := r.pair(t)
		p, release := r.heldCalls(nearestMethod)
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		begun := time.Now()
		if _, err := nearest(ctx, ann); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the end of the deadline", err)
		}
		if d := time.Since(begun); d != 7*time.Second {
			t.Errorf("the call ended after %v", d)
		}
		synctest.Wait()
		if n := r.sim.Server().Stats().Dropped; n != 1 || p.count(nearestMethod) != 1 {
			t.Errorf("%d answers given up of %d calls, want 1 of 1", n, p.count(nearestMethod))
		}
		release()
		r.tap(nil)
		if _, err := nearest(t.Context(), ann); err != nil {
			t.Errorf("the next call: %v", err)
		}
		r.verify(t)
	})
}

// TestCancelledWhileItWaits: a call that is given up while its method has to wait is never sent.
func TestCancelledWhileItWaits(t *testing.T) {
	bubble(t, simulator.Config{Seed: 312}, func(t *testing.T, r *rig) {
		ann, _ := r.pair(t)
		p := r.refusing(nearestMethod, "FLOOD_WAIT_30")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := nearest(ctx, ann); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the end of the deadline", err)
		}
		time.Sleep(time.Minute)
		if n := p.count(nearestMethod); n != 1 {
			t.Errorf("%d calls reached the server, want the refused one only", n)
		}
		r.verify(t)
	})
}

// TestLostAnswersAreRecovered: the connection dies with the answer. The server is asked what became of the call, and
// brings the answer; the call is executed once though it may not be repeated.
func TestLostAnswersAreRecovered(t *testing.T) {
	bubble(t, simulator.Config{Seed: 313}, func(t *testing.T, r *rig) {
		ann, _ := r.pair(t)
		asked := r.sim.Server().Stats().StateAsked
		p := r.tap(func(_ int64, name string) (int, string) {
			if name == createMethod {
				r.sim.Server().KillConnections(nil)
			}
			return 0, ""
		})
		if err := createChat(t, ann); err != nil {
			t.Errorf("the call whose answer was lost: %v", err)
		}
		if n := p.count(createMethod); n != 1 {
			t.Errorf("it was executed %d times", n)
		}
		if n := r.sim.Server().Stats().StateAsked - asked; n == 0 {
			t.Error("the server was not asked what became of it")
		}
		r.verify(t)
	})
}

// TestUnknownOutcomesAreNamed: the server forgets session and call. What may not be repeated ends with OUTCOME_UNKNOWN,
// what may is executed again.
func TestUnknownOutcomesAreNamed(t *testing.T) {
	bubble(t, simulator.Config{Seed: 314}, func(t *testing.T, r *rig) {
		ann, _ := r.pair(t)
		key := r.key(t, "ann")
		forget := map[string]bool{createMethod: true, nearestMethod: true}
		p := r.tap(func(_ int64, name string) (int, string) {
			if forget[name] { // once each; the hook has one caller at a time
				forget[name] = false
				r.sim.Server().KillConnections(nil)
				r.sim.Server().DropSessions(key)
			}
			return 0, ""
		})
		err := createChat(t, ann)
		var e *fleet.Error
		if !errors.As(err, &e) || e.Reason != "OUTCOME_UNKNOWN" || e.Method != createMethod || e.Remedy == "" {
			t.Errorf("got %v, want OUTCOME_UNKNOWN of %s with a remedy", err, createMethod)
		}
		if n := p.count(createMethod); n != 1 {
			t.Errorf("it was executed %d times", n)
		}
		if _, err := nearest(t.Context(), ann); err != nil {
			t.Errorf("a harmless call: %v", err)
		}
		if n := p.count(nearestMethod); n != 2 {
			t.Errorf("the harmless call was executed %d times, want 2", n)
		}
		r.verify(t)
	})
}

// TestF17ServerTroubleIsRepeatedWithGrowingPauses: 1, 2, 4, 8, 16 seconds, then the caller hears of it.
func TestF17ServerTroubleIsRepeatedWithGrowingPauses(t *testing.T) {
	for message, code := range map[string]int{"INTERNAL": 500, "Timeout": -503, "SOMETHING_NEW": 599, "WORKER_BUSY_TOO_LONG_RETRY": 500} {
		t.Run(message, func(t *testing.T) {
			bubble(t, simulator.Config{Seed: 315}, func(t *testing.T, r *rig) {
				ann, _ := r.pair(t)
				var at []time.Duration
				begun := time.Now()
				r.tap(func(_ int64, name string) (int, string) {
					if name == nearestMethod {
						at = append(at, time.Since(begun).Truncate(time.Second))
						return code, message
					}
					return 0, ""
				})
				if _, err := nearest(t.Context(), ann); err == nil {
					t.Error("an answer out of nothing")
				}
				want := []time.Duration{0, 1, 3, 7, 15, 31}
				if len(at) != len(want) {
					t.Fatalf("tried at %v", at)
				}
				for i := range want {
					if at[i] != want[i]*time.Second {
						t.Errorf("try %d came after %v, want %d s", i, at[i], want[i])
					}
				}
				r.verify(t)
			})
		})
	}
}

// TestServerTroubleLeavesTheOutcomeUnknown where a call may not be repeated, unless the error says that nothing was done.
func TestServerTroubleLeavesTheOutcomeUnknown(t *testing.T) {
	for _, tc := range []struct {
		code    int
		message string
		want    string
		calls   int
	}{
		{500, "INTERNAL", "OUTCOME_UNKNOWN", 1}, {-503, "Timeout", "OUTCOME_UNKNOWN", 1}, {599, "SOMETHING_NEW", "OUTCOME_UNKNOWN", 1},
		{500, "AUTH_RESTART", "AUTH_RESTART", 1}, {500, "WORKER_BUSY_TOO_LONG_RETRY", "", 2},
	} {
		t.Run(tc.message, func(t *testing.T) {
			bubble(t, simulator.Config{Seed: 316}, func(t *testing.T, r *rig) {
				ann, _ := r.pair(t)
				p := r.tap(once(1, createMethod, tc.code, tc.message))
				err := telegram.TypedError(createMethod, createChat(t, ann))
				if reason(err) != tc.want || p.count(createMethod) != tc.calls {
					t.Errorf("got %v after %d calls, want %q after %d", err, p.count(createMethod), tc.want, tc.calls)
				}
				r.verify(t)
			})
		})
	}
}

// TestBadRequestsAreNotRepeated: 400, 403, 404 and the 406 that do not end the session are for the caller, at once.
func TestBadRequestsAreNotRepeated(t *testing.T) {
	for message, code := range map[string]int{
		"PEER_ID_INVALID": 400, "CHAT_WRITE_FORBIDDEN": 403, "METHOD_INVALID": 404, "PHONE_NUMBER_INVALID": 406, "SOMETHING_NEW": 406,
	} {
		t.Run(message, func(t *testing.T) {
			bubble(t, simulator.Config{Seed: 317}, func(t *testing.T, r *rig) {
				ann, _ := r.pair(t)
				p := r.tap(once(10, nearestMethod, code, message))
				if _, err := nearest(t.Context(), ann); reason(telegram.TypedError(nearestMethod, err)) != message {
					t.Errorf("got %v, want %s", err, message)
				}
				if n := p.count(nearestMethod); n != 1 {
					t.Errorf("%d calls, want 1", n)
				}
				time.Sleep(time.Minute)
				if st := r.states.of("ann"); st.State != fleet.StateOnline {
					t.Errorf("status %+v, want online", st)
				}
				r.verify(t)
			})
		})
	}
}

// TestLostInitIsMadeAgain: the server wants the connection announced once more; the caller does not see it.
func TestLostInitIsMadeAgain(t *testing.T) {
	for _, message := range []string{"CONNECTION_NOT_INITED", "CONNECTION_LAYER_INVALID"} {
		t.Run(message, func(t *testing.T) {
			bubble(t, simulator.Config{Seed: 318}, func(t *testing.T, r *rig) {
				ann, _ := r.pair(t)
				p := r.tap(once(1, createMethod, 400, message))
				if err := createChat(t, ann); err != nil {
					t.Error(err)
				}
				if n := p.count(createMethod); n != 2 || p.count("help.getConfig") != 1 {
					t.Errorf("%d calls and %d announcements, want 2 and 1", n, p.count("help.getConfig"))
				}
				r.verify(t)
			})
		})
	}
}
