package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/simulator"
)

// TestMasterKeyRotatesOverTwoNodes: two processes over one etcd, each asked in turn, while accounts of
// both work and no call fails. Until the second one has the new key, the former one stays in use; then
// accounts move both ways, and the former key opens nothing (F21).
func TestMasterKeyRotatesOverTwoNodes(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	addUser(t, sim, simulator.UserSpec{Phone: "+15550002", Username: "boris"})
	shared := startServices(t, dcFile)
	files := []nodeFiles{shared.node("node-1", shared.etcd, shared.nats), shared.node("node-2", shared.etcd, shared.nats)}
	one, two := files[0].serve(), files[1].serve()
	add := func(s server, id string) {
		t.Helper()
		if _, err := s.fleet().CreateAccount(s.within(), &v1.CreateAccountRequest{Id: id}); err != nil {
			t.Fatal(err)
		}
		s.awaitState(id, v1.AccountState_ACCOUNT_STATE_UNAUTHORIZED)
	}
	add(one, "first") // the leader waits a moment for nodes
	one.signIn(sim, "anna", "+15550001", "")
	two.signIn(sim, "boris", "+15550002", "")
	ids := one.ids()
	one.move("anna", ids["node-1"])
	one.move("boris", ids["node-2"])

	var stop atomic.Bool
	var working sync.WaitGroup
	var sent [2]atomic.Int64
	for i, pair := range [][2]string{{"anna", "@boris"}, {"boris", "@anna"}} {
		node := []server{one, two}[i]
		working.Go(func() {
			for n := 0; !stop.Load(); n++ {
				if err := node.send(pair[0], pair[1], fmt.Sprintf("message %d", n)); err != nil {
					t.Errorf("%s, message %d: %v", pair[0], n, err)
					return
				}
				sent[i].Add(1)
			}
		})
	}
	progress := func() {
		for i, from := range []int64{sent[0].Load(), sent[1].Load()} {
			for sent[i].Load() < from+5 && !t.Failed() {
				if _, err := one.fleet().GetAccount(one.within(), &v1.GetAccountRequest{Id: "anna"}); err != nil {
					t.Error(err)
				}
			}
		}
	}
	progress()
	if err := os.Rename(shared.master, shared.master+".previous"); err != nil {
		t.Fatal(err)
	}
	writeKey(t, shared.master)
	half := one.rotate()
	if half.Rewrapped != 0 || len(half.WaitingFor) != 1 {
		t.Errorf("the first node: %+v, want it to wait for the other", half)
	}
	progress()
	add(two, "between") // its data key is made under the former key, and wrapped anew with the others
	whole := two.rotate()
	if whole.Rewrapped < 4 || len(whole.WaitingFor) != 0 {
		t.Errorf("the second node: %+v", whole)
	}
	progress()
	add(one, "after")
	stop.Store(true)
	working.Wait()
	one.move("anna", ids["node-2"])
	one.move("boris", ids["node-1"])
	one.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	one.awaitState("boris", v1.AccountState_ACCOUNT_STATE_ONLINE)
	one.terminate()
	two.terminate()

	former := filepath.Join(t.TempDir(), "former.key")
	if err := os.Rename(shared.master+".previous", former); err != nil {
		t.Fatal(err)
	}
	one, two = files[0].serve(), files[1].serve()
	for _, id := range []string{"anna", "boris"} {
		two.awaitState(id, v1.AccountState_ACCOUNT_STATE_ONLINE)
	}
	if err := one.send("boris", "@anna", "with the new key alone"); err != nil {
		t.Error(err)
	}
	one.terminate()
	two.terminate()
	if err := os.Rename(former, shared.master); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		runCLI(t, nil, "serve", "--config", f.config).fails(exitFailed, "master key", whole.MasterKey)
	}
	if c := sim.Referee().Counts(); c.Duplicated != 0 || c.Overlaps != 0 {
		t.Errorf("referee: %d keys killed, %d overlaps", c.Duplicated, c.Overlaps)
	}
}
