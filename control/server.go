package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

// Defaults and limits of ours.
const (
	// DefaultMaxMessage is the largest request: a raw call of 1 MiB and its wrapping fit well.
	DefaultMaxMessage = 4 << 20
	// DefaultTimeout bounds calls that set no deadline: flood waits up to the account's
	// threshold (60 s) are part of a call.
	DefaultTimeout = 2 * time.Minute
	maxReply       = 64 << 20         // 10,000 messages of history
	maxHeader      = 64 << 10         //
	headerTimeout  = 10 * time.Second // a client that connects and says nothing
	idleTimeout    = 2 * time.Minute
	quiet          = 100 * time.Millisecond // without calls, before connections of nodes are closed
	quietLooks     = 5
	maxStreams     = 1000 // concurrent calls of one HTTP/2 connection
)

// Config is what a Server needs.
type Config struct {
	// Listen is host:port; port 0 takes a free one. Other than loopback addresses need TLS and
	// Tokens.
	Listen string
	// TLS, when set, is served instead of clear text.
	TLS *tls.Config
	// Tokens, when set, open the API; nobody else gets in.
	Tokens Tokens
	// Cluster makes this node one of several; nil for one that is alone.
	Cluster *Cluster
	// Owners knows which node runs which account; nil: by what their statuses say.
	Owners Owners
	// Node is this node's name, to tell its accounts from those of others.
	Node     string
	Fleet    Fleet
	Accounts Accounts
	// Watcher and Nodes may be nil: their methods then answer UNIMPLEMENTED.
	Watcher AccountWatcher
	Nodes   Nodes
	Events  Events
	// Joined says why this node takes no calls now, by errors of reason NODE_FENCED; nil: it always
	// does. It is asked before each call.
	Joined func() error
	// Proxies and ProxyTester may be nil too.
	Proxies     Proxies
	ProxyTester ProxyTester
	// Requests remembers commands by their request_id; nil: a request_id is refused.
	Requests Requests
	// Security looks after the master key; nil: it cannot be rotated here.
	Security Security
	// KeyHolder names the account that has an auth key, empty for none; nil: InspectSession does
	// not tell.
	KeyHolder func(ctx context.Context, key sessionstore.KeyID) (fleet.AccountID, error)
	// Dispatch is what runs consumers and webhooks; nil: their methods answer UNIMPLEMENTED.
	Dispatch *Dispatch
	// Labels finds accounts' labels, for subscriptions with a selector; nil: they are refused.
	Labels Labels
	Log    hclog.Logger
	// MaxMessage is the largest request in bytes; 0 = DefaultMaxMessage.
	MaxMessage int
	// Timeout bounds unary calls; 0 = DefaultTimeout.
	Timeout time.Duration
	// Methods replace those of package methods; for tests.
	Methods []methods.Method

	wait  time.Duration // ownerWait; shorter in tests
	links links         // defaultLinks; shorter in tests
}

// Dispatch is what runs consumers and webhooks. All fields are needed.
type Dispatch struct {
	Consumers  Consumers
	Deliveries Deliveries
	Webhooks   Webhooks
	Tools      WebhookTools
	// ConsumerOwners and WebhookOwners know which node works on which, by name.
	ConsumerOwners, WebhookOwners Owners
}

// Cluster is how the nodes reach each other: the same API on a second listener, which takes only
// clients with a certificate of the cluster.
type Cluster struct {
	// Listener takes the other nodes' connections; see Listen. The Server closes it.
	Listener net.Listener
	// Server is this node as others find it: TLS 1.3, ClientAuth RequireAndVerifyClientCert.
	Server *tls.Config
	// Client is how it goes to others.
	Client *tls.Config
}

func (c *Cluster) validate() error {
	switch {
	case c.Listener == nil || c.Server == nil || c.Client == nil:
		return errors.New("control: Cluster needs Listener, Server and Client")
	case c.Server.ClientAuth != tls.RequireAndVerifyClientCert || c.Server.ClientCAs == nil:
		return errors.New("control: Cluster.Server must ask for certificates of the cluster's own authority")
	case c.Server.MinVersion < tls.VersionTLS13 || c.Client.MinVersion < tls.VersionTLS13:
		return errors.New("control: Cluster needs TLS 1.3")
	case c.Client.RootCAs == nil || c.Client.InsecureSkipVerify:
		return errors.New("control: Cluster.Client must verify other nodes by the cluster's own authority")
	}
	return nil
}

// Server is the control API on one port, and on a second one for other nodes.
type Server struct {
	cfg     Config
	http    *http.Server
	peers   *http.Server // nil without Config.Cluster
	forward *forwarder   // nil without Config.Cluster
	// peerCalls is how many calls of other nodes run.
	peerCalls atomic.Int64
	health    *grpchealth.StaticChecker
	services  []string
	draining  chan struct{}
	drain     sync.Once
	done      chan struct{} // closed when serving has ended
	failure   error         // why it ended; read after done

	mu      sync.Mutex
	started bool
}

