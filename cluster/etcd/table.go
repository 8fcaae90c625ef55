package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// pageSize keeps one answer of a listing below 1 MiB.
	pageSize = 1000
	// listTimeout bounds one page when etcd does not answer.
	listTimeout = 10 * time.Second
	// relistPause is the first pause before listing again after an error; it doubles up to
	// maxRelistPause.
	relistPause    = 50 * time.Millisecond
	maxRelistPause = 2 * time.Second
)

// row is one key of a table.
type row[T any] struct {
	value       T
	create, mod int64
	lease       clientv3.LeaseID
}

// table is the watched copy of all keys under a prefix. It is listed, then watched from the
// next revision, and listed again after any error or compaction.
type table[T any] struct {
	client *clientv3.Client
	log    hclog.Logger
	prefix string
	decode func(key string, value []byte) (T, error)
	// onChange is told of each change, from the goroutine that follows: nil for absent.
	onChange func(key string, was, is *row[T])
	// onList, where it is set, is told after each listing, from the same goroutine.
	onList func()

	mu      sync.RWMutex
	rows    map[string]row[T]
	rev     int64         // all changes up to here are known
	changed chan struct{} // closed and replaced at each change
}

func newTable[T any](c *clientv3.Client, log hclog.Logger, prefix string,
	decode func(string, []byte) (T, error), onChange func(key string, was, is *row[T]),
) *table[T] {
	return &table[T]{
		client: c, log: log, prefix: prefix, decode: decode, onChange: onChange,
		rows: make(map[string]row[T]), changed: make(chan struct{}),
	}
}

// get returns one row.
func (t *table[T]) get(key string) (row[T], bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	r, ok := t.rows[key]
	return r, ok
}

// look returns one row and the revision up to which it is known, both of one moment: a row that is
// absent and a revision that was read later would say that the row was deleted.
func (t *table[T]) look(key string) (r row[T], ok bool, rev int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	r, ok = t.rows[key]
	return r, ok, t.rev
}

// snapshot returns all rows, the revision up to which they are known (0: never listed),
// and a channel that is closed at the next change.
func (t *table[T]) snapshot() (map[string]row[T], int64, <-chan struct{}) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return maps.Clone(t.rows), t.rev, t.changed
}

// state returns the revision and the channel of snapshot without the rows.
func (t *table[T]) state() (int64, <-chan struct{}) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rev, t.changed
}

// waitRev waits until all changes up to rev, which must be one of this table, are known.
func (t *table[T]) waitRev(ctx context.Context, rev int64) error {
	for {
		known, changed := t.state()
		if known >= rev {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follow keeps the table up to date until ctx ends.
func (t *table[T]) follow(ctx context.Context) {
	wait := relistPause
	for {
		began := time.Now()
		err := t.listAndWatch(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxRelistPause {
			wait = relistPause
		}
		t.log.Debug("listing again", "prefix", t.prefix, "error", err)
		pause(ctx, wait/2+rand.N(wait))
		wait = min(2*wait, maxRelistPause)
	}
}

func (t *table[T]) listAndWatch(ctx context.Context) error {
	kvs, rev, err := list(ctx, t.client, t.prefix)
	if err != nil {
		return err
	}
	t.reset(kvs, rev)
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for resp := range t.client.Watch(ctx, t.prefix, clientv3.WithPrefix(), clientv3.WithRev(rev+1)) {
		if err := resp.Err(); err != nil {
			return fmt.Errorf("watch %s: %w", t.prefix, err)
		}
		t.apply(resp.Events)
	}
	return errors.New("watch ended")
}

// list reads all keys under a prefix at one revision, in pages.
func list(ctx context.Context, c *clientv3.Client, prefix string) ([]*mvccpb.KeyValue, int64, error) {
	end := clientv3.GetPrefixRangeEnd(prefix)
	from, rev := prefix, int64(0)
	var kvs []*mvccpb.KeyValue
	for {
		page, cancel := context.WithTimeout(ctx, listTimeout)
		resp, err := c.Get(page, from, clientv3.WithRange(end), clientv3.WithRev(rev), clientv3.WithLimit(pageSize))
		cancel()
		if err != nil {
			return nil, 0, fmt.Errorf("list %s: %w", prefix, err)
		}
		if rev == 0 {
			rev = resp.Header.Revision
		}
		kvs = append(kvs, resp.Kvs...)
		if !resp.More || len(resp.Kvs) == 0 {
			return kvs, rev, nil
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

// change is one difference between two states of a table.
type change[T any] struct {
	key     string
	was, is *row[T]
}

// reset replaces the contents by a listing and reports the differences.
func (t *table[T]) reset(kvs []*mvccpb.KeyValue, rev int64) {
	t.mu.Lock()
	var changes []change[T]
	seen := make(map[string]bool, len(kvs))
	for _, kv := range kvs {
		seen[string(kv.Key[len(t.prefix):])] = true
		changes = t.put(changes, kv)
	}
	for key := range t.rows {
		if !seen[key] {
			changes = t.drop(changes, key)
		}
	}
	t.finish(rev, changes)
	if t.onList != nil {
		t.onList()
	}
}

// apply takes over watched events.
func (t *table[T]) apply(events []*clientv3.Event) {
	if len(events) == 0 {
		return
	}
	t.mu.Lock()
	var changes []change[T]
	rev := t.rev
	for _, ev := range events {
		rev = max(rev, ev.Kv.ModRevision)
		if ev.Type == clientv3.EventTypeDelete {
			changes = t.drop(changes, strings.TrimPrefix(string(ev.Kv.Key), t.prefix))
		} else {
			changes = t.put(changes, ev.Kv)
		}
	}
	t.finish(rev, changes)
}

// put takes one value over. One that cannot be read is reported and ignored: it must not
// look like a deletion.
func (t *table[T]) put(changes []change[T], kv *mvccpb.KeyValue) []change[T] {
	key := string(kv.Key[len(t.prefix):])
	old, had := t.rows[key]
	if had && old.mod == kv.ModRevision {
		return changes
	}
	value, err := t.decode(key, kv.Value)
	if err != nil {
		t.log.Error("unreadable value in etcd; repair or delete the key", "key", string(kv.Key), "error", err)
		return changes
	}
	r := row[T]{value: value, create: kv.CreateRevision, mod: kv.ModRevision, lease: clientv3.LeaseID(kv.Lease)}
	t.rows[key] = r
	c := change[T]{key: key, is: &r}
	if had {
		c.was = &old
	}
	return append(changes, c)
}

func (t *table[T]) drop(changes []change[T], key string) []change[T] {
	old, had := t.rows[key]
	if !had {
		return changes
	}
	delete(t.rows, key)
	return append(changes, change[T]{key: key, was: &old})
}

// finish unlocks and tells of the changes.
func (t *table[T]) finish(rev int64, changes []change[T]) {
	t.rev = rev
	close(t.changed)
	t.changed = make(chan struct{})
	t.mu.Unlock()
	for _, c := range changes {
		t.onChange(c.key, c.was, c.is)
	}
}
