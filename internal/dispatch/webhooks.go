package dispatch

import (
	"context"
	"crypto/cipher"
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/cluster/etcd"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/webhooks"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/backoff"
)

const (
	// postSlack is how much longer than a post its event may be out before it comes again.
	postSlack = 30 * time.Second
	// maxKeys is how many secrets a webhook has; the oldest are dropped.
	maxKeys = 10
	// noteTimeout bounds the recording of an attempt.
	noteTimeout = 5 * time.Second
	// kindTest is the kind of the event that a test posts.
	kindTest = "test"
)

// pumpPause is between the end of a pump by an error and the next one.
var pumpPause = backoff.Policy{Base: 200 * time.Millisecond, Max: 10 * time.Second, Factor: 2}

// storedKey is a secret as etcd keeps it.
type storedKey struct {
	Sealed  []byte    `json:"sealed"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
}

// serveWebhook posts the events of a webhook until ctx ends.
func (d *Dispatch) serveWebhook(ctx context.Context, w etcd.Work) {
	spec := new(v1.WebhookSpec)
	s, err := decode(w.Resource, spec)
	if err != nil {
		d.Logger.Error("webhook cannot be read; delete it or write it anew", "webhook", w.Name, "error", err.Error())
		return
	}
	opts, err := d.options(spec.GetSelect())
	if err != nil {
		d.Logger.Error("webhook is not served: change its spec", "webhook", w.Name, "error", err.Error())
		return
	}
	timeout := webhooks.DefaultTimeout
	if t := spec.GetTimeout(); t != nil {
		timeout = t.AsDuration()
	}
	opts.AckWait, opts.MaxDeliver = timeout+postSlack, int(spec.GetMaxDeliver())
	o := &open{
		log: d.Log, kind: "webhook", name: w.Name, id: s.ID, opts: opts, raw: spec.GetRaw(), check: w.Check, view: methods.NewView(d.Peers),
	}
	d.hold(&d.webhooks, o, func() {
		if !spec.GetPaused() && s.Disabled == "" {
			d.pump(ctx, o, s, webhooks.Hook{URL: spec.GetUrl(), Timeout: timeout, Concurrency: int(spec.GetConcurrency())})
		}
		<-ctx.Done()
	})
}

// pump posts until ctx ends or the webhook is disabled, beginning again after errors.
func (d *Dispatch) pump(ctx context.Context, o *open, s stored, hook webhooks.Hook) {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) //nolint:gosec // waits, no secrets
	p := &webhooks.Pump{
		Source: source{o}, Sender: d.poster, Check: o.check, Rand: random,
		Record: func(a *v1.DeliveryAttempt) { d.note(s.ID, a) },
	}
	for try := 0; ; try++ {
		began := time.Now()
		keys, err := d.unseal(ctx, s)
		if err == nil {
			hook.Keys = keys
			p.Hook = hook
			var reason string
			if reason, err = p.Run(ctx); reason != "" {
				err = d.disable(ctx, o.name, s.ID, reason)
				if err == nil {
					d.Logger.Warn("webhook is disabled; `orchestrator webhook enable` goes on", "webhook", o.name, "reason", reason)
					return
				}
			}
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > pumpPause.Max {
			try = 0
		}
		d.Logger.Warn("webhook begins again", "webhook", o.name, "error", fmt.Sprint(err))
		t := time.NewTimer(pumpPause.Next(try, random))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// source is an open consumer as a pump wants it.
type source struct{ *open }

// Fetch implements webhooks.Source.
func (s source) Fetch(ctx context.Context, limit int) ([]*v1.Delivery, error) {
	return s.fetch(ctx, limit)
}

// Ack implements webhooks.Source.
func (s source) Ack(ctx context.Context, ackID string) error {
	_, err := s.settle(ctx, methods.Ack, ackID, 0)
	return err
}

// Nak implements webhooks.Source.
func (s source) Nak(ctx context.Context, ackID string, delay time.Duration) error {
	_, err := s.settle(ctx, methods.Nak, ackID, delay)
	return err
}

// note records an attempt. One that cannot be stored is only logged: posting goes on.
func (d *Dispatch) note(id string, a *v1.DeliveryAttempt) {
	ctx, cancel := context.WithTimeout(context.Background(), noteTimeout)
	defer cancel()
	body, err := proto.Marshal(a)
	if err == nil {
		err = d.Log.Note(ctx, id, body)
	}
	if err != nil {
		d.Logger.Debug("attempt of a webhook is not recorded", "error", err.Error())
	}
}

// seal and unseal bind a secret to its webhook.
func sealData(id string) []byte { return []byte("orchestrator/webhook-secret/1\x00" + id) }

func (d *Dispatch) key(ctx context.Context, id string) (cipher.AEAD, error) {
	aead, err := d.Keys.DataKey(ctx, fleet.AccountID(id))
	if err != nil {
		return nil, fmt.Errorf("key of the webhook's secrets: %w", err)
	}
	return aead, nil
}

// newKey draws a secret and seals it.
func (d *Dispatch) newKey(ctx context.Context, id string) (storedKey, string, error) {
	aead, err := d.key(ctx, id)
	if err != nil {
		return storedKey{}, "", err
	}
	k := webhooks.NewKey(time.Now())
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(k.Secret)+aead.Overhead())
	if _, err := crand.Read(nonce); err != nil {
		return storedKey{}, "", fmt.Errorf("seal a secret: %w", err)
	}
	return storedKey{Sealed: aead.Seal(nonce, nonce, k.Secret, sealData(id)), Created: k.CreatedAt}, k.Text(), nil
}

func (d *Dispatch) unseal(ctx context.Context, s stored) ([]webhooks.Key, error) {
	aead, err := d.key(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	keys := make([]webhooks.Key, 0, len(s.Keys))
	for _, k := range s.Keys {
		n := aead.NonceSize()
		if len(k.Sealed) < n {
			return nil, fmt.Errorf("secret of the webhook is damaged: rotate it")
		}
		secret, err := aead.Open(nil, k.Sealed[:n], k.Sealed[n:], sealData(s.ID))
		if err != nil {
			return nil, fmt.Errorf("secret of the webhook does not open: rotate it")
		}
		keys = append(keys, webhooks.Key{Secret: secret, CreatedAt: k.Created, ExpiresAt: k.Expires})
	}
	return keys, nil
}

// change changes what is stored of a webhook beside its spec.
func (d *Dispatch) change(ctx context.Context, name string, change func(*stored) error) (etcd.Resource, error) {
	return d.webhooks.store.Change(ctx, name, func(value []byte) ([]byte, error) {
		s, err := decode(etcd.Resource{Name: name, Value: value}, new(v1.WebhookSpec))
		if err == nil {
			err = change(&s)
		}
		if err != nil {
			return nil, err
		}
		return json.Marshal(s)
	})
}

// disable stops a webhook, unless it is another one by now.
func (d *Dispatch) disable(ctx context.Context, name, id, reason string) error {
	_, err := d.change(ctx, name, func(s *stored) error {
		if s.ID == id {
			s.Disabled = reason
		}
		return nil
	})
	return err
}

// webhookStore implements control.Webhooks.
type webhookStore struct{ d *Dispatch }

// Create implements control.Webhooks.
func (w webhookStore) Create(ctx context.Context, webhook *v1.Webhook) (*v1.Webhook, string, error) {
	spec := webhook.GetSpec()
	if err := w.d.Policy.CheckURL(spec.GetUrl()); err != nil {
		return nil, "", err
	}
	s := stored{ID: newID("w-"), Created: time.Now().UTC().Truncate(time.Millisecond)}
	key, secret, err := w.d.newKey(ctx, s.ID)
	if err != nil {
		return nil, "", err
	}
	s.Keys = []storedKey{key}
	r, err := w.d.create(ctx, &w.d.webhooks, s, webhook.GetName(), spec.GetFrom(), spec)
	if err != nil {
		_ = w.d.Keys.Shred(context.WithoutCancel(ctx), fleet.AccountID(s.ID)) // a key that nothing uses does no harm
		return nil, "", err
	}
	out, err := w.view(ctx, r)
	return out, secret, err
}

// Get implements control.Webhooks.
func (w webhookStore) Get(ctx context.Context, name string) (*v1.Webhook, error) {
	r, err := w.d.webhooks.store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return w.view(ctx, r)
}

// List implements control.Webhooks.
func (w webhookStore) List(ctx context.Context) ([]*v1.Webhook, error) {
	return views(ctx, w.d.webhooks.store, w.view)
}

func (w webhookStore) view(ctx context.Context, r etcd.Resource) (*v1.Webhook, error) {
	spec := new(v1.WebhookSpec)
	s, err := decode(r, spec)
	if err != nil {
		return nil, err
	}
	status, err := w.d.status(ctx, &w.d.webhooks, r.Name, s.ID)
	out := &v1.Webhook{
		Name: r.Name, Spec: spec, Status: status, Disabled: s.Disabled,
		ResourceVersion: strconv.FormatInt(r.Version, 10), CreateTime: timestamppb.New(s.Created),
	}
	for _, k := range s.Keys {
		key := &v1.WebhookKey{CreateTime: timestamppb.New(k.Created)}
		if !k.Expires.IsZero() {
			key.ExpireTime = timestamppb.New(k.Expires)
		}
		out.Keys = append(out.Keys, key)
	}
	return out, err
}

// Update implements control.Webhooks. A new URL is a new start: it ends being disabled.
func (w webhookStore) Update(ctx context.Context, wanted *v1.Webhook) (*v1.Webhook, error) {
	if err := w.d.Policy.CheckURL(wanted.GetSpec().GetUrl()); err != nil {
		return nil, err
	}
	was := new(v1.WebhookSpec)
	r, s, err := w.d.current(ctx, &w.d.webhooks, wanted.GetName(), wanted.GetResourceVersion(), was)
	if err != nil {
		return nil, err
	}
	if was.GetUrl() != wanted.GetSpec().GetUrl() {
		s.Disabled = ""
	}
	if r.Value, err = encode(s, wanted.GetSpec()); err != nil {
		return nil, err
	}
	if r, err = w.d.webhooks.store.Update(ctx, r); err != nil {
		return nil, err
	}
	return w.view(ctx, r)
}

// Delete implements control.Webhooks.
func (w webhookStore) Delete(ctx context.Context, name string) error {
	s, err := w.d.delete(ctx, &w.d.webhooks, name, new(v1.WebhookSpec))
	if err != nil || s.ID == "" {
		return err
	}
	if err := w.d.Log.ForgetNotes(ctx, s.ID); err != nil {
		return err
	}
	return w.d.Keys.Shred(ctx, fleet.AccountID(s.ID))
}

// tools implements control.WebhookTools.
type tools struct{ d *Dispatch }

// Enable implements control.WebhookTools.
func (t tools) Enable(ctx context.Context, name string) (*v1.Webhook, error) {
	r, err := t.d.change(ctx, name, func(s *stored) error {
		s.Disabled = ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return webhookStore(t).view(ctx, r)
}

// Rotate implements control.WebhookTools.
func (t tools) Rotate(ctx context.Context, name string, keep time.Duration) (*v1.Webhook, string, error) {
	var secret string
	r, err := t.d.change(ctx, name, func(s *stored) error {
		key, text, err := t.d.newKey(ctx, s.ID)
		if err != nil {
			return err
		}
		secret = text
		s.Keys = rotated(s.Keys, key, keep)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	out, err := webhookStore(t).view(ctx, r)
	return out, secret, err
}

// rotated puts a key before the former ones, which end after keep at the latest.
func rotated(former []storedKey, key storedKey, keep time.Duration) []storedKey {
	keys := []storedKey{key}
	end := key.Created.Add(keep)
	for _, k := range former {
		if k.Expires.IsZero() || k.Expires.After(end) {
			k.Expires = end
		}
		if k.Expires.After(key.Created) && len(keys) < maxKeys {
			keys = append(keys, k)
		}
	}
	return keys
}

// find reads a webhook.
func (t tools) find(ctx context.Context, name string) (stored, *v1.WebhookSpec, error) {
	r, err := t.d.webhooks.store.Get(ctx, name)
	if err != nil {
		return stored{}, nil, err
	}
	spec := new(v1.WebhookSpec)
	s, err := decode(r, spec)
	return s, spec, err
}

// Test implements control.WebhookTools.
func (t tools) Test(ctx context.Context, name string) (*v1.DeliveryAttempt, error) {
	s, spec, err := t.find(ctx, name)
	if err != nil {
		return nil, err
	}
	keys, err := t.d.unseal(ctx, s)
	if err != nil {
		return nil, err
	}
	event := &v1.Event{Kind: kindTest, Id: newID("test-"), Time: timestamppb.Now()}
	id, body, err := webhooks.Message(event)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	a := t.d.poster.Do(ctx, webhooks.Post{URL: spec.GetUrl(), ID: id, Body: body, Keys: keys, Timeout: spec.GetTimeout().AsDuration()})
	attempt := webhooks.Attempt(event, id, 1, began, a)
	t.d.note(s.ID, attempt)
	return attempt, nil
}

// Attempts implements control.WebhookTools.
func (t tools) Attempts(ctx context.Context, name string, limit int) ([]*v1.DeliveryAttempt, error) {
	s, _, err := t.find(ctx, name)
	if err != nil {
		return nil, err
	}
	notes, err := t.d.Log.Notes(ctx, s.ID, limit)
	if err != nil {
		return nil, err
	}
	out := make([]*v1.DeliveryAttempt, 0, len(notes))
	for _, n := range notes {
		a := new(v1.DeliveryAttempt)
		if err := proto.Unmarshal(n.Body, a); err != nil {
			return nil, fmt.Errorf("read attempts of webhook %s: %w", name, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// Replay implements control.WebhookTools.
func (t tools) Replay(ctx context.Context, name string, to methods.Point) (string, error) {
	o, err := t.d.webhooks.find(name)
	if err != nil {
		return "", err
	}
	return o.seek(ctx, to)
}
