package actors

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// TestF17OneProtocolFaultLosesNothing does each fault once to two busy accounts: every call is
// answered, every message becomes one event, and the referee sees nothing.
func TestF17OneProtocolFaultLosesNothing(t *testing.T) {
	faults := map[string]mtserver.Fault{
		"bad server salt": mtserver.BadSalt, "forgotten session": mtserver.ForgetSession,
		"wrong session id": mtserver.WrongSession, "bad msg_key": mtserver.BadMsgKey,
		"padding 8": mtserver.BadPadding(8), "padding 1040": mtserver.BadPadding(1040),
		"nested container": mtserver.NestedContainer, "1025 messages": mtserver.HugeContainer,
		"gzip bomb": mtserver.GzipBomb, "packet sent twice": mtserver.SendTwice,
		"stale msg_id": mtserver.StaleMsgID, "future msg_id": mtserver.FutureMsgID,
		"-404": mtserver.TransportError(-404), "-444": mtserver.TransportError(-444), "-500": mtserver.TransportError(-500),
	}
	for _, code := range []int{16, 17, 20, 32, 33, 48, 64} { // 18, 19, 34 and 35 end the call: a test of their own
		faults[fmt.Sprintf("bad_msg %d", code)] = mtserver.BadMsg(code)
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{Seed: 17})
			r.pair(t)
			r.inject(t, "ann", fault)
			r.inject(t, "bob", fault)
			r.chatter(t, 10)
			r.verify(t)
			if n := r.sim.Faults().Pending(); n > 0 {
				t.Errorf("%d faults were never done", n)
			}
		})
	}
}

// TestOurOwnFaultsEndTheCallNotTheAccount: these codes say that we broke a rule, so the call
// would be refused again; everything else goes on in a new session.
func TestOurOwnFaultsEndTheCallNotTheAccount(t *testing.T) {
	for _, code := range []int{18, 19, 34, 35} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			heard := &lockedText{}
			r := newRig(t, simulator.Config{Seed: 18}, func(d *Deps) { d.Log = hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: heard}) })
			ann, _ := r.pair(t)
			r.inject(t, "ann", mtserver.BadMsg(code))
			if _, err := nearest(bounded(t), ann); !errors.Is(err, &fleet.Error{Reason: "PROTOCOL"}) {
				t.Errorf("the refused call gave %v, want PROTOCOL", err)
			}
			if _, err := nearest(bounded(t), ann); err != nil {
				t.Errorf("the next call: %v", err)
			}
			if n := r.fleet.Tally().Faults.Counts(); len(n) != 1 || n[code] != 1 || r.fleet.Tally().Refused.Counts()[code] != 1 || !strings.Contains(heard.String(), fmt.Sprint(" code=", code)) {
				t.Errorf("the alarm: counted %v, logged %q", n, heard.String())
			}
			r.chatter(t, 5)
			r.verify(t)
		})
	}
}

// lockedText is what a log has said.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestF17BadSaltEveryThirdMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 19})
	r.pair(t)
	r.sim.Faults().SetBadSaltEvery(3)
	r.chatter(t, 30)
	r.verify(t)
	if r.sim.Faults().Counters().BadSalts == 0 {
		t.Error("no message was refused")
	}
}

// TestF18UnknownKeyIsKeptAndTheAccountLives: -404 for a key with a login proves nothing.
func TestF18UnknownKeyIsKeptAndTheAccountLives(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 20})
	ann, _ := r.pair(t)
	before := r.record(t, "ann")
	for range 3 {
		r.inject(t, "ann", mtserver.TransportError(-404))
	}
	if _, err := nearest(bounded(t), ann); err != nil {
		t.Errorf("a call during the fault: %v", err)
	}
	r.awaitState(t, "ann", "backoff AUTH_KEY_UNKNOWN")
	r.awaitState(t, "ann", "online")
	r.chatter(t, 5)
	r.verify(t)
	after := r.record(t, "ann")
	if after.Keys[2].Key != before.Keys[2].Key || after.UserID != before.UserID || len(after.Keys) != 1 || r.store.replaced.Load() != 0 {
		t.Errorf("the stored session changed: %v, was %v; %d replaced", after, before, r.store.replaced.Load())
	}
	if n := r.sim.Server().Stats().KeyExchanges; n != 2 {
		t.Errorf("%d keys were made, want one for each account", n)
	}
}

