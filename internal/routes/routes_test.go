package routes

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram/proxies"
)

func member1(port int) proxies.Proxy {
	return proxies.Proxy{Kind: proxies.SOCKS5, Host: "proxy.example", Port: uint16(port), User: "u", Password: "p"}
}

func members(n int) []proxies.Proxy {
	list := make([]proxies.Proxy, n)
	for i := range list {
		list[i] = member1(1000 + i)
	}
	return list
}

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func table() (*Table, *clock) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	t := New(c.now)
	t.Listed()
	return t, c
}

var unreachable = &transport.ProxyError{Hop: transport.HopConnect, Proxy: "p", Target: "t", Err: errors.New("refused")}

func route(t *testing.T, table *Table, id fleet.AccountID) Route {
	t.Helper()
	r, err := table.Route(id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestNothingIsDirectUnlessTheAccountWantsIt: whatever is missing or unknown, there is no route.
func TestNothingIsDirectUnlessTheAccountWantsIt(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*Table)
		reason  fleet.ConditionReason
	}{
		"nobody said what it wants": {func(*Table) {}, fleet.ReasonProxyUntried},
		"unknown pool":              {func(tb *Table) { tb.SetAccount("a", Wanted{Pool: "none"}) }, fleet.ReasonProxyUnknown},
		"pool that was deleted": {func(tb *Table) {
			tb.SetPool("p", members(2))
			tb.SetAccount("a", Wanted{Pool: "p"})
			tb.SetPool("p", nil)
		}, fleet.ReasonProxyUnknown},
		"seal that does not open": {func(tb *Table) { tb.SetAccount("a", Wanted{Unusable: errors.New("sealed by others")}) }, fleet.ReasonProxyUnknown},
		"all members fail": {func(tb *Table) {
			tb.SetPool("p", members(2))
			tb.SetAccount("a", Wanted{Pool: "p"})
			for range 2 {
				r, _ := tb.Route("a")
				tb.Report("a", r, unreachable)
			}
		}, fleet.ReasonProxyPoolDown},
	} {
		t.Run(name, func(t *testing.T) {
			tb, _ := table()
			c.prepare(tb)
			r, err := tb.Route("a")
			var none *Error
			if !errors.As(err, &none) || none.Reason != c.reason || r.Direct || r.Proxy != nil {
				t.Errorf("route %+v, %v; want none, %s", r, err, c.reason)
			}
			if ReasonOf(err) != c.reason {
				t.Errorf("reason %s", ReasonOf(err))
			}
		})
	}
	tb := New(time.Now) // the pools are not known yet
	tb.SetAccount("a", Wanted{Pool: "p"})
	if _, err := tb.Route("a"); ReasonOf(err) != fleet.ReasonProxyUntried {
		t.Errorf("before the listing: %v", err)
	}
	tb.SetAccount("b", Wanted{})
	if r := route(t, tb, "b"); !r.Direct || r.Proxy != nil {
		t.Errorf("an account without proxy: %+v", r)
	}
}

func TestAccountsSpreadAndKeepTheirMember(t *testing.T) {
	a, _ := table()
	b, _ := table() // another node
	for _, tb := range []*Table{a, b} {
		tb.SetPool("p", members(5))
	}
	uses := map[string]int{}
	for i := range 1000 {
		id := fleet.AccountID(fmt.Sprintf("account-%d", i))
		a.SetAccount(id, Wanted{Pool: "p"})
		b.SetAccount(id, Wanted{Pool: "p"})
		first := route(t, a, id)
		uses[first.Name()]++
		if again := route(t, a, id); again.Proxy != first.Proxy {
			t.Errorf("%s changed its member", id)
		}
		if there := route(t, b, id); there.Name() != first.Name() {
			t.Errorf("%s has %s here and %s on another node", id, first.Name(), there.Name())
		}
	}
	for name, n := range uses {
		if n < 150 || n > 250 {
			t.Errorf("%s serves %d of 1000 accounts: 200 would be even", name, n)
		}
	}
}

