package methods

import (
	"context"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
)

// Consumers keeps consumers as resources. Reasons CONSUMER_UNKNOWN with CodeNotFound,
// CONSUMER_EXISTS with CodeAlreadyExists, CONFLICT with CodeAborted.
type Consumers interface {
	// Create stores a new consumer of which name and spec are given, and fixes its place.
	Create(ctx context.Context, c *v1.Consumer) (*v1.Consumer, error)
	// Get reads one consumer.
	Get(ctx context.Context, name string) (*v1.Consumer, error)
	// List reads all consumers in the order of their names.
	List(ctx context.Context) ([]*v1.Consumer, error)
	// Update replaces the spec of a consumer that still has the resource version given.
	Update(ctx context.Context, c *v1.Consumer) (*v1.Consumer, error)
	// Delete removes a consumer and what is stored of it.
	Delete(ctx context.Context, name string) error
}

// Deliveries hands out the events of the consumers that this node works on; reason NOT_OWNER when
// it does not.
type Deliveries interface {
	// Fetch waits for events and takes at most limit, in the contract's form.
	Fetch(ctx context.Context, consumer string, limit int) ([]*v1.Delivery, error)
	// Settle does what verb says with each delivery and returns those that are not out.
	Settle(ctx context.Context, consumer string, verb Verb, ackIDs []string, delay time.Duration) (unknown []string, err error)
	// Seek moves the place of a consumer and returns it.
	Seek(ctx context.Context, consumer string, to Point) (cursor string, err error)
	// DeadLetters reads the oldest events that a consumer or webhook gave up, at any node.
	DeadLetters(ctx context.Context, name string, webhook bool, limit int) ([]*v1.Event, error)
	// Redeliver puts dead letters back, of one account or of all, and returns how many.
	Redeliver(ctx context.Context, name string, webhook bool, account fleet.AccountID, limit int) (int, error)
}

// Verb is what is done with a delivery.
type Verb uint8

// The verbs of Deliveries.Settle.
const (
	Ack  Verb = iota // it is settled
	Nak              // it comes again, after the delay
	Keep             // it gets more time
)

// Point is a place in the log: Time when it is set, else Position (a cursor, or Begin).
type Point struct {
	Position string
	Time     time.Time
}

// Webhooks keeps webhooks as resources. Reasons WEBHOOK_UNKNOWN with CodeNotFound, WEBHOOK_EXISTS
// with CodeAlreadyExists, CONFLICT with CodeAborted, URL_REFUSED with CodeInvalidArgument.
type Webhooks interface {
	// Create stores a new webhook of which name and spec are given, and makes its secret.
	Create(ctx context.Context, w *v1.Webhook) (stored *v1.Webhook, secret string, err error)
	// Get reads one webhook.
	Get(ctx context.Context, name string) (*v1.Webhook, error)
	// List reads all webhooks in the order of their names.
	List(ctx context.Context) ([]*v1.Webhook, error)
	// Update replaces the spec of a webhook that still has the resource version given.
	Update(ctx context.Context, w *v1.Webhook) (*v1.Webhook, error)
	// Delete removes a webhook and what is stored of it.
	Delete(ctx context.Context, name string) error
}

// WebhookTools is what else can be done with webhooks.
type WebhookTools interface {
	// Enable goes on with a webhook that was disabled.
	Enable(ctx context.Context, name string) (*v1.Webhook, error)
	// Rotate makes a new secret; the former ones stay in use for keep.
	Rotate(ctx context.Context, name string, keep time.Duration) (stored *v1.Webhook, secret string, err error)
	// Test posts an event of kind test.
	Test(ctx context.Context, name string) (*v1.DeliveryAttempt, error)
	// Attempts reads the latest posts, newest first.
	Attempts(ctx context.Context, name string, limit int) ([]*v1.DeliveryAttempt, error)
	// Replay moves the place of a webhook that this node works on, and returns it.
	Replay(ctx context.Context, name string, to Point) (cursor string, err error)
}
