package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

// attempts bounds the repetitions of a write that met another one. Only the owner and its
// predecessor ever meet, so a second try decides.
const attempts = 4

// errBusy is returned when they do not suffice.
var errBusy = errors.New("changed by others again and again")

// Store is sessionstore.Store on etcd.
type Store struct {
	client *clientv3.Client
	prefix string
	ring   *Keyring
	sealer sessionstore.Sealer
}

// NewStore makes a store whose keys have a prefix, normally none.
func NewStore(client *clientv3.Client, prefix string, ring *Keyring) *Store {
	return &Store{client: client, prefix: prefix, ring: ring, sealer: sessionstore.Sealer{Keyring: ring, ClusterID: ring.cfg.ClusterID}}
}

func (s *Store) session(id fleet.AccountID) string    { return s.prefix + "session/" + string(id) }
func (s *Store) checkpoint(id fleet.AccountID) string { return s.prefix + "checkpoint/" + string(id) }
func (s *Store) authKeys() string                     { return s.prefix + "keys/" }
func (s *Store) authKey(id sessionstore.KeyID) string { return s.authKeys() + id.String() }

// Load implements sessionstore.Store.
func (s *Store) Load(ctx context.Context, id fleet.AccountID) (*sessionstore.Record, error) {
	resp, err := s.client.Txn(ctx).Then(clientv3.OpGet(s.session(id)), clientv3.OpGet(s.checkpoint(id))).Commit()
	if err != nil {
		return nil, fmt.Errorf("load session of %s: %w", id, err)
	}
	session, checkpoint := found(resp, 0), found(resp, 1)
	if session == nil {
		return nil, sessionstore.NotFound(id)
	}
	sealed := sessionstore.Sealed{Core: session.Value}
	if checkpoint != nil {
		sealed.Checkpoint = checkpoint.Value
	}
	return s.sealer.Open(ctx, id, sealed, session.Version)
}

// Save implements sessionstore.Store.
func (s *Store) Save(ctx context.Context, fence fleet.Fence, rec *sessionstore.Record) error {
	return s.save(ctx, fence, rec, keepKeys)
}

// ReplaceKey implements sessionstore.Store.
func (s *Store) ReplaceKey(ctx context.Context, fence fleet.Fence, rec *sessionstore.Record) error {
	return s.save(ctx, fence, rec, replaceKeys)
}

// Renew implements sessionstore.Store.
func (s *Store) Renew(ctx context.Context, fence fleet.Fence, rec *sessionstore.Record) error {
	return s.save(ctx, fence, rec, renewAll)
}

// change is what a save may do to keys: nothing, replace auth keys, replace the data key as well.
type change uint8

const (
	keepKeys change = iota
	replaceKeys
	renewAll
)

func (s *Store) save(ctx context.Context, fence fleet.Fence, rec *sessionstore.Record, may change) error {
	stamped := *rec
	stamped.UpdatedAt = time.Now()
	ids := rec.KeyIDs()
	for range attempts {
		was, err := s.read(ctx, fence, rec.Account, ids)
		if err != nil {
			return err
		}
		if may == keepKeys {
			if err := was.admit(rec); err != nil {
				return err
			}
		}
		sealer, next := s.sealer, renewal{}
		if may == renewAll {
			if next, err = s.ring.renewal(ctx, rec.Account); err != nil {
				return err
			}
			sealer = sealer.Under(next.aead)
		}
		sealed, err := sealer.Seal(ctx, &stamped, writes(was.session)+1)
		if err != nil {
			return err
		}
		was.renewal = next
		stored, err := s.write(ctx, fence, rec.Account, append(s.changes(rec, sealed, was), next.ops...), was)
		if stored && may == renewAll {
			s.ring.renewed(rec.Account, next.aead)
		}
		if err != nil || stored {
			return err
		}
	}
	return fmt.Errorf("save session of %s: %w", rec.Account, errBusy)
}

