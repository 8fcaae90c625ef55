package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/entropy"
	"github.com/telefleet/orchestrator/internal/routes"
	"github.com/telefleet/orchestrator/internal/sockets"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/internal/tally"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// node is the root of one process: it supervises the accounts that the process owns.
type node struct {
	deps     *Deps
	conns    *connection.Config
	profile  *Profile // of accounts that want no other
	accounts map[fleet.AccountID]*resident
	byPID    map[string]*resident
	hold     *Hold // of all accounts
	stopping chan<- struct{}
}

// resident is one account on this node.
type resident struct {
	id       fleet.AccountID
	pid      *actor.PID
	shared   *shared
	desired  Desired // by its spec
	gone     chan struct{}
	released []func()
	attempts int
	panics   int // since started
	started  time.Time
	restart  *time.Timer   // of the account after a failure
	next     *startAccount // granted again while the former incarnation was ending
}

// Receive implements actor.Actor.
func (n *node) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *startAccount:
		n.start(ctx, m)
	case *stopAccount:
		n.stop(ctx, m)
	case *lookupAccount:
		m.reply <- n.lookup(ctx, m.id)
	case *desireAccount:
		n.desire(ctx, m)
	case *holdAccounts:
		n.hold = m.hold
		for _, r := range n.accounts {
			n.want(r)
			ctx.Send(r.pid, &desiredChanged{})
		}
	case *tell:
		for id, r := range n.accounts {
			if m.id == "" || m.id == id {
				ctx.Send(r.pid, m.message)
			}
		}
	case *shutdownNode:
		n.stopping = m.done
		for _, r := range n.accounts {
			r.drain(ctx, m.deadline)
		}
		n.stopped()
	case *actor.Terminated:
		n.ended(ctx, m.Who)
	}
}

func (n *node) start(ctx actor.Context, m *startAccount) {
	if r, ok := n.accounts[m.grant.Account]; ok {
		r.next = m
		return
	}
	id := m.grant.Account
	s := &shared{
		deps: n.deps, id: id, fence: m.grant.Fence,
		conn: connection.Account{
			Config: n.conns, ID: id, Check: m.grant.Check, NotBefore: m.grant.NotBefore, Renewed: m.grant.Renewed,
		},
	}
	r := &resident{id: id, shared: s, desired: m.grant.Desired, gone: make(chan struct{}), started: n.deps.Now()}
	n.want(r)
	r.pid = n.conns.Actors.Spawn(ctx, "account-"+string(id)+"-", func() actor.Actor { return newAccount(s) })
	n.accounts[id], n.byPID[r.pid.Id] = r, r
}

// want gives an account what its spec asks for, as far as the node lets it.
func (n *node) want(r *resident) {
	d := r.desired
	if d.Hold == nil {
		d.Hold = n.hold
	}
	r.shared.want(&d, n.profile)
}

func (n *node) desire(ctx actor.Context, m *desireAccount) {
	r, ok := n.accounts[m.id]
	if !ok {
		return
	}
	if r.next != nil {
		r.next.grant.Desired = m.desired
	}
	r.desired = m.desired
	n.want(r)
	ctx.Send(r.pid, &desiredChanged{})
}

func (n *node) stop(ctx actor.Context, m *stopAccount) {
	r, ok := n.accounts[m.id]
	if !ok {
		m.released()
		return
	}
	r.next = nil
	r.released = append(r.released, m.released)
	r.drain(ctx, m.deadline)
}

// drain ends an account; one that waits to be started again would not hear, and has nothing
// to say.
func (r *resident) drain(ctx actor.Context, deadline time.Time) {
	if r.restart != nil && r.restart.Stop() {
		ctx.Stop(r.pid)
		return
	}
	ctx.Send(r.pid, &drain{deadline: deadline})
}

func (n *node) lookup(ctx actor.Context, id fleet.AccountID) *handle {
	r, ok := n.accounts[id]
	if !ok || n.stopping != nil {
		return nil
	}
	root, pid := ctx.ActorSystem().Root, r.pid
	return &handle{shared: r.shared, gone: r.gone, send: func(m any) { root.Send(pid, m) }}
}

