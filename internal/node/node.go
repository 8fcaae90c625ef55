// Package node joins the rooms to one running process of the fleet: stores, ownership, accounts and
// API.
//
// # Usage
//
//	n, err := node.Start(ctx, cfg, node.Options{DCs: list, Log: log})
//	err = n.Wait(ctx)
//	err = n.Shutdown(ctx)
//
// # Concurrency
//
// Wait and Shutdown are called once each. What the other methods say is fixed at the start.
//
// # Errors
//
// Start fails with what an operator can act on as *fleet.Error, and leaves nothing behind.
package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/telefleet/orchestrator/actors"
	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/cluster/embedded"
	clusteretcd "github.com/telefleet/orchestrator/cluster/etcd"
	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/control/requests"
	"github.com/telefleet/orchestrator/control/webhooks"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/internal/dispatch"
	"github.com/telefleet/orchestrator/internal/pacer"
	"github.com/telefleet/orchestrator/internal/proxyvault"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/internal/uplink"
	storeetcd "github.com/telefleet/orchestrator/sessionstore/etcd"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// floodWait is the longest wait asked by Telegram that a call waits out by itself.
const floodWait = 60 * time.Second

// maxRedial bounds the wait between failed connections of an account.
const maxRedial = time.Minute

// Node is one running process of the fleet.
type Node struct {
	log      hclog.Logger
	lock     *embedded.DirLock
	etcd     *embedded.Server // nil with an external etcd
	client   *clusteretcd.Client
	peers    peerSide
	events   *eventlog.Log
	witness  *clusteretcd.Witness
	accounts *clusteretcd.Accounts
	member   *clusteretcd.Member
	fleet    *actors.Fleet
	server   *control.Server
	url      string
	drain    time.Duration
	group    *errgroup.Group
	run      context.Context // ends when the node stops
	stop     context.CancelFunc
	keys     *storeetcd.Keyring
	// hookKeys seal the secrets of webhooks.
	hookKeys *storeetcd.Keyring
	dispatch *dispatch.Dispatch
	sessions *storeetcd.Store
	requests *requests.Ledger
	// peerStore keeps the accounts' peers.
	peerStore peers.Store
	uplink    *uplink.Uplink
	proxies   proxyvault.Pools

	metricsURL string // empty without metrics
	states     stateTable
	appended   atomic.Uint64
}

// Options are what a program may set besides the configuration. DCs and Log are needed.
type Options struct {
	DCs dcs.List
	// Throwaway says that the data directory goes with the process: nothing is synced to disk.
	Throwaway bool
	// Redial is the waits between failed connections; zero means up to a minute.
	Redial backoff.Policy
	// AcceptRestored says that an operator has confirmed an etcd or machine that is not the known one.
	AcceptRestored bool
	// Events may stand between the accounts and the event log; nil for nothing.
	Events func(actors.EventLog) actors.EventLog
	Log    hclog.Logger
}

// Start starts everything below the API, then the API. ctx bounds the start only.
func Start(ctx context.Context, cfg configs.Config, o Options) (n *Node, err error) {
	n = &Node{log: o.Log, drain: time.Duration(cfg.DrainTimeout)}
	defer func() {
		if err != nil {
			n.abort()
			n = nil
		}
	}()
	if n.lock, err = embedded.Lock(cfg.DataDir); err != nil {
		return n, err
	}
	if n.peers, err = listenPeers(ctx, cfg, n.log); err != nil {
		return n, err
	}
	fresh, err := n.openEtcd(ctx, cfg, o)
	if err != nil {
		return n, err
	}
	if err = n.openStores(ctx, cfg, o, fresh); err != nil {
		return n, err
	}
	if err = n.startFleet(ctx, cfg, o); err != nil {
		return n, err
	}
	if err = n.serveMetrics(ctx, cfg); err != nil {
		return n, err
	}
	err = n.serveAPI(cfg)
	return n, err
}

