package etcd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

func TestSpecsAreCreatedReadChangedAndDeleted(t *testing.T) {
	w := newWorld(t)
	ctx, a := t.Context(), w.accounts
	made, err := a.CreateSpec(ctx, cluster.Spec{Account: "one", Labels: map[string]string{"team": "x"}, App: "web"})
	if err != nil {
		t.Fatal(err)
	}
	if made.Generation != 1 || made.Desired != cluster.DesiredRunning || made.ResourceVersion == 0 || made.CreatedAt.IsZero() {
		t.Errorf("created %+v", made)
	}
	if _, err := a.CreateSpec(ctx, cluster.Spec{Account: "one"}); !errors.Is(err, cluster.ErrExists) || !strings.Contains(err.Error(), "one") {
		t.Errorf("second create: %v", err)
	}
	got, err := a.GetSpec(ctx, "one")
	if diff := cmp.Diff(made, got); diff != "" || err != nil {
		t.Errorf("read back: %v %s", err, diff)
	}
	got.Desired = cluster.DesiredPaused
	changed, err := a.UpdateSpec(ctx, got)
	if err != nil || changed.Generation != 2 || changed.ResourceVersion <= made.ResourceVersion {
		t.Errorf("updated %+v, %v", changed, err)
	}
	if _, err := a.UpdateSpec(ctx, made); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("update of an old version: %v", err)
	}
	w.create("two")
	specs, err := a.ListSpecs(ctx)
	if err != nil || len(specs) != 2 || specs[0].Account != "one" || specs[1].Account != "two" {
		t.Errorf("list: %v, %v", specs, err)
	}
	deleteAlone(t, w, changed)
	for name, err := range map[string]error{
		"delete": second(a.DeleteSpec(ctx, "one", 0)),
		"get":    second(a.GetSpec(ctx, "one")),
		"update": second(a.UpdateSpec(ctx, changed)),
		"status": second(a.GetStatus(ctx, "one")),
	} {
		if !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("%s of a deleted account: %v", name, err)
		}
	}
}

// deleteAlone deletes an account without a node: the test is its owner.
func deleteAlone(t *testing.T, w *world, s cluster.Spec) {
	t.Helper()
	ctx, a := t.Context(), w.accounts
	if _, err := a.DeleteSpec(ctx, s.Account, s.ResourceVersion-1); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("delete of an old version: %v", err)
	}
	marked, err := a.DeleteSpec(ctx, s.Account, s.ResourceVersion)
	if err != nil || marked.DeletedAt.IsZero() || marked.Generation != s.Generation+1 {
		t.Errorf("marked %+v, %v", marked, err)
	}
	if again, err := a.DeleteSpec(ctx, s.Account, 0); err != nil || again.ResourceVersion != marked.ResourceVersion {
		t.Errorf("marked again %+v, %v", again, err)
	}
	if _, err := a.UpdateSpec(ctx, marked); !errors.Is(err, cluster.ErrDeleting) {
		t.Errorf("update of a deleted account: %v", err)
	}
	if _, err := a.CreateSpec(ctx, cluster.Spec{Account: s.Account}); !errors.Is(err, cluster.ErrDeleting) {
		t.Errorf("create beside a deletion: %v", err)
	}
	put, err := w.client.Put(ctx, a.keys.own(s.Account), "n-test")
	if err != nil {
		t.Fatal(err)
	}
	stale := fleet.Fence{Key: a.keys.own(s.Account), CreateRevision: put.Header.Revision - 1}
	if err := a.CompleteDelete(ctx, stale, s.Account); !errors.Is(err, cluster.ErrFenced) {
		t.Errorf("deletion completed by a former owner: %v", err)
	}
	fence := fleet.Fence{Key: stale.Key, CreateRevision: put.Header.Revision}
	for range 2 {
		if err := a.CompleteDelete(ctx, fence, s.Account); err != nil {
			t.Errorf("complete deletion: %v", err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if a.WaitGone(ended, s.Account) {
		t.Error("gone while it is owned")
	}
	if _, err := w.client.Delete(ctx, fence.Key); err != nil || !a.WaitGone(ctx, s.Account) {
		t.Errorf("not gone: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestBadSpecsAreRefused(t *testing.T) {
	w := newWorld(t)
	for field, spec := range map[string]cluster.Spec{
		"account": {Account: "+4912345"},
		"desired": {Account: "a", Desired: "walking"},
		"labels":  {Account: "a", Labels: map[string]string{"": "v"}},
	} {
		_, err := w.accounts.CreateSpec(t.Context(), spec)
		var fe *fleet.Error
		if !errors.As(err, &fe) || fe.Code != fleet.CodeInvalidArgument || !strings.HasPrefix(fe.Message, field+":") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestUnreadableSpecIsAnError(t *testing.T) {
	w := newWorld(t)
	if _, err := w.client.Put(t.Context(), w.prefix+"accounts/one", "{"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.accounts.GetSpec(t.Context(), "one"); err == nil || !strings.Contains(err.Error(), "accounts/one") {
		t.Errorf("get: %v", err)
	}
	if _, err := w.accounts.ListSpecs(t.Context()); err == nil {
		t.Error("list hid it")
	}
}

func TestListReadsPages(t *testing.T) {
	w := newWorld(t)
	const n = 2*pageSize + 1
	for part := range slices.Chunk(accountIDs(n), 100) {
		var ops []clientv3.Op
		for _, id := range part {
			ops = append(ops, clientv3.OpPut(w.prefix+"accounts/"+string(id), encode(cluster.Spec{Account: id})))
		}
		if _, err := w.client.Txn(t.Context()).Then(ops...).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	specs, err := w.accounts.ListSpecs(t.Context())
	if err != nil || len(specs) != n {
		t.Fatalf("%d accounts, %v", len(specs), err)
	}
	for i, s := range specs[1:] {
		if s.Account <= specs[i].Account {
			t.Fatalf("%s after %s", s.Account, specs[i].Account)
		}
	}
}