// stored is what a write is decided on.
type stored struct {
	session    *mvccpb.KeyValue                        // nil when absent
	checkpoint *mvccpb.KeyValue                        // without its value; nil when absent
	keys       map[sessionstore.KeyID]*mvccpb.KeyValue // of the new record, nil when free
	mine       map[string]*mvccpb.KeyValue             // other keys that the account has now

	old     *sessionstore.Record // session opened, without its checkpoint; nil when absent or damaged
	sum     sessionstore.CheckpointSum
	damaged error

	renewal renewal // of the data key; zero for none
}

// read reads at one revision and decides what can be decided before writing.
func (s *Store) read(ctx context.Context, fence fleet.Fence, id fleet.AccountID, ids map[sessionstore.KeyID]bool) (stored, error) {
	if fence.CreateRevision <= 0 {
		return stored{}, sessionstore.Fenced(id, fence)
	}
	order := make([]sessionstore.KeyID, 0, len(ids))
	ops := []clientv3.Op{
		clientv3.OpGet(fence.Key, clientv3.WithKeysOnly()), clientv3.OpGet(s.session(id)),
		clientv3.OpGet(s.checkpoint(id), clientv3.WithKeysOnly()),
	}
	for key := range ids {
		order = append(order, key)
		ops = append(ops, clientv3.OpGet(s.authKey(key)))
	}
	resp, err := s.client.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return stored{}, fmt.Errorf("read session of %s: %w", id, err)
	}
	if own := found(resp, 0); own == nil || own.CreateRevision != fence.CreateRevision {
		return stored{}, sessionstore.Fenced(id, fence)
	}
	was := stored{session: found(resp, 1), checkpoint: found(resp, 2), keys: make(map[sessionstore.KeyID]*mvccpb.KeyValue, len(ids))}
	for i, key := range order {
		kv := found(resp, 3+i)
		if kv != nil && fleet.AccountID(kv.Value) != id {
			return stored{}, sessionstore.KeyInUse(id, fleet.AccountID(kv.Value), key)
		}
		was.keys[key] = kv
	}
	if was.session != nil {
		was.old, was.sum, err = s.sealer.OpenCore(ctx, id, was.session.Value, was.session.Version)
		if err != nil && !errors.Is(err, sessionstore.ErrCorrupt) {
			return stored{}, err
		}
		was.damaged = err
		was.mine, err = s.givenUp(ctx, id, was, resp.Header.Revision)
	}
	return was, err
}

// found is the i-th answer of a transaction of single reads; nil when there is nothing.
func found(resp *clientv3.TxnResponse, i int) *mvccpb.KeyValue {
	if kvs := resp.Responses[i].GetResponseRange().Kvs; len(kvs) > 0 {
		return kvs[0]
	}
	return nil
}

// givenUp finds the account's entries in keys/ that the new record does not have. The old
// record says which they may be; when it cannot be read, all of keys/ is searched.
func (s *Store) givenUp(ctx context.Context, id fleet.AccountID, was stored, rev int64) (map[string]*mvccpb.KeyValue, error) {
	mine := make(map[string]*mvccpb.KeyValue)
	note := func(kvs []*mvccpb.KeyValue) {
		for _, kv := range kvs {
			if fleet.AccountID(kv.Value) == id {
				mine[string(kv.Key)] = kv
			}
		}
	}
	if was.damaged != nil {
		resp, err := s.client.Get(ctx, s.authKeys(), clientv3.WithPrefix(), clientv3.WithRev(rev))
		if err != nil {
			return nil, fmt.Errorf("search auth keys of %s: %w", id, err)
		}
		note(resp.Kvs)
	} else {
		for key := range was.old.KeyIDs() {
			resp, err := s.client.Get(ctx, s.authKey(key), clientv3.WithRev(rev))
			if err != nil {
				return nil, fmt.Errorf("read auth keys of %s: %w", id, err)
			}
			note(resp.Kvs)
		}
	}
	for key := range was.keys {
		delete(mine, s.authKey(key))
	}
	return mine, nil
}

