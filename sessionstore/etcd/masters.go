package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

// Under master/ lies which master key is used, and nothing secret:
//
//	current        id of the key that wraps data keys
//	kdf/<id>       how the key comes out of a passphrase, for keys that do
//	retired/<id>   when the key was given up: nothing is wrapped under it any more
//	nodes/<node>   ids of the keys that a node has
func (k *Keyring) master(name string) string { return k.cfg.Prefix + "master/" + name }

// retiredGrace is how long a data key that is wrapped under a retired master key is still
// opened: as long as a node may remember what it has read before.
const retiredGrace = cacheAge

// errMoved: another rotation was quicker.
var errMoved = fleet.Errorf(fleet.CodeAborted, "CONFLICT", "master key: it was changed by somebody else meanwhile").
	WithRemedy("rotate again")

// Open reads which of the given master keys is the current one, and makes the first one current
// where nothing is sealed yet. ErrMasterKey when it is none of them.
func (k *Keyring) Open(ctx context.Context) error {
	for {
		k.mu.Lock()
		masters, choice := k.masters, k.choice
		k.mu.Unlock()
		chosen, err := k.choose(ctx, masters)
		k.mu.Lock()
		stale := choice != k.choice // by a rotation meanwhile, whose keys must not be lost
		if err == nil && !stale {
			k.take(chosen)
		}
		k.mu.Unlock()
		if !stale {
			return err
		}
	}
}

// use takes over masters, if the current key is among them.
func (k *Keyring) use(ctx context.Context, masters sessionstore.Masters) error {
	chosen, err := k.choose(ctx, masters)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.take(chosen)
	k.choice++
	return nil
}

// take goes on with masters; mu is held.
func (k *Keyring) take(masters sessionstore.Masters) { k.masters, k.opened = masters, true }

// choose puts the current key first, if it is among masters.
func (k *Keyring) choose(ctx context.Context, masters sessionstore.Masters) (sessionstore.Masters, error) {
	current, err := k.currentID(ctx, masters)
	if err != nil {
		return masters, err
	}
	chosen, ok := masters.With(current)
	if !ok {
		return masters, masters.WrongMaster("sessions are", current)
	}
	return chosen, k.keepKDFs(ctx, masters)
}

// currentID reads the id of the current key. Where there is none yet, it is the one that data keys
// are wrapped under, or the first of masters.
func (k *Keyring) currentID(ctx context.Context, masters sessionstore.Masters) (string, error) {
	resp, err := k.client.Get(ctx, k.master("current"))
	if err != nil {
		return "", fmt.Errorf("read the current master key: %w", err)
	}
	if len(resp.Kvs) > 0 {
		return string(resp.Kvs[0].Value), nil
	}
	first, err := k.client.Get(ctx, k.dir(), clientv3.WithPrefix(), clientv3.WithLimit(1))
	if err != nil {
		return "", fmt.Errorf("read data keys: %w", err)
	}
	id := masters.Current.ID()
	if len(first.Kvs) > 0 {
		id = sessionstore.MasterOf(first.Kvs[0].Value)
	}
	if _, ok := masters.With(id); !ok {
		return id, nil
	}
	ops, err := k.kdfOps(masters)
	if err != nil {
		return "", err
	}
	txn, err := k.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(k.master("current")), "=", 0)).
		Then(append(ops, clientv3.OpPut(k.master("current"), id))...).
		Else(clientv3.OpGet(k.master("current"))).Commit()
	if err != nil {
		return "", fmt.Errorf("store the current master key: %w", err)
	}
	if !txn.Succeeded { // another node was first
		id = string(txn.Responses[0].GetResponseRange().Kvs[0].Value)
	}
	return id, nil
}

// kdfOps store how keys come out of their passphrases.
func (k *Keyring) kdfOps(masters sessionstore.Masters) ([]clientv3.Op, error) {
	var ops []clientv3.Op
	for _, key := range append([]*sessionstore.MasterKey{masters.Current}, masters.Old...) {
		if key.KDF() == nil {
			continue
		}
		b, err := json.Marshal(key.KDF())
		if err != nil {
			return nil, fmt.Errorf("encode the derivation of master key %s: %w", key.ID(), err)
		}
		ops = append(ops, clientv3.OpPut(k.master("kdf/"+key.ID()), string(b)))
	}
	return ops, nil
}

// keepKDFs stores derivations that are not stored yet, of a node whose keys have been accepted.
func (k *Keyring) keepKDFs(ctx context.Context, masters sessionstore.Masters) error {
	ops, err := k.kdfOps(masters)
	if err != nil || len(ops) == 0 {
		return err
	}
	if _, err := k.client.Txn(ctx).Then(ops...).Commit(); err != nil {
		return fmt.Errorf("store the derivation of the master key: %w", err)
	}
	return nil
}

// Announce tells other nodes which master keys this one has, and looks once more whether the
// current one is among them: a rotation may have been under way.
func (k *Keyring) Announce(ctx context.Context, node string) error {
	k.mu.Lock()
	masters := k.masters
	k.mu.Unlock()
	if _, err := k.client.Put(ctx, k.master("nodes/"+node), strings.Join(masters.IDs(), ",")); err != nil {
		return fmt.Errorf("announce master keys: %w", err)
	}
	return k.Open(ctx)
}

// Withdraw ends what Announce said, when the node ends.
func (k *Keyring) Withdraw(ctx context.Context, node string) error {
	if _, err := k.client.Delete(ctx, k.master("nodes/"+node)); err != nil {
		return fmt.Errorf("withdraw master keys: %w", err)
	}
	return nil
}

// Rotation is what a call of Rotate has come to.
type Rotation struct {
	// Master is the id of the wanted key.
	Master string
	// Waiting are the nodes that do not have it yet; while there are any, nothing is changed.
	Waiting []string
	// Rewrapped is how many data keys were wrapped anew.
	Rewrapped int
}

