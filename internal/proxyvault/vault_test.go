package proxyvault

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram/proxies"
)

func vault(t *testing.T) Vault {
	t.Helper()
	aead, err := chacha20poly1305.NewX(make([]byte, chacha20poly1305.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return Vault{Key: func(context.Context) (cipher.AEAD, error) { return aead, nil }, ClusterID: "c"}
}

const (
	secret = "hunter2-secret"
	link   = "socks5://user-token:" + secret + "@proxy.example:1080"
	shownL = "tg://socks?server=proxy.example&port=1080&user=[redacted]&pass=[redacted]"
)

func TestSecretsAreSealedAndComeBack(t *testing.T) {
	v, ctx := vault(t), t.Context()
	s, err := v.Seal(ctx, "spec.proxy", OfAccount("a"), link, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%s %s", s.Shown, s.Sealed); s.Shown != shownL || strings.Contains(text, secret) || strings.Contains(text, "user-token") {
		t.Errorf("stored %q", text)
	}
	p, err := v.Open(ctx, OfAccount("a"), s)
	if err != nil || p.Password != secret || p.User != "user-token" {
		t.Errorf("opened %v, %v", p, err)
	}
	for name, open := range map[string]func() error{
		"of another account": func() error { _, err := v.Open(ctx, OfAccount("b"), s); return err },
		"of a pool":          func() error { _, err := v.Open(ctx, OfPool("a"), s); return err },
		"in another cluster": func() error { w := v; w.ClusterID = "d"; _, err := w.Open(ctx, OfAccount("a"), s); return err },
		"damaged": func() error {
			d := cluster.SealedProxy{Shown: s.Shown, Sealed: append([]byte(nil), s.Sealed...)}
			d.Sealed[len(d.Sealed)-1] ^= 1
			_, err := v.Open(ctx, OfAccount("a"), d)
			return err
		},
	} {
		if err := open(); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatWasShownKeepsItsSecrets: a spec that is read, changed elsewhere and written back.
func TestWhatWasShownKeepsItsSecrets(t *testing.T) {
	v, ctx := vault(t), t.Context()
	s, err := v.Seal(ctx, "spec.proxy", OfAccount("a"), link, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{shownL, link} {
		again, err := v.Seal(ctx, "spec.proxy", OfAccount("a"), text, []cluster.SealedProxy{s})
		if err != nil || !again.Equal(s) {
			t.Errorf("%s: sealed anew, %v", text, err)
		}
	}
	other, err := v.Seal(ctx, "spec.proxy", OfAccount("a"), strings.Replace(link, secret, "other", 1), []cluster.SealedProxy{s})
	if err != nil || other.Equal(s) {
		t.Errorf("another password was not taken over: %v", err)
	}
	_, err = v.Seal(ctx, "spec.proxy", OfAccount("b"), shownL, nil)
	var fe *fleet.Error
	if !errors.As(err, &fe) || fe.Reason != proxies.Reason || !strings.HasPrefix(fe.Message, "spec.proxy: ") || fe.Remedy == "" {
		t.Errorf("a shown link without a stored one: %v", err)
	}
}

// memory is a Store.
type memory map[string]cluster.ProxyPool

func (m memory) Create(_ context.Context, p cluster.ProxyPool) (cluster.ProxyPool, error) {
	p.ResourceVersion = 1
	m[p.Name] = p
	return p, nil
}

func (m memory) Get(_ context.Context, name string) (cluster.ProxyPool, error) {
	p, ok := m[name]
	if !ok {
		return p, cluster.ErrProxyNotFound
	}
	return p, nil
}
func (m memory) List(context.Context) ([]cluster.ProxyPool, error) { return nil, nil }
func (m memory) Update(_ context.Context, p cluster.ProxyPool) (cluster.ProxyPool, error) {
	if p.ResourceVersion != m[p.Name].ResourceVersion {
		return p, cluster.ErrConflict
	}
	p.ResourceVersion++
	m[p.Name] = p
	return p, nil
}
func (m memory) Delete(_ context.Context, name string) error { delete(m, name); return nil }

func TestPoolsAreShownWithoutSecrets(t *testing.T) {
	ctx := t.Context()
	var mu sync.Mutex
	var tried []string
	var all sync.WaitGroup // nobody is answered before all are asked
	all.Add(3)
	pools := Pools{
		Vault: vault(t), Store: memory{}, Users: func(context.Context) (map[string]int, error) { return map[string]int{"de": 3}, nil },
		Probe: func(_ context.Context, p proxies.Proxy, dc int) (time.Duration, error) {
			mu.Lock()
			tried = append(tried, fmt.Sprint(p.Password, dc))
			mu.Unlock()
			all.Done()
			all.Wait()
			if p.Host == "down.example" {
				return 0, errors.New("refused")
			}
			return time.Second, nil
		},
		Reason: func(error) fleet.ConditionReason { return fleet.ReasonProxyUnreachable },
	}
	made, err := pools.Create(ctx, &v1.Proxy{Name: "de", Members: []*v1.ProxyMember{
		{Link: link}, {Kind: "http", Host: "down.example", Port: 8080, User: "u", Password: secret},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := pools.Get(ctx, "de")
	if err != nil || got.GetAccounts() != 3 || len(got.GetMembers()) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if m := got.GetMembers()[1]; m.GetKind() != "http" || m.GetHost() != "down.example" || m.GetPort() != 8080 || m.GetPassword() != "" {
		t.Errorf("member %v", m)
	}
	if text := fmt.Sprint(made, got); strings.Contains(text, secret) || strings.Contains(text, "user-token") {
		t.Errorf("secrets are shown: %s", text)
	}
	// given back as shown, with one more of the same address but another password
	next, err := pools.Update(ctx, &v1.Proxy{Name: "de", ResourceVersion: got.GetResourceVersion(), Members: append(got.GetMembers(),
		&v1.ProxyMember{Link: strings.Replace(link, secret, "third", 1)})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = pools.Update(ctx, &v1.Proxy{Name: "de", Members: next.GetMembers()}); err != nil {
		t.Fatal(err)
	}
	results, err := pools.Test(ctx, &v1.TestProxyRequest{Name: "de", Dc: 4})
	slices.Sort(tried)
	if want := []string{secret + "4", secret + "4", "third4"}; err != nil || !slices.Equal(tried, slices.Sorted(slices.Values(want))) {
		t.Fatalf("tried %v, %v", tried, err)
	}
	if !results[0].GetOk() || results[1].GetOk() || results[1].GetReason() != "PROXY_UNREACHABLE" || results[0].GetLatency().AsDuration() != time.Second {
		t.Errorf("results %v", results)
	}
	_, err = pools.Create(ctx, &v1.Proxy{Name: "bad", Members: []*v1.ProxyMember{{Link: "ftp://x"}, {Link: link}, {Kind: "socks5", Host: "h"}, {Link: link, Password: "p"}}})
	for _, want := range []string{"members[0]: link: scheme", "members[2]: port: must be", "members[3]: link: user, password"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in %v", want, err)
		}
	}
}
