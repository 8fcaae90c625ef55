package client

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// CreateWebhook adds a webhook and returns the secret that its receiver checks signatures with; it
// is not shown again. Reasons: WEBHOOK_EXISTS, URL_REFUSED.
func (c *Client) CreateWebhook(ctx context.Context, name string, spec *v1.WebhookSpec) (webhook *v1.Webhook, secret string, err error) {
	reply, err := call(ctx, c, once, on(webhookService.CreateWebhook), &v1.CreateWebhookRequest{Name: name, Spec: spec})
	return reply.GetWebhook(), reply.GetSecret(), err
}

// GetWebhook reads a webhook. Reason: WEBHOOK_UNKNOWN.
func (c *Client) GetWebhook(ctx context.Context, name string) (*v1.Webhook, error) {
	reply, err := call(ctx, c, repeatable, on(webhookService.GetWebhook), &v1.GetWebhookRequest{Name: name})
	return reply.GetWebhook(), err
}

// Webhooks reads all webhooks, ordered by name.
func (c *Client) Webhooks(ctx context.Context) ([]*v1.Webhook, error) {
	reply, err := call(ctx, c, repeatable, on(webhookService.ListWebhooks), &v1.ListWebhooksRequest{})
	return reply.GetWebhooks(), err
}

// UpdateWebhook replaces the spec of a webhook as it was read: its resource version must still
// hold, else reason CONFLICT. Place and secrets are kept.
func (c *Client) UpdateWebhook(ctx context.Context, webhook *v1.Webhook) (*v1.Webhook, error) {
	reply, err := call(ctx, c, once, on(webhookService.UpdateWebhook), &v1.UpdateWebhookRequest{Resource: webhook})
	return reply.GetWebhook(), err
}

// DeleteWebhook removes a webhook with its place, secrets, deliveries and dead letters.
func (c *Client) DeleteWebhook(ctx context.Context, name string) error {
	_, err := call(ctx, c, once, on(webhookService.DeleteWebhook), &v1.DeleteWebhookRequest{Name: name})
	return err
}

// EnableWebhook goes on with a webhook that was disabled by the answer 410.
func (c *Client) EnableWebhook(ctx context.Context, name string) (*v1.Webhook, error) {
	reply, err := call(ctx, c, repeatable, on(webhookService.EnableWebhook), &v1.EnableWebhookRequest{Name: name})
	return reply.GetWebhook(), err
}

// RotateWebhookSecret makes a new secret; the former ones stay in use for keep.
func (c *Client) RotateWebhookSecret(ctx context.Context, name string, keep time.Duration) (webhook *v1.Webhook, secret string, err error) {
	reply, err := call(ctx, c, once, on(webhookService.RotateWebhookSecret), &v1.RotateWebhookSecretRequest{Name: name, Keep: durationpb.New(keep)})
	return reply.GetWebhook(), reply.GetSecret(), err
}

// TestWebhook posts an event of type `test` once. How that ended is the result, not an error.
func (c *Client) TestWebhook(ctx context.Context, name string) (*v1.DeliveryAttempt, error) {
	reply, err := call(ctx, c, once, on(webhookService.TestWebhook), &v1.TestWebhookRequest{Name: name})
	return reply.GetAttempt(), err
}

// WebhookDeliveries reads the latest attempts of a webhook, the newest first; limit 0 = 100.
func (c *Client) WebhookDeliveries(ctx context.Context, name string, limit int) ([]*v1.DeliveryAttempt, error) {
	reply, err := call(ctx, c, repeatable, on(webhookService.ListDeliveries), &v1.ListDeliveriesRequest{Name: name, Limit: int32(limit)})
	return reply.GetAttempts(), err
}

// ReplayWebhook moves a webhook's place and returns it: events behind it are posted, whatever was
// delivered.
func (c *Client) ReplayWebhook(ctx context.Context, name string, from *v1.ReplayPoint) (cursor string, err error) {
	reply, err := call(ctx, c, repeatable, on(webhookService.ReplayWebhook), &v1.ReplayWebhookRequest{Webhook: name, From: from})
	return reply.GetCursor(), err
}

// RedeliverWebhook posts the oldest dead letters of a webhook again, by the rules of RedeliverDeadLetters.
func (c *Client) RedeliverWebhook(ctx context.Context, webhook, account string, limit int) (int, error) {
	reply, err := call(ctx, c, repeatable, on(webhookService.RedeliverWebhook), &v1.RedeliverWebhookRequest{Webhook: webhook, OfAccount: account, Limit: int32(limit)})
	return int(reply.GetRedelivered()), err
}
