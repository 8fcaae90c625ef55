package client

import (
	"context"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// ProxyLink is a member of a pool, given by its link; see v1.ProxyMember for its fields.
func ProxyLink(link string) *v1.ProxyMember { return &v1.ProxyMember{Link: link} }

// CreateProxy adds a pool of proxies. Accounts use it by `pool:NAME` in spec.proxy. Reasons:
// PROXY_EXISTS, PROXY_INVALID.
func (c *Client) CreateProxy(ctx context.Context, name string, members ...*v1.ProxyMember) (*v1.Proxy, error) {
	reply, err := call(ctx, c, once, on(proxyService.CreateProxy), &v1.CreateProxyRequest{Name: name, Members: members})
	return reply.GetProxy(), err
}

// GetProxy reads a pool, without its secrets. Reason: PROXY_NOT_FOUND.
func (c *Client) GetProxy(ctx context.Context, name string) (*v1.Proxy, error) {
	reply, err := call(ctx, c, repeatable, on(proxyService.GetProxy), &v1.GetProxyRequest{Name: name})
	return reply.GetProxy(), err
}

// Proxies reads all pools, ordered by name.
func (c *Client) Proxies(ctx context.Context) ([]*v1.Proxy, error) {
	reply, err := call(ctx, c, repeatable, on(proxyService.ListProxies), &v1.ListProxiesRequest{})
	return reply.GetProxies(), err
}

// UpdateProxy replaces the members of a pool; those given back as they were shown keep their
// secrets. Reasons: PROXY_NOT_FOUND, PROXY_INVALID, CONFLICT when the pool has changed since
// resourceVersion (empty = whatever it is now).
func (c *Client) UpdateProxy(ctx context.Context, name, resourceVersion string, members ...*v1.ProxyMember) (*v1.Proxy, error) {
	reply, err := call(ctx, c, once, on(proxyService.UpdateProxy), &v1.UpdateProxyRequest{Name: name, Members: members, ResourceVersion: resourceVersion})
	return reply.GetProxy(), err
}

// DeleteProxy removes a pool. Reasons: PROXY_NOT_FOUND, PROXY_IN_USE while accounts name it.
func (c *Client) DeleteProxy(ctx context.Context, name string) error {
	_, err := call(ctx, c, once, on(proxyService.DeleteProxy), &v1.DeleteProxyRequest{Name: name})
	return err
}

// TestProxy tries each member of a pool, or one that is stored nowhere: Telegram itself must
// answer through it. dc 0 is the node's default.
func (c *Client) TestProxy(ctx context.Context, name string, member *v1.ProxyMember, dc int) ([]*v1.ProxyTest, error) {
	reply, err := call(ctx, c, repeatable, on(proxyService.TestProxy), &v1.TestProxyRequest{Name: name, Member: member, Dc: int32(dc)})
	return reply.GetResults(), err
}
