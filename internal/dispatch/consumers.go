package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/cluster/etcd"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
)

// stored is a consumer or webhook as etcd keeps it.
type stored struct {
	// ID is its name in the event log.
	ID      string          `json:"id"`
	Created time.Time       `json:"created"`
	Spec    json.RawMessage `json:"spec"`
	// Disabled and Keys are of webhooks only.
	Disabled string      `json:"disabled,omitempty"`
	Keys     []storedKey `json:"keys,omitempty"`
}

func decode(r etcd.Resource, spec proto.Message) (s stored, err error) {
	if err = json.Unmarshal(r.Value, &s); err == nil {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(s.Spec, spec)
	}
	if err != nil {
		return s, fmt.Errorf("read %s: %w", r.Name, err)
	}
	return s, nil
}

func encode(s stored, spec proto.Message) ([]byte, error) {
	var err error
	if s.Spec, err = protojson.Marshal(spec); err != nil {
		return nil, fmt.Errorf("encode spec: %w", err)
	}
	return json.Marshal(s)
}

// serveConsumer works on a consumer until ctx ends: callers fetch from it.
func (d *Dispatch) serveConsumer(ctx context.Context, w etcd.Work) {
	spec := new(v1.ConsumerSpec)
	s, err := decode(w.Resource, spec)
	if err != nil {
		d.Logger.Error("consumer cannot be read; delete it or write it anew", "consumer", w.Name, "error", err.Error())
		return
	}
	opts, err := d.options(spec.GetSelect())
	if err != nil {
		d.Logger.Error("consumer is not served: change its spec", "consumer", w.Name, "error", err.Error())
		return
	}
	opts.MaxInFlight, opts.MaxPerAccount = int(spec.GetMaxInFlight()), int(spec.GetMaxPerAccount())
	opts.AckWait, opts.MaxDeliver = spec.GetAckWait().AsDuration(), int(spec.GetMaxDeliver())
	o := &open{
		log: d.Log, kind: "consumer", name: w.Name, id: s.ID, opts: opts, raw: spec.GetRaw(), check: w.Check, view: methods.NewView(d.Peers),
	}
	d.hold(&d.consumers, o, func() { o.keepPlace(ctx) })
}

// hold makes an open consumer known for as long as run takes.
func (d *Dispatch) hold(k *kind, o *open, run func()) {
	k.put(o.name, o)
	run()
	k.drop(o.name)
	if err := o.close(); err != nil {
		d.Logger.Warn("place is not saved; the last events come again", k.name, o.name, "error", err.Error())
	}
}

// consumerStore implements control.Consumers.
type consumerStore struct{ d *Dispatch }

// Create implements control.Consumers.
func (c consumerStore) Create(ctx context.Context, consumer *v1.Consumer) (*v1.Consumer, error) {
	s := stored{ID: newID("c-"), Created: time.Now().UTC().Truncate(time.Millisecond)}
	r, err := c.d.create(ctx, &c.d.consumers, s, consumer.GetName(), consumer.GetSpec().GetFrom(), consumer.GetSpec())
	if err != nil {
		return nil, err
	}
	return c.view(ctx, r)
}

// create fixes the place of a consumer or webhook and stores it.
func (d *Dispatch) create(ctx context.Context, k *kind, s stored, name, from string, spec proto.Message) (etcd.Resource, error) {
	start, err := fromOf(ctx, d.Log, methods.Point{Position: from})
	if err != nil {
		return etcd.Resource{}, err
	}
	value, err := encode(s, spec)
	if err != nil {
		return etcd.Resource{}, err
	}
	if _, err := d.Log.SeekConsumer(ctx, s.ID, start); err != nil {
		return etcd.Resource{}, err
	}
	r, err := k.store.Create(ctx, name, value)
	if err != nil {
		_ = d.Log.DeleteConsumer(context.WithoutCancel(ctx), s.ID) // a place that nothing leads to does no harm
	}
	return r, err
}

// Get implements control.Consumers.
func (c consumerStore) Get(ctx context.Context, name string) (*v1.Consumer, error) {
	r, err := c.d.consumers.store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return c.view(ctx, r)
}

// List implements control.Consumers.
func (c consumerStore) List(ctx context.Context) ([]*v1.Consumer, error) {
	return views(ctx, c.d.consumers.store, c.view)
}

