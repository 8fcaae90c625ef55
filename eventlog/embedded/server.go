// Package embedded runs a NATS server with JetStream inside the process.
//
// # Usage
//
// Start a Server on a directory, Connect to it as often as needed, Shutdown at the end. Without
// Config.Listen no socket is opened.
//
// # Concurrency
//
// A Server is safe for concurrent use. Shutdown waits for the server's goroutines.
//
// # Errors
//
// ErrInUse when another process holds the directory.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// ErrInUse: another process has the directory.
var ErrInUse = errors.New("embedded nats: directory is in use by another process")

// storeLimit is what JetStream believes it may use. The real guards are the streams' own limits
// and the event log's check of free space; NATS' default (a share of the disk at start) would
// refuse streams on small disks.
const storeLimit = 1 << 50

// maxMemory bounds memory streams, of which we use none.
const maxMemory = 64 << 20

// startTimeout bounds the recovery of the store at a start.
const startTimeout = 2 * time.Minute

// Config of a Server.
type Config struct {
	// Dir holds the store; created if missing.
	Dir string
	// Name of the server; default "orchestrator".
	Name string
	// Listen is host:port for other processes; empty: in-process connections only.
	Listen string
	// SyncInterval is how often the store syncs to disk; default 1 s. SyncAlways syncs each write.
	SyncInterval time.Duration
	SyncAlways   bool
	// Logger gets warnings and errors; notices go to debug. Default none.
	Logger hclog.Logger
}

// Server is a running NATS server.
type Server struct {
	srv  *server.Server
	cfg  Config
	lock *os.File
}

// Start runs a server on cfg.Dir and returns when it takes connections.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Name == "" {
		cfg.Name = "orchestrator"
	}
	if cfg.SyncInterval == 0 {
		cfg.SyncInterval = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	srv, err := start(ctx, cfg)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &Server{srv: srv, cfg: cfg, lock: lock}, nil
}

func start(ctx context.Context, cfg Config) (*server.Server, error) {
	opts := &server.Options{
		ServerName:             cfg.Name,
		DontListen:             cfg.Listen == "",
		JetStream:              true,
		StoreDir:               cfg.Dir,
		JetStreamMaxStore:      storeLimit,
		JetStreamMaxMemory:     maxMemory,
		SyncInterval:           cfg.SyncInterval,
		SyncAlways:             cfg.SyncAlways,
		NoSigs:                 true,
		NoLog:                  true,
		DisableJetStreamBanner: true,
	}
	if cfg.Listen != "" {
		host, port, err := net.SplitHostPort(cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("embedded nats: listen: must be host:port (got %q): %w", cfg.Listen, err)
		}
		opts.Host = host
		if opts.Port, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("embedded nats: listen: port must be a number (got %q): %w", port, err)
		}
		if opts.Port == 0 {
			opts.Port = server.RANDOM_PORT
		}
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	log := &logger{log: cfg.Logger, fatal: make(chan string, 1)}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	for end := time.Now().Add(startTimeout); !srv.ReadyForConnections(100 * time.Millisecond); {
		select {
		case why := <-log.fatal:
			stop(srv)
			return nil, fmt.Errorf("embedded nats: %s", why)
		default:
		}
		if ctx.Err() != nil || time.Now().After(end) || !srv.Running() {
			stop(srv)
			return nil, errors.Join(fmt.Errorf("embedded nats: store %s did not become ready", cfg.Dir), ctx.Err())
		}
	}
	return srv, nil
}

// lockDir holds an advisory lock for the life of the process, so that it needs no clean-up.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	return f, nil
}

// Addr is the address that Listen was bound to, empty without Listen.
func (s *Server) Addr() string {
	if a := s.srv.Addr(); a != nil {
		return a.String()
	}
	return ""
}

// Connect opens an in-process connection.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect("", append([]nats.Option{nats.InProcessServer(s.srv)}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: connect: %w", err)
	}
	return nc, nil
}

// Failed says why the store takes no more: after a write error, a full disk for example, the server gives
// the stream up, answers no append to it and goes on so when there is space again. nil when all is well.
func (s *Server) Failed() error {
	if h := s.srv.Healthz(nil); h.Error != "" {
		return fmt.Errorf("embedded nats: %s", h.Error)
	}
	return nil
}

// Reopen opens a store that has failed anew: the streams are what is on the disk. Connections stay; what
// is under way is not answered. It may be repeated.
func (s *Server) Reopen() error {
	if err := s.srv.ShutdownJetStream(); err != nil {
		return fmt.Errorf("embedded nats: close the store: %w", err)
	}
	err := s.srv.EnableJetStream(&server.JetStreamConfig{
		StoreDir: s.cfg.Dir, MaxStore: storeLimit, MaxMemory: maxMemory, SyncInterval: s.cfg.SyncInterval, SyncAlways: s.cfg.SyncAlways,
	})
	if err != nil {
		return fmt.Errorf("embedded nats: open the store: %w", err)
	}
	return s.Failed()
}

// Shutdown stops the server, which syncs its store, and frees the directory.
func (s *Server) Shutdown() {
	stop(s.srv)
	s.lock.Close()
}

func stop(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// logger carries the server's lines to hclog. Notices are debug: they tell of ordinary starts.
type logger struct {
	log   hclog.Logger
	fatal chan string // the first reason
}

func (l *logger) Noticef(f string, v ...any) { l.log.Debug(fmt.Sprintf(f, v...)) }
func (l *logger) Warnf(f string, v ...any)   { l.log.Warn(fmt.Sprintf(f, v...)) }
func (l *logger) Errorf(f string, v ...any)  { l.log.Error(fmt.Sprintf(f, v...)) }
func (l *logger) Debugf(f string, v ...any)  { l.log.Trace(fmt.Sprintf(f, v...)) }
func (l *logger) Tracef(f string, v ...any)  { l.log.Trace(fmt.Sprintf(f, v...)) }

// Fatalf does not end the process: start fails instead.
func (l *logger) Fatalf(f string, v ...any) {
	why := fmt.Sprintf(f, v...)
	l.log.Error(why)
	select {
	case l.fatal <- why:
	default:
	}
}