// admit compares with the record that is to be replaced; a damaged one is not overwritten.
func (was *stored) admit(rec *sessionstore.Record) error {
	if was.damaged != nil {
		return fmt.Errorf("not overwritten: %w", was.damaged)
	}
	return sessionstore.Admit(was.old, rec)
}

// changes are the writes of a record: its checkpoint only when it is another one.
func (s *Store) changes(rec *sessionstore.Record, sealed sessionstore.Sealed, was stored) []clientv3.Op {
	ops := []clientv3.Op{clientv3.OpPut(s.session(rec.Account), string(sealed.Core))}
	switch {
	case len(rec.Checkpoint) == 0 && was.checkpoint != nil:
		ops = append(ops, clientv3.OpDelete(s.checkpoint(rec.Account)))
	case len(rec.Checkpoint) > 0 && (was.checkpoint == nil || was.damaged != nil || was.sum != sessionstore.SumOf(rec.Checkpoint)):
		ops = append(ops, clientv3.OpPut(s.checkpoint(rec.Account), string(sealed.Checkpoint)))
	}
	return ops
}

// write makes the changes of a session if nothing that was read has changed, and those of its
// auth keys. It reports false when something has.
func (s *Store) write(ctx context.Context, fence fleet.Fence, id fleet.AccountID, ops []clientv3.Op, was stored) (bool, error) {
	conds := []clientv3.Cmp{
		clientv3.Compare(clientv3.CreateRevision(fence.Key), "=", fence.CreateRevision),
		clientv3.Compare(clientv3.ModRevision(s.session(id)), "=", mod(was.session)),
		clientv3.Compare(clientv3.ModRevision(s.checkpoint(id)), "=", mod(was.checkpoint)),
	}
	conds = append(conds, was.renewal.conds...)
	for key, kv := range was.keys {
		conds = append(conds, clientv3.Compare(clientv3.ModRevision(s.authKey(key)), "=", mod(kv)))
		if kv == nil {
			ops = append(ops, clientv3.OpPut(s.authKey(key), string(id)))
		}
	}
	for key, kv := range was.mine {
		conds = append(conds, clientv3.Compare(clientv3.ModRevision(key), "=", kv.ModRevision))
		ops = append(ops, clientv3.OpDelete(key))
	}
	resp, err := s.client.Txn(ctx).If(conds...).Then(ops...).Commit()
	if err != nil {
		return false, fmt.Errorf("write session of %s: %w", id, err)
	}
	return resp.Succeeded, nil
}

func mod(kv *mvccpb.KeyValue) int64 {
	if kv == nil {
		return 0
	}
	return kv.ModRevision
}

// writes is how often a value has been written since it did not exist.
func writes(kv *mvccpb.KeyValue) int64 {
	if kv == nil {
		return 0
	}
	return kv.Version
}

// Delete implements sessionstore.Store.
func (s *Store) Delete(ctx context.Context, fence fleet.Fence, id fleet.AccountID) error {
	for range attempts {
		was, err := s.read(ctx, fence, id, nil)
		if err != nil {
			return err
		}
		if was.session == nil && was.checkpoint == nil {
			return nil
		}
		done, err := s.write(ctx, fence, id, []clientv3.Op{
			clientv3.OpDelete(s.session(id)), clientv3.OpDelete(s.checkpoint(id)),
		}, was)
		if err != nil || done {
			return err
		}
	}
	return fmt.Errorf("delete session of %s: %w", id, errBusy)
}

// Holder implements sessionstore.Store.
func (s *Store) Holder(ctx context.Context, key sessionstore.KeyID) (fleet.AccountID, error) {
	resp, err := s.client.Get(ctx, s.authKey(key))
	if err != nil {
		return "", fmt.Errorf("read the holder of auth key %s: %w", key, err)
	}
	if len(resp.Kvs) == 0 {
		return "", nil
	}
	return fleet.AccountID(resp.Kvs[0].Value), nil
}
