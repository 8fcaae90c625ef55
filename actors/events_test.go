package actors

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram"
)

// told are the state events of an account, and whether their ids differ.
func (r *rig) told(t *testing.T, id fleet.AccountID) (states []string) {
	t.Helper()
	r.log.locked(func() {
		states = r.stateEvents(t, id)
		ids := r.log.ids(id, standing.KindAccountState)
		slices.Sort(ids)
		if n := len(ids); len(slices.Compact(ids)) != n {
			t.Errorf("%s: state events share ids", id)
		}
	})
	return states
}

// TestEveryStateIsAnEventFromNewOn: also before the update stream runs, and after it has ended.
func TestEveryStateIsAnEventFromNewOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 120})
	ann := r.person(t, "ann", 2)
	r.sim.World().Revoke(r.users["ann"])
	if _, err := telegram.GetMe(bounded(t), ann); err == nil {
		t.Fatal("a revoked session still answers")
	}
	r.awaitState(t, "ann", "logged_out SESSION_REVOKED")
	r.users = nil
	sent, err := telegram.RequestCode(bounded(t), ann, "+15550001") // revives it
	if err != nil {
		t.Fatal(err)
	}
	r.awaitState(t, "ann", "code_sent")
	if err := telegram.CancelCode(bounded(t), ann, sent.Token); err != nil {
		t.Fatal(err)
	}
	r.fleet.SetDesired("ann", paused(2))
	r.awaitState(t, "ann", "paused PAUSED")
	gone := make(chan struct{})
	r.fleet.Lost("ann", time.Now().Add(patience), func() { close(gone) })
	<-gone
	want := []string{"new", "connecting", "unauthorized", "code_sent", "online", "logged_out SESSION_REVOKED",
		"connecting", "unauthorized", "code_sent", "unauthorized", "draining PAUSED", "paused PAUSED"}
	if got := r.told(t, "ann"); !slices.Equal(got, want) {
		t.Errorf("told\n%q, want\n%q", got, want)
	}
}

// TestStateEventsSurviveALogThatFails: they are repeated until the log takes them, in order.
func TestStateEventsSurviveALogThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		log := newJournal()
		h.deps.Events = log
		h.deps.Transport.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errNetwork }
		failures := 0
		log.setFail(func(_ fleet.AccountID, recs []eventlog.Record) error {
			if failures++; failures > 3 {
				return nil
			}
			if failures == 2 {
				return &eventlog.AppendError{Done: 1, Err: errors.New("disk on fire")}
			}
			return errors.New("disk on fire")
		})
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(time.Minute)
		synctest.Wait()
		r := &rig{log: log}
		want := []string{"new", "connecting", "backoff CONNECTION_LOST"}
		if got := r.told(t, "a"); !slices.Equal(got, want) {
			t.Errorf("told %q after %d failures, want %q", got, failures, want)
		}
	})
}

// TestStoreOutageIsToldOnce: however often the account starts again meanwhile, and in the status.
func TestStoreOutageIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		log := newJournal()
		h.deps.Events = log
		h.sessions.loadErr = errors.New("store is away")
		h.deps.Transport.Dial = (&pipeDialer{serve: swallow}).dial
		f := start(t, h)
		defer stop(f)
		f.Owned(testGrant("a"))
		time.Sleep(time.Hour)
		synctest.Wait()
		if st := h.states.of("a"); st.State != fleet.StateNew || st.Reason != "STORE_UNAVAILABLE" || st.Remedy == "" {
			t.Errorf("status %+v", st)
		}
		h.sessions.mu.Lock()
		h.sessions.loadErr = nil
		h.sessions.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		r := &rig{log: log}
		want := []string{"new", "new STORE_UNAVAILABLE", "connecting"}
		if got := r.told(t, "a"); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// TestSyncWaitsForTheStateEventBeforeTheStream: right after a login the account's own append may be
// under way, for which the stream waits. A sync is not refused for that.
func TestSyncWaitsForTheStateEventBeforeTheStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 121})
	if _, err := r.sim.AddUser(simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", HomeDC: 2}); err != nil {
		t.Fatal(err)
	}
	r.fleet.Owned(testGrant("ann"))
	ann := r.env(t, "ann")
	sent, err := telegram.RequestCode(bounded(t), ann, "+15550001")
	if err != nil {
		t.Fatal(err)
	}
	r.awaitState(t, "ann", "code_sent")
	release := r.log.hold()
	code, _ := r.sim.LoginCode("+15550001")
	ctx := bounded(t)
	signed, synced := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := telegram.SignIn(ctx, ann, sent.Token, code)
		signed <- err
	}()
	r.log.await(t, "an append under way", func() bool { return r.log.busy["ann"] })
	go func() { synced <- ann.Sync(ctx) }()
	release()
	if err := <-signed; err != nil {
		t.Errorf("sign in: %v", err)
	}
	if err := <-synced; err != nil {
		t.Errorf("sync: %v", err)
	}
}
