// Package routes decides through which proxy each account of a node reaches Telegram. It opens no
// connections.
//
// # Usage
//
//	t := routes.New(time.Now)
//	t.SetPool("de", members)           // and again at each change
//	t.SetAccount("support-1", routes.Wanted{Pool: "de"})
//	r, err := t.Route("support-1")     // before each dial; an error means: do not dial
//	t.Report("support-1", r, err)      // how the connection went
//
// An account without an entry has no route: whoever forgets to say what an account wants makes it
// stay at home, never go out directly.
//
// Each account has an order of its own over the members of its pool, the same on every node, and
// takes the first one that works: so accounts spread evenly, and one that moves to another node keeps
// its member and with it its address. It stays with the member while that works, also when an
// earlier one comes back. A member that fails is passed over by all accounts of the node for a
// time that doubles with each failure.
//
// # Concurrency
//
// A Table may be used by any goroutine.
//
// # Errors
//
// Route returns *Error, whose Reason is one of the condition ProxyHealthy.
package routes

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram/proxies"
)

// rest is how long a member that failed is passed over.
var rest = backoff.Policy{Base: 2 * time.Second, Max: time.Minute, Factor: 2}

// Route is how an account's next connection goes out. The zero value is no route.
type Route struct {
	// Proxy is the way; nil together with Direct.
	Proxy *transport.Proxy
	// Direct says that the account wants no proxy.
	Direct bool
	// Pool is the pool's name, empty for a proxy of the account's own.
	Pool string
}

// Name is what pacing and logs call the proxy: kind and address. Empty for a direct route.
func (r Route) Name() string {
	if r.Proxy == nil {
		return ""
	}
	return string(r.Proxy.Kind) + " " + r.Proxy.Addr
}

// Direct gives every account a direct route, where there are no proxies at all.
type Direct struct{}

// Route implements connection.Routes of the actors.
func (Direct) Route(fleet.AccountID) (Route, error) { return Route{Direct: true}, nil }

// Report implements connection.Routes of the actors.
func (Direct) Report(fleet.AccountID, Route, error) {}

// Wanted is what an account's spec says. The zero value is a direct connection.
type Wanted struct {
	// Pool is the name of a pool, or empty.
	Pool string
	// Own is a proxy of the account's own, or nil.
	Own *proxies.Proxy
	// Unusable says why what the spec has cannot be used: it was not possible to open the seal, say.
	Unusable error
}

func (w Wanted) equal(o Wanted) bool {
	return w.Pool == o.Pool && (w.Own == nil) == (o.Own == nil) && (w.Own == nil || w.Own.Equal(*o.Own)) &&
		(w.Unusable == nil) == (o.Unusable == nil)
}

// Error says why an account has no route.
type Error struct {
	Reason fleet.ConditionReason
	err    error
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.err }

// Table is the routes of one node.
type Table struct {
	now func() time.Time

	mu       sync.Mutex
	pools    map[string]*pool
	listed   bool // the pools are known
	accounts map[fleet.AccountID]*account
}

type account struct {
	wanted Wanted
	member *member // of a pool, while it is in use
}

type pool struct{ members []*member }

// member is one proxy of a pool and how it does, as this node sees it.
type member struct {
	proxy    proxies.Proxy
	via      *transport.Proxy
	failures int       // in a row
	retry    time.Time // passed over until then
}

// New makes a table that knows no pools yet.
func New(now func() time.Time) *Table {
	return &Table{now: now, pools: map[string]*pool{}, accounts: map[fleet.AccountID]*account{}}
}

// Via is a proxy as the dialler wants it.
func Via(p proxies.Proxy) *transport.Proxy {
	return &transport.Proxy{Kind: transport.ProxyKind(p.Kind), Addr: p.Addr(), User: p.User, Password: p.Password, Secret: p.Secret}
}

// SetPool replaces a pool; no members: it is gone. It returns the accounts whose member is no
// longer there, which must connect anew.
func (t *Table) SetPool(name string, members []proxies.Proxy) (rerouted []fleet.AccountID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.pools[name]
	next := &pool{}
	for _, p := range members {
		m := &member{proxy: p, via: Via(p)}
		if old != nil { // it stays what it was, with its failures
			if i := slices.IndexFunc(old.members, func(o *member) bool { return o.proxy.Equal(p) }); i >= 0 {
				m = old.members[i]
			}
		}
		next.members = append(next.members, m)
	}
	t.pools[name] = next
	if len(members) == 0 {
		delete(t.pools, name)
	}
	for id, a := range t.accounts {
		if a.wanted.Pool == name && a.member != nil && !slices.Contains(next.members, a.member) {
			a.member = nil
			rerouted = append(rerouted, id)
		}
	}
	slices.Sort(rerouted)
	return rerouted
}

// Listed says that every pool that exists has been set.
func (t *Table) Listed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listed = true
}

// SetAccount takes over what an account wants. It reports whether connections that it has do not
// go that way.
func (t *Table) SetAccount(id fleet.AccountID, w Wanted) (rerouted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.accounts[id]
	if a != nil && a.wanted.equal(w) {
		return false
	}
	t.accounts[id] = &account{wanted: w}
	return a != nil
}

