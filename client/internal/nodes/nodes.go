// Package nodes is the addresses of a client: the services of the API at each, and which one is to be
// called next.
//
// # Usage
//
//	pool := nodes.NewPool(http, addresses)
//	n := pool.Pick(time.Now(), nil)
//	reply, err := n.Messages.SendMessage(nodes.WithCall(ctx, &nodes.Call{ID: id}), req)
//	pool.Answered(n)
//
// # Concurrency
//
// All may be used by any goroutine, but for a Call, which is of one call.
//
// # Errors
//
// Errors are those of connect-go; ErrNotServing says that a node runs and takes no calls.
package nodes

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
)

// Node is one address with the services behind it.
type Node struct {
	Address  string
	services []any // one client for each service; Service finds them
	Fleet    orchestratorv1connect.FleetServiceClient
	Auth     orchestratorv1connect.AuthServiceClient
	Messages orchestratorv1connect.MessageServiceClient
	Chats    orchestratorv1connect.ChatServiceClient
	Media    orchestratorv1connect.MediaServiceClient
	Dialogs  orchestratorv1connect.DialogServiceClient
	Events   orchestratorv1connect.EventServiceClient
	Batches  orchestratorv1connect.BatchServiceClient
	health   *connect.Client[wrapperspb.StringValue, wrapperspb.Int32Value]

	// Guarded by Pool.mu.
	failures int       // in a row
	rest     time.Time // until when it is left alone
}

// Service finds the client of a service, such as orchestratorv1connect.MessageServiceClient; false when
// there is none.
func Service[S any](n *Node) (S, bool) {
	for _, s := range n.services {
		if s, ok := s.(S); ok {
			return s, true
		}
	}
	var none S
	return none, false
}

// maxReply is the largest answer that is taken: the nodes' own limit.
const maxReply = 64 << 20

func newNode(h connect.HTTPClient, address string) *Node {
	opts := connect.WithClientOptions(connect.WithReadMaxBytes(maxReply), connect.WithInterceptors(naming{}))
	n := &Node{
		Address:  address,
		Fleet:    orchestratorv1connect.NewFleetServiceClient(h, address, opts),
		Auth:     orchestratorv1connect.NewAuthServiceClient(h, address, opts),
		Messages: orchestratorv1connect.NewMessageServiceClient(h, address, opts),
		Chats:    orchestratorv1connect.NewChatServiceClient(h, address, opts),
		Media:    orchestratorv1connect.NewMediaServiceClient(h, address, opts),
		Dialogs:  orchestratorv1connect.NewDialogServiceClient(h, address, opts),
		Events:   orchestratorv1connect.NewEventServiceClient(h, address, opts),
		Batches:  orchestratorv1connect.NewBatchServiceClient(h, address, opts),
		// HealthCheckRequest{string service = 1} and HealthCheckResponse{ServingStatus status = 1}
		// of grpc.health.v1 have the wire form of these two.
		health: connect.NewClient[wrapperspb.StringValue, wrapperspb.Int32Value](h, address+"/grpc.health.v1.Health/Check", opts),
	}
	n.services = []any{
		n.Fleet, n.Auth, n.Messages, n.Chats, n.Media, n.Dialogs, n.Events,
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

// ErrNotServing says that a node runs and takes no calls.
var ErrNotServing = errors.New("the node takes no calls")

// Check asks whether the node takes calls.
func (n *Node) Check(ctx context.Context) error {
	reply, err := n.health.CallUnary(ctx, connect.NewRequest(&wrapperspb.StringValue{}))
	if err != nil {
		return err
	}
	if reply.Msg.GetValue() != serving {
		return ErrNotServing
	}
	return nil
}

// Pool orders the nodes: the current one first, those that failed lately last.
type Pool struct {
	mu      sync.Mutex
	nodes   []*Node
	current int
}

// NewPool makes the nodes at the addresses; any may be the first, so that many clients spread over them.
func NewPool(h connect.HTTPClient, addresses []string) *Pool {
	p := &Pool{current: rand.IntN(len(addresses))}
	for _, a := range addresses {
		p.nodes = append(p.nodes, newNode(h, a))
	}
	return p
}

// Prefer makes the node at an address the next, if it is well.
func (p *Pool) Prefer(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, n := range p.nodes {
		if n.Address == address {
			p.current = i
		}
	}
}

// How long a node is left alone after a failure, at first and at most.
const (
	RestBase = time.Second
	RestMax  = 15 * time.Second
)

// Pick is the node to try next, nil when all were tried. Nodes that rest are tried only when no
// other is left.
func (p *Pool) Pick(now time.Time, tried map[*Node]bool) *Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	var resting *Node
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

// Answered notes that a node works and stays with it.
func (p *Pool) Answered(n *Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.failures, n.rest = 0, time.Time{}
	for i, m := range p.nodes {
		if m == n {
			p.current = i
		}
	}
}

// Failed lets a node rest.
func (p *Pool) Failed(now time.Time, n *Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.rest = now.Add(Jitter(RestBase, RestMax, n.failures))
	n.failures++
}

// Jitter is a random wait: the upper half of min(limit, base * 2^attempt).
func Jitter(base, limit time.Duration, attempt int) time.Duration {
	ceiling := limit
	if attempt < 16 {
		ceiling = min(limit, base<<attempt)
	}
	return ceiling/2 + rand.N(ceiling/2+1)
}
