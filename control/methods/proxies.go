package methods

import (
	"context"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
)

// Proxies keeps the pools of proxies. What it returns holds no secrets. Reasons PROXY_EXISTS,
// PROXY_NOT_FOUND, PROXY_IN_USE, PROXY_INVALID and CONFLICT.
type Proxies interface {
	// Create stores a new pool of which name and members are given.
	Create(ctx context.Context, p *v1.Proxy) (*v1.Proxy, error)
	// Get reads one pool.
	Get(ctx context.Context, name string) (*v1.Proxy, error)
	// List reads all pools, ordered by name.
	List(ctx context.Context) ([]*v1.Proxy, error)
	// Update replaces the members, if the pool still has the resource version, when one is given.
	Update(ctx context.Context, p *v1.Proxy) (*v1.Proxy, error)
	// Delete removes a pool that no account names.
	Delete(ctx context.Context, name string) error
}

// ProxyTester tries proxies.
type ProxyTester interface {
	// Test tries each member of a pool, or one that is stored nowhere.
	Test(ctx context.Context, req *v1.TestProxyRequest) ([]*v1.ProxyTest, error)
}

func (h *Host) proxies() (Proxies, error) {
	if h.Proxies == nil {
		return nil, Unsupported("proxies")
	}
	return h.Proxies, nil
}

func createProxy(ctx context.Context, host *Host, req *v1.CreateProxyRequest) (*v1.CreateProxyReply, error) {
	proxies, err := host.proxies()
	if err != nil {
		return nil, err
	}
	p, err := proxies.Create(ctx, &v1.Proxy{Name: req.GetName(), Members: req.GetMembers()})
	if err != nil {
		return nil, err
	}
	return &v1.CreateProxyReply{Proxy: p}, nil
}

func getProxy(ctx context.Context, host *Host, req *v1.GetProxyRequest) (*v1.GetProxyReply, error) {
	proxies, err := host.proxies()
	if err != nil {
		return nil, err
	}
	p, err := proxies.Get(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &v1.GetProxyReply{Proxy: p}, nil
}

func listProxies(ctx context.Context, host *Host, _ *v1.ListProxiesRequest) (*v1.ListProxiesReply, error) {
	proxies, err := host.proxies()
	if err != nil {
		return nil, err
	}
	list, err := proxies.List(ctx)
	if err != nil {
		return nil, err
	}
	return &v1.ListProxiesReply{Proxies: list}, nil
}

func updateProxy(ctx context.Context, host *Host, req *v1.UpdateProxyRequest) (*v1.UpdateProxyReply, error) {
	proxies, err := host.proxies()
	if err != nil {
		return nil, err
	}
	p, err := proxies.Update(ctx, &v1.Proxy{Name: req.GetName(), Members: req.GetMembers(), ResourceVersion: req.GetResourceVersion()})
	if err != nil {
		return nil, err
	}
	return &v1.UpdateProxyReply{Proxy: p}, nil
}

func deleteProxy(ctx context.Context, host *Host, req *v1.DeleteProxyRequest) (*v1.DeleteProxyReply, error) {
	proxies, err := host.proxies()
	if err != nil {
		return nil, err
	}
	if err := proxies.Delete(ctx, req.GetName()); err != nil {
		return nil, err
	}
	return &v1.DeleteProxyReply{}, nil
}

func testProxy(ctx context.Context, host *Host, req *v1.TestProxyRequest) (*v1.TestProxyReply, error) {
	if host.ProxyTester == nil {
		return nil, Unsupported("trying proxies")
	}
	switch {
	case (req.GetName() == "") == (req.GetMember() == nil):
		return nil, convert.Invalid("name, member", "name a pool, or give a member with a link or fields", "exactly one must be given")
	case req.GetDc() < 0 || req.GetDc() > maxDC:
		return nil, convert.Invalid("dc", "use 0 for the default", "must be 0 to %d (got %d)", maxDC, req.GetDc())
	}
	results, err := host.ProxyTester.Test(ctx, req)
	if err != nil {
		return nil, err
	}
	return &v1.TestProxyReply{Results: results}, nil
}