func (n *Node) openStores(ctx context.Context, cfg configs.Config, o Options, fresh bool) error {
	var err error
	machine := ""
	if !cfg.External() { // a copied data directory is a second owner only where it holds the accounts
		machine = clusteretcd.MachineID()
	}
	if n.witness, err = clusteretcd.OpenWitness(clusteretcd.WitnessConfig{
		Dir: cfg.DataDir, ClusterID: cfg.ClusterID, Machine: machine, Accept: o.AcceptRestored,
	}); err != nil {
		return err
	}
	if err = n.openKeys(ctx, cfg, fresh); err != nil {
		return err
	}
	n.sessions = storeetcd.NewStore(n.client, "", n.keys)
	n.events, err = n.openEvents(ctx, cfg, o)
	return err
}

func (n *Node) startFleet(ctx context.Context, cfg configs.Config, o Options) error {
	join, err := n.joinConfig(cfg)
	if err != nil {
		return err
	}
	n.accounts = clusteretcd.NewAccounts(n.client, "")
	if n.member, err = clusteretcd.Join(ctx, n.client, join); err != nil {
		return err
	}
	if err = n.announceKeys(ctx); err != nil {
		return err
	}
	n.peerStore, err = peers.NewKV(ctx, n.events.JetStream(), peers.Config{Keys: n.keys.DataKey})
	if err != nil {
		return err
	}
	if err = n.openRequests(ctx, cfg); err != nil {
		return err
	}
	if err = n.openUplink(ctx, cfg, o); err != nil {
		return err
	}
	deps := actorDeps(cfg, join.Profile, o)
	deps.Directory, deps.Routes = n.uplink.Directory(), n.uplink.Routes()
	deps.Sessions, deps.Events, deps.Peers = n.sessions, countedLog{eventLog{n.events}, &n.appended}, n.peerStore
	if o.Events != nil {
		deps.Events = o.Events(deps.Events)
	}
	deps.Report = n.report
	if n.fleet, err = actors.Start(deps); err != nil {
		return err
	}
	run, stop := context.WithCancel(context.Background())
	n.stop = stop
	n.group, n.run = errgroup.WithContext(run)
	n.group.Go(func() error { n.uplink.Run(n.run, n.fleet.Reroute); return nil })
	n.group.Go(func() error { n.watchSpace(n.run, cfg); return nil })
	n.group.Go(func() error { return n.member.Run(n.run, n.handler()) })
	n.dispatch = dispatch.New(dispatch.Config{
		Log: n.events, Client: n.client, Member: n.member, Keys: n.hookKeys, Peers: localFleet{n}.peers,
		Policy: webhooks.Policy{AllowHTTP: cfg.Webhooks.AllowHTTP, Allow: cfg.Webhooks.Networks()}, Logger: n.log.Named("dispatch"),
	})
	n.group.Go(func() error { return n.dispatch.Run(n.run) })
	return nil
}

// hookKeys is the prefix of the keys in etcd that seal the secrets of webhooks.
const hookKeys = "secrets/"

// actorDeps is what the configuration says about connections.
func actorDeps(cfg configs.Config, profile cluster.Profile, o Options) actors.Deps {
	options := uplink.TransportOf(cfg.Telegram)
	options.UserTimeout = profile.DisconnectDelay
	return actors.Deps{
		DCs: o.DCs, DefaultDC: cfg.Telegram.DefaultDC, IPv6: uplink.IPv6Of(cfg.Telegram),
		App:       uplink.AppOf(cfg.Telegram),
		Transport: options,
		Ping:      actors.Ping{Interval: profile.PingInterval, Disconnect: profile.DisconnectDelay},
		Pace:      paced(cfg.Pace),
		Redial:    cmp.Or(o.Redial, backoff.Policy{Base: time.Second, Max: maxRedial, Factor: 2}),
		FloodWait: floodWait,
		Rand:      rand.Reader, Now: time.Now, Log: o.Log,
	}
}