func views[T any](ctx context.Context, store *etcd.Resources, view func(context.Context, etcd.Resource) (T, error)) ([]T, error) {
	rs, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]T, 0, len(rs))
	for _, r := range rs {
		v, err := view(ctx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (c consumerStore) view(ctx context.Context, r etcd.Resource) (*v1.Consumer, error) {
	spec := new(v1.ConsumerSpec)
	s, err := decode(r, spec)
	if err != nil {
		return nil, err
	}
	status, err := c.d.status(ctx, &c.d.consumers, r.Name, s.ID)
	return &v1.Consumer{
		Name: r.Name, Spec: spec, Status: status, ResourceVersion: strconv.FormatInt(r.Version, 10), CreateTime: timestamppb.New(s.Created),
	}, err
}

// status is how far a consumer has come.
func (d *Dispatch) status(ctx context.Context, k *kind, name, id string) (*v1.ConsumerStatus, error) {
	out := &v1.ConsumerStatus{}
	if owner, err := k.duties.Owner(name); err == nil {
		out.Node = string(owner.Node)
	}
	at, err := d.Log.ConsumerStatus(ctx, id)
	if isUnknown(err) { // it is being deleted
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	last, err := d.Log.Last(ctx)
	if err != nil {
		return nil, err
	}
	out.Cursor, out.Behind = at.Cursor.String(), int32(at.Behind)
	out.Lag = int64(last.Seq) - int64(min(at.Cursor.Seq, last.Seq))
	return out, nil
}

// versionOf reads a resource version.
func versionOf(text string) (int64, error) {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v <= 0 {
		return 0, fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", "resource.resource_version: is none that was handed out (got %.80q)", text).
			WithRemedy("give it back exactly as it was sent")
	}
	return v, nil
}

// Update implements control.Consumers.
func (c consumerStore) Update(ctx context.Context, wanted *v1.Consumer) (*v1.Consumer, error) {
	r, s, err := c.d.current(ctx, &c.d.consumers, wanted.GetName(), wanted.GetResourceVersion(), new(v1.ConsumerSpec))
	if err != nil {
		return nil, err
	}
	if r.Value, err = encode(s, wanted.GetSpec()); err != nil {
		return nil, err
	}
	if r, err = c.d.consumers.store.Update(ctx, r); err != nil {
		return nil, err
	}
	return c.view(ctx, r)
}

// current reads a resource that is about to be replaced, and puts the version in that the change
// was made from.
func (d *Dispatch) current(ctx context.Context, k *kind, name, version string, spec proto.Message) (etcd.Resource, stored, error) {
	v, err := versionOf(version)
	if err != nil {
		return etcd.Resource{}, stored{}, err
	}
	r, err := k.store.Get(ctx, name)
	if err != nil {
		return r, stored{}, err
	}
	s, err := decode(r, spec)
	r.Version = v
	return r, s, err
}

// Delete implements control.Consumers.
func (c consumerStore) Delete(ctx context.Context, name string) error {
	_, err := c.d.delete(ctx, &c.d.consumers, name, new(v1.ConsumerSpec))
	return err
}

// delete removes a consumer or webhook, then its place: what was going on at it ends.
func (d *Dispatch) delete(ctx context.Context, k *kind, name string, spec proto.Message) (stored, error) {
	r, err := k.store.Get(ctx, name)
	if err != nil {
		return stored{}, err
	}
	s, err := decode(r, spec)
	if err := k.store.Delete(ctx, name); err != nil {
		return s, err
	}
	if err != nil { // it could not be read, and is gone
		return s, nil
	}
	return s, d.Log.DeleteConsumer(ctx, s.ID)
}

// deliveries implements control.Deliveries.
type deliveries struct{ d *Dispatch }

// Fetch implements control.Deliveries.
func (x deliveries) Fetch(ctx context.Context, consumer string, limit int) ([]*v1.Delivery, error) {
	o, err := x.d.consumers.find(consumer)
	if err != nil {
		return nil, err
	}
	return o.fetch(ctx, limit)
}

// Settle implements control.Deliveries.
func (x deliveries) Settle(ctx context.Context, consumer string, verb methods.Verb, ackIDs []string, delay time.Duration) ([]string, error) {
	o, err := x.d.consumers.find(consumer)
	if err != nil {
		return nil, err
	}
	var unknown []string
	for _, id := range ackIDs {
		known, err := o.settle(ctx, verb, id, delay)
		if err != nil {
			return unknown, err
		}
		if !known {
			unknown = append(unknown, id)
		}
	}
	return unknown, nil
}

// Seek implements control.Deliveries.
func (x deliveries) Seek(ctx context.Context, consumer string, to methods.Point) (string, error) {
	o, err := x.d.consumers.find(consumer)
	if err != nil {
		return "", err
	}
	return o.seek(ctx, to)
}

// DeadLetters implements control.Deliveries.
func (x deliveries) DeadLetters(ctx context.Context, name string, webhook bool, limit int) ([]*v1.Event, error) {
	k, spec := &x.d.consumers, proto.Message(new(v1.ConsumerSpec))
	if webhook {
		k, spec = &x.d.webhooks, new(v1.WebhookSpec)
	}
	r, err := k.store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	s, err := decode(r, spec)
	if err != nil {
		return nil, err
	}
	view := methods.NewView(x.d.Peers)
	var out []*v1.Event
	for r, err := range x.d.Log.DeadLetters(ctx, s.ID) {
		if err != nil && r.Seq == 0 {
			return nil, err
		}
		e := EventOf(r, err)
		e.Cursor = "" // a place among the dead letters, not in the log
		if out = append(out, view.Event(ctx, e, false)); len(out) == limit {
			break
		}
	}
	return out, nil
}

// Redeliver implements control.Deliveries.
func (x deliveries) Redeliver(ctx context.Context, name string, webhook bool, account fleet.AccountID, limit int) (int, error) {
	k := &x.d.consumers
	if webhook {
		k = &x.d.webhooks
	}
	o, err := k.find(name)
	if err != nil {
		return 0, err
	}
	return o.redeliver(ctx, account, limit)
}

func isUnknown(err error) bool { return err != nil && errors.Is(err, eventlog.ErrNotFound) }
