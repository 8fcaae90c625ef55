package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/simulator"
)

// servePair runs two nodes over one etcd and one NATS.
func servePair(t *testing.T, dcFile string) (one, two server) {
	t.Helper()
	shared := startServices(t, dcFile)
	return shared.node("node-1", shared.etcd, shared.nats).serve(), shared.node("node-2", shared.etcd, shared.nats).serve()
}

// ids are the nodes' ids by their names.
func (s server) ids() map[string]string {
	s.t.Helper()
	list, err := s.fleet().ListNodes(s.within(), &v1.ListNodesRequest{})
	if err != nil {
		s.t.Fatal(err)
	}
	ids := map[string]string{}
	for _, n := range list.GetNodes() {
		ids[n.GetName()] = n.GetId()
	}
	return ids
}

// move hands an account over and waits until it works there.
func (s server) move(account, node string) {
	s.t.Helper()
	reply, err := s.fleet().MoveAccount(s.within(), &v1.MoveAccountRequest{Id: account, Node: node})
	if err != nil || !reply.GetDone() || reply.GetAccount().GetStatus().GetNode() != node {
		s.t.Fatalf("move %s to %s: %v, %v", account, node, reply, err)
	}
}

// TestTwoNodesAreSteeredFromEither: accounts are moved while messages flow, paused and deleted by
// way of the node that does not own them; nothing is lost, no key is used twice.
func TestTwoNodesAreSteeredFromEither(t *testing.T) {
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
	if len(ids) != 2 {
		t.Fatalf("nodes %v", ids)
	}
	one.move("boris", ids["node-1"])
	two.awaitState("boris", v1.AccountState_ACCOUNT_STATE_ONLINE)

	var sending sync.WaitGroup
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprint(i))
	}
	sending.Go(func() {
		for _, text := range want {
			if err := two.send("boris", "@anna", text); err != nil {
				t.Errorf("message %s: %v", text, err)
				return
			}
		}
	})
	for range 2 {
		one.move("anna", ids["node-2"])
		two.move("anna", ids["node-1"])
	}
	one.move("anna", ids["node-2"])
	sending.Wait()
	one.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	if _, err := one.sessions().SyncUpdates(one.within(), &v1.SyncUpdatesRequest{Account: "anna"}); err != nil {
		t.Error(err)
	}
	if got := one.texts("anna"); got != strings.Join(want, ",") {
		t.Errorf("events of anna: %s", got)
	}

	if _, err := one.fleet().PauseAccount(one.within(), &v1.PauseAccountRequest{Id: "anna"}); err != nil {
		t.Fatal(err)
	}
	one.awaitState("anna", v1.AccountState_ACCOUNT_STATE_PAUSED)
	two.move("anna", ids["node-1"]) // a paused account moves, and stays paused
	two.awaitState("anna", v1.AccountState_ACCOUNT_STATE_PAUSED)
	wantError(t, two.send("anna", "@boris", "never"), connect.CodeFailedPrecondition, "ACCOUNT_PAUSED")

	// Deleted and created again: both nodes have seen the former one, and must have forgotten its key.
	if reply, err := two.fleet().DeleteAccount(two.within(), &v1.DeleteAccountRequest{Id: "anna"}); err != nil || !reply.GetDone() {
		t.Fatalf("delete: %v, %v", reply, err)
	}
	two.signIn(sim, "anna", "+15550001", "")
	for i, node := range []string{"node-1", "node-2", "node-1"} {
		one.move("anna", ids[node])
		two.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
		if err := one.send("anna", "@boris", fmt.Sprint("again ", i)); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []server{one, two} {
		if got := s.texts("anna"); got != "again 0,again 1,again 2" {
			t.Errorf("events of the new anna: %s", got)
		}
	}

	if r, err := one.fleet().NetworkRestored(one.within(), &v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_All{All: true}}); err != nil || r.GetAccounts() != 3 {
		t.Errorf("network restored: %v, %v", r, err)
	}
	if _, err := two.fleet().DrainNode(two.within(), &v1.DrainNodeRequest{Node: ids["node-1"]}); err != nil {
		t.Fatal(err)
	}
	watch, err := one.fleet().WatchNodes(one.within(), &v1.WatchNodesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	for empty := false; !empty && watch.Receive(); {
		for _, n := range []*v1.Node{watch.Msg().GetAdded(), watch.Msg().GetModified()} {
			empty = empty || n.GetId() == ids["node-1"] && n.GetDraining() && n.GetAccounts() == 0
		}
	}
	if err := watch.Err(); err != nil {
		t.Error(err)
	}
	one.terminate()
	two.awaitState("boris", v1.AccountState_ACCOUNT_STATE_ONLINE)
	two.terminate()
	if c := sim.Referee().Counts(); c.Duplicated != 0 || c.Overlaps != 0 {
		t.Errorf("referee: %d keys killed, %d overlaps", c.Duplicated, c.Overlaps)
	}
}
