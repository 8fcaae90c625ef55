package node

import (
	"bytes"
	"cmp"
	"context"
	"crypto/cipher"
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
	"github.com/telefleet/orchestrator/internal/proxyvault"
	"github.com/telefleet/orchestrator/internal/routes"
	"github.com/telefleet/orchestrator/internal/uplink"
	"github.com/telefleet/orchestrator/sessionstore"
	storeetcd "github.com/telefleet/orchestrator/sessionstore/etcd"
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
func (n *Node) openEtcd(ctx context.Context, cfg configs.Config, o Options) (fresh bool, err error) {
	if !cfg.External() {
		_, stat := os.Stat(filepath.Join(cfg.DataDir, "etcd"))
		n.etcd, err = embedded.Start(ctx, embedded.Config{
			Dir: cfg.DataDir, Lock: n.lock, Log: o.Log.Named("etcd"), UnsafeNoFsync: o.Throwaway,
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

func (n *Node) closeEtcd() {
	switch {
	case n.etcd != nil:
		_ = n.etcd.Close() // the process ends, and everything is synced
	case n.client != nil:
		_ = n.client.Close() // nobody uses it any more
	}
}

// openEvents opens the event log under the data directory or on the external NATS.
func (n *Node) openEvents(ctx context.Context, cfg configs.Config, o Options) (*eventlog.Log, error) {
	c := eventlog.Config{
		Dir: filepath.Join(cfg.DataDir, "events"), Keys: n.keys.DataKey, Find: readable(n.keys.Find), TokenValid: n.tokenValid,
		MaxAge: time.Duration(cfg.Events.MaxAge), MaxBytes: cfg.Events.MaxBytes, MinFree: cfg.Events.MinFree,
		MaxPerAccount: cfg.Events.MaxPerAccount,
		SyncInterval:  time.Duration(cfg.Events.SyncInterval), Logger: o.Log.Named("events"),
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

// openUplink joins what the configuration says of Telegram with what all nodes share.
func (n *Node) openUplink(ctx context.Context, cfg configs.Config, o Options) (err error) {
	pools := clusteretcd.NewProxies(n.client, "")
	n.uplink, err = uplink.Open(ctx, uplink.Config{
		ClusterID: cfg.ClusterID, Network: cfg.Telegram.Network, DCs: o.DCs, Fixed: cfg.Telegram.Network == "file",
		App: uplink.AppOf(cfg.Telegram), Apps: uplink.AppsOf(cfg),
		Pools: pools, Settings: clusteretcd.NewSettings(n.client, ""),
		Key: func(ctx context.Context) (cipher.AEAD, error) { return n.keys.DataKey(ctx, fleet.Fleetwide) },
		Log: n.log.Named("uplink"), Now: time.Now,
	})
	if err != nil {
		return err
	}
	n.proxies = proxyvault.Pools{
		Vault: n.uplink.Vault(), Store: pools, Users: pools.Users, Probe: n.uplink.Probe(cfg.Telegram), Reason: routes.ReasonOf,
	}
	return nil
}

// joinConfig is how this process takes part in ownership.
func (n *Node) joinConfig(cfg configs.Config) (clusteretcd.Config, error) {
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

// previousSuffix is behind the name of a key's file in the default name of the former one's.
const previousSuffix = ".previous"

// openKeys makes the keyring of the master keys that the configuration names, and checks that the
// one in use is among them. fresh: nothing was ever sealed.
func (n *Node) openKeys(ctx context.Context, cfg configs.Config, fresh bool) error {
	for tries := 2; ; tries-- {
		masters, err := n.masters(ctx, cfg, fresh)
		if err != nil {
			return err
		}
		n.keys = storeetcd.NewKeyring(n.client, storeetcd.KeyringConfig{ClusterID: cfg.ClusterID, Masters: masters})
		n.hookKeys = storeetcd.NewKeyring(n.client, storeetcd.KeyringConfig{Prefix: hookKeys, ClusterID: cfg.ClusterID, Masters: masters})
		if err = n.keys.Open(ctx); err == nil {
			err = n.hookKeys.Open(ctx)
		}
		switch {
		case !errors.Is(err, sessionstore.ErrMasterKey) || !cfg.Security.ByPassphrase():
			return err
		case tries == 1:
			return fleet.Errorf(sessionstore.ErrMasterKey.Code, "MASTER_PASSPHRASE_WRONG", "security.passphrase_file: this is not the passphrase that the sessions are sealed under: %w", err).
				WithRemedy("give the fleet's passphrase; after a rotation the new one, and while it runs the former one as security.previous_passphrase_file")
		}
		// Another node of a new cluster may have drawn a salt in the same moment: derive again.
	}
}

// masters reads the master keys that the configuration names: the wanted one, and the former one
// where there is one.
func (n *Node) masters(ctx context.Context, cfg configs.Config, fresh bool) (m sessionstore.Masters, err error) {
	s := cfg.Security
	file := cmp.Or(s.MasterKeyFile, filepath.Join(cfg.DataDir, "master.key"))
	if s.ByPassphrase() {
		m.Current, err = n.passphrase(ctx, "security.passphrase_file", s.PassphraseFile)
	} else {
		m.Current, err = masterKey(file, cfg.External(), fresh)
	}
	if err != nil {
		return m, err
	}
	var former []*sessionstore.MasterKey
	if path := previous(s.PreviousMasterKeyFile, file); path != "" {
		key, err := sessionstore.LoadMasterKey(path, false)
		if err != nil {
			return m, fmt.Errorf("security.previous_master_key_file: %w", err)
		}
		former = append(former, key)
	}
	if path := previous(s.PreviousPassphraseFile, s.PassphraseFile); path != "" {
		key, err := n.passphrase(ctx, "security.previous_passphrase_file", path)
		if err != nil {
			return m, err
		}
		former = append(former, key)
	}
	for _, key := range former {
		if key.ID() != m.Current.ID() {
			m.Old = append(m.Old, key)
		}
	}
	return m, nil
}

// previous is the file of a former key: the given one, or the default one if there is such a file.
func previous(given, current string) string {
	if given != "" || current == "" {
		return given
	}
	if _, err := os.Stat(current + previousSuffix); err != nil {
		return ""
	}
	return current + previousSuffix
}

// masterKey reads the key that wraps all others. It is made only where nothing is sealed yet: a
// lost one is never papered over. The nodes of a cluster share one, which nobody can make for them.
func masterKey(path string, external, fresh bool) (*sessionstore.MasterKey, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && external {
		return nil, fleet.Errorf(fleet.CodeFailedPrecondition, "MASTER_KEY_MISSING", "security.master_key_file: there is no file %s", path).
			WithRemedy("copy it from another node; for a new cluster make it once: (umask 077; head -c 32 /dev/urandom > " + path + ")")
	}
	return sessionstore.LoadMasterKey(path, fresh)
}

// passphrase derives a master key from the passphrase in a file, or in the environment without one.
func (n *Node) passphrase(ctx context.Context, field, path string) (*sessionstore.MasterKey, error) {
	text := []byte(os.Getenv(configs.EnvPassphrase))
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		text = bytes.TrimRight(text, "\r\n")
	}
	defer clear(text)
	key, err := storeetcd.Passphrase(ctx, n.client, "", text)
	var told *fleet.Error
	if errors.As(err, &told) { // it knows what to do, but not where
		return nil, fleet.Errorf(told.Code, told.Reason, "%s: %w", field, err).WithRemedy(told.Remedy)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return key, nil
}

// guardian is the node's master keys as the API wants them.
type guardian struct {
	n   *Node
	cfg configs.Config
}

// RotateMasterKey implements control.Security.
func (g guardian) RotateMasterKey(ctx context.Context) (control.MasterRotation, error) {
	self := g.n.member.Node()
	out := control.MasterRotation{Node: self}
	masters, err := g.n.masters(ctx, g.cfg, false)
	if err != nil {
		return out, err
	}
	var live []string
	for _, node := range g.n.member.Nodes() {
		live = append(live, string(node.ID))
	}
	for _, ring := range g.n.rings() {
		r, err := ring.Rotate(ctx, masters, string(self), live)
		out.Master, out.Waiting, out.Rewrapped = r.Master, r.Waiting, out.Rewrapped+r.Rewrapped
		if err != nil {
			return out, err
		}
	}
	if len(out.Waiting) == 0 {
		g.n.log.Info("master key is current; the former ones may be taken away", "master_key", out.Master, "data_keys_rewrapped", out.Rewrapped)
	}
	return out, nil
}

// rings are the keyrings under the one master key: of the accounts, and of the webhooks.
func (n *Node) rings() []*storeetcd.Keyring { return []*storeetcd.Keyring{n.keys, n.hookKeys} }

// announceKeys tells the other nodes which master keys this one has.
func (n *Node) announceKeys(ctx context.Context) error {
	for _, ring := range n.rings() {
		if err := ring.Announce(ctx, string(n.member.Node())); err != nil {
			return err
		}
	}
	return nil
}
