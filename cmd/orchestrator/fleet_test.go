package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/cluster/embedded"
	"github.com/telefleet/orchestrator/simulator"
)

func (s server) messages() orchestratorv1connect.MessageServiceClient {
	return orchestratorv1connect.NewMessageServiceClient(http.DefaultClient, s.url)
}

func (s server) send(from, to, text string) error {
	_, err := s.messages().SendMessage(s.within(), &v1.SendMessageRequest{
		Account: from, Peer: to, Message: &v1.InputMessage{Text: text},
	})
	return err
}

// within bounds one wait of a test.
func (s server) within() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	s.t.Cleanup(cancel)
	return ctx
}

func wantError(t *testing.T, err error, code connect.Code, reason string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %s", reason)
		return
	}
	if got, d := detail(t, err); got != code || d.GetReason() != reason || d.GetRemedy() == "" {
		t.Errorf("got %s %s (remedy %q), want %s %s with a remedy", got, d.GetReason(), d.GetRemedy(), code, reason)
	}
}

func conditions(a *v1.Account) string {
	var b strings.Builder
	for _, c := range a.GetStatus().GetConditions() {
		fmt.Fprintf(&b, "%s=%s ", c.GetType(), c.GetReason())
	}
	return strings.TrimSpace(b.String())
}

