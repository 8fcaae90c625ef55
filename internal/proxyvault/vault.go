// Package proxyvault seals the secrets of proxies before they are stored, and serves the pools of
// proxies to the API without them.
//
// # Usage
//
//	v := proxyvault.Vault{Key: keyring.SharedKey, ClusterID: id}
//	sealed, err := v.Seal(ctx, "spec.proxy", proxyvault.OfAccount("support-1"), link, nil)
//	p, err := v.Open(ctx, proxyvault.OfAccount("support-1"), sealed)
//
// # Concurrency
//
// All may be used by any goroutine.
//
// # Errors
//
// *fleet.Error; what is wrong with a link has reason PROXY_INVALID and names the field. No error
// holds a secret.
package proxyvault

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/telegram/proxies"
)

// kind is what a seal is bound to, beside the owner.
const kind = "proxy"

// Owner is what a proxy belongs to: a seal opens for the same owner only.
type Owner string

// OfAccount owns the proxy of an account.
func OfAccount(id fleet.AccountID) Owner { return Owner("account/" + string(id)) }

// OfPool owns the members of a pool.
func OfPool(name string) Owner { return Owner("pool/" + name) }

// Vault seals and opens proxies.
type Vault struct {
	// Key gives the fleet's own data key.
	Key func(context.Context) (cipher.AEAD, error)
	// ClusterID is the cluster_id of the configuration.
	ClusterID string
}

// Seal parses a link and seals it. A text that is what was shown of a stored one gives that one
// back; so does the same link. field is how errors call the text.
func (v Vault) Seal(ctx context.Context, field string, owner Owner, text string, stored []cluster.SealedProxy) (cluster.SealedProxy, error) {
	for _, s := range stored {
		if s.Shown == text {
			return s, nil
		}
	}
	p, err := proxies.Parse(text)
	if err != nil {
		return cluster.SealedProxy{}, named(field, err)
	}
	for _, s := range stored {
		if old, err := v.Open(ctx, owner, s); err == nil && old.Equal(p) {
			return s, nil
		}
	}
	aead, err := v.Key(ctx)
	if err != nil {
		return cluster.SealedProxy{}, fmt.Errorf("seal %s: %w", field, err)
	}
	blob, err := sessionstore.SealValue(aead, v.ClusterID, kind, string(owner), []byte(p.Link()))
	if err != nil {
		return cluster.SealedProxy{}, fmt.Errorf("seal %s: %w", field, err)
	}
	return cluster.SealedProxy{Shown: p.String(), Sealed: blob}, nil
}

// Open gives the proxy with its secrets.
func (v Vault) Open(ctx context.Context, owner Owner, s cluster.SealedProxy) (proxies.Proxy, error) {
	aead, err := v.Key(ctx)
	if err != nil {
		return proxies.Proxy{}, fmt.Errorf("open the proxy of %s: %w", owner, err)
	}
	link, err := sessionstore.OpenValue(aead, v.ClusterID, kind, string(owner), s.Sealed)
	if err != nil {
		return proxies.Proxy{}, err
	}
	return proxies.Parse(string(link))
}

// OpenAll opens the members of a pool.
func (v Vault) OpenAll(ctx context.Context, pool cluster.ProxyPool) ([]proxies.Proxy, error) {
	list := make([]proxies.Proxy, len(pool.Members))
	for i, m := range pool.Members {
		var err error
		if list[i], err = v.Open(ctx, OfPool(pool.Name), m); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// named puts the field before the message of an error.
func named(field string, err error) error {
	var e *fleet.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", field, err)
	}
	c := *e
	c.Message = field + ": " + c.Message
	return &c
}
