package etcd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// watching is a running watch, pulled by the test.
type watching struct {
	t    *testing.T
	next func() (cluster.AccountChange, error, bool)
}

func (w *world) watch(o WatchOptions) *watching {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	next, stop := iter.Pull2(w.accounts.Watch(ctx, o))
	w.t.Cleanup(func() { stop(); cancel() })
	return &watching{t: w.t, next: next}
}

var kinds = map[cluster.ChangeKind]string{
	cluster.Added: "added", cluster.Modified: "modified", cluster.Deleted: "deleted", cluster.Synced: "synced", cluster.Bookmark: "bookmark",
}

func say(c cluster.AccountChange) string {
	if c.Revision > 0 {
		return kinds[c.Kind]
	}
	a := c.Account
	return fmt.Sprintf("%s %s %s %s@%s", kinds[c.Kind], a.Spec.Account, a.Spec.Labels["team"], a.Status.State, a.Owner)
}

// want checks the next change; bookmarks are passed over.
func (w *watching) want(text string) cluster.AccountChange {
	w.t.Helper()
	for {
		c, err, ok := w.next()
		if err != nil || !ok {
			w.t.Fatalf("watch ended before %q: %v", text, err)
		}
		if c.Kind == cluster.Bookmark {
			continue
		}
		if say(c) != text {
			w.t.Fatalf("got %q, want %q", say(c), text)
		}
		return c
	}
}

// until passes over changes up to a bookmark of at least that revision.
func (w *watching) until(rev int64) int64 {
	w.t.Helper()
	for {
		c, err, ok := w.next()
		if err != nil || !ok {
			w.t.Fatalf("watch ended before a bookmark: %v", err)
		}
		if c.Kind == cluster.Bookmark && c.Revision >= rev {
			return c.Revision
		}
	}
}

// owns writes an ownership key and returns its fence.
func (w *world) owns(id fleet.AccountID, node string) fleet.Fence {
	w.t.Helper()
	resp, err := w.client.Put(w.t.Context(), w.accounts.keys.own(id), node)
	if err != nil {
		w.t.Fatal(err)
	}
	return fleet.Fence{Key: w.accounts.keys.own(id), CreateRevision: resp.Header.Revision}
}

func (w *world) status(id fleet.AccountID, fence fleet.Fence, state string) {
	w.t.Helper()
	if err := w.accounts.PutStatus(w.t.Context(), fence, cluster.Status{Account: id, State: state}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) label(id fleet.AccountID, team string) cluster.Spec {
	w.t.Helper()
	s, err := w.accounts.GetSpec(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	s.Labels = map[string]string{"team": team}
	if s, err = w.accounts.UpdateSpec(w.t.Context(), s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func TestWatchTellsSpecStatusAndOwner(t *testing.T) {
	w := newWorld(t)
	w.create("a", "b")
	fence := w.owns("a", "n1")
	w.status("a", fence, "online")
	all := w.watch(WatchOptions{})
	all.want("added a  online@n1")
	all.want("added b  @")
	all.want("synced")
	w.label("b", "x")
	all.want("modified b x @")
	w.status("a", fence, "paused")
	all.want("modified a  paused@n1")
	w.create("c")
	all.want("added c  @")
	if _, err := w.client.Delete(t.Context(), fence.Key); err != nil {
		t.Fatal(err)
	}
	all.want("modified a  paused@")
	if _, err := w.accounts.DeleteSpec(t.Context(), "c", 0); err != nil {
		t.Fatal(err)
	}
	all.want("modified c  @")
	fence = w.owns("c", "n1")
	all.want("modified c  @n1")
	if err := w.accounts.CompleteDelete(t.Context(), fence, "c"); err != nil {
		t.Fatal(err)
	}
	all.want("deleted c  @n1")
}

// TestWatchGoesOnBehindABookmark: what happened while nobody watched is told, and nothing that
// was told before.
func TestWatchGoesOnBehindABookmark(t *testing.T) {
	w := newWorld(t)
	w.create("a", "b")
	first := w.watch(WatchOptions{})
	first.want("added a  @")
	first.want("added b  @")
	synced := first.want("synced").Revision
	at := first.until(w.label("a", "x").ResourceVersion)

	w.status("b", w.owns("b", "n1"), "online")
	behind := w.watch(WatchOptions{Revision: at})
	if got := behind.want("synced"); got.Revision != at {
		t.Errorf("synced at %d, want %d", got.Revision, at)
	}
	seen := map[string]bool{} // status and owner come by two watchers, in either order
	for !seen["modified b  online@n1"] {
		c, err, ok := behind.next()
		if err != nil || !ok {
			t.Fatal(err)
		}
		if c.Account.Spec.Account == "a" {
			t.Errorf("told again: %s", say(c))
		}
		seen[say(c)] = true
	}

	early := w.watch(WatchOptions{Revision: synced})
	early.want("synced")
	for seen := ""; seen != "modified a x @"; {
		c, err, ok := early.next()
		if err != nil || !ok {
			t.Fatal(err)
		}
		seen = say(c)
	}
}

func TestWatchSelects(t *testing.T) {
	w := newWorld(t)
	w.create("a", "b")
	w.label("a", "x")
	x := w.watch(WatchOptions{Match: func(l map[string]string) bool { return l["team"] == "x" }})
	x.want("added a x @")
	x.want("synced")
	w.label("b", "x")
	x.want("added b x @")
	w.label("a", "y")
	x.want("deleted a y @")
	w.status("a", w.owns("a", "n1"), "online") // not told
	w.label("b", "y")
	x.want("deleted b y @")
}

func TestOldResourceVersionsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.create("a", "b", "c")
	page, at, err := w.accounts.List(t.Context(), ListOptions{Limit: 1})
	if err != nil || len(page) != 1 {
		t.Fatal(page, err)
	}
	w.create("b2")
	page, _, err = w.accounts.List(t.Context(), ListOptions{After: "a", Revision: at})
	if err != nil || len(page) != 2 || page[0].Spec.Account != "b" || page[1].Spec.Account != "c" {
		t.Errorf("the second page is of another moment: %v, %v", page, err)
	}
	resp, err := w.client.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Compact(t.Context(), resp.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.accounts.List(t.Context(), ListOptions{Revision: at})
	var fe *fleet.Error
	if !errors.Is(err, cluster.ErrTooOld) || !errors.As(err, &fe) || fe.Remedy == "" || fe.Code != fleet.CodeOutOfRange {
		t.Errorf("list at a compacted revision: %v", err)
	}
	if _, err, _ := w.watch(WatchOptions{Revision: at}).next(); !errors.Is(err, cluster.ErrTooOld) {
		t.Errorf("watch from a compacted revision: %v", err)
	}
	if _, err, _ := w.watch(WatchOptions{Revision: resp.Header.Revision + 1000}).next(); err == nil || errors.Is(err, cluster.ErrTooOld) {
		t.Errorf("watch from the future: %v", err)
	}
}

// TestWatchSurvivesCuts: connections are reset; what happened meanwhile is told.
func TestWatchSurvivesCuts(t *testing.T) {
	w := newWorld(t)
	w.create("a")
	p := newProxy(t)
	far := &world{t: t, accounts: NewAccounts(dial(t, p.addr()), w.prefix)}
	watch := far.watch(WatchOptions{})
	watch.want("added a  @")
	watch.want("synced")
	p.hole(true, true)
	w.label("a", "x")
	p.cut()
	p.hole(false, false)
	watch.want("modified a x @")
}