// paced spreads dials over the node, over each DC, and over each proxy: what many accounts share, and
// whose provider takes a storm for an attack.
func paced(cfg configs.Pace) func(ctx context.Context, dc int, proxy string) error {
	pace := pacer.New(map[string]pacer.Limit{
		"node":  {PerSecond: cfg.DialsPerSecond, Burst: int(cfg.DialsPerSecond)},
		"dc":    {PerSecond: cfg.DialsPerDCSecond, Burst: int(cfg.DialsPerDCSecond)},
		"proxy": {PerSecond: cfg.DialsPerProxySecond, Burst: int(cfg.DialsPerProxySecond)},
	})
	return func(ctx context.Context, dc int, proxy string) error {
		keys := []pacer.Key{{Class: "node"}, {Class: "dc", Name: strconv.Itoa(dc)}}
		if proxy != "" {
			keys = append(keys, pacer.Key{Class: "proxy", Name: proxy})
		}
		return pace.Wait(ctx, keys...)
	}
}

// tokenValid is asked before each append: a node past its deadline stores nothing.
func (n *Node) tokenValid(fleet.AccountID, fleet.FencingToken) error { return n.member.Gate().Check() }

// handler joins ownership with the accounts.
func (n *Node) handler() cluster.Handler {
	return cluster.Handler{
		Owned: func(ctx context.Context, g cluster.Grant) {
			n.forget(g.Account) // it may have been deleted and created again meanwhile
			if !g.Spec.DeletedAt.IsZero() {
				return // Lost follows
			}
			n.states.set(g.Account, fleet.StateNew)
			n.fleet.Owned(actors.Grant{
				Desired: n.uplink.Desired(ctx, g.Spec),
				Account: g.Account, Fence: g.Fence, Check: g.Guard.Check, NotBefore: g.NotBefore,
				Renewed: func(ctx context.Context) error { return n.member.RenewedAfter(ctx, time.Now()) },
			})
		},
		Changed: func(s cluster.Spec) { n.fleet.SetDesired(s.Account, n.uplink.Desired(context.Background(), s)) },
		Lost: func(g cluster.Grant, reason cluster.LostReason) {
			n.log.Debug("account is handed over", "account", string(g.Account), "reason", string(reason))
			n.fleet.Lost(g.Account, time.Now().Add(n.drain), func() { go n.letGo(g, reason) })
		},
		NetworkRestored: func(id fleet.AccountID) {
			n.uplink.Routes().NetworkRestored()
			n.fleet.NetworkRestored(id)
		},
		Deleted: n.forget,
		Fenced:  n.fenced,
	}
}

// fenced closes every socket at once. Accounts then drop them; a process that cannot do so
// within a second must not live on, because another node may own its accounts soon.
func (n *Node) fenced() {
	n.log.Error("ownership was not renewed in time: all sockets are closed", "sockets", n.fleet.Fenced())
	limit := time.NewTimer(time.Second)
	defer limit.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for n.fleet.Sockets() > 0 {
		select {
		case <-poll.C:
		case <-limit.C:
			n.log.Error("sockets are still held after the deadline: the process ends", "sockets", n.fleet.Sockets())
			os.Exit(1)
		}
	}
}

// release lets others have an account, however long etcd takes to answer: as long as the lease
// lives, nobody else could take it.
func (n *Node) release(g cluster.Grant, reason cluster.LostReason) {
	if err := n.member.Release(n.run, g); err != nil && reason != cluster.LostFenced {
		n.log.Warn("account is not released; its lease will end", "account", string(g.Account), "error", err.Error())
	}
}

// report stores what an account tells of itself.
func (n *Node) report(ctx context.Context, fence fleet.Fence, s standing.Status) error {
	message := s.Message
	if s.Remedy != "" {
		message += ": " + s.Remedy
	}
	n.states.set(s.Account, s.State)
	return n.accounts.PutStatus(ctx, fence, cluster.Status{
		Account: s.Account, Node: n.member.Node(), State: string(s.State), Reason: s.Reason, Message: message,
		UserID: s.UserID, Bot: s.Bot, HomeDC: s.HomeDC, Generation: s.Generation, UpdatedAt: s.Since,
		Conditions: s.Conditions,
	})
}

