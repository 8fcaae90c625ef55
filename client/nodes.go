package client

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/fleet"
)

// node is one address with the services behind it.
type node struct {
	address  string
	services []any // one client for each service; on finds them
	fleet    orchestratorv1connect.FleetServiceClient
	auth     orchestratorv1connect.AuthServiceClient
	messages orchestratorv1connect.MessageServiceClient
	chats    orchestratorv1connect.ChatServiceClient
	media    orchestratorv1connect.MediaServiceClient
	dialogs  orchestratorv1connect.DialogServiceClient
	events   orchestratorv1connect.EventServiceClient
	health   *connect.Client[wrapperspb.StringValue, wrapperspb.Int32Value]

	// Guarded by pool.mu.
	failures int       // in a row
	rest     time.Time // until when it is left alone
}

// The services by short names, for on.
type (
	authService      = orchestratorv1connect.AuthServiceClient
	botService       = orchestratorv1connect.BotServiceClient
	chatService      = orchestratorv1connect.ChatServiceClient
	consumerService  = orchestratorv1connect.ConsumerServiceClient
	dialogService    = orchestratorv1connect.DialogServiceClient
	fleetService     = orchestratorv1connect.FleetServiceClient
	mediaService     = orchestratorv1connect.MediaServiceClient
	messageService   = orchestratorv1connect.MessageServiceClient
	peerService      = orchestratorv1connect.PeerServiceClient
	proxyService     = orchestratorv1connect.ProxyServiceClient
	rawService       = orchestratorv1connect.RawServiceClient
	reactionService  = orchestratorv1connect.ReactionServiceClient
	scheduledService = orchestratorv1connect.ScheduledServiceClient
	searchService    = orchestratorv1connect.SearchServiceClient
	securityService  = orchestratorv1connect.SecurityServiceClient
	sessionService   = orchestratorv1connect.SessionServiceClient
	userService      = orchestratorv1connect.UserServiceClient
	webhookService   = orchestratorv1connect.WebhookServiceClient
)

// on is a method of a service, to be called at a node: on(messageService.SendMessage).
func on[S, Req, Rep any](method func(S, context.Context, *Req) (*Rep, error)) func(*node) func(context.Context, *Req) (*Rep, error) {
	return func(n *node) func(context.Context, *Req) (*Rep, error) {
		for _, s := range n.services {
			if s, ok := s.(S); ok {
				return func(ctx context.Context, req *Req) (*Rep, error) { return method(s, ctx, req) }
			}
		}
		panic("a node without this service") // for mistakes of this package
	}
}

// maxReply is the largest answer that is taken: the nodes' own limit.
const maxReply = 64 << 20

func newNode(h connect.HTTPClient, address string) *node {
	opts := connect.WithClientOptions(connect.WithReadMaxBytes(maxReply), connect.WithInterceptors(naming{}))
	n := &node{
		address:  address,
		fleet:    orchestratorv1connect.NewFleetServiceClient(h, address, opts),
		auth:     orchestratorv1connect.NewAuthServiceClient(h, address, opts),
		messages: orchestratorv1connect.NewMessageServiceClient(h, address, opts),
		chats:    orchestratorv1connect.NewChatServiceClient(h, address, opts),
		media:    orchestratorv1connect.NewMediaServiceClient(h, address, opts),
		dialogs:  orchestratorv1connect.NewDialogServiceClient(h, address, opts),
		events:   orchestratorv1connect.NewEventServiceClient(h, address, opts),
		// HealthCheckRequest{string service = 1} and HealthCheckResponse{ServingStatus status = 1}
		// of grpc.health.v1 have the wire form of these two.
		health: connect.NewClient[wrapperspb.StringValue, wrapperspb.Int32Value](h, address+"/grpc.health.v1.Health/Check", opts),
	}
	n.services = []any{
		n.fleet, n.auth, n.messages, n.chats, n.media, n.dialogs, n.events,
		orchestratorv1connect.NewUserServiceClient(h, address, opts),
		orchestratorv1connect.NewPeerServiceClient(h, address, opts),
		orchestratorv1connect.NewSearchServiceClient(h, address, opts),
		orchestratorv1connect.NewBotServiceClient(h, address, opts),
		orchestratorv1connect.NewRawServiceClient(h, address, opts),
		orchestratorv1connect.NewSessionServiceClient(h, address, opts),
		orchestratorv1connect.NewSecurityServiceClient(h, address, opts),
		orchestratorv1connect.NewReactionServiceClient(h, address, opts),
		orchestratorv1connect.NewScheduledServiceClient(h, address, opts),
		orchestratorv1connect.NewConsumerServiceClient(h, address, opts),
		orchestratorv1connect.NewWebhookServiceClient(h, address, opts),
		orchestratorv1connect.NewProxyServiceClient(h, address, opts),
	}
	return n
}

// serving is ServingStatus.SERVING of grpc.health.v1.
const serving = 1

// check asks whether the node takes calls.
func (n *node) check(ctx context.Context) error {
	reply, err := n.health.CallUnary(ctx, connect.NewRequest(&wrapperspb.StringValue{}))
	if err != nil {
		return err
	}
	if reply.Msg.GetValue() != serving {
		return &Error{
			Code: fleet.CodeUnavailable, Reason: ReasonNotServing, Message: "node " + n.address + " takes no calls",
			Remedy: "it shuts down or starts: call another node, or try again in a moment",
		}
	}
	return nil
}

// pool orders the nodes: the current one first, those that failed lately last.
type pool struct {
	mu      sync.Mutex
	nodes   []*node
	current int
}

// How long a node is left alone after a failure.
const (
	restBase = time.Second
	restMax  = 15 * time.Second
)

// pick is the node to try next, nil when all were tried. Nodes that rest are tried only when no
// other is left.
func (p *pool) pick(now time.Time, tried map[*node]bool) *node {
	p.mu.Lock()
	defer p.mu.Unlock()
	var resting *node
	for i := range p.nodes {
		n := p.nodes[(p.current+i)%len(p.nodes)]
		switch {
		case tried[n]:
		case !now.Before(n.rest):
			return n
		case resting == nil || n.rest.Before(resting.rest):
			resting = n
		}
	}
	return resting
}

// answered notes that a node works and stays with it.
func (p *pool) answered(n *node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.failures, n.rest = 0, time.Time{}
	for i, m := range p.nodes {
		if m == n {
			p.current = i
		}
	}
}

// failed lets a node rest.
func (p *pool) failed(now time.Time, n *node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.rest = now.Add(jitter(restBase, restMax, n.failures))
	n.failures++
}

// jitter is a random wait: the upper half of min(limit, base * 2^attempt).
func jitter(base, limit time.Duration, attempt int) time.Duration {
	ceiling := limit
	if attempt < 16 {
		ceiling = min(limit, base<<attempt)
	}
	return ceiling/2 + rand.N(ceiling/2+1)
}
