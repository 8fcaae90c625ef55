package actors

import (
	"context"
	"net"
	"net/netip"
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
func (p *proxied) via(t *testing.T, id fleet.AccountID, proxy *proxytest.Proxy, how proxies.Proxy) Desired {
	t.Helper()
	own := at(t, proxy, how)
	p.table.SetAccount(id, routes.Wanted{Own: &own})
	return Desired{Route: proxy.Addr()}
}

// at gives what is known of a proxy its address.
func at(t *testing.T, proxy *proxytest.Proxy, how proxies.Proxy) proxies.Proxy {
	t.Helper()
	where, err := netip.ParseAddrPort(proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	how.Host, how.Port = where.Addr().String(), where.Port()
	return how
}

// socks is how the proxies of newSOCKS are used.
var socks = proxies.Proxy{Kind: proxies.SOCKS5, User: "u", Password: "p"}

// kindsOfProxy are all ways to Telegram that are not direct.
func kindsOfProxy() map[string]struct {
	how   proxies.Proxy
	start func(dcs map[int]string) (*proxytest.Proxy, error)
} {
	type kind = struct {
		how   proxies.Proxy
		start func(dcs map[int]string) (*proxytest.Proxy, error)
	}
	mtproxy := func(secret string) kind {
		return kind{proxies.Proxy{Kind: proxies.MTProxy, Secret: []byte(secret)}, func(dcs map[int]string) (*proxytest.Proxy, error) {
			return proxytest.MTProxy([]byte(secret), dcs)
		}}
	}
	return map[string]kind{
		"socks5":     {socks, func(map[int]string) (*proxytest.Proxy, error) { return proxytest.SOCKS5("u", "p") }},
		"http":       {proxies.Proxy{Kind: proxies.HTTP, User: "u", Password: "p"}, func(map[int]string) (*proxytest.Proxy, error) { return proxytest.HTTP("u", "p") }},
		"mtproxy":    mtproxy("0123456789abcdef"),
		"mtproxy dd": mtproxy("\xdd0123456789abcdef"),
		"mtproxy ee": mtproxy("\xee0123456789abcdefwww.example.com"),
	}
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

// TestAProxyFailsClosed: by each kind of proxy, sign in with a migration, messages, other DCs,
// reconnects, a proxy that is down, and a change of proxies: not one connection goes to Telegram
// directly.
func TestAProxyFailsClosed(t *testing.T) {
	t.Parallel()
	for name, kind := range kindsOfProxy() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProxied(t, simulator.Config{Seed: 90})
			addresses := map[int]string{}
			for _, dc := range p.sim.DCs() {
				addresses[dc.ID] = dc.Addr
			}
			start := func() *proxytest.Proxy {
				proxy, err := kind.start(addresses)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(proxy.Stop)
				return proxy
			}
			p.failsClosed(t, kind.how, start(), start())
		})
	}
}

func (p *proxied) failsClosed(t *testing.T, how proxies.Proxy, first, second *proxytest.Proxy) {
	want := p.via(t, "ann", first, how)
	env := p.person(t, "ann", 3, func(g *Grant) { g.Desired = want }) // begins on DC 2
	p.send(t, "ann", "me", "by a proxy")
	p.sync(t, "ann")
	reaches := func(dc int, when string) {
		t.Helper()
		if got, err := nearestOn(t, env, dc); err != nil || got != dc {
			t.Fatalf("%s: DC %d, want %d, %v", when, got, dc, err)
		}
	}
	reaches(1, "on a side connection")
	p.nothingDirect(t, first)

	p.sim.Server().KillConnections(nil)
	reaches(3, "after a cut")
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
	reaches(3, "after the proxy came back")
	p.nothingDirect(t, first)

	p.fleet.SetDesired("ann", p.via(t, "ann", second, how))
	p.await(t, "the other proxy is used", func() bool { return second.Carried() > 0 })
	reaches(3, "by the other proxy")
	p.nothingDirect(t, first, second)
	p.sync(t, "ann")
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
	want := p.via(t, "ann", proxy, socks)
	p.own("ann", func(g *Grant) { g.Desired = want })
	p.awaitProxy(t, "ann", fleet.ReasonProxyRefused)
	if n := p.rig.dials(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// TestAPoolPassesAFailingMemberOver: the account goes on by another member, and nothing goes directly.
func TestAPoolPassesAFailingMemberOver(t *testing.T) {
	t.Parallel()
	a, b := newSOCKS(t), newSOCKS(t)
	p := newProxied(t, simulator.Config{Seed: 94})
	var members []proxies.Proxy
	for _, proxy := range []*proxytest.Proxy{a, b} {
		members = append(members, at(t, proxy, socks))
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