// TestPauseOutlivesTheNodeAndLosesNothing: an account stays paused over a restart of the node, and
// what was sent to it meanwhile arrives after the resume.
func TestPauseOutlivesTheNodeAndLosesNothing(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	addUser(t, sim, simulator.UserSpec{Phone: "+15550002", Username: "boris"})
	n := newNode(t, dcFile)
	s := n.serve()
	s.signIn(sim, "anna", "+15550001", "")
	s.signIn(sim, "boris", "+15550002", "")
	const well = "Owned=OWNED Authorized=SIGNED_IN Connected=CONNECTED UpdatesFlowing=UPDATES_FLOWING CaughtUp=CAUGHT_UP " +
		"ProxyHealthy=NO_PROXY RateLimited=NOT_LIMITED Restricted=UNRESTRICTED Ready=READY"
	s.await("anna", well, func(st *v1.AccountStatus) bool { return conditions(&v1.Account{Status: st}) == well })
	if err := s.send("boris", "@anna", "before"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second changes nothing
		reply, err := s.fleet().PauseAccount(s.within(), &v1.PauseAccountRequest{Id: "anna"})
		if err != nil || reply.GetAccount().GetGeneration() != 2 || !reply.GetAccount().GetSpec().GetPaused() {
			t.Fatalf("pause: %v, %v", reply, err)
		}
	}
	a := s.awaitState("anna", v1.AccountState_ACCOUNT_STATE_PAUSED)
	const paused = "Owned=OWNED Authorized=SIGNED_IN Connected=PAUSED UpdatesFlowing=NOT_CONNECTED CaughtUp=NOT_CONNECTED " +
		"ProxyHealthy=NO_PROXY RateLimited=NOT_LIMITED Restricted=UNRESTRICTED Ready=PAUSED"
	if got := conditions(a); a.GetStatus().GetObservedGeneration() != 2 || got != paused {
		t.Errorf("conditions at generation %d: %s", a.GetStatus().GetObservedGeneration(), got)
	}
	wantError(t, s.send("anna", "@boris", "never"), connect.CodeFailedPrecondition, "ACCOUNT_PAUSED")
	s.terminate()

	s = n.serve()
	s.awaitState("anna", v1.AccountState_ACCOUNT_STATE_PAUSED)
	s.awaitState("boris", v1.AccountState_ACCOUNT_STATE_ONLINE)
	for i := range 3 {
		if err := s.send("boris", "@anna", fmt.Sprintf("meanwhile %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.fleet().ResumeAccount(s.within(), &v1.ResumeAccountRequest{Id: "anna"}); err != nil {
		t.Fatal(err)
	}
	a = s.awaitState("anna", v1.AccountState_ACCOUNT_STATE_ONLINE)
	if a.GetGeneration() != 3 || a.GetStatus().GetObservedGeneration() != 3 {
		t.Errorf("generation %d, observed %d", a.GetGeneration(), a.GetStatus().GetObservedGeneration())
	}
	if _, err := s.sessions().SyncUpdates(s.within(), &v1.SyncUpdatesRequest{Account: "anna"}); err != nil {
		t.Error(err)
	}
	if got := s.texts("anna"); got != "before,meanwhile 0,meanwhile 1,meanwhile 2" {
		t.Errorf("events of anna: %s", got)
	}
	s.terminate()
}

// texts are the messages in an account's events from the beginning.
func (s server) texts(account string) string {
	s.t.Helper()
	events := orchestratorv1connect.NewEventServiceClient(http.DefaultClient, s.url)
	stream, err := events.Subscribe(s.within(), &v1.SubscribeRequest{
		Accounts: []string{account}, Kinds: []string{"message_new"}, Position: "begin", UntilNow: true,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer stream.Close()
	var texts []string
	for stream.Receive() {
		if e := stream.Msg().GetEvent(); e.GetKind() == "message_new" {
			texts = append(texts, e.GetMessageNew().GetText())
		}
	}
	if stream.Err() != nil {
		s.t.Error(stream.Err())
	}
	return strings.Join(texts, ",")
}

func (s server) sessions() orchestratorv1connect.SessionServiceClient {
	return orchestratorv1connect.NewSessionServiceClient(http.DefaultClient, s.url)
}

// TestDeletedAccountLeavesNothing: neither keys in etcd nor events; its id can be used again.
func TestDeletedAccountLeavesNothing(t *testing.T) {
	t.Parallel()
	sim, dcFile := startSimulator(t)
	addUser(t, sim, simulator.UserSpec{Phone: "+15550001", Username: "anna"})
	addUser(t, sim, simulator.UserSpec{Phone: "+15550002", Username: "boris"})
	n := newNode(t, dcFile)
	s := n.serve()
	s.signIn(sim, "anna", "+15550001", "")
	s.signIn(sim, "boris", "+15550002", "")
	if err := s.send("boris", "@anna", "old"); err != nil {
		t.Fatal(err)
	}
	if err := s.send("anna", "@boris", "old"); err != nil {
		t.Fatal(err)
	}
	_, err := s.fleet().DeleteAccount(s.within(), &v1.DeleteAccountRequest{Id: "anna", ResourceVersion: "1"})
	wantError(t, err, connect.CodeAborted, "CONFLICT")
	remove := func(id string) {
		t.Helper()
		if reply, err := s.fleet().DeleteAccount(s.within(), &v1.DeleteAccountRequest{Id: id}); err != nil || !reply.GetDone() {
			t.Fatalf("delete %s: %v, %v", id, reply, err)
		}
	}
	remove("anna")
	_, err = s.fleet().DeleteAccount(s.within(), &v1.DeleteAccountRequest{Id: "anna"})
	wantError(t, err, connect.CodeNotFound, "ACCOUNT_UNKNOWN")

	// created again it is another account: nothing of the former one is there
	if _, err := s.fleet().CreateAccount(s.within(), &v1.CreateAccountRequest{Id: "anna"}); err != nil {
		t.Fatal(err)
	}
	fresh := s.awaitState("anna", v1.AccountState_ACCOUNT_STATE_UNAUTHORIZED)
	if fresh.GetStatus().GetUserId() != 0 || fresh.GetGeneration() != 1 {
		t.Errorf("created again: %v", fresh)
	}
	if got := s.texts("anna"); got != "" {
		t.Errorf("events of the former account: %s", got)
	}
	if err := s.send("boris", "@anna", "new"); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
	// a paused account, and one that was never signed in
	if _, err := s.fleet().PauseAccount(s.within(), &v1.PauseAccountRequest{Id: "boris"}); err != nil {
		t.Fatal(err)
	}
	s.awaitState("boris", v1.AccountState_ACCOUNT_STATE_PAUSED)
	remove("boris")
	remove("anna")
	s.terminate()

	e, err := embedded.Start(t.Context(), embedded.Config{Dir: n.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	all, err := e.Client().Get(t.Context(), "", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range all.Kvs {
		if strings.HasPrefix(string(kv.Key), "assign/") {
			continue // the leader's, which may have ended first: it, or the next one, sees to it
		}
		if name := filepath.Base(string(kv.Key)); name == "anna" || name == "boris" || strings.HasPrefix(string(kv.Key), "keys/") {
			t.Errorf("%s is left", kv.Key)
		}
	}
}

// TestAccountsAreResources: optimistic concurrency, field masks, pages of one moment, watch.
func TestAccountsAreResources(t *testing.T) {
	t.Parallel()
	_, dcFile := startSimulator(t)
	s := newNode(t, dcFile).serve()
	fleet := s.fleet()
	for i := range 5 {
		if _, err := fleet.CreateAccount(s.within(), &v1.CreateAccountRequest{
			Id: fmt.Sprintf("a%d", i), Labels: map[string]string{"odd": fmt.Sprint(i%2 == 1)}, Spec: &v1.AccountSpec{Paused: true},
		}); err != nil {
			t.Fatal(err)
		}
	}
	watch, err := fleet.WatchAccounts(s.within(), &v1.WatchAccountsRequest{Selector: "odd=true"})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	seen := map[string]bool{}
	next := func() *v1.WatchAccountsReply {
		t.Helper()
		if !watch.Receive() {
			t.Fatal(watch.Err())
		}
		return watch.Msg()
	}
	for next().GetSynced() == nil {
		seen[watch.Msg().GetAdded().GetId()] = true
	}
	if len(seen) != 2 || !seen["a1"] || !seen["a3"] {
		t.Errorf("at first %v", seen)
	}

	page, err := fleet.ListAccounts(s.within(), &v1.ListAccountsRequest{PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	first := page.GetAccounts()[0]
	old := first.GetResourceVersion()
	first.Labels = map[string]string{"odd": "true", "new": "yes"}
	first.Spec = &v1.AccountSpec{} // not in the mask: stays as it is
	update := &v1.UpdateAccountRequest{Resource: first, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}}}
	changed, err := fleet.UpdateAccount(s.within(), update)
	if a := changed.GetAccount(); err != nil || a.GetLabels()["new"] != "yes" || !a.GetSpec().GetPaused() || a.GetGeneration() != 2 || a.GetResourceVersion() == old {
		t.Errorf("updated %v, %v", changed, err)
	}
	for item := next(); item.GetAdded().GetId() != "a0"; item = next() {
		if item.GetBookmark() == nil && item.GetModified() == nil {
			t.Errorf("watch: got %v, want a0", item)
		}
	}
	_, err = fleet.UpdateAccount(s.within(), update)
	wantError(t, err, connect.CodeAborted, "CONFLICT")
	update.Resource.ResourceVersion = ""
	_, err = fleet.UpdateAccount(s.within(), update)
	wantError(t, err, connect.CodeInvalidArgument, "FIELD_INVALID")
	update.Resource.ResourceVersion, update.UpdateMask.Paths = "1", []string{"status"}
	_, err = fleet.UpdateAccount(s.within(), update)
	wantError(t, err, connect.CodeInvalidArgument, "FIELD_INVALID")

	if _, err := fleet.CreateAccount(s.within(), &v1.CreateAccountRequest{Id: "a2b"}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for token := page.GetNextPageToken(); token != ""; token = page.GetNextPageToken() {
		if page, err = fleet.ListAccounts(s.within(), &v1.ListAccountsRequest{PageSize: 2, PageToken: token}); err != nil {
			t.Fatal(err)
		}
		for _, a := range page.GetAccounts() {
			ids = append(ids, a.GetId())
		}
	}
	if got := strings.Join(ids, " "); got != "a2 a3 a4" {
		t.Errorf("the other pages: %s, want those of the first page's moment", got)
	}
	behind, err := fleet.WatchAccounts(s.within(), &v1.WatchAccountsRequest{ResourceVersion: page.GetResourceVersion()})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	for behind.Receive() && behind.Msg().GetAdded().GetId() != "a2b" {
	}
	if behind.Err() != nil {
		t.Error(behind.Err())
	}
	s.terminate()
}

// TestNodesAreSteered: what an operator does with nodes, as far as one node shows it.
func TestNodesAreSteered(t *testing.T) {
	t.Parallel()
	_, dcFile := startSimulator(t)
	s := newNode(t, dcFile).serve()
	fleet := s.fleet()
	if _, err := fleet.CreateAccount(s.within(), &v1.CreateAccountRequest{Id: "a", Labels: map[string]string{"team": "x"}}); err != nil {
		t.Fatal(err)
	}
	s.awaitState("a", v1.AccountState_ACCOUNT_STATE_UNAUTHORIZED)
	list, err := fleet.ListNodes(s.within(), &v1.ListNodesRequest{})
	if err != nil || len(list.GetNodes()) != 1 {
		t.Fatal(list, err)
	}
	node := list.GetNodes()[0]
	if !node.GetLeader() || node.GetAccounts() != 1 || node.GetStartTime().AsTime().After(time.Now()) {
		t.Errorf("node %v", node)
	}
	watch, err := fleet.WatchNodes(s.within(), &v1.WatchNodesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	for watch.Receive() && watch.Msg().GetSynced() == nil {
	}
	moved, err := fleet.MoveAccount(s.within(), &v1.MoveAccountRequest{Id: "a", Node: node.GetId()})
	if err != nil || !moved.GetDone() || moved.GetAccount().GetStatus().GetNode() != node.GetId() {
		t.Errorf("move: %v, %v", moved, err)
	}
	if r, err := fleet.CordonNode(s.within(), &v1.CordonNodeRequest{Node: node.GetId()}); err != nil || !r.GetNode().GetCordoned() {
		t.Errorf("cordon: %v, %v", r, err)
	}
	for watch.Receive() && !watch.Msg().GetModified().GetCordoned() {
	}
	if err := watch.Err(); err != nil {
		t.Error(err)
	}
	_, err = fleet.MoveAccount(s.within(), &v1.MoveAccountRequest{Id: "a", Node: node.GetId()})
	wantError(t, err, connect.CodeFailedPrecondition, "NODE_CORDONED")
	_, err = fleet.MoveAccount(s.within(), &v1.MoveAccountRequest{Id: "b", Node: node.GetId()})
	wantError(t, err, connect.CodeNotFound, "ACCOUNT_UNKNOWN")
	_, err = fleet.DrainNode(s.within(), &v1.DrainNodeRequest{Node: "n-none"})
	wantError(t, err, connect.CodeNotFound, "NODE_NOT_FOUND")
	if r, err := fleet.UncordonNode(s.within(), &v1.UncordonNodeRequest{Node: node.GetId()}); err != nil || r.GetNode().GetCordoned() || r.GetNode().GetDraining() {
		t.Errorf("uncordon: %v, %v", r, err)
	}
	for name, c := range map[string]struct {
		req  *v1.NetworkRestoredRequest
		want int32
	}{
		"account":  {&v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_Id{Id: "a"}}, 1},
		"selector": {&v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_Selector{Selector: "team=x"}}, 1},
		"nobody":   {&v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_Selector{Selector: "team=y"}}, 0},
		"node":     {&v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_Node{Node: node.GetId()}}, 1},
		"all":      {&v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_All{All: true}}, 1},
	} {
		if r, err := fleet.NetworkRestored(s.within(), c.req); err != nil || r.GetAccounts() != c.want {
			t.Errorf("network restored for %s: %v, %v, want %d", name, r, err, c.want)
		}
	}
	_, err = fleet.NetworkRestored(s.within(), &v1.NetworkRestoredRequest{})
	wantError(t, err, connect.CodeInvalidArgument, "FIELD_INVALID")
	_, err = fleet.NetworkRestored(s.within(), &v1.NetworkRestoredRequest{Target: &v1.NetworkRestoredRequest_Id{Id: "b"}})
	if !errors.As(err, new(*connect.Error)) {
		t.Errorf("an account that is not there: %v", err)
	}
	s.terminate()
}
