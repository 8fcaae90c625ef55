package actors

import (
	"context"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/proxytest"
	"github.com/telefleet/orchestrator/internal/routes"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/telegram/proxies"
)

// proxied is a rig whose accounts may reach the simulator by proxies only.
type proxied struct {
	*rig
	table *routes.Table
	mu    sync.Mutex
	dials map[string]int // addresses that this process dialled
}

func newProxied(t *testing.T, cfg simulator.Config) *proxied {
	p := &proxied{table: routes.New(time.Now), dials: map[string]int{}}
	p.table.Listed()
	p.rig = newRig(t, cfg, func(d *Deps) {
		d.Routes = p.table
		d.Transport.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			p.mu.Lock()
			p.dials[addr]++
			p.mu.Unlock()
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	})
	return p
}

// via makes an account use a proxy.
func (p *proxied) via(t *testing.T, id fleet.AccountID, proxy *proxytest.Proxy) Desired {
	t.Helper()
	host, port, err := net.SplitHostPort(proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	own := proxies.Proxy{Kind: proxies.SOCKS5, Host: host, Port: uint16(n), User: "u", Password: "p"}
	p.table.SetAccount(id, routes.Wanted{Own: &own})
	return Desired{Route: proxy.Addr()}
}

// nothingDirect says that every connection that reached the simulator was one of the proxies, and that
// nothing else was ever dialled.
func (p *proxied) nothingDirect(t *testing.T, all ...*proxytest.Proxy) {
	t.Helper()
	var carried int64
	known := map[string]bool{}
	for _, proxy := range all {
		carried += proxy.Carried()
		known[proxy.Addr()] = true
	}
	if got := p.rig.dials(); got != carried {
		t.Errorf("the simulator accepted %d connections, the proxies carried %d", got, carried)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for addr, n := range p.dials {
		if !known[addr] {
			t.Errorf("%s was dialled directly %d times", addr, n)
		}
	}
}

// await polls until something has come about.
func (p *proxied) await(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx := bounded(t)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !is() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("not within the time: %s; the last status was %+v", what, p.states.of("ann"))
		}
	}
}

func (p *proxied) awaitProxy(t *testing.T, id fleet.AccountID, want fleet.ConditionReason) {
	t.Helper()
	p.await(t, "proxy condition "+string(want), func() bool {
		for _, c := range p.states.of(id).Conditions {
			if c.Type == fleet.ConditionProxyHealthy {
				return c.Reason == want
			}
		}
		return false
	})
}