func TestUnknownKeyWithoutLoginIsMadeAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 21})
	r.fleet.Owned(testGrant("ann"))
	if _, err := nearest(bounded(t), r.env(t, "ann")); err != nil {
		t.Fatal(err)
	}
	r.sim.Faults().Inject(0, mtserver.TransportError(-404))
	r.person(t, "ann", 2)
	if n := r.sim.Server().Stats().KeyExchanges; n != 2 {
		t.Errorf("%d keys were made, want 2", n)
	}
}

// TestF17TooManyConnections: after -429 nothing is dialled for a while, unless the network is
// said to be back.
func TestF17TooManyConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 22})
	ann, _ := r.pair(t)
	before := r.dials()
	r.inject(t, "ann", mtserver.TransportError(-429))
	answered := make(chan error, 1)
	go func() {
		_, err := nearest(bounded(t), ann)
		answered <- err
	}()
	r.awaitState(t, "ann", "rate_limited TOO_MANY_CONNECTIONS")
	if n := r.dials(); n != before {
		t.Errorf("%d dials at once after -429", n-before)
	}
	r.fleet.NetworkRestored("ann")
	if err := <-answered; err != nil {
		t.Errorf("the call that met -429: %v", err)
	}
	r.verify(t)
}

// TestNewSessionBringsTheDifference: pushes that the server lost with the session come back
// without anybody asking.
func TestNewSessionBringsTheDifference(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 23})
	_, bob := r.pair(t)
	r.sim.Faults().SetPush(mtserver.PushFaults{Drop: 1})
	var first int
	for i := range 20 {
		id, err := r.sim.World().Say(r.users["ann"], r.users["bob"], fmt.Sprint("lost ", i))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = id
		}
	}
	r.sim.Faults().SetPush(mtserver.PushFaults{})
	r.sim.Server().DropSessions(r.key(t, "bob"))
	if _, err := nearest(bounded(t), bob); err != nil {
		t.Fatal(err)
	}
	last := fmt.Sprintf("pts:message_new:%d", first+19)
	r.log.await(t, "the last of the lost messages", func() bool {
		ids := r.log.ids("bob", "message_new")
		return len(ids) > 0 && ids[len(ids)-1] == last
	})
	r.verify(t)
}

// TestF17CutsAndBadPushesLoseNothing is the demo's weather: connections are cut, pushes dropped,
// reordered, repeated and late, while 200 messages are sent.
func TestF17CutsAndBadPushesLoseNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 24})
	r.pair(t)
	f := r.sim.Faults()
	f.SetPush(mtserver.PushFaults{Drop: 0.2, Reorder: 0.2, Repeat: 0.2, Delay: 0.1, MaxDelay: 100e6})
	f.SetCutEvery(100e6)
	r.chatter(t, 100)
	if cut := r.sim.Server().KillConnections(nil); cut == 0 { // however fast that was
		t.Error("no connection to cut")
	}
	r.verify(t)
	if c := f.Counters(); c.Cuts == 0 || c.Dropped == 0 || c.Reordered == 0 || c.Repeated == 0 {
		t.Errorf("the weather was too fine: %+v", c)
	}
}

// TestF17SessionLostWhileSendingSendsOnce: with the session the server forgets what it has
// executed; random_id makes the repetition harmless. A client hears of it with the answer to
// its next message, so both accounts go on asking.
func TestF17SessionLostWhileSendingSendsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, simulator.Config{Seed: 25})
	r.pair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.chatter(t, 100)
	}()
	for lost := 0; ; lost++ {
		for id := range r.users {
			r.sim.Server().DropSessions(r.key(t, id))
			if _, err := nearest(bounded(t), r.env(t, id)); err != nil {
				t.Fatalf("%s: a call in a new session: %v", id, err)
			}
		}
		select {
		case <-done:
		default:
			continue
		}
		if lost < 1 {
			t.Errorf("no session was lost")
		}
		break
	}
	r.verify(t)
}