func (n *node) ended(ctx actor.Context, who *actor.PID) {
	r := n.byPID[who.Id]
	if r == nil {
		return
	}
	delete(n.byPID, who.Id)
	delete(n.accounts, r.id)
	close(r.gone)
	for _, released := range r.released {
		released()
	}
	if r.next != nil && n.stopping == nil {
		n.start(ctx, r.next)
	}
	n.stopped()
}

func (n *node) stopped() {
	if n.stopping != nil && len(n.accounts) == 0 {
		close(n.stopping)
		n.stopping = nil
	}
}

// HandleFailure implements actor.SupervisorStrategy: a failed account restarts alone, after a
// backoff; its neighbours notice nothing.
func (n *node) HandleFailure(system *actor.ActorSystem, sup actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	r := n.byPID[child.Id]
	if r == nil {
		sup.StopChildren(child)
		return
	}
	if len(r.released) > 0 || n.stopping != nil { // it was to end anyway; a new one would not know
		sup.StopChildren(child)
		return
	}
	now := n.deps.Now()
	if now.Sub(r.started) > restartWindow {
		r.attempts, r.panics, r.started = 0, 0, now
	}
	wait := n.deps.Redial.Next(r.attempts, jitter{})
	r.attempts++
	err, _ := reason.(error)
	if errors.As(err, new(*storeError)) {
		r.shared.log().Warn("account starts again", "reason", err.Error(), "in", wait)
	} else {
		r.panics++
		r.shared.log().Error("account failed", "error", panicError(reason).Error(), "restart_in", wait)
		if r.panics > restartBudget {
			n.quarantine(r, panicError(reason))
			sup.StopChildren(child)
			return
		}
	}
	r.restart = time.AfterFunc(wait, func() { sup.RestartChildren(child) })
}

// quarantine reports an account whose actor is stopped for good on this node.
func (n *node) quarantine(r *resident, err error) {
	s := r.shared
	status := standing.Status{
		Account: r.id, State: fleet.StateQuarantined, Reason: "RESTART_BUDGET", Message: "it failed too often: " + err.Error(),
		Remedy: "read the log, then restart the node", Generation: s.desired.Load().Generation, Since: n.deps.Now(),
	}
	if record, ok := s.stateRecord(standing.Change{From: s.telling.Last.To, To: status.State, Reason: status.Reason, Message: status.Message}); ok {
		s.telling.Wait(record)
	}
	records := s.telling.Take()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		if err := s.deps.Report(ctx, s.fence, status); err != nil {
			s.log().Error("status is not stored", "error", err.Error())
		}
		writer, err := s.deps.Events.Claim(ctx, s.id, s.fence.Token()) // its own is half through a step
		if err == nil {
			_, err = writer.Append(ctx, records...)
		}
		if err != nil {
			s.log().Error("state events are not stored", "error", err.Error())
		}
	}()
}

// Fleet is the running accounts of one process.
type Fleet struct {
	system *actor.ActorSystem
	node   *actor.PID
	conns  *connection.Config
	deps   *Deps
}

