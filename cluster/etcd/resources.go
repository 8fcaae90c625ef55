package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/fleet"
)

// Resources keeps named values of one kind, such as consumers, under a directory of their own.
// What the values mean is the caller's.
type Resources struct {
	client *clientv3.Client
	kind   string
	dir    string
	rows   *table[[]byte]
}

// Resource is one named value.
type Resource struct {
	Name  string
	Value []byte
	// Version changes with every write.
	Version int64
}

// NewResources keeps values under <prefix><kind>s/<name>. Run follows them.
func NewResources(client *clientv3.Client, prefix, kind string, log hclog.Logger) *Resources {
	dir := prefix + kind + "s/"
	keep := func(_ string, value []byte) ([]byte, error) { return bytes.Clone(value), nil }
	return &Resources{client: client, kind: kind, dir: dir, rows: newTable(client, log, dir, keep, ignore[[]byte])}
}

// Run keeps the watched copy up to date until ctx ends.
func (r *Resources) Run(ctx context.Context) { r.rows.follow(ctx) }

// Watched is the watched copy, whether there is one yet, and a channel that is closed at the next
// change.
func (r *Resources) Watched() (map[string]Resource, bool, <-chan struct{}) {
	rows, rev, changed := r.rows.snapshot()
	out := make(map[string]Resource, len(rows))
	for name, row := range rows {
		out[name] = Resource{Name: name, Value: row.value, Version: row.mod}
	}
	return out, rev > 0, changed
}

// Create stores a new value; CodeAlreadyExists when there is one of that name.
func (r *Resources) Create(ctx context.Context, name string, value []byte) (Resource, error) {
	key := r.dir + name
	resp, err := r.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(value))).Commit()
	if err != nil {
		return Resource{}, fmt.Errorf("create %s %s: %w", r.kind, name, err)
	}
	if !resp.Succeeded {
		return Resource{}, fleet.Errorf(fleet.CodeAlreadyExists, r.reason("EXISTS"), "%s: %s exists already", r.kind, name).
			WithRemedy("choose another name, or change the existing one")
	}
	return Resource{Name: name, Value: value, Version: resp.Header.Revision}, nil
}

// Get reads one value; CodeNotFound.
func (r *Resources) Get(ctx context.Context, name string) (Resource, error) {
	resp, err := r.client.Get(ctx, r.dir+name)
	if err != nil {
		return Resource{}, fmt.Errorf("read %s %s: %w", r.kind, name, err)
	}
	if len(resp.Kvs) == 0 {
		return Resource{}, r.unknown(name)
	}
	return Resource{Name: name, Value: resp.Kvs[0].Value, Version: resp.Kvs[0].ModRevision}, nil
}

// List reads all values in the order of their names.
func (r *Resources) List(ctx context.Context) ([]Resource, error) {
	kvs, _, err := list(ctx, r.client, r.dir)
	if err != nil {
		return nil, err
	}
	out := make([]Resource, len(kvs))
	for i, kv := range kvs {
		out[i] = Resource{Name: strings.TrimPrefix(string(kv.Key), r.dir), Value: kv.Value, Version: kv.ModRevision}
	}
	return out, nil
}

// Update replaces a value that still has the version given; reason CONFLICT with CodeAborted when
// it has changed, CodeNotFound when it is gone.
func (r *Resources) Update(ctx context.Context, next Resource) (Resource, error) {
	key := r.dir + next.Name
	resp, err := r.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", next.Version), clientv3.Compare(clientv3.CreateRevision(key), ">", 0)).
		Then(clientv3.OpPut(key, string(next.Value))).
		Else(clientv3.OpGet(key, clientv3.WithCountOnly())).Commit()
	switch {
	case err != nil:
		return Resource{}, fmt.Errorf("update %s %s: %w", r.kind, next.Name, err)
	case resp.Succeeded:
		next.Version = resp.Header.Revision
		return next, nil
	case resp.Responses[0].GetResponseRange().Count == 0:
		return Resource{}, r.unknown(next.Name)
	}
	return Resource{}, fleet.Errorf(fleet.CodeAborted, "CONFLICT", "%s: %s has changed since it was read", r.kind, next.Name).
		WithRemedy("read it again, make the change, and send it with the new resource_version")
}

// Change reads a value, changes it and writes it, again when it was changed meanwhile.
func (r *Resources) Change(ctx context.Context, name string, change func(value []byte) ([]byte, error)) (Resource, error) {
	for {
		is, err := r.Get(ctx, name)
		if err != nil {
			return is, err
		}
		next := is
		if next.Value, err = change(is.Value); err != nil || bytes.Equal(next.Value, is.Value) {
			return is, err
		}
		stored, err := r.Update(ctx, next)
		if !errors.Is(err, &fleet.Error{Reason: "CONFLICT"}) {
			return stored, err
		}
	}
}

// Delete removes a value, whatever its version; CodeNotFound.
func (r *Resources) Delete(ctx context.Context, name string) error {
	resp, err := r.client.Delete(ctx, r.dir+name)
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", r.kind, name, err)
	}
	if resp.Deleted == 0 {
		return r.unknown(name)
	}
	return nil
}

func (r *Resources) reason(what string) string { return strings.ToUpper(r.kind) + "_" + what }

func (r *Resources) unknown(name string) error {
	return fleet.Errorf(fleet.CodeNotFound, r.reason("UNKNOWN"), "%s: there is none of this name (got %q)", r.kind, name).
		WithRemedy("see `orchestrator " + r.kind + " list`")
}
