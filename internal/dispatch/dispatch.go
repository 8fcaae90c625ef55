// Package dispatch runs consumers and webhooks on a node. It joins the event log, the division of
// work among the nodes, the consumers and webhooks as resources, and the pump that posts.
//
// # Usage
//
//	d := dispatch.New(dispatch.Config{Log: log, Client: etcd, Member: member, ...})
//	go d.Run(ctx)             // in a group that waits for it
//	server.Dispatch = d.API() // of control.Config
//
// # Concurrency
//
// A Dispatch is safe for concurrent use. Run starts all goroutines and waits for them. A consumer
// costs one goroutine; a webhook those of its posts besides.
//
// # Errors
//
// What a caller can act on is a *fleet.Error. NOT_OWNER says that another node works on the
// consumer, or nobody for a moment.
package dispatch

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/telefleet/orchestrator/cluster/etcd"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/webhooks"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Keyring makes the keys that seal the secrets of webhooks.
type Keyring interface {
	DataKey(ctx context.Context, id fleet.AccountID) (cipher.AEAD, error)
	Shred(ctx context.Context, id fleet.AccountID) error
}

// Config is what a Dispatch needs. All fields but TLS are needed.
type Config struct {
	Log    *eventlog.Log
	Client *etcd.Client
	Member *etcd.Member
	// Keys are for webhooks only; their ids are none of accounts.
	Keys Keyring
	// Peers are those of an account, nil when it does not run here.
	Peers func(ctx context.Context, account fleet.AccountID) telegram.Peers
	// Policy is where webhooks may lead.
	Policy webhooks.Policy
	// TLS names what webhooks trust besides the system's authorities; nil for nothing.
	TLS    *tls.Config
	Logger hclog.Logger
}

// Dispatch runs consumers and webhooks.
type Dispatch struct {
	Config
	poster    *webhooks.Poster
	consumers kind
	webhooks  kind
}

// kind is the consumers, or the webhooks.
type kind struct {
	name   string // consumer, webhook
	store  *etcd.Resources
	duties *etcd.Duties

	mu   sync.Mutex
	open map[string]*open // that this node works on
}

// New makes a Dispatch that does nothing until Run.
func New(cfg Config) *Dispatch {
	d := &Dispatch{Config: cfg, poster: webhooks.NewPoster(cfg.Policy, cfg.TLS)}
	for _, k := range []*kind{&d.consumers, &d.webhooks} {
		k.name = "consumer"
		if k == &d.webhooks {
			k.name = "webhook"
		}
		k.store = etcd.NewResources(cfg.Client, "", k.name, cfg.Logger)
		k.duties = cfg.Member.Duties(k.store)
		k.open = make(map[string]*open)
	}
	return d
}

// Run works on what falls to this node until ctx ends.
func (d *Dispatch) Run(ctx context.Context) error {
	defer d.poster.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.consumers.duties.Run(ctx, d.serveConsumer) })
	group.Go(func() error { return d.webhooks.duties.Run(ctx, d.serveWebhook) })
	return group.Wait()
}

// API is what the API server needs.
func (d *Dispatch) API() *control.Dispatch {
	return &control.Dispatch{
		Consumers: consumerStore{d}, Deliveries: deliveries{d}, Webhooks: webhookStore{d}, Tools: tools{d},
		ConsumerOwners: owners{d.consumers.duties}, WebhookOwners: owners{d.webhooks.duties},
	}
}

// Labels are those of accounts, for whoever selects by them.
func (d *Dispatch) Labels() methods.Labels { return d.Member.Labels }

// owners is who works on what, as the API's router wants it.
type owners struct{ duties *etcd.Duties }

// Owner implements control.Owners.
func (o owners) Owner(name fleet.AccountID) (control.Owner, error) {
	owner, err := o.duties.Owner(string(name))
	return control.Owner{Node: owner.Node, Address: owner.Address}, err
}

// WaitOwner implements control.Owners.
func (o owners) WaitOwner(ctx context.Context, name fleet.AccountID) (control.Owner, error) {
	owner, err := o.duties.WaitOwner(ctx, string(name))
	return control.Owner{Node: owner.Node, Address: owner.Address}, err
}

// find is what this node works on.
func (k *kind) find(name string) (*open, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if o := k.open[name]; o != nil {
		return o, nil
	}
	return nil, notHere(k.name, name)
}

func notHere(kind, name string) error {
	return fleet.Errorf(fleet.CodeUnavailable, "NOT_OWNER", "%s %s is not worked on by this node", kind, name).
		WithRemedy("repeat the call in a moment")
}

func (k *kind) put(name string, o *open) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[name] = o
}

func (k *kind) drop(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, name)
}

// newID draws the name of something new in the event log: unlike names that people choose, it is
// never used again.
func newID(prefix string) string {
	var b [12]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(fmt.Sprintf("draw an id: %v", err)) // crypto/rand never fails
	}
	return prefix + hex.EncodeToString(b[:])
}
