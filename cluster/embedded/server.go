package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"

	"github.com/telefleet/orchestrator/fleet"
)

// Our choices for a server of one member.
const (
	// defaultQuota is the largest size that etcd recommends.
	defaultQuota = 8 << 30
	// tick and election are short because a single member waits for nobody: it elects
	// itself within 250 ms. Shorter ticks would only wake an idle machine more often.
	tick     = 50 * time.Millisecond
	election = 5 * tick
	// compaction keeps history for watchers that were away for a moment.
	compaction = "10m"
	// peerURL is never dialled nor listened on: the one member has no peers.
	peerURL = "http://localhost:0"
)

// Config of an embedded server.
type Config struct {
	// Dir is the data directory; etcd uses its subdirectory etcd.
	Dir string
	// Lock is the lock on Dir that the caller holds. When it is nil, Start takes one and
	// Close gives it back.
	Lock *DirLock
	// Log gets etcd's warnings and errors; at trace level everything.
	Log hclog.Logger
	// Listen makes the server reachable by other processes: unix:///path or
	// http://127.0.0.1:0 (a free port is taken). There is no authentication: whoever can
	// connect can do anything. Empty: only Client reaches it.
	Listen string
	// QuotaBytes limits the database; 0 is 8 GiB.
	QuotaBytes int64
	// UnsafeNoFsync loses data when the machine stops. For tests and the demo only.
	UnsafeNoFsync bool
}

// Server is a running etcd.
type Server struct {
	etcd   *embed.Etcd
	client *clientv3.Client
	lock   *DirLock // nil when the caller has it
	// closing is known to the log of the server.
	closing atomic.Bool
}

// Start starts etcd and waits until it answers.
func Start(ctx context.Context, cfg Config) (s *Server, err error) {
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	s = &Server{}
	if cfg.Lock == nil {
		if s.lock, err = Lock(cfg.Dir); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			s.Close()
			s = nil
		}
	}()
	ec, err := etcdConfig(cfg, &s.closing)
	if err != nil {
		return s, err
	}
	if s.etcd, err = startEtcd(ec); err != nil {
		return s, fleet.Errorf(fleet.CodeDataLoss, "ETCD_START", "start etcd in %s: %w", ec.Dir, err).
			WithRemedy("free disk space if it is full; else restore that directory from a backup, keeping a copy of it as it is")
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
	case err := <-s.etcd.Err():
		return s, fmt.Errorf("start etcd in %s: %w", ec.Dir, err)
	case <-s.etcd.Server.StopNotify():
		return s, fmt.Errorf("start etcd in %s: stopped at once", ec.Dir)
	case <-ctx.Done():
		return s, fmt.Errorf("start etcd in %s: %w", ec.Dir, ctx.Err())
	}
	s.client = v3client.New(s.etcd.Server)
	return s, nil
}

func etcdConfig(cfg Config, closing *atomic.Bool) (*embed.Config, error) {
	ec := embed.NewConfig()
	ec.Dir = filepath.Join(cfg.Dir, "etcd")
	if err := os.MkdirAll(ec.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: create: %w", err)
	}
	ec.Name = "node"
	peer, err := url.Parse(peerURL)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", peerURL, err)
	}
	ec.ListenPeerUrls, ec.AdvertisePeerUrls = nil, []url.URL{*peer}
	// etcd derives its cluster id from the token at the first start: a database that was
	// lost and made anew must not look like the old one.
	ec.InitialClusterToken = rand.Text()
	ec.InitialCluster = ec.InitialClusterFromName(ec.Name)
	ec.ListenClientUrls, ec.AdvertiseClientUrls = nil, []url.URL{*peer}
	if cfg.Listen != "" {
		listen, err := url.Parse(cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		ec.ListenClientUrls = []url.URL{*listen}
	}
	ec.TickMs, ec.ElectionMs = uint(tick.Milliseconds()), uint(election.Milliseconds())
	ec.PreVote = false
	ec.QuotaBackendBytes = defaultQuota
	if cfg.QuotaBytes > 0 {
		ec.QuotaBackendBytes = cfg.QuotaBytes
	}
	ec.AutoCompactionMode, ec.AutoCompactionRetention = embed.CompactorModePeriodic, compaction
	ec.UnsafeNoFsync = cfg.UnsafeNoFsync
	ec.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zapLogger(cfg.Log, closing))
	return ec, nil
}

// startEtcd turns etcd's panics on damaged data into errors.
func startEtcd(ec *embed.Config) (e *embed.Etcd, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, err = nil, fmt.Errorf("its data cannot be read: %v", r)
		}
	}()
	return embed.StartEtcd(ec)
}

// Client calls the server without a socket. It is closed by Close.
func (s *Server) Client() *clientv3.Client { return s.client }

// Endpoint is where the server listens, for clientv3.Config; empty without Config.Listen.
func (s *Server) Endpoint() string {
	if len(s.etcd.Clients) == 0 {
		return ""
	}
	addr := s.etcd.Clients[0].Addr()
	if addr.Network() == "unix" {
		return "unix://" + addr.String()
	}
	return addr.String()
}

// Err reports a server that stopped by itself: the process should end.
func (s *Server) Err() <-chan error { return s.etcd.Err() }

// Close stops the server after all who use Client have stopped.
func (s *Server) Close() error {
	var errs []error
	if s.client != nil {
		if err := s.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("close etcd client: %w", err))
		}
	}
	s.closing.Store(true)
	if s.etcd != nil {
		s.etcd.Close()
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