func newSOCKS(t *testing.T) *proxytest.Proxy {
	t.Helper()
	p, err := proxytest.SOCKS5("u", "p")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// TestAProxyFailsClosed: sign in with a migration, other DCs, reconnects, a proxy that is down, and
// a change of proxies: not one connection goes to Telegram directly.
func TestAProxyFailsClosed(t *testing.T) {
	t.Parallel()
	first, second := newSOCKS(t), newSOCKS(t)
	p := newProxied(t, simulator.Config{Seed: 90})
	want := p.via(t, "ann", first)
	env := p.person(t, "ann", 3, func(g *Grant) { g.Desired = want }) // begins on DC 2
	if dc, err := nearestOn(t, env, 1); err != nil || dc != 1 {       // a side connection
		t.Fatalf("DC 1: %d, %v", dc, err)
	}
	p.nothingDirect(t, first)

	p.sim.Server().KillConnections(nil) // reconnect
	if dc, err := nearestOn(t, env, 3); err != nil || dc != 3 {
		t.Fatalf("after a cut: %d, %v", dc, err)
	}
	p.nothingDirect(t, first)

	before := p.rig.dials()
	first.Stop()
	p.awaitProxy(t, "ann", fleet.ReasonProxyUnreachable)
	p.sim.Server().KillConnections(nil)
	if n := p.rig.dials(); n != before {
		t.Errorf("%d connections while the proxy was down", n-before)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	p.fleet.NetworkRestored("ann")
	p.awaitProxy(t, "ann", fleet.ReasonProxyHealthy)
	if dc, err := nearestOn(t, env, 3); err != nil || dc != 3 {
		t.Fatalf("after the proxy came back: %d, %v", dc, err)
	}
	p.nothingDirect(t, first)

	p.fleet.SetDesired("ann", p.via(t, "ann", second))
	p.await(t, "the other proxy is used", func() bool { return second.Carried() > 0 })
	if dc, err := nearestOn(t, env, 3); err != nil || dc != 3 {
		t.Fatalf("by the other proxy: %d, %v", dc, err)
	}
	p.nothingDirect(t, first, second)
	if err := env.Sync(bounded(t)); err != nil {
		t.Error(err)
	}
}

// TestNoRouteNoPacket: an account whose pool is unknown dials nothing and says so.
func TestNoRouteNoPacket(t *testing.T) {
	t.Parallel()
	p := newProxied(t, simulator.Config{Seed: 91})
	p.table.SetAccount("ann", routes.Wanted{Pool: "none"})
	p.own("ann", func(g *Grant) { g.Desired = Desired{Route: "pool:none"} })
	p.awaitProxy(t, "ann", fleet.ReasonProxyUnknown)
	if n := p.rig.dials(); n != 0 || len(p.dials) != 0 {
		t.Errorf("%d connections, dialled %v", n, p.dials)
	}
}

// TestWrongPasswordOfAProxyIsNamed and keeps everything closed.
func TestWrongPasswordOfAProxyIsNamed(t *testing.T) {
	t.Parallel()
	proxy, err := proxytest.SOCKS5("u", "another")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	p := newProxied(t, simulator.Config{Seed: 92})
	want := p.via(t, "ann", proxy)
	p.own("ann", func(g *Grant) { g.Desired = want })
	p.awaitProxy(t, "ann", fleet.ReasonProxyRefused)
	if n := p.rig.dials(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// TestAnMTProxyCarriesAnAccount: login, migration and another DC through a plain secret.
func TestAnMTProxyCarriesAnAccount(t *testing.T) {
	t.Parallel()
	p := newProxied(t, simulator.Config{Seed: 93})
	addresses := map[int]string{}
	for _, dc := range p.sim.DCs() {
		addresses[dc.ID] = dc.Addr
	}
	secret := []byte("0123456789abcdef")
	proxy, err := proxytest.MTProxy(secret, addresses)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	link := p.via(t, "ann", proxy)
	host, port, _ := net.SplitHostPort(proxy.Addr())
	n, _ := strconv.Atoi(port)
	p.table.SetAccount("ann", routes.Wanted{Own: &proxies.Proxy{Kind: proxies.MTProxy, Host: host, Port: uint16(n), Secret: secret}})
	env := p.person(t, "ann", 3, func(g *Grant) { g.Desired = link })
	if dc, err := nearestOn(t, env, 1); err != nil || dc != 1 {
		t.Fatalf("DC 1: %d, %v", dc, err)
	}
	p.nothingDirect(t, proxy)
	p.awaitProxy(t, "ann", fleet.ReasonProxyHealthy)
}

// TestAPoolPassesAFailingMemberOver: the account goes on by another member, and nothing goes directly.
func TestAPoolPassesAFailingMemberOver(t *testing.T) {
	t.Parallel()
	a, b := newSOCKS(t), newSOCKS(t)
	p := newProxied(t, simulator.Config{Seed: 94})
	var members []proxies.Proxy
	for _, proxy := range []*proxytest.Proxy{a, b} {
		host, port, _ := net.SplitHostPort(proxy.Addr())
		n, _ := strconv.Atoi(port)
		members = append(members, proxies.Proxy{Kind: proxies.SOCKS5, Host: host, Port: uint16(n), User: "u", Password: "p"})
	}
	p.table.SetPool("pool", members)
	p.table.SetAccount("ann", routes.Wanted{Pool: "pool"})
	env := p.person(t, "ann", 2, func(g *Grant) { g.Desired = Desired{Route: "pool:pool"} })
	used, other := a, b
	if b.Carried() > 0 {
		used, other = b, a
	}
	if other.Carried() != 0 {
		t.Fatal("both members were used")
	}
	used.Stop()
	p.await(t, "the other member is used", func() bool { return other.Carried() > 0 })
	if dc, err := nearestOn(t, env, 2); err != nil || dc != 2 {
		t.Fatalf("by the other member: %d, %v", dc, err)
	}
	p.nothingDirect(t, a, b)
}
