package main

import (
	"strings"
	"sync"
	"testing"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// signInAgain signs an account in that is there; the token of its last sign-out may do without a code.
func (s server) signInAgain(sim *simulator.Simulator, account, phone string) {
	s.t.Helper()
	asked, err := s.auth().RequestCode(s.within(), &v1.RequestCodeRequest{Account: account, PhoneNumber: phone})
	if err != nil {
		s.t.Fatal(err)
	}
	if asked.GetUser() == nil {
		code, _ := sim.LoginCode(phone)
		if _, err := s.auth().SignIn(s.within(), &v1.SignInRequest{Account: account, Token: asked.GetCode().GetToken(), Code: code}); err != nil {
			s.t.Fatal(err)
		}
	}
	s.awaitState(account, v1.AccountState_ACCOUNT_STATE_ONLINE)
}

// TestSignOutIsSeenByBothNodes: anna runs at one node, and another has read her events and holds
// their key. She is signed out by way of the other one: both show nothing of before, and both what
// comes under her next login. Then her node dies while Telegram ends the login: the command given
// again to the other node finds it ended and deletes the rest.
func TestSignOutIsSeenByBothNodes(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	addUser(t, sim, simulator.UserSpec{Phone: "+15550002", Username: "boris"})
	one, two := servePair(t, dcFile)
	if _, err := one.fleet().CreateAccount(one.within(), &v1.CreateAccountRequest{Id: "first"}); err != nil {
		t.Fatal(err)
	}
	two.awaitState("first", v1.AccountState_ACCOUNT_STATE_UNAUTHORIZED) // the leader waits a moment for nodes
	one.signIn(sim, "anna", "+15550001", "")
	two.signIn(sim, "boris", "+15550002", "")
	ids := one.ids()
	one.move("anna", ids["node-1"])
	one.move("boris", ids["node-2"])
	one.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE) // moved is what its new owner has begun to start
	says := func(text string) {
		t.Helper()
		if err := two.send("boris", "@anna", text); err != nil {
			t.Fatal(err)
		}
		if _, err := one.sessions().SyncUpdates(one.within(), &v1.SyncUpdatesRequest{Account: "anna"}); err != nil {
			t.Fatal(err)
		}
	}
	says("before")
	for _, s := range []server{one, two} {
		if got := s.texts("anna"); got != "before" {
			t.Errorf("events of anna: %q", got)
		}
	}
	keys := sim.Server().Stats().Keys
	out := two.cli("logout", "anna", "--yes", "--request-id", "leave-1").ok()
	if !strings.Contains(out, "signed out") {
		t.Errorf("logout printed %q", out)
	}
	if again := two.cli("logout", "anna", "--yes", "--request-id", "leave-1").ok(); again != out {
		t.Errorf("under the same request id: %q, then %q", out, again)
	}
	if n := sim.Server().Stats().Keys; n >= keys { // one on each DC that anna had been on
		t.Errorf("the server knows %d keys, before the sign-out %d", n, keys)
	}
	one.awaitState("anna", v1.AccountState_ACCOUNT_STATE_LOGGED_OUT)
	for _, s := range []server{one, two} {
		if got := s.texts("anna"); got != "" {
			t.Errorf("events of anna after the sign-out: %q", got)
		}
	}
	two.signInAgain(sim, "anna", "+15550001")
	says("again")
	for _, s := range []server{one, two} {
		if got := s.texts("anna"); got != "again" {
			t.Errorf("events of anna's next login: %q", got)
		}
	}

	var once sync.Once
	died := make(chan struct{})
	sim.Faults().SetRPCHook(func(c *mtserver.Call) (int, string) {
		if c.Constructor() == tg.AuthLogOutRequestTypeID {
			once.Do(func() { one.kill(); close(died) })
		}
		return 0, ""
	})
	two.cli("logout", "anna", "--yes") // whatever it says: its node is gone
	<-died
	sim.Faults().SetRPCHook(nil)
	two.await("anna", "at the other node", func(a *v1.AccountStatus) bool { return a.GetNode() == ids["node-2"] })
	if out := two.cli("logout", "anna", "--yes").ok(); !strings.Contains(out, "signed out") {
		t.Errorf("logout at the other node printed %q", out)
	}
	if got := two.texts("anna"); got != "" {
		t.Errorf("events of anna: %q", got)
	}
	two.signInAgain(sim, "anna", "+15550001")
	two.terminate()
	if c := sim.Referee().Counts(); c.Duplicated != 0 || c.Overlaps != 0 {
		t.Errorf("referee: %d keys killed, %d overlaps", c.Duplicated, c.Overlaps)
	}
}

// TestLogoutForceWithoutTelegram: while no server answers, it deletes what is stored here, and says
// that the login may live on and how to end it.
func TestLogoutForceWithoutTelegram(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	node := newNode(t, dcFile).serve()
	node.signIn(sim, "anna", "+15550001", "")
	node.cli("account", "pause", "anna").ok()
	node.cli("logout", "anna", "--yes").fails(exitFailed, "account resume")
	forced := node.cli("logout", "anna", "--yes", "--force")
	if !strings.Contains(forced.ok(), "deleted here") || !strings.Contains(forced.stderr, "end it in another client") {
		t.Errorf("logout --force printed %q and %q", forced.stdout, forced.stderr)
	}
	node.cli("account", "resume", "anna").ok()
	node.awaitState("anna", v1.AccountState_ACCOUNT_STATE_UNAUTHORIZED)
	node.terminate()
}