// Route says how the next connection of an account goes out. An error is an *Error and means
// that it must not be dialled at all.
func (t *Table) Route(id fleet.AccountID) (Route, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.accounts[id]
	if a == nil {
		return Route{}, &Error{fleet.ReasonProxyUntried, fmt.Errorf("it is not known yet whether account %s has a proxy", id)}
	}
	switch w := a.wanted; {
	case w.Unusable != nil:
		return Route{}, &Error{fleet.ReasonProxyUnknown, w.Unusable}
	case w.Own != nil:
		return Route{Proxy: Via(*w.Own)}, nil
	case w.Pool == "":
		return Route{Direct: true}, nil
	}
	p := t.pools[a.wanted.Pool]
	if p == nil {
		reason := fleet.ReasonProxyUnknown
		if !t.listed {
			reason = fleet.ReasonProxyUntried
		}
		return Route{}, &Error{reason, fmt.Errorf("spec.proxy: no pool of proxies is called %s", a.wanted.Pool)}
	}
	m := p.choose(id, a.member, t.now())
	if m == nil {
		return Route{}, &Error{fleet.ReasonProxyPoolDown, fmt.Errorf("all %d members of the pool %s failed lately", len(p.members), a.wanted.Pool)}
	}
	a.member = m
	return Route{Proxy: m.via, Pool: a.wanted.Pool}, nil
}

// choose gives the member of an account: the one that it has while that works, else the first
// working one of its own order; nil if none works.
func (p *pool) choose(id fleet.AccountID, has *member, now time.Time) *member {
	// A lone member is always tried: the accounts' own backoff is enough.
	works := func(m *member) bool { return !now.Before(m.retry) || len(p.members) == 1 }
	if has != nil && works(has) {
		return has
	}
	var best *member
	var rank uint64
	for _, m := range p.members {
		if r := score(id, m.proxy); works(m) && (best == nil || r > rank) {
			best, rank = m, r
		}
	}
	return best
}

// score orders the members for an account (rendezvous hashing). It must not change between
// versions: accounts would change their addresses.
func score(id fleet.AccountID, p proxies.Proxy) uint64 {
	h := fnv.New64a()
	for _, s := range []string{string(id), string(p.Kind), p.Addr(), p.User} {
		_, _ = h.Write([]byte(s)) // never fails
		_, _ = h.Write([]byte{0})
	}
	x := h.Sum64() // FNV alone is uneven in its high bits
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// Report tells how a connection by a route went: nil when Telegram answered through it, else why
// it ended. Only failures of the proxy count.
func (t *Table) Report(id fleet.AccountID, r Route, err error) {
	failed := err != nil && errors.As(err, new(*transport.ProxyError))
	if r.Pool == "" || err != nil && !failed {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pools[r.Pool]
	if p == nil {
		return
	}
	i := slices.IndexFunc(p.members, func(m *member) bool { return m.via == r.Proxy })
	if i < 0 {
		return
	}
	m := p.members[i]
	if !failed {
		m.failures, m.retry = 0, time.Time{}
		return
	}
	now := t.now()
	if now.Before(m.retry) {
		return // several accounts see the same failure
	}
	m.retry = now.Add(rest.Next(m.failures, jitter{}))
	m.failures++
}

// NetworkRestored lets every member be tried again now.
func (t *Table) NetworkRestored() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.pools {
		for _, m := range p.members {
			m.failures, m.retry = 0, time.Time{}
		}
	}
}

// ReasonOf says what the end of a connection means for the condition ProxyHealthy; empty when it
// was not the proxy's fault.
func ReasonOf(err error) fleet.ConditionReason {
	var none *Error
	var hop *transport.ProxyError
	switch {
	case errors.As(err, &none):
		return none.Reason
	case !errors.As(err, &hop):
		return ""
	case errors.Is(err, transport.ErrProxyAuth), errors.Is(err, transport.ErrProxySecret), errors.Is(err, transport.ErrProxyProtocol),
		errors.Is(err, transport.ErrProxyConfig), errors.Is(err, transport.ErrProxySilent):
		return fleet.ReasonProxyRefused
	case hop.Hop == transport.HopTarget:
		return fleet.ReasonProxyNoRoute
	}
	return fleet.ReasonProxyUnreachable
}

// jitter is the process's own randomness: nothing secret hangs on it.
type jitter struct{}

func (jitter) Int64N(n int64) int64 { return rand.Int64N(n) }

// Became changes the condition ProxyHealthy and reports whether that is news.
func Became(c *fleet.Condition, reason fleet.ConditionReason, message string, now time.Time) bool {
	if c.Reason == reason && c.Message == message {
		return false
	}
	if c.Reason != reason {
		c.Since = now
	}
	meaning, _ := fleet.MeaningOf(fleet.ConditionProxyHealthy, reason)
	c.Type, c.Status, c.Reason, c.Message = fleet.ConditionProxyHealthy, meaning.Status, reason, message
	return true
}
