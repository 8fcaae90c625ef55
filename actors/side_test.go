package actors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/tlcall"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/simulator"
)

// nearestOn asks one DC which it is.
func nearestOn(t *testing.T, env *Env, dc int) (int, error) {
	t.Helper()
	var answer tg.NearestDC
	err := env.InvokeOn(bounded(t), dc, &tg.HelpGetNearestDCRequest{}, &answer)
	return answer.ThisDC, err
}

// TestSideConnectionsCarryTheLogin: another DC is reached under a key of its own, with the
// account's authorization, over one connection, which lives until the drain.
func TestSideConnectionsCarryTheLogin(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 60})
	ann, _ := r.pair(t)
	p := r.tap(nil)
	for _, dc := range []int{1, 3, 1, 2} {
		if got, err := nearestOn(t, ann, dc); err != nil || got != dc {
			t.Fatalf("DC %d: answered by DC %d, %v", dc, got, err)
		}
	}
	if out, in := p.count("auth.exportAuthorization"), p.count("auth.importAuthorization"); out != 2 || in != 2 {
		t.Errorf("%d exports and %d imports, want one for each of two DCs", out, in)
	}
	if n := r.fleet.Sockets(); n != 4 {
		t.Errorf("%d sockets, want two homes and two side connections", n)
	}
	r.chatter(t, 5)
	keys := r.stored(t, "ann", func(rec *sessionstore.Record) bool { return len(rec.Keys) == 3 }).Keys
	if keys[1].Key == keys[2].Key || keys[2].Key == keys[3].Key {
		t.Errorf("stored keys %v, want three different ones", keys)
	}
	home := keys[2].Key

	r.restart(t, "ann")
	if n := r.fleet.Sockets(); n != 2 {
		t.Errorf("%d sockets after the drain, want two homes", n)
	}
	made := r.sim.Server().Stats().KeyExchanges
	if _, err := nearestOn(t, r.env(t, "ann"), 3); err != nil {
		t.Fatal(err)
	}
	if n := r.sim.Server().Stats().KeyExchanges; n != made {
		t.Errorf("%d keys were made after a restart, want none", n-made)
	}
	if rec := r.record(t, "ann"); rec.Keys[2].Key != home || rec.HomeDC != 2 {
		t.Error("the home key changed")
	}
	r.verify(t)
}

// restart hands an account over to the same node and waits until it is online again.
func (r *rig) restart(t *testing.T, id fleet.AccountID, change ...func(*Grant)) {
	t.Helper()
	r.release(t, id)
	r.own(id, change...)
	if _, err := nearest(bounded(t), r.env(t, id)); err != nil {
		t.Fatalf("%s: after a restart: %v", id, err)
	}
}

// release gives an account up and waits until nothing of it runs.
func (r *rig) release(t *testing.T, id fleet.AccountID) {
	t.Helper()
	gone := make(chan struct{})
	r.fleet.Lost(id, time.Now().Add(5*time.Second), func() { close(gone) })
	select {
	case <-gone:
	case <-bounded(t).Done():
		t.Fatalf("%s: not released", id)
	}
}

func TestUnknownDCIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 61})
	ann, _ := r.pair(t)
	if _, err := nearestOn(t, ann, 9); reason(err) != "DC_UNKNOWN" {
		t.Errorf("got %v, want DC_UNKNOWN", err)
	}
}

// TestSideConnectionWithoutALogin: an account that has not signed in has nothing to export.
func TestSideConnectionWithoutALogin(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 62})
	r.fleet.Owned(testGrant("ann"))
	if got, err := nearestOn(t, r.env(t, "ann"), 3); err != nil || got != 3 {
		t.Fatalf("answered by DC %d, %v", got, err)
	}
	ann := r.person(t, "ann", 3) // the side connection gives way to the home connection
	if got, err := nearestOn(t, ann, 2); err != nil || got != 2 {
		t.Fatalf("answered by DC %d, %v", got, err)
	}
	r.verify(t)
}