// Rotate makes the first of masters the current key and wraps every data key anew, online. First
// every live node must have it: each learns it by a call of Rotate of its own or by a restart.
// The former keys must be among masters; once Rotate has succeeded they may be taken away. A
// Rotate that was interrupted is completed by another one.
func (k *Keyring) Rotate(ctx context.Context, masters sessionstore.Masters, node string, live []string) (Rotation, error) {
	r := Rotation{Master: masters.Current.ID()}
	if err := k.use(ctx, masters); err != nil {
		return r, err
	}
	if err := k.Announce(ctx, node); err != nil {
		return r, err
	}
	var err error
	if r.Waiting, err = k.lacking(ctx, r.Master, live); err != nil || len(r.Waiting) > 0 {
		return r, err
	}
	former, err := k.switchTo(ctx, masters)
	if err != nil {
		return r, err
	}
	if r.Rewrapped, err = k.rewrap(ctx); err != nil {
		return r, err
	}
	return r, k.retire(ctx, former)
}

// lacking are the live nodes that have not announced a key. What dead nodes have announced is
// removed.
func (k *Keyring) lacking(ctx context.Context, id string, live []string) ([]string, error) {
	resp, err := k.client.Get(ctx, k.master("nodes/"), clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("read the nodes' master keys: %w", err)
	}
	has := map[string]bool{}
	for _, kv := range resp.Kvs {
		node := strings.TrimPrefix(string(kv.Key), k.master("nodes/"))
		has[node] = slices.Contains(strings.Split(string(kv.Value), ","), id)
		if !slices.Contains(live, node) {
			if err := k.Withdraw(ctx, node); err != nil {
				return nil, err
			}
		}
	}
	var lacking []string
	for _, node := range live {
		if !has[node] {
			lacking = append(lacking, node)
		}
	}
	return lacking, nil
}

// switchTo makes the first of masters the current key and returns the ids of the others.
func (k *Keyring) switchTo(ctx context.Context, masters sessionstore.Masters) (former []string, err error) {
	k.mu.Lock()
	was := k.masters.Current.ID()
	k.mu.Unlock()
	id := masters.Current.ID()
	if was != id {
		txn, err := k.client.Txn(ctx).
			If(clientv3.Compare(clientv3.Value(k.master("current")), "=", was)).
			Then(clientv3.OpPut(k.master("current"), id), clientv3.OpDelete(k.master("retired/"+id))).Commit()
		if err != nil {
			return nil, fmt.Errorf("store the current master key: %w", err)
		}
		if !txn.Succeeded {
			return nil, errMoved
		}
	}
	for _, old := range masters.Old {
		former = append(former, old.ID())
	}
	return former, k.use(ctx, masters)
}

// retire notes when keys were given up.
func (k *Keyring) retire(ctx context.Context, ids []string) error {
	for _, id := range ids {
		_, err := k.client.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision(k.master("retired/"+id)), "=", 0)).
			Then(clientv3.OpPut(k.master("retired/"+id), k.cfg.Now().UTC().Format(time.RFC3339))).Commit()
		if err != nil {
			return fmt.Errorf("retire master key %s: %w", id, err)
		}
	}
	return nil
}

// allowed refuses a data key that is wrapped under another master key than the current one, if
// that was given up longer ago than the grace: somebody has put it back.
func (k *Keyring) allowed(ctx context.Context, id fleet.AccountID, wrapped []byte) error {
	by := sessionstore.MasterOf(wrapped)
	if k.isCurrent(by) {
		return nil
	}
	if err := k.Open(ctx); err != nil { // the current one may have changed
		return err
	}
	if k.isCurrent(by) {
		return nil
	}
	resp, err := k.client.Get(ctx, k.master("retired/"+by))
	if err != nil {
		return fmt.Errorf("read retired master keys: %w", err)
	}
	if len(resp.Kvs) == 0 {
		return nil
	}
	at, err := time.Parse(time.RFC3339, string(resp.Kvs[0].Value))
	if err == nil && k.cfg.Now().Sub(at) < retiredGrace {
		return nil
	}
	return fleet.Errorf(sessionstore.ErrMasterKey.Code, sessionstore.ErrMasterKey.Reason,
		"master key: the data key of %s is wrapped under master key %s, which was retired at %s", id, by, resp.Kvs[0].Value).
		WithRemedy("an old copy was put back: restore the whole store from one backup")
}

func (k *Keyring) isCurrent(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.opened && k.masters.Current.ID() == id
}

// Passphrase derives the master key of a passphrase: the one that it has made before, or a new
// one, which is stored once a Keyring has accepted it.
func Passphrase(ctx context.Context, client *clientv3.Client, prefix string, passphrase []byte) (*sessionstore.MasterKey, error) {
	dir := prefix + "master/kdf/"
	resp, err := client.Get(ctx, dir, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("read derivations of master keys: %w", err)
	}
	var errs []error
	for _, kv := range resp.Kvs {
		id := strings.TrimPrefix(string(kv.Key), dir)
		var kdf sessionstore.KDF
		if err := json.Unmarshal(kv.Value, &kdf); err != nil {
			errs = append(errs, fmt.Errorf("derivation of master key %s: %w", id, err))
			continue
		}
		key, err := sessionstore.MasterKeyFromPassphrase(passphrase, kdf)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if key.ID() == id {
			return key, nil
		}
	}
	if len(errs) > 0 { // it may be the one that cannot be read
		return nil, errors.Join(errs...)
	}
	kdf, err := sessionstore.NewKDF()
	if err != nil {
		return nil, err
	}
	return sessionstore.MasterKeyFromPassphrase(passphrase, kdf)
}