func (n *Node) serveAPI(cfg configs.Config) error {
	c := control.Config{
		Listen: cfg.API.Listen, Node: string(n.member.Node()), Log: n.log.Named("api"),
		Fleet: localFleet{n}, Accounts: resources{n.accounts, n.uplink, n.proxies}, Watcher: resources{n.accounts, n.uplink, n.proxies},
		Proxies: n.proxies, ProxyTester: n.proxies,
		Nodes: steering{n.member}, Events: feed{n.events}, Requests: n.requests, Joined: n.joined,
		KeyHolder: n.sessions.Holder, Security: guardian{n, cfg},
		Cluster: n.peers.control(), Owners: owners{n.member}, Dispatch: n.dispatch.API(), Labels: n.dispatch.Labels(),
	}
	if cfg.API.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(cfg.API.TLSCert, cfg.API.TLSKey)
		if err != nil {
			return fmt.Errorf("api.tls_cert_file: %w", err)
		}
		c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	if cfg.API.TokensFile != "" {
		tokens, err := control.LoadTokens(cfg.API.TokensFile)
		if err != nil {
			return err
		}
		c.Tokens = tokens
	}
	server, err := control.NewServer(c)
	if err != nil {
		return err
	}
	addr, err := server.Start()
	if err != nil {
		return err
	}
	n.server, n.url = server, "http://"+addr.String()
	if c.TLS != nil {
		n.url = "https://" + addr.String()
	}
	return nil
}

// MetricsURL is the base URL of metrics and health; empty without them.
func (n *Node) MetricsURL() string { return n.metricsURL }

// URL is the base URL of the API.
func (n *Node) URL() string { return n.url }

// ID is the node's own, which is new in each process.
func (n *Node) ID() fleet.NodeID { return n.member.Node() }

// Peers says under which name and address other nodes know this one; empty for a node that is alone.
func (n *Node) Peers() (name, address string) {
	if n.peers.identity == nil {
		return "", ""
	}
	return n.peers.identity.Name(), n.peers.address
}

// Drain is how long Shutdown waits for running calls.
func (n *Node) Drain() time.Duration { return n.drain }

// joined implements control.Config.Joined.
func (n *Node) joined() error {
	if n.member.Gate().Check() != nil {
		return control.NodeFenced()
	}
	return nil
}

// Wait blocks until ctx ends or something that the node cannot live without has failed.
func (n *Node) Wait(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- n.group.Wait() }()
	var etcdEnded <-chan error
	if n.etcd != nil {
		etcdEnded = n.etcd.Err()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("cluster membership ended: %w", err)
	case err := <-etcdEnded:
		return fmt.Errorf("etcd ended: %w", err)
	case <-n.server.Done():
		return fmt.Errorf("the API ended: %w", n.server.Err())
	}
}

// Shutdown refuses new calls, drains the accounts, saves, closes and leaves.
func (n *Node) Shutdown(ctx context.Context) error {
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	served := make(chan error, 1)
	go func() { served <- n.server.Shutdown(ctx) }()
	note("leave the cluster", n.member.Leave(ctx))
	note("stop the API", <-served)
	note("stop the accounts", n.fleet.Shutdown(ctx))
	n.stop()
	if err := n.group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		note("end membership", err)
	}
	note("close the event log", n.events.Close(ctx))
	for _, ring := range n.rings() {
		_ = ring.Withdraw(ctx, string(n.member.Node())) // or the next rotation does
	}
	n.closeEtcd()
	note("unlock the data directory", n.lock.Close())
	return errors.Join(errs...)
}

// abort takes down a node that has not come up.
func (n *Node) abort() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if n.member != nil {
		_ = n.member.Leave(ctx) // the first error is the one that matters
	}
	if n.fleet != nil {
		_ = n.fleet.Shutdown(ctx) // the first error is the one that matters
	}
	if n.stop != nil {
		n.stop()
		_ = n.group.Wait() // the first error is the one that matters
	}
	if n.events != nil {
		_ = n.events.Close(ctx)
	}
	n.closeEtcd()
	n.peers.close()
	if n.lock != nil {
		_ = n.lock.Close()
	}
}