// TestSideConnectionIsMadeAgain: it is dialled when it is needed, not kept alive.
func TestSideConnectionIsMadeAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 63})
	ann, _ := r.pair(t)
	for range 3 {
		if _, err := nearestOn(t, ann, 3); err != nil {
			t.Fatal(err)
		}
		r.sim.Server().KillConnections(nil)
	}
	r.verify(t)
}

// TestLostSideKeyIsImportedAgain: a side DC that has ended the login costs one more import, not
// the account.
func TestLostSideKeyIsImportedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 64})
	ann, _ := r.pair(t)
	if _, err := nearestOn(t, ann, 3); err != nil {
		t.Fatal(err)
	}
	r.tap(once(1, nearestMethod, 401, "AUTH_KEY_UNREGISTERED"))
	if _, err := nearestOn(t, ann, 3); err != nil {
		t.Errorf("a call on a side DC that forgot the login: %v", err)
	}
	if st := r.states.of("ann"); st.State.Terminal() {
		t.Errorf("the account is %s", st.State)
	}
	r.verify(t)
}

// slowSessions is a store whose reads wait.
type slowSessions struct {
	sessionstore.Store
	gate chan struct{}
}

func (s *slowSessions) Load(ctx context.Context, id fleet.AccountID) (*sessionstore.Record, error) {
	select {
	case <-s.gate:
	case <-ctx.Done():
	}
	return s.Store.Load(ctx, id)
}

// TestCallsOnADCWaitForTheSession: before the session is read nothing is known of DCs, so a
// call waits.
func TestCallsOnADCWaitForTheSession(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	r := newRig(t, simulator.Config{Seed: 65}, func(d *Deps) { d.Sessions = &slowSessions{d.Sessions, gate} })
	r.fleet.Owned(testGrant("ann"))
	env := r.env(t, "ann")
	body, method, err := tlcall.Encode(&tg.HelpGetNearestDCRequest{})
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		asked int
		body  []byte
		err   error
	}
	answers := make(chan result, 2)
	for _, dc := range []int{2, 3} {
		env.send(&connection.Call{Method: method, TypeID: tlcall.Constructor(body), Body: body, Idempotent: true, DC: dc, Done: func(body []byte, err error) {
			answers <- result{dc, body, err}
		}})
	}
	if err := env.Sync(bounded(t)); err == nil { // the account has seen the calls by now
		t.Error("an account without a session synced")
	}
	select {
	case a := <-answers:
		t.Errorf("answered %v before the session was read", a.err)
	default:
	}
	close(gate)
	for range 2 {
		a := <-answers
		var got tg.NearestDC
		if a.err == nil {
			a.err = got.Decode(&bin.Buffer{Buf: a.body})
		}
		if a.err != nil || got.ThisDC != a.asked {
			t.Errorf("DC %d: answered by DC %d, %v", a.asked, got.ThisDC, a.err)
		}
	}
}

// TestUnreachableSideDCIsNamed: a caller can tell it from having given up.
func TestUnreachableSideDCIsNamed(t *testing.T) {
	t.Parallel()
	var closed atomic.Value
	closed.Store("")
	r := newRig(t, simulator.Config{Seed: 67}, func(d *Deps) {
		d.Transport.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == closed.Load() {
				return nil, errNetwork
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	})
	ann, _ := r.pair(t)
	for _, dc := range r.sim.DCs() {
		if dc.ID == 3 {
			closed.Store(dc.Addr)
		}
	}
	_, err := nearestOn(t, ann, 3)
	if errors.Is(err, context.Canceled) || !strings.Contains(fmt.Sprint(err), "DC 3 cannot be reached") {
		t.Errorf("got %v, want that DC 3 cannot be reached", err)
	}
	closed.Store("")
	if dc, err := nearestOn(t, ann, 3); err != nil || dc != 3 {
		t.Errorf("afterwards: DC %d, %v", dc, err)
	}
	r.verify(t)
}
