package consuming

import (
	"context"
	"errors"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/methods"
)

// Limits of webhooks.
const (
	maxConcurrency = 64
	minPostTimeout = time.Second
	maxPostTimeout = time.Minute
	defaultKeep    = 24 * time.Hour
	maxKeep        = 30 * 24 * time.Hour
	maxAttempts    = 500
)

// webhooksOf is what serves webhooks, or why nothing does.
func webhooksOf(h *methods.Host) (methods.Webhooks, methods.WebhookTools, error) {
	if h.Webhooks == nil || h.Tools == nil {
		return nil, nil, methods.Unsupported("webhooks")
	}
	return h.Webhooks, h.Tools, nil
}

func checkWebhookSpec(s *v1.WebhookSpec) error {
	timeout := minPostTimeout
	if t := s.GetTimeout(); t != nil {
		timeout = t.AsDuration()
	}
	return errors.Join(
		checkSelect(s.GetSelect()),
		checkRange("spec.concurrency", s.GetConcurrency(), 0, maxConcurrency),
		checkRange("spec.max_deliver", s.GetMaxDeliver(), 0, maxDeliver),
		checkRange("spec.timeout", timeout, minPostTimeout, maxPostTimeout),
	)
}

func createWebhook(ctx context.Context, host *methods.Host, req *v1.CreateWebhookRequest) (*v1.CreateWebhookReply, error) {
	webhooks, _, err := webhooksOf(host)
	if err == nil {
		err = errors.Join(methods.CheckName("name", req.GetName()), checkWebhookSpec(req.GetSpec()))
	}
	if err != nil {
		return nil, err
	}
	stored, secret, err := webhooks.Create(ctx, &v1.Webhook{Name: req.GetName(), Spec: orEmpty(req.GetSpec())})
	if err != nil {
		return nil, err
	}
	return &v1.CreateWebhookReply{Webhook: stored, Secret: secret}, nil
}

// toolsOf is webhooksOf for a webhook whose name can be one.
func toolsOf(h *methods.Host, name string) (methods.Webhooks, methods.WebhookTools, error) {
	webhooks, tools, err := webhooksOf(h)
	if err == nil {
		err = methods.CheckName("name", name)
	}
	return webhooks, tools, err
}

func getWebhook(ctx context.Context, host *methods.Host, req *v1.GetWebhookRequest) (*v1.GetWebhookReply, error) {
	webhooks, _, err := toolsOf(host, req.GetName())
	if err != nil {
		return nil, err
	}
	w, err := webhooks.Get(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &v1.GetWebhookReply{Webhook: w}, nil
}

func listWebhooks(ctx context.Context, host *methods.Host, _ *v1.ListWebhooksRequest) (*v1.ListWebhooksReply, error) {
	webhooks, _, err := webhooksOf(host)
	if err != nil {
		return nil, err
	}
	list, err := webhooks.List(ctx)
	if err != nil {
		return nil, err
	}
	return &v1.ListWebhooksReply{Webhooks: list}, nil
}

func updateWebhook(ctx context.Context, host *methods.Host, req *v1.UpdateWebhookRequest) (*v1.UpdateWebhookReply, error) {
	wanted := req.GetResource()
	webhooks, _, err := toolsOf(host, wanted.GetName())
	if err == nil {
		err = errors.Join(checkVersion(wanted.GetResourceVersion()), checkWebhookSpec(wanted.GetSpec()))
	}
	if err != nil {
		return nil, err
	}
	stored, err := webhooks.Update(ctx, &v1.Webhook{Name: wanted.GetName(), Spec: orEmpty(wanted.GetSpec()), ResourceVersion: wanted.GetResourceVersion()})
	if err != nil {
		return nil, err
	}
	return &v1.UpdateWebhookReply{Webhook: stored}, nil
}

func deleteWebhook(ctx context.Context, host *methods.Host, req *v1.DeleteWebhookRequest) (*v1.DeleteWebhookReply, error) {
	webhooks, _, err := toolsOf(host, req.GetName())
	if err == nil {
		err = webhooks.Delete(ctx, req.GetName())
	}
	if err != nil {
		return nil, err
	}
	return &v1.DeleteWebhookReply{}, nil
}

func enableWebhook(ctx context.Context, host *methods.Host, req *v1.EnableWebhookRequest) (*v1.EnableWebhookReply, error) {
	_, tools, err := toolsOf(host, req.GetName())
	if err != nil {
		return nil, err
	}
	w, err := tools.Enable(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &v1.EnableWebhookReply{Webhook: w}, nil
}

func rotateWebhookSecret(ctx context.Context, host *methods.Host, req *v1.RotateWebhookSecretRequest) (*v1.RotateWebhookSecretReply, error) {
	_, tools, err := toolsOf(host, req.GetName())
	keep := defaultKeep
	if k := req.GetKeep(); k != nil {
		keep = k.AsDuration()
	}
	if err == nil {
		err = checkRange("keep", keep, 0, maxKeep)
	}
	if err != nil {
		return nil, err
	}
	w, secret, err := tools.Rotate(ctx, req.GetName(), keep)
	if err != nil {
		return nil, err
	}
	return &v1.RotateWebhookSecretReply{Webhook: w, Secret: secret}, nil
}

func testWebhook(ctx context.Context, host *methods.Host, req *v1.TestWebhookRequest) (*v1.TestWebhookReply, error) {
	_, tools, err := toolsOf(host, req.GetName())
	if err != nil {
		return nil, err
	}
	attempt, err := tools.Test(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &v1.TestWebhookReply{Attempt: attempt}, nil
}

func listDeliveries(ctx context.Context, host *methods.Host, req *v1.ListDeliveriesRequest) (*v1.ListDeliveriesReply, error) {
	_, tools, err := toolsOf(host, req.GetName())
	if err == nil {
		err = checkRange("limit", req.GetLimit(), 0, maxAttempts)
	}
	if err != nil {
		return nil, err
	}
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultFetch
	}
	attempts, err := tools.Attempts(ctx, req.GetName(), limit)
	if err != nil {
		return nil, err
	}
	return &v1.ListDeliveriesReply{Attempts: attempts}, nil
}

func replayWebhook(ctx context.Context, host *methods.Host, req *v1.ReplayWebhookRequest) (*v1.ReplayWebhookReply, error) {
	_, tools, err := webhooksOf(host)
	if err != nil {
		return nil, err
	}
	to, err := pointOf(req.GetFrom())
	if err != nil {
		return nil, err
	}
	cursor, err := tools.Replay(ctx, req.GetWebhook(), to)
	if err != nil {
		return nil, err
	}
	return &v1.ReplayWebhookReply{Cursor: cursor}, nil
}