// Start starts the node's actors; no account runs yet.
func Start(deps Deps) (*Fleet, error) {
	profile, err := NewProfile(deps.App)
	if err != nil {
		return nil, fmt.Errorf("app profile: %w", err)
	}
	if deps.Directory == nil {
		deps.Directory = dcs.Fixed(deps.DCs)
	}
	if deps.Routes == nil {
		deps.Routes = routes.Direct{}
	}
	workers := &mailbox.Workers{}
	deps.lanes, deps.tidy = newLanes(workers), &tidy{}
	deps.Transport.Poller = &transport.Poller{}
	conns := &connection.Config{
		DCs: deps.Directory, IPv6: deps.IPv6, Transport: deps.Transport, Routes: deps.Routes, Ping: deps.Ping, Pace: deps.Pace, TempKeyLife: deps.TempKeyLife,
		Sockets: &sockets.Set{}, Workers: workers, Tally: &tally.Connections{}, Rand: deps.Rand, Chance: &entropy.Stretched{Source: deps.Rand}, Now: deps.Now, Log: deps.Log,
	}
	s := system.New(deps.Log)
	conns.Clock, conns.Actors = system.NewClock(s), system.NewActors(workers)
	deps.streams = deps.streamsOf(conns.Clock)
	props := system.Props(workers, func() actor.Actor {
		return &node{
			deps: &deps, conns: conns, profile: profile,
			accounts: map[fleet.AccountID]*resident{}, byPID: map[string]*resident{},
		}
	})
	pid, err := s.Root.SpawnNamed(props, "node")
	if err != nil {
		return nil, fmt.Errorf("start node actor: %w", err)
	}
	return &Fleet{system: s, node: pid, conns: conns, deps: &deps}, nil
}

// Reroute makes the connections of an account anew: the way to Telegram has changed.
func (f *Fleet) Reroute(id fleet.AccountID) { f.system.Root.Send(f.node, &tell{id, &rerouted{}}) }

// Owned runs an account that this process has come to own.
func (f *Fleet) Owned(g Grant) { f.system.Root.Send(f.node, &startAccount{grant: g}) }

// Lost drains an account until the deadline; released is called once nothing of it is left.
func (f *Fleet) Lost(id fleet.AccountID, deadline time.Time, released func()) {
	f.system.Root.Send(f.node, &stopAccount{id: id, deadline: deadline, released: released})
}

// SetDesired pauses a running account, or ends its pause.
func (f *Fleet) SetDesired(id fleet.AccountID, d Desired) {
	f.system.Root.Send(f.node, &desireAccount{id: id, desired: d})
}

// Hold keeps every account of the node without a socket, those too that it comes to own, until Hold(nil):
// each is paused, with the reason of h, but not by its spec.
func (f *Fleet) Hold(h *Hold) { f.system.Root.Send(f.node, &holdAccounts{h}) }

// Fenced closes every socket at once and directly: ownership is lost.
func (f *Fleet) Fenced() int { return f.conns.Sockets.AbortAll() }

// Tally counts what the connections and calls of all accounts have met.
func (f *Fleet) Tally() *tally.Connections { return f.conns.Tally }

// Sockets is the number of open sockets.
func (f *Fleet) Sockets() int { return f.conns.Sockets.Len() }

// NetworkRestored ends running backoffs of one account, or of all when id is empty.
func (f *Fleet) NetworkRestored(id fleet.AccountID) {
	f.system.Root.Send(f.node, &tell{id, &networkRestored{}})
}

// Running returns a running account's environment, or false.
func (f *Fleet) Running(ctx context.Context, id fleet.AccountID) (*Env, bool) {
	reply := make(chan *handle, 1)
	f.system.Root.Send(f.node, &lookupAccount{id: id, reply: reply})
	select {
	case h := <-reply:
		if h == nil {
			return nil, false
		}
		return &Env{shared: h.shared, send: h.send, gone: h.gone}, true
	case <-ctx.Done():
		return nil, false
	}
}

// Shutdown drains every account until ctx ends, then stops the actors.
func (f *Fleet) Shutdown(ctx context.Context) error {
	done := make(chan struct{})
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = f.deps.Now().Add(drainDefault)
	}
	f.system.Root.Send(f.node, &shutdownNode{deadline: deadline.Add(-drainMargin), done: done})
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("drain accounts: %w", ctx.Err())
		f.conns.Sockets.AbortAll()
	}
	system.Stop(f.system, f.node)
	f.system.Shutdown()
	f.conns.Workers.Close()
	if perr := f.conns.Transport.Poller.Close(); perr != nil {
		err = errors.Join(err, fmt.Errorf("close poller: %w", perr))
	}
	return err
}

const (
	drainDefault = 5 * time.Second
	drainMargin  = 500 * time.Millisecond // left for closing and saving after the last call
)
