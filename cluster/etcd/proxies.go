package etcd

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// Proxies keeps the named pools of proxies.
type Proxies struct {
	client *clientv3.Client
	keys   keys
}

// NewProxies makes a Proxies over keys with the prefix that Config.Prefix names.
func NewProxies(client *clientv3.Client, prefix string) *Proxies {
	return &Proxies{client: client, keys: keys{prefix}}
}

func decodePool(_ string, value []byte) (p cluster.ProxyPool, err error) {
	if err = json.Unmarshal(value, &p); err != nil {
		return p, fmt.Errorf("decode proxies: %w", err)
	}
	return p, nil
}

func poolOf(kv *mvccpb.KeyValue) (cluster.ProxyPool, error) {
	p, err := decodePool("", kv.Value)
	if err != nil {
		return p, unreadable(kv, err)
	}
	p.ResourceVersion = kv.ModRevision
	return p, nil
}

// Create stores a new pool; ErrProxyExists.
func (p *Proxies) Create(ctx context.Context, pool cluster.ProxyPool) (cluster.ProxyPool, error) {
	if err := pool.Validate(); err != nil {
		return cluster.ProxyPool{}, err
	}
	pool.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
	key := p.keys.proxy(pool.Name)
	resp, err := p.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, encode(pool))).Commit()
	if err != nil {
		return cluster.ProxyPool{}, fmt.Errorf("create proxies %s: %w", pool.Name, err)
	}
	if !resp.Succeeded {
		return cluster.ProxyPool{}, fleet.Errorf(cluster.ErrProxyExists.Code, cluster.ErrProxyExists.Reason,
			"name: a pool of proxies is called %s already", pool.Name).WithRemedy("choose another name, or change the existing pool")
	}
	pool.ResourceVersion = resp.Header.Revision
	return pool, nil
}

// Get reads one pool; ErrProxyNotFound.
func (p *Proxies) Get(ctx context.Context, name string) (cluster.ProxyPool, error) {
	resp, err := p.client.Get(ctx, p.keys.proxy(name))
	if err != nil {
		return cluster.ProxyPool{}, fmt.Errorf("read proxies %s: %w", name, err)
	}
	if len(resp.Kvs) == 0 {
		return cluster.ProxyPool{}, noProxy(name)
	}
	return poolOf(resp.Kvs[0])
}

// List reads all pools in the order of their names.
func (p *Proxies) List(ctx context.Context) ([]cluster.ProxyPool, error) {
	kvs, _, err := list(ctx, p.client, p.keys.proxies())
	if err != nil {
		return nil, err
	}
	pools := make([]cluster.ProxyPool, len(kvs))
	for i, kv := range kvs {
		if pools[i], err = poolOf(kv); err != nil {
			return nil, err
		}
	}
	return pools, nil
}

// Update replaces the members of a pool that still has the resource version; ErrConflict,
// ErrProxyNotFound.
func (p *Proxies) Update(ctx context.Context, pool cluster.ProxyPool) (cluster.ProxyPool, error) {
	if err := pool.Validate(); err != nil {
		return cluster.ProxyPool{}, err
	}
	current, err := p.Get(ctx, pool.Name)
	if err != nil {
		return cluster.ProxyPool{}, err
	}
	pool.CreatedAt = current.CreatedAt
	key := p.keys.proxy(pool.Name)
	resp, err := p.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", pool.ResourceVersion)).
		Then(clientv3.OpPut(key, encode(pool))).Commit()
	if err != nil {
		return cluster.ProxyPool{}, fmt.Errorf("update proxies %s: %w", pool.Name, err)
	}
	if !resp.Succeeded {
		return cluster.ProxyPool{}, fleet.Errorf(cluster.ErrConflict.Code, cluster.ErrConflict.Reason,
			"name: the pool %s has changed since resource version %d", pool.Name, pool.ResourceVersion).
			WithRemedy("read the pool again and repeat the change")
	}
	pool.ResourceVersion = resp.Header.Revision
	return pool, nil
}

// Delete removes a pool that no account names; ErrProxyInUse, ErrProxyNotFound. An account that
// comes to name it at the same moment does not connect: a missing pool fails closed.
func (p *Proxies) Delete(ctx context.Context, name string) error {
	users, err := p.Users(ctx)
	if err != nil {
		return err
	}
	if n := users[name]; n > 0 {
		return fleet.Errorf(cluster.ErrProxyInUse.Code, cluster.ErrProxyInUse.Reason, "name: %d accounts use the pool %s", n, name).
			WithRemedy("give those accounts another proxy first")
	}
	resp, err := p.client.Delete(ctx, p.keys.proxy(name))
	if err != nil {
		return fmt.Errorf("delete proxies %s: %w", name, err)
	}
	if resp.Deleted == 0 {
		return noProxy(name)
	}
	return nil
}

// Users counts the accounts that name each pool.
func (p *Proxies) Users(ctx context.Context) (map[string]int, error) {
	kvs, _, err := list(ctx, p.client, p.keys.specs())
	if err != nil {
		return nil, err
	}
	users := map[string]int{}
	for _, kv := range kvs {
		s, err := specOf(kv)
		if err != nil {
			return nil, err
		}
		if s.Proxy.Pool != "" {
			users[s.Proxy.Pool]++
		}
	}
	return users, nil
}

// Follow tells of all pools, then of each change, until ctx ends. known is called after each
// listing: what was not told by then does not exist. All calls come from this goroutine.
func (p *Proxies) Follow(ctx context.Context, log hclog.Logger, changed func(name string, pool *cluster.ProxyPool), known func()) {
	t := newTable(p.client, log, p.keys.proxies(), decodePool, func(name string, _, is *row[cluster.ProxyPool]) {
		if is == nil {
			changed(name, nil)
			return
		}
		pool := is.value
		pool.ResourceVersion = is.mod
		changed(name, &pool)
	})
	t.onList = known
	t.follow(ctx)
}

func noProxy(name string) error {
	return fleet.Errorf(cluster.ErrProxyNotFound.Code, cluster.ErrProxyNotFound.Reason, "name: no pool of proxies is called %s", name).
		WithRemedy("see `orchestrator proxy list`, or add it with `orchestrator proxy add " + name + " LINK`")
}