// NewServer checks the configuration and builds a server that does not listen yet.
func NewServer(cfg Config) (*Server, error) {
	if cfg.Fleet == nil || cfg.Accounts == nil || cfg.Events == nil {
		return nil, errors.New("control: Fleet, Accounts and Events are required")
	}
	if err := checkListen(cfg.Listen, cfg.TLS != nil && len(cfg.Tokens) > 0); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	if cfg.MaxMessage <= 0 {
		cfg.MaxMessage = DefaultMaxMessage
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Methods == nil {
		cfg.Methods = Methods()
	}
	if cfg.Owners == nil {
		cfg.Owners = reported{fleet: cfg.Fleet, accounts: cfg.Accounts, node: cfg.Node}
	}
	if cfg.Joined == nil {
		cfg.Joined = func() error { return nil }
	}
	if cfg.wait <= 0 {
		cfg.wait = ownerWait
	}
	if cfg.links == (links{}) {
		cfg.links = defaultLinks
	}
	s := &Server{cfg: cfg, draining: make(chan struct{}), done: make(chan struct{})}
	if c := cfg.Cluster; c != nil {
		if err := c.validate(); err != nil {
			return nil, err
		}
		s.forward = newForwarder(cfg.Node, c.Client, cfg.links)
	}
	mux := s.mux()
	s.http = s.endpoint(guard(mux, cfg.Tokens), cfg.TLS, http.HTTP2Config{MaxConcurrentStreams: maxStreams})
	if c := cfg.Cluster; c != nil {
		s.peers = s.endpoint(counted(fromPeer(mux), &s.peerCalls), c.Server, http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, SendPingTimeout: cfg.links.ping, PingTimeout: cfg.links.pong,
		})
	}
	return s, nil
}

// endpoint is one port's server.
func (s *Server) endpoint(handler http.Handler, config *tls.Config, http2 http.HTTP2Config) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(config == nil)
	return &http.Server{
		Handler: handler, TLSConfig: config, Protocols: &protocols, HTTP2: &http2,
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: s.cfg.Log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
}

// mux mounts the methods, health and reflection.
func (s *Server) mux() *http.ServeMux {
	home := &homes{s.cfg.Fleet}
	d := &dispatcher{
		host: &methods.Host{
			Env: home.env, Peers: home.peers, Accounts: s.cfg.Accounts, Watcher: s.cfg.Watcher, Nodes: s.cfg.Nodes,
			Events: s.cfg.Events, Requests: s.cfg.Requests, Labels: s.cfg.Labels, KeyHolder: s.cfg.KeyHolder, Security: s.cfg.Security,
			Proxies: s.cfg.Proxies, ProxyTester: s.cfg.ProxyTester,
		},
		joined: s.cfg.Joined, routers: s.routers(), forward: s.forward,
		log: s.cfg.Log, timeout: s.cfg.Timeout, draining: s.draining,
	}
	if x := s.cfg.Dispatch; x != nil {
		d.host.Consumers, d.host.Deliveries, d.host.Webhooks, d.host.Tools = x.Consumers, x.Deliveries, x.Webhooks, x.Tools
	}
	opts := []connect.HandlerOption{connect.WithReadMaxBytes(s.cfg.MaxMessage), connect.WithSendMaxBytes(maxReply)}
	for _, c := range codecs {
		opts = append(opts, connect.WithCodec(c))
	}
	mux := http.NewServeMux()
	for _, m := range s.cfg.Methods {
		mux.Handle(m.Procedure(), d.handler(m, opts...))
		if service := string(m.Descriptor.Parent().FullName()); !slices.Contains(s.services, service) {
			s.services = append(s.services, service)
		}
	}
	exchange := newExchange(d, s.cfg.Methods)
	mux.Handle(exchangeProcedure, exchange.handler(opts...))
	mux.Handle(batchProcedure, batch{exchange}.handler(opts...))
	s.services = append(s.services, orchestratorv1connect.ControlServiceName, orchestratorv1connect.BatchServiceName)
	slices.Sort(s.services)
	s.health = grpchealth.NewStaticChecker(s.services...)
	mux.Handle(grpchealth.NewHandler(health{s.health, s.cfg.Joined}))
	reflector := grpcreflect.NewStaticReflector(append(slices.Clone(s.services), grpchealth.HealthV1ServiceName)...)
	mux.Handle(grpcreflect.NewHandlerV1(reflector))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector))
	mux.HandleFunc("/", unknown)
	return mux
}

