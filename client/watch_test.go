package client_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/fleet"
)

func added(id string, generation int64) *v1.WatchAccountsReply {
	return &v1.WatchAccountsReply{Item: &v1.WatchAccountsReply_Added{Added: &v1.Account{Id: id, Generation: generation}}}
}

func modified(id string, generation int64) *v1.WatchAccountsReply {
	return &v1.WatchAccountsReply{Item: &v1.WatchAccountsReply_Modified{Modified: &v1.Account{Id: id, Generation: generation}}}
}

func deleted(id string) *v1.WatchAccountsReply {
	return &v1.WatchAccountsReply{Item: &v1.WatchAccountsReply_Deleted{Deleted: &v1.Account{Id: id}}}
}

func synced(version string) *v1.WatchAccountsReply {
	return &v1.WatchAccountsReply{Item: &v1.WatchAccountsReply_Synced{Synced: &v1.WatchPosition{ResourceVersion: version}}}
}

func bookmark(version string) *v1.WatchAccountsReply {
	return &v1.WatchAccountsReply{Item: &v1.WatchAccountsReply_Bookmark{Bookmark: &v1.WatchPosition{ResourceVersion: version}}}
}

var (
	errAway   = fleet.Errorf(fleet.CodeUnavailable, "SHUTTING_DOWN", "the node shuts down")
	errTooOld = fleet.Errorf(fleet.CodeOutOfRange, "RESOURCE_VERSION_TOO_OLD", "no longer kept")
)

// part is one stream of a watch: what it must be asked for, and what it answers.
type part struct {
	from  string
	items []*v1.WatchAccountsReply
	err   error
}

func TestWatchTellsDifferencesOnly(t *testing.T) {
	parts := []part{
		{"", []*v1.WatchAccountsReply{added("a", 1), added("b", 1)}, errAway}, // before synced: begins anew
		{"", []*v1.WatchAccountsReply{added("a", 1), added("b", 2), added("c", 1), synced("10"), modified("a", 2), bookmark("11")}, errAway},
		{"11", []*v1.WatchAccountsReply{modified("b", 3), modified("b", 3)}, errAway},
		{"11", nil, errTooOld}, // what happened meanwhile must be found out
		{"", []*v1.WatchAccountsReply{added("a", 2), added("d", 1), synced("20"), deleted("x"), deleted("d")}, nil},
	}
	w := newWorld()
	n := 0
	streams(w, func(_ context.Context, req *v1.WatchAccountsRequest, send func(*v1.WatchAccountsReply) error) error {
		if n == len(parts) {
			return fleet.Errorf(fleet.CodePermissionDenied, "TEST_OVER", "the test is over")
		}
		p := parts[n]
		n++
		if req.GetResourceVersion() != p.from || req.GetSelector() != "role=bot" {
			t.Errorf("stream %d was asked for %v", n, req)
		}
		for _, item := range p.items {
			if err := send(item); err != nil {
				return err
			}
		}
		return p.err
	})
	c := dial(t, w.node(t))
	var got []string
	for change, err := range c.WatchAccounts(t.Context(), client.WatchOptions{Selector: "role=bot"}) {
		if err != nil {
			want(t, err, "TEST_OVER", fleet.CodePermissionDenied)
			break
		}
		got = append(got, fmt.Sprint(change.Kind, " ", change.Resource.GetId(), " ", change.Resource.GetGeneration()))
	}
	expect := []string{
		"added a 1", "added b 1", "modified b 2", "added c 1", "synced  0", "modified a 2", "modified b 3",
		"added d 1", "deleted b 3", "deleted c 1", "deleted d 0",
	}
	slices.Sort(got[8:10]) // what is gone is told in any order
	if !slices.Equal(got, expect) {
		t.Errorf("got  %q\nwant %q", got, expect)
	}
}

