package etcd

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

func TestPoolsOfProxiesAreKept(t *testing.T) {
	w := newWorld(t)
	p, ctx := NewProxies(w.client, w.prefix), t.Context()
	one := cluster.ProxyPool{Name: "de", Members: []cluster.SealedProxy{{Shown: "tg://socks?server=a&port=1", Sealed: []byte{1}}}}
	made, err := p.Create(ctx, one)
	if err != nil || made.ResourceVersion == 0 || made.CreatedAt.IsZero() {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := p.Create(ctx, one); !errors.Is(err, cluster.ErrProxyExists) {
		t.Errorf("created twice: %v", err)
	}
	next := made.Clone()
	next.Members = append(next.Members, cluster.SealedProxy{Shown: "tg://socks?server=b&port=1", Sealed: []byte{2}})
	changed, err := p.Update(ctx, next)
	if err != nil || len(changed.Members) != 2 || !changed.CreatedAt.Equal(made.CreatedAt) || changed.ResourceVersion <= made.ResourceVersion {
		t.Fatalf("%+v, %v", changed, err)
	}
	if _, err := p.Update(ctx, next); !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("an old version was taken: %v", err)
	}
	w.create("plain")
	if _, err := w.accounts.CreateSpec(ctx, cluster.Spec{Account: "a", Proxy: cluster.ProxySpec{Pool: "de"}, DC: 3, PFS: true}); err != nil {
		t.Fatal(err)
	}
	if s, err := w.accounts.GetSpec(ctx, "a"); err != nil || s.Proxy.Pool != "de" || s.DC != 3 || !s.PFS {
		t.Errorf("spec %+v, %v", s, err)
	}
	if err := p.Delete(ctx, "de"); !errors.Is(err, cluster.ErrProxyInUse) {
		t.Errorf("a pool in use was deleted: %v", err)
	}
	if pools, err := p.List(ctx); err != nil || len(pools) != 1 || pools[0].ResourceVersion != changed.ResourceVersion {
		t.Errorf("list %+v, %v", pools, err)
	}
	s, err := w.accounts.GetSpec(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	s.Proxy = cluster.ProxySpec{}
	if _, err := w.accounts.UpdateSpec(ctx, s); err != nil {
		t.Fatal(err)
	}
	if err := p.Delete(ctx, "de"); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"get":    func() error { _, err := p.Get(ctx, "de"); return err }(),
		"update": func() error { _, err := p.Update(ctx, next); return err }(),
		"delete": p.Delete(ctx, "de"),
	} {
		var fe *fleet.Error
		if !errors.Is(err, cluster.ErrProxyNotFound) || !errors.As(err, &fe) || fe.Remedy == "" {
			t.Errorf("%s of a pool that is gone: %v", what, err)
		}
	}
	for _, bad := range []cluster.ProxyPool{{Name: "DE", Members: one.Members}, {Name: "de"}, {Name: "de", Members: make([]cluster.SealedProxy, cluster.MaxProxyMembers+1)}} {
		if _, err := p.Create(ctx, bad); !errors.Is(err, &fleet.Error{Reason: "PROXY_INVALID"}) {
			t.Errorf("%q with %d members: %v", bad.Name, len(bad.Members), err)
		}
	}
}

// TestChangesOfPoolsAreTold: all pools first, then that these are all, then each change.
func TestChangesOfPoolsAreTold(t *testing.T) {
	w := newWorld(t)
	p := NewProxies(w.client, w.prefix)
	pool := cluster.ProxyPool{Name: "a", Members: []cluster.SealedProxy{{Shown: "x", Sealed: []byte{1}}}}
	made, err := p.Create(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 16)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Follow(ctx, hclog.NewNullLogger(), func(name string, pool *cluster.ProxyPool) {
			if pool == nil {
				told <- name + " gone"
				return
			}
			told <- fmt.Sprintf("%s %d %d", name, len(pool.Members), pool.ResourceVersion)
		}, func() { told <- "known" })
	}()
	expect := func(want string) {
		t.Helper()
		if got := <-told; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	expect(fmt.Sprintf("a 1 %d", made.ResourceVersion))
	expect("known")
	made.Members = append(made.Members, cluster.SealedProxy{Shown: "y", Sealed: []byte{2}})
	changed, err := p.Update(t.Context(), made)
	if err != nil {
		t.Fatal(err)
	}
	expect(fmt.Sprintf("a 2 %d", changed.ResourceVersion))
	if err := p.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	expect("a gone")
	stop()
	<-done
}