func TestAFailingMemberIsPassedOverAndTheNewOneKept(t *testing.T) {
	tb, c := table()
	tb.SetPool("p", members(3))
	tb.SetAccount("a", Wanted{Pool: "p"})
	first := route(t, tb, "a")
	tb.Report("a", first, errors.New("Telegram closed the connection")) // not the proxy's fault
	if r := route(t, tb, "a"); r.Proxy != first.Proxy {
		t.Error("an end that was not the proxy's fault moved the account")
	}
	tb.Report("a", first, fmt.Errorf("dial: %w", unreachable))
	second := route(t, tb, "a")
	if second.Proxy == first.Proxy {
		t.Fatal("the failing member was chosen again")
	}
	tb.Report("a", second, nil)
	c.at = c.at.Add(time.Hour) // the first one may be tried again, and the account stays
	if r := route(t, tb, "a"); r.Proxy != second.Proxy {
		t.Error("the account left a working member")
	}
	tb.SetAccount("b", Wanted{Pool: "p"})
	_ = route(t, tb, "b")
}

func TestFailuresInARowDoubleTheRest(t *testing.T) {
	tb, c := table()
	tb.SetPool("p", members(2))
	tb.SetAccount("a", Wanted{Pool: "p"})
	m := tb.pools["p"].members[0]
	r := Route{Proxy: m.via, Pool: "p"}
	for i := range 8 {
		tb.Report("a", r, unreachable)
		tb.Report("a", r, unreachable) // another account saw the same
		if m.failures != i+1 {
			t.Fatalf("%d failures counted, want %d", m.failures, i+1)
		}
		wait := m.retry.Sub(c.at)
		if limit := min(2*time.Second<<i, time.Minute); wait <= 0 || wait > limit {
			t.Errorf("rest %d is %v, at most %v", i, wait, limit)
		}
		c.at = m.retry
	}
	tb.Report("a", r, nil)
	if m.failures != 0 {
		t.Error("a success does not end the failures")
	}
	tb.Report("a", r, unreachable)
	tb.NetworkRestored()
	if !m.retry.IsZero() {
		t.Error("a restored network does not end the rest")
	}
}

func TestALoneMemberIsAlwaysTried(t *testing.T) {
	tb, _ := table()
	tb.SetPool("p", members(1))
	tb.SetAccount("a", Wanted{Pool: "p"})
	tb.Report("a", route(t, tb, "a"), unreachable)
	_ = route(t, tb, "a")
}

func TestChangesSayWhoMustConnectAnew(t *testing.T) {
	tb, _ := table()
	tb.SetPool("p", members(2))
	var on [2][]fleet.AccountID
	for i := range 20 {
		id := fleet.AccountID(fmt.Sprintf("a%02d", i))
		if tb.SetAccount(id, Wanted{Pool: "p"}) {
			t.Errorf("%s has no connection yet", id)
		}
		at := slices.IndexFunc(members(2), func(p proxies.Proxy) bool { return Via(p).Addr == route(t, tb, id).Proxy.Addr })
		on[at] = append(on[at], id)
	}
	if got := tb.SetPool("p", append(members(1), member1(2000))); !slices.Equal(got, on[1]) {
		t.Errorf("rerouted %v, want %v", got, on[1])
	}
	if tb.SetAccount("a00", Wanted{Pool: "p"}) {
		t.Error("nothing has changed")
	}
	own := member1(3000)
	if !tb.SetAccount("a00", Wanted{Own: &own}) {
		t.Error("it must leave the pool")
	}
	if r := route(t, tb, "a00"); r.Proxy.Addr != own.Addr() || r.Pool != "" {
		t.Errorf("route %+v", r)
	}
	if !tb.SetAccount("a00", Wanted{}) || !route(t, tb, "a00").Direct {
		t.Error("it must go directly")
	}
}

func TestReasonsOfFailures(t *testing.T) {
	at := func(hop transport.Hop, err error) error {
		return fmt.Errorf("dial: %w", &transport.ProxyError{Hop: hop, Err: err})
	}
	for want, err := range map[fleet.ConditionReason]error{
		fleet.ReasonProxyUnreachable: at(transport.HopConnect, errors.New("refused")),
		fleet.ReasonProxyRefused:     at(transport.HopHandshake, transport.ErrProxyAuth),
		fleet.ReasonProxyNoRoute:     at(transport.HopTarget, errors.New("host unreachable")),
		"":                           errors.New("reset by Telegram"),
	} {
		if got := ReasonOf(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
		if _, known := fleet.MeaningOf(fleet.ConditionProxyHealthy, want); want != "" && !known {
			t.Errorf("%s is no reason of ProxyHealthy", want)
		}
	}
}