func TestWatchNodesGoesOnAtAnotherNode(t *testing.T) {
	w := newWorld()
	streams(w, func(ctx context.Context, _ *v1.WatchNodesRequest, send func(*v1.WatchNodesReply) error) error {
		nodes := []*v1.Node{{Id: "x"}, {Id: "y"}}
		if servedBy(ctx) == "n2" {
			nodes = []*v1.Node{{Id: "y", Cordoned: true}}
		}
		for _, n := range nodes {
			if err := send(&v1.WatchNodesReply{Item: &v1.WatchNodesReply_Added{Added: n}}); err != nil {
				return err
			}
		}
		if err := send(&v1.WatchNodesReply{Item: &v1.WatchNodesReply_Synced{}}); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
	first := w.node(t)
	c := dial(t, first, w.node(t))
	var got []string
	for change, err := range c.WatchNodes(t.Context(), client.WatchOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, change.Kind.String()+" "+change.Resource.GetId())
		if change.Kind == client.Synced {
			first.kill()
		}
		if change.Kind == client.Deleted {
			break
		}
	}
	if !slices.Equal(got, []string{"added x", "added y", "synced ", "modified y", "deleted x"}) {
		t.Errorf("got %q", got)
	}
}

func TestAccountsReadsPages(t *testing.T) {
	w := newWorld()
	var asked []string
	on(w, func(_ context.Context, req *v1.ListAccountsRequest) (*v1.ListAccountsReply, error) {
		asked = append(asked, req.GetSelector()+"/"+req.GetPageToken())
		switch req.GetPageToken() {
		case "":
			return &v1.ListAccountsReply{Accounts: []*v1.Account{{Id: "a"}, {Id: "b"}}, NextPageToken: "2"}, nil
		case "2":
			return &v1.ListAccountsReply{NextPageToken: "3"}, nil // a page may be empty
		}
		return &v1.ListAccountsReply{Accounts: []*v1.Account{{Id: "c"}}}, nil
	})
	c := dial(t, w.node(t))
	var got []string
	for account, err := range c.Accounts(t.Context(), "role") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, account.GetId())
	}
	if !slices.Equal(got, []string{"a", "b", "c"}) || !slices.Equal(asked, []string{"role/", "role/2", "role/3"}) {
		t.Errorf("got %v by %v", got, asked)
	}
	for range c.Accounts(t.Context(), "few") {
		break
	}
	if len(asked) != 4 {
		t.Errorf("a loop that ended went on: %v", asked)
	}
}

func TestUpdateStartsAgainAfterAConflict(t *testing.T) {
	w := newWorld()
	stored := &v1.Account{Id: "a", ResourceVersion: "1", Labels: map[string]string{}}
	on(w, func(context.Context, *v1.GetAccountRequest) (*v1.GetAccountReply, error) {
		return &v1.GetAccountReply{Account: proto.CloneOf(stored)}, nil
	})
	on(w, func(_ context.Context, req *v1.UpdateAccountRequest) (*v1.UpdateAccountReply, error) {
		if stored.ResourceVersion == "1" { // somebody else is faster
			stored.ResourceVersion, stored.Labels["theirs"] = "2", "x"
		}
		if req.GetResource().GetResourceVersion() != stored.ResourceVersion {
			return nil, fleet.Errorf(fleet.CodeAborted, "CONFLICT", "the resource has changed since it was read")
		}
		if !slices.Equal(req.GetUpdateMask().GetPaths(), []string{"labels"}) {
			t.Errorf("asked for %v", req.GetUpdateMask())
		}
		stored.Labels = req.GetResource().GetLabels()
		return &v1.UpdateAccountReply{Account: stored}, nil
	})
	c := dial(t, w.node(t))
	account, err := c.Account("a").Update(t.Context(), func(a *v1.Account) error {
		if a.Labels == nil {
			a.Labels = map[string]string{}
		}
		a.Labels["ours"] = "y"
		return nil
	}, "labels")
	if err != nil || account.GetLabels()["ours"] != "y" || account.GetLabels()["theirs"] != "x" {
		t.Errorf("got %v, %v", account, err)
	}
}

