package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/cluster/embedded"
	clusteretcd "github.com/telefleet/orchestrator/cluster/etcd"
	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/certs"
)

const (
	// settle is how long a cluster's first node waits for others before it takes all accounts.
	settle = 3 * time.Second
	// reachTimeout bounds the first word with an external etcd.
	reachTimeout = 10 * time.Second
	// certWarning is how long before its end a certificate is complained of at each start.
	certWarning = 30 * 24 * time.Hour
)

// openEtcd starts the embedded etcd or connects to the external one. fresh says that nothing was
// ever stored in an embedded one.
func (n *node) openEtcd(ctx context.Context, cfg configs.Config, o nodeOptions) (fresh bool, err error) {
	if !cfg.External() {
		_, stat := os.Stat(filepath.Join(cfg.DataDir, "etcd"))
		n.etcd, err = embedded.Start(ctx, embedded.Config{
			Dir: cfg.DataDir, Lock: n.lock, Log: o.log.Named("etcd"), UnsafeNoFsync: o.throwaway,
		})
		if err != nil {
			return false, err
		}
		n.client = n.etcd.Client()
		return errors.Is(stat, os.ErrNotExist), nil
	}
	dial := clusteretcd.DialConfig{Endpoints: cfg.Etcd.Endpoints, Username: cfg.Etcd.Username}
	if strings.HasPrefix(cfg.Etcd.Endpoints[0], "https:") {
		if dial.TLS, err = certs.ClientOf(files("etcd.tls", cfg.Etcd.TLS)); err != nil {
			return false, err
		}
	}
	if cfg.Etcd.PasswordFile != "" {
		password, err := os.ReadFile(cfg.Etcd.PasswordFile)
		if err != nil {
			return false, fmt.Errorf("etcd.password_file: %w", err)
		}
		dial.Password = strings.TrimSpace(string(password))
	}
	if n.client, err = clusteretcd.Dial(dial); err != nil {
		return false, fmt.Errorf("etcd.endpoints: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if _, err := n.client.Get(ctx, "cluster"); err != nil {
		return false, fleet.Errorf(fleet.CodeUnavailable, "ETCD_UNREACHABLE", "etcd.endpoints: no server answers (got %s): %w", strings.Join(cfg.Etcd.Endpoints, ", "), err).
			WithRemedy("start etcd, or `orchestrator infra --data DIR` for a trial, and compare the addresses")
	}
	return false, nil
}

func (n *node) closeEtcd() {
	switch {
	case n.etcd != nil:
		_ = n.etcd.Close() // the process ends, and everything is synced
	case n.client != nil:
		_ = n.client.Close() // nobody uses it any more
	}
}

// openEvents opens the event log under the data directory or on the external NATS.
func (n *node) openEvents(ctx context.Context, cfg configs.Config, o nodeOptions) (*eventlog.Log, error) {
	c := eventlog.Config{
		Dir: filepath.Join(cfg.DataDir, "events"), Keys: n.keys.DataKey, TokenValid: n.tokenValid,
		MaxAge: time.Duration(cfg.Events.MaxAge), MaxBytes: cfg.Events.MaxBytes, MinFree: cfg.Events.MinFree,
		MaxPerAccount: cfg.Events.MaxPerAccount,
		SyncInterval:  time.Duration(cfg.Events.SyncInterval), Logger: o.log.Named("events"),
	}
	if !cfg.External() {
		return eventlog.Open(ctx, c)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	c.URL, c.CredentialsFile, c.Replicas = cfg.Events.NATSURL, cfg.Events.CredentialsFile, cfg.Events.Replicas
	if cfg.Events.TLS != (configs.TLSFiles{}) {
		var err error
		if c.TLS, err = certs.ClientOf(files("events.tls", cfg.Events.TLS)); err != nil {
			return nil, err
		}
	}
	log, err := eventlog.Open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("events.nats_url: %w", err)
	}
	return log, nil
}

// joinConfig is how this process takes part in ownership.
func (n *node) joinConfig(cfg configs.Config) (clusteretcd.Config, error) {
	name := cfg.Ownership
	if name == "gentle" && !cfg.External() { // one node: when its process dies, its kernel closes the sockets
		name = "single"
	}
	profile, err := cluster.ProfileByName(name)
	c := clusteretcd.Config{Profile: profile, Witness: n.witness, Log: n.log.Named("cluster")}
	if cfg.External() {
		c.Name, c.Address, c.Settle = n.peers.identity.Name(), n.peers.address, settle
	} else {
		c.LeaseFile = filepath.Join(cfg.DataDir, "lease")
	}
	return c, err
}

// peerSide is what other nodes see of this one; empty for a node that is alone.
type peerSide struct {
	identity *certs.Identity
	listener net.Listener
	address  string // as published
}

// listenPeers binds the listener for other nodes, so that its address can be published; calls
// wait there until the API is served.
func listenPeers(ctx context.Context, cfg configs.Config, log hclog.Logger) (p peerSide, err error) {
	if !cfg.External() {
		return p, nil
	}
	if p.identity, err = certs.Load(files("cluster.tls", cfg.Cluster.TLS), time.Now()); err != nil {
		return p, err
	}
	if end := p.identity.NotAfter(); time.Until(end) < certWarning {
		log.Warn("the node's certificate ends soon: issue a new one and restart the node", "ends", end.Format(time.DateOnly))
	}
	advertise, field := cfg.Cluster.Advertise, "cluster.advertise"
	if advertise == "" {
		advertise, field = cfg.Cluster.Listen, "cluster.listen"
	}
	host, port, err := net.SplitHostPort(advertise)
	if err != nil {
		return p, fmt.Errorf("%s: %w", field, err)
	}
	if err := p.identity.CheckHost(field, host); err != nil {
		return p, err
	}
	if p.listener, err = control.Listen(ctx, "cluster.listen", cfg.Cluster.Listen); err != nil {
		return p, err
	}
	if port == "0" {
		_, port, err = net.SplitHostPort(p.listener.Addr().String())
	}
	p.address = net.JoinHostPort(host, port)
	return p, err
}

// control is the listener as the API wants it.
func (p peerSide) control() *control.Cluster {
	if p.listener == nil {
		return nil
	}
	return &control.Cluster{Listener: p.listener, Server: p.identity.Server(), Client: p.identity.Client()}
}

// close is for a node that has not come up; else the API closes the listener.
func (p peerSide) close() {
	if p.listener != nil {
		_ = p.listener.Close() // it may be closed already
	}
}

func files(field string, t configs.TLSFiles) certs.Files {
	return certs.Files{Field: field, CA: t.CAFile, Cert: t.CertFile, Key: t.KeyFile}
}

// owners is the watched table of owners as the API's router wants it.
type owners struct{ member *clusteretcd.Member }

// Owner implements control.Owners.
func (o owners) Owner(id fleet.AccountID) (control.Owner, error) {
	owner, err := o.member.Owner(id)
	return control.Owner{Node: owner.Node, Address: owner.Address}, err
}

// WaitOwner implements control.Owners.
func (o owners) WaitOwner(ctx context.Context, id fleet.AccountID) (control.Owner, error) {
	owner, err := o.member.WaitOwner(ctx, id)
	return control.Owner{Node: owner.Node, Address: owner.Address}, err
}
