package proxyvault

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram/proxies"
)

// Store keeps the pools; *etcd.Proxies of package cluster/etcd.
type Store interface {
	Create(ctx context.Context, pool cluster.ProxyPool) (cluster.ProxyPool, error)
	Get(ctx context.Context, name string) (cluster.ProxyPool, error)
	List(ctx context.Context) ([]cluster.ProxyPool, error)
	Update(ctx context.Context, pool cluster.ProxyPool) (cluster.ProxyPool, error)
	Delete(ctx context.Context, name string) error
}

// Pools is the pools as the API wants them (methods.Proxies and methods.ProxyTester).
type Pools struct {
	Vault Vault
	Store Store
	// Users counts the accounts of each pool.
	Users func(ctx context.Context) (map[string]int, error)
	// Probe begins a key exchange with a DC through a proxy.
	Probe func(ctx context.Context, p proxies.Proxy, dc int) (time.Duration, error)
	// Reason names the failure of a probe.
	Reason func(err error) fleet.ConditionReason
}

// Create implements methods.Proxies.
func (s Pools) Create(ctx context.Context, p *v1.Proxy) (*v1.Proxy, error) {
	pool, err := s.sealed(ctx, p, nil)
	if err != nil {
		return nil, err
	}
	if pool, err = s.Store.Create(ctx, pool); err != nil {
		return nil, err
	}
	return shown(pool, 0), nil
}

// Get implements methods.Proxies.
func (s Pools) Get(ctx context.Context, name string) (*v1.Proxy, error) {
	pool, err := s.Store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	users, err := s.Users(ctx)
	if err != nil {
		return nil, err
	}
	return shown(pool, users[name]), nil
}

// List implements methods.Proxies.
func (s Pools) List(ctx context.Context) ([]*v1.Proxy, error) {
	pools, err := s.Store.List(ctx)
	if err != nil {
		return nil, err
	}
	users, err := s.Users(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]*v1.Proxy, len(pools))
	for i, pool := range pools {
		list[i] = shown(pool, users[pool.Name])
	}
	return list, nil
}

// Update implements methods.Proxies.
func (s Pools) Update(ctx context.Context, p *v1.Proxy) (*v1.Proxy, error) {
	current, err := s.Store.Get(ctx, p.GetName())
	if err != nil {
		return nil, err
	}
	pool, err := s.sealed(ctx, p, current.Members)
	if err != nil {
		return nil, err
	}
	pool.ResourceVersion = current.ResourceVersion
	if p.GetResourceVersion() != "" {
		if pool.ResourceVersion, err = strconv.ParseInt(p.GetResourceVersion(), 10, 64); err != nil {
			return nil, fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", "resource_version: is none that was handed out (got %q)", p.GetResourceVersion()).
				WithRemedy("give it back exactly as it was sent")
		}
	}
	if _, err = s.Store.Update(ctx, pool); err != nil {
		return nil, err
	}
	return s.Get(ctx, pool.Name)
}

// Delete implements methods.Proxies.
func (s Pools) Delete(ctx context.Context, name string) error { return s.Store.Delete(ctx, name) }

// testedAtOnce is how many members of a pool are tried at a time.
const testedAtOnce = 16

// Test implements methods.ProxyTester: members are tried side by side, so that those that do not
// answer cost the caller one wait and not the sum of them.
func (s Pools) Test(ctx context.Context, req *v1.TestProxyRequest) ([]*v1.ProxyTest, error) {
	list, err := s.tested(ctx, req)
	if err != nil {
		return nil, err
	}
	results := make([]*v1.ProxyTest, len(list))
	var group errgroup.Group
	group.SetLimit(testedAtOnce)
	for i, p := range list {
		group.Go(func() error {
			results[i] = s.test(ctx, p, int(req.GetDc()))
			return nil
		})
	}
	_ = group.Wait() // each result has its own error
	return results, nil
}

func (s Pools) test(ctx context.Context, p proxies.Proxy, dc int) *v1.ProxyTest {
	latency, err := s.Probe(ctx, p, dc)
	if err != nil {
		return &v1.ProxyTest{Link: p.String(), Reason: string(s.Reason(err)), Message: err.Error()}
	}
	return &v1.ProxyTest{Link: p.String(), Ok: true, Latency: durationpb.New(latency)}
}

func (s Pools) tested(ctx context.Context, req *v1.TestProxyRequest) ([]proxies.Proxy, error) {
	if req.GetName() != "" {
		pool, err := s.Store.Get(ctx, req.GetName())
		if err != nil {
			return nil, err
		}
		return s.Vault.OpenAll(ctx, pool)
	}
	text, err := linkOf(req.GetMember())
	if err != nil {
		return nil, named("member", err)
	}
	p, err := proxies.Parse(text)
	if err != nil {
		return nil, named("member", err)
	}
	return []proxies.Proxy{p}, nil
}

// sealed is the stored form of a pool. Each stored member is given back once only, so that two with
// the same address keep their own secrets.
func (s Pools) sealed(ctx context.Context, p *v1.Proxy, stored []cluster.SealedProxy) (cluster.ProxyPool, error) {
	pool := cluster.ProxyPool{Name: p.GetName()}
	left := append([]cluster.SealedProxy(nil), stored...)
	var problems []error
	for i, m := range p.GetMembers() {
		field := fmt.Sprintf("members[%d]", i)
		text, err := linkOf(m)
		if err != nil {
			problems = append(problems, named(field, err))
			continue
		}
		sealed, err := s.Vault.Seal(ctx, field, OfPool(pool.Name), text, left)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for at := range left {
			if left[at].Equal(sealed) {
				left = append(left[:at], left[at+1:]...)
				break
			}
		}
		pool.Members = append(pool.Members, sealed)
	}
	switch len(problems) {
	case 0:
		return pool, pool.Validate()
	case 1:
		return pool, problems[0]
	}
	return pool, all(problems)
}

// all makes one error of several problems with members.
func all(problems []error) error {
	var first *fleet.Error
	if !errors.As(problems[0], &first) {
		return errors.Join(problems...)
	}
	c := *first
	for _, p := range problems[1:] {
		c.Message += "; " + p.Error()
	}
	return &c
}

// linkOf is a member as one link.
func linkOf(m *v1.ProxyMember) (string, error) {
	if m.GetLink() == "" {
		f := proxies.Fields{Kind: m.GetKind(), Host: m.GetHost(), Port: strconv.Itoa(int(m.GetPort())), User: m.GetUser(), Password: m.GetPassword(), Secret: m.GetSecret()}
		p, err := proxies.FromFields(f)
		if err != nil {
			return "", err
		}
		return p.Link(), nil
	}
	if m.GetUser() != "" || m.GetPassword() != "" || m.GetSecret() != "" {
		return "", fleet.Errorf(fleet.CodeInvalidArgument, proxies.Reason, "link: user, password and secret must be empty when a link is given").
			WithRemedy("give either the link or the fields")
	}
	return m.GetLink(), nil
}

// shown is a pool without its secrets.
func shown(pool cluster.ProxyPool, accounts int) *v1.Proxy {
	p := &v1.Proxy{
		Name: pool.Name, ResourceVersion: strconv.FormatInt(pool.ResourceVersion, 10),
		CreateTime: timestamppb.New(pool.CreatedAt), Accounts: int32(accounts),
	}
	for _, m := range pool.Members {
		member := &v1.ProxyMember{Link: m.Shown}
		if kind, host, port, ok := proxies.Address(m.Shown); ok {
			member.Kind, member.Host, member.Port = string(kind), host, int32(port)
		}
		p.Members = append(p.Members, member)
	}
	return p
}
