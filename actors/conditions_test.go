package actors

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
	"github.com/telefleet/orchestrator/telegram"
)

// reasons are the conditions of a status as one line, and whether each is of the closed set.
func reasons(t *testing.T, st standing.Status) string {
	t.Helper()
	var all []string
	for _, c := range st.Conditions {
		m, ok := fleet.MeaningOf(c.Type, c.Reason)
		if !ok || m.Status != c.Status || c.Since.IsZero() {
			t.Errorf("%s: %+v is not of the table, or without a time", st.Account, c)
		}
		all = append(all, string(c.Reason))
	}
	return strings.Join(all, " ")
}

func condition(st standing.Status, typ fleet.ConditionType) fleet.Condition {
	for _, c := range st.Conditions {
		if c.Type == typ {
			return c
		}
	}
	return fleet.Condition{}
}

// conditions waits until an account reports a condition with a reason.
func (r *rig) condition(t *testing.T, id fleet.AccountID, typ fleet.ConditionType, want fleet.ConditionReason) standing.Status {
	t.Helper()
	ctx := bounded(t)
	for {
		if st := r.states.of(id); condition(st, typ).Reason == want {
			return st
		}
		select {
		case <-r.states.seen:
		case <-time.After(10 * time.Millisecond): // another waiter may have taken the report
		case <-ctx.Done():
			t.Fatalf("%s: %s is never %s; the last was %s", id, typ, want, reasons(t, r.states.of(id)))
		}
	}
}

// TestConditionsFollowTheAccount: what Telegram and people do to it is seen in them.
func TestConditionsFollowTheAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 130})
	ann, _ := r.pair(t)
	st := r.condition(t, "ann", fleet.ConditionCaughtUp, fleet.ReasonCaughtUp)
	if got := reasons(t, st); got != "OWNED SIGNED_IN CONNECTED UPDATES_FLOWING CAUGHT_UP NO_PROXY NOT_LIMITED UNRESTRICTED" {
		t.Errorf("online: %s", got)
	}
	signedIn := condition(st, fleet.ConditionAuthorized).Since

	p := r.tap(once(1, nearestMethod, 420, "FLOOD_WAIT_500"))
	begun := time.Now()
	if _, err := nearest(bounded(t), ann); reason(err) == "" {
		t.Error("a long flood wait was waited out")
	}
	p.await(t, nearestMethod, 1)
	st = r.condition(t, "ann", fleet.ConditionRateLimited, fleet.ReasonFloodWait)
	if until := condition(st, fleet.ConditionRateLimited).Until; until.Sub(begun) < 499*time.Second {
		t.Errorf("limited for %s, want 500 s", until.Sub(begun))
	}
	r.tap(once(1, sendMethod, 400, "PEER_FLOOD"))
	if got := reason(sendRaw(t, ann, "to a stranger", 9)); got != "PEER_FLOOD" {
		t.Errorf("got %s", got)
	}
	st = r.condition(t, "ann", fleet.ConditionRestricted, fleet.ReasonPeerFlood)
	if since := condition(st, fleet.ConditionAuthorized).Since; !since.Equal(signedIn) {
		t.Error("a condition that did not change has another time")
	}
	r.tap(nil)

	r.fleet.SetDesired("ann", paused(2))
	st = r.condition(t, "ann", fleet.ConditionConnected, fleet.ReasonPaused)
	if st.Generation != 2 {
		t.Errorf("generation %d", st.Generation)
	}
	r.fleet.SetDesired("ann", running(3))
	r.condition(t, "ann", fleet.ConditionCaughtUp, fleet.ReasonCaughtUp)
	r.sim.World().Revoke(r.users["ann"])
	_, _ = telegram.GetMe(bounded(t), ann) // it fails, which is the point
	st = r.condition(t, "ann", fleet.ConditionAuthorized, fleet.ReasonLoggedOut)
	if c := condition(st, fleet.ConditionAuthorized); !strings.Contains(c.Message, "SESSION_REVOKED") {
		t.Errorf("Authorized says %q", c.Message)
	}
	if got := reasons(t, st); got != "OWNED LOGGED_OUT LOGGED_OUT NOT_CONNECTED NOT_CONNECTED NO_PROXY FLOOD_WAIT PEER_FLOOD" {
		t.Errorf("logged out: %s", got)
	}
}

// TestConnectionRefusedForFloodIsARateLimit: transport error -429 has a state and conditions of its own.
func TestConnectionRefusedForFloodIsARateLimit(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 131})
	r.pair(t)
	r.inject(t, "ann", mtserver.TransportError(-429))
	go func() { _, _ = nearest(t.Context(), r.env(t, "ann")) }() // meets the fault, and waits
	st := r.condition(t, "ann", fleet.ConditionRateLimited, fleet.ReasonTooManyConnections)
	if c := condition(st, fleet.ConditionConnected); st.State != fleet.StateRateLimited || c.Reason != fleet.ReasonTooManyConnections || c.Until.IsZero() {
		t.Errorf("state %s, connected %+v", st.State, c)
	}
	r.fleet.NetworkRestored("ann")
	r.status(t, "ann", fleet.StateOnline)
	r.verify(t)
}

// TestBackoffTellsOfTheNextTry: in its condition, with what went wrong.
func TestBackoffTellsOfTheNextTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.deps.Transport.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errNetwork }
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		st := h.states.of("a")
		c := condition(st, fleet.ConditionConnected)
		if c.Reason != fleet.ReasonBackoff || !strings.Contains(c.Message, errNetwork.Error()) || c.Until.IsZero() {
			t.Errorf("connected: %+v", c)
		}
		if got := reasons(t, st); got != "OWNED NOT_SIGNED_IN BACKOFF NOT_CONNECTED NOT_CONNECTED NO_PROXY NOT_LIMITED UNRESTRICTED" {
			t.Errorf("conditions %s", got)
		}
	})
}