// routers are what brings calls to the nodes that own what they name.
func (s *Server) routers() map[string]*router {
	add := func(what string, local func(fleet.AccountID) bool, exists func(context.Context, fleet.AccountID) error, owners Owners) *router {
		return &router{what: what, local: local, exists: exists, owners: owners, node: s.cfg.Node, wait: s.cfg.wait}
	}
	here := func(owners Owners) func(fleet.AccountID) bool {
		return func(id fleet.AccountID) bool {
			owner, err := owners.Owner(id)
			return err == nil && string(owner.Node) == s.cfg.Node
		}
	}
	routers := map[string]*router{byAccount: add(byAccount, s.cfg.Fleet.Local, func(ctx context.Context, id fleet.AccountID) error {
		_, err := s.cfg.Accounts.Get(ctx, id)
		return err
	}, s.cfg.Owners)}
	if x := s.cfg.Dispatch; x != nil {
		routers[byConsumer] = add(byConsumer, here(x.ConsumerOwners), func(ctx context.Context, id fleet.AccountID) error {
			_, err := x.Consumers.Get(ctx, string(id))
			return err
		}, x.ConsumerOwners)
		routers[byWebhook] = add(byWebhook, here(x.WebhookOwners), func(ctx context.Context, id fleet.AccountID) error {
			_, err := x.Webhooks.Get(ctx, string(id))
			return err
		}, x.WebhookOwners)
	}
	return routers
}

// unknown answers calls of methods that do not exist.
func unknown(w http.ResponseWriter, r *http.Request) {
	errs := connect.NewErrorWriter()
	if !errs.IsSupported(r) {
		http.NotFound(w, r)
		return
	}
	err := fleet.Errorf(fleet.CodeUnimplemented, "METHOD_UNKNOWN", "there is no method %s", r.URL.Path).
		WithRemedy("list the methods by reflection, or update the node")
	_ = errs.Write(w, r, toConnect(err))
}

// Start listens and serves until Shutdown. It returns the address once calls are taken; an
// occupied port is an error.
func (s *Server) Start() (net.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return nil, errors.New("control: the server was started before")
	}
	l, err := Listen(context.Background(), "api.listen", s.cfg.Listen)
	if err != nil {
		return nil, err
	}
	s.started = true
	ended := make(chan error, 2)
	serving := 1
	go func() { ended <- serve(s.http, l) }()
	if s.peers != nil {
		serving = 2
		go func() { ended <- serve(s.peers, s.cfg.Cluster.Listener) }()
	}
	go func() { // ends with Shutdown, which waits for it
		defer close(s.done)
		for range serving {
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) && s.failure == nil {
				s.failure = fmt.Errorf("serve api: %w", err)
				s.cfg.Log.Error("api stopped serving", "error", err)
				_ = s.closeAll() // one port without the other is no node
			}
		}
	}()
	return l.Addr(), nil
}

func serve(server *http.Server, l net.Listener) error {
	if server.TLSConfig != nil {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}

// closeAll cuts everything off.
func (s *Server) closeAll() error {
	err := s.http.Close()
	if s.peers != nil {
		err = errors.Join(err, s.peers.Close())
	}
	return err
}

// Done is closed when the server no longer serves; Err then says why.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is why serving ended by itself; nil after Shutdown. Valid once Done is closed.
func (s *Server) Err() error { return s.failure }

// health is what probes are told.
type health struct {
	*grpchealth.StaticChecker
	joined func() error
}

// Check implements grpchealth.Checker: a node that takes no calls does not serve.
func (h health) Check(ctx context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	res, err := h.StaticChecker.Check(ctx, req)
	if err == nil && h.joined() != nil {
		res = &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}
	}
	return res, err
}

// Shutdown refuses new calls, ends streams with UNAVAILABLE, lets unary calls finish until ctx
// ends, and then closes what is left. It may be called more than once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	started := s.started
	s.mu.Unlock()
	if !started {
		return nil
	}
	s.drain.Do(func() {
		for _, service := range append([]string{""}, s.services...) {
			s.health.SetStatus(service, grpchealth.StatusNotServing)
		}
		close(s.draining)
	})
	peers := make(chan error, 1)
	go func() { peers <- s.shutdownPeers(ctx) }()
	err := errors.Join(s.http.Shutdown(ctx), <-peers)
	if err != nil {
		err = errors.Join(fmt.Errorf("shut down api: %w", err), s.closeAll())
	}
	<-s.done
	if s.forward != nil {
		s.forward.close()
	}
	return err
}

// shutdownPeers is Shutdown for the port of the other nodes. They keep their connections open,
// and HTTP/2 takes a second or two to talk them out of it: once no call has run for a moment the
// connections are closed.
func (s *Server) shutdownPeers(ctx context.Context) error {
	if s.peers == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.peers.Shutdown(ctx) }()
	look := time.NewTicker(quiet / quietLooks)
	defer look.Stop()
	for idle := 0; idle < quietLooks; idle++ {
		select {
		case err := <-ended:
			return err
		case <-look.C:
			if s.peerCalls.Load() > 0 {
				idle = -1
			}
		}
	}
	err := s.peers.Close()
	cancel()
	if cut := <-ended; !errors.Is(cut, context.Canceled) {
		err = errors.Join(err, cut)
	}
	return err
}

// counted counts the calls that run.
func counted(next http.Handler, calls *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		defer calls.Add(-1)
		next.ServeHTTP(w, r)
	})
}