func TestFleetCalls(t *testing.T) {
	w := newWorld()
	account := func(id string) *v1.Account { return &v1.Account{Id: id} }
	on(w, func(_ context.Context, r *v1.CreateAccountRequest) (*v1.CreateAccountReply, error) {
		return &v1.CreateAccountReply{Account: &v1.Account{Id: r.GetId(), Labels: r.GetLabels(), Spec: r.GetSpec()}}, nil
	})
	on(w, func(_ context.Context, r *v1.PauseAccountRequest) (*v1.PauseAccountReply, error) {
		return &v1.PauseAccountReply{Account: account(r.GetId())}, nil
	})
	on(w, func(_ context.Context, r *v1.ResumeAccountRequest) (*v1.ResumeAccountReply, error) {
		return &v1.ResumeAccountReply{Account: account(r.GetId())}, nil
	})
	on(w, func(_ context.Context, r *v1.DeleteAccountRequest) (*v1.DeleteAccountReply, error) {
		return &v1.DeleteAccountReply{Done: r.GetId() == "a"}, nil
	})
	on(w, func(_ context.Context, r *v1.MoveAccountRequest) (*v1.MoveAccountReply, error) {
		return &v1.MoveAccountReply{Account: account(r.GetId()), Done: r.GetNode() == "x"}, nil
	})
	on(w, func(context.Context, *v1.ListNodesRequest) (*v1.ListNodesReply, error) {
		return &v1.ListNodesReply{Nodes: []*v1.Node{{Id: "x"}}}, nil
	})
	on(w, func(_ context.Context, r *v1.CordonNodeRequest) (*v1.CordonNodeReply, error) {
		return &v1.CordonNodeReply{Node: &v1.Node{Id: r.GetNode(), Cordoned: true}}, nil
	})
	on(w, func(_ context.Context, r *v1.UncordonNodeRequest) (*v1.UncordonNodeReply, error) {
		return &v1.UncordonNodeReply{Node: &v1.Node{Id: r.GetNode()}}, nil
	})
	on(w, func(_ context.Context, r *v1.DrainNodeRequest) (*v1.DrainNodeReply, error) {
		return &v1.DrainNodeReply{Node: &v1.Node{Id: r.GetNode(), Draining: true}}, nil
	})
	on(w, func(_ context.Context, r *v1.NetworkRestoredRequest) (*v1.NetworkRestoredReply, error) {
		n := map[bool]int32{r.GetAll(): 1, r.GetId() == "a": 2, r.GetSelector() == "s": 3, r.GetNode() == "x": 4}[true]
		return &v1.NetworkRestoredReply{Accounts: n}, nil
	})
	on(w, func(_ context.Context, r *v1.SyncUpdatesRequest) (*v1.SyncUpdatesReply, error) {
		if !r.GetSkip() {
			return &v1.SyncUpdatesReply{}, nil
		}
		return &v1.SyncUpdatesReply{Skipped: []*v1.SkippedUpdates{{Box: "pts", From: 1, To: 9}}}, nil
	})
	c := dial(t, w.node(t))
	ctx, a := t.Context(), c.Account("a")
	check := func(what string, ok bool, err error) {
		t.Helper()
		if !ok || err != nil {
			t.Errorf("%s: %v, %v", what, ok, err)
		}
	}
	made, err := c.CreateAccount(ctx, &v1.Account{Id: "a", Labels: map[string]string{"k": "v"}, Spec: &v1.AccountSpec{Dc: 2}})
	check("create", made.GetId() == "a" && made.GetLabels()["k"] == "v" && made.GetSpec().GetDc() == 2, err)
	got, err := a.Pause(ctx)
	check("pause", got.GetId() == "a", err)
	got, err = a.Resume(ctx)
	check("resume", got.GetId() == "a", err)
	got, done, err := a.Move(ctx, "x")
	check("move", got.GetId() == "a" && done, err)
	done, err = a.Delete(ctx)
	check("delete", done, err)
	nodes, err := c.Nodes(ctx)
	check("nodes", len(nodes) == 1 && nodes[0].GetId() == "x", err)
	node, err := c.CordonNode(ctx, "x")
	check("cordon", node.GetCordoned(), err)
	node, err = c.UncordonNode(ctx, "x")
	check("uncordon", node.GetId() == "x", err)
	node, err = c.DrainNode(ctx, "x")
	check("drain", node.GetDraining(), err)
	for i, target := range []client.Target{client.WholeFleet(), client.OfAccount("a"), client.OfSelector("s"), client.OfNode("x")} {
		n, err := c.NetworkRestored(ctx, target)
		check("network restored", n == i+1, err)
	}
	_, err = c.NetworkRestored(ctx, client.Target{})
	want(t, err, client.ReasonOptions, fleet.CodeInvalidArgument)
	skipped, err := a.Sync(ctx, true)
	check("sync", len(skipped) == 1 && skipped[0].GetTo() == 9, err)
	skipped, err = a.Sync(ctx, false)
	check("sync", len(skipped) == 0, err)
}
