package uplink

import (
	"context"
	"crypto/cipher"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/tg"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/crypto/chacha20poly1305"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/proxyvault"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// shared is what all nodes share, in memory.
type shared struct {
	mu     sync.Mutex
	values map[string][]byte
	put    chan string
	tell   func(changed func(string, *cluster.ProxyPool), known func())
}

func (s *shared) Get(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[name], nil
}

func (s *shared) Put(_ context.Context, name string, value []byte) error {
	s.mu.Lock()
	s.values[name] = value
	s.mu.Unlock()
	s.put <- name
	return nil
}

func (s *shared) Follow(ctx context.Context, _ hclog.Logger, changed func(string, *cluster.ProxyPool), known func()) {
	if s.tell != nil {
		s.tell(changed, known)
	}
	<-ctx.Done()
}

func open(t *testing.T, s *shared) *Uplink {
	t.Helper()
	u, err := Open(t.Context(), Config{
		ClusterID: "c", Network: "production", DCs: dcs.Production(),
		App:   telegram.AppProfile{APIID: 1, APIHash: "h", DeviceModel: "Server", SystemVersion: "Linux", AppVersion: "1"},
		Apps:  map[string]telegram.AppProfile{"android": {APIID: 2, APIHash: "i", DeviceModel: "Pixel", SystemVersion: "16", AppVersion: "11"}},
		Pools: s, Settings: s, Log: hclog.NewNullLogger(), Now: time.Now,
		Key: func(context.Context) (cipher.AEAD, error) {
			return chacha20poly1305.NewX(make([]byte, chacha20poly1305.KeySize))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestLearntDCsAreUsedAtTheNextStart, on whichever node that is.
func TestLearntDCsAreUsedAtTheNextStart(t *testing.T) {
	s := &shared{values: map[string][]byte{}, put: make(chan string, 1)}
	u := open(t, s)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		u.Run(ctx, func(fleet.AccountID) {})
	}()
	u.Directory().Learn([]tg.DCOption{{ID: 2, IPAddress: "192.0.2.9", Port: 443}})
	if name := <-s.put; name != "dcs/production" {
		t.Errorf("stored as %s", name)
	}
	stop()
	<-done
	if first := open(t, s).Directory().Known().Select(2, dcs.Want{})[0]; first.Addr != "192.0.2.9:443" {
		t.Errorf("the next start begins with %s", first.Addr)
	}
	s.values["dcs/production"] = []byte("no JSON")
	if known := open(t, s).Directory().Known(); len(known.Options) != len(dcs.Production().Options) {
		t.Error("an unreadable list is not replaced by the built-in one")
	}
}

func TestASpecBecomesWhatTheActorsNeed(t *testing.T) {
	s := &shared{values: map[string][]byte{}, put: make(chan string, 1)}
	u := open(t, s)
	ctx := t.Context()
	spec := cluster.Spec{Account: "a"}
	none := func(string) error { return errors.New("no such pool") }
	const link = "socks5://u:hunter2@proxy.example:1080"
	err := u.Spec(ctx, &spec, &v1.AccountSpec{App: "android", Dc: 4, Pfs: true, Proxy: link, Device: &v1.AppDevice{AppVersion: "12"}}, cluster.Spec{}, none)
	if err != nil {
		t.Fatal(err)
	}
	d := u.Desired(ctx, spec)
	if d.Hold != nil || d.DC != 4 || !d.PFS || d.Route == "" || strings.Contains(d.Route, "hunter2") {
		t.Errorf("desired %+v", d)
	}
	if app := d.Profile.App; app.APIID != 2 || app.DeviceModel != "Pixel" || app.AppVersion != "12" {
		t.Errorf("app %v", app)
	}
	if r, err := u.Routes().Route("a"); err != nil || r.Proxy == nil || r.Proxy.Password != "hunter2" {
		t.Errorf("route %v, %v", r, err)
	}
	shown := Resource(spec)
	if strings.Contains(shown.String(), "hunter2") || !strings.Contains(shown.GetProxy(), "proxy.example") {
		t.Errorf("shown as %v", shown)
	}
	again := cluster.Spec{Account: "a"}
	if err := u.Spec(ctx, &again, shown, spec, none); err != nil || !again.Proxy.Equal(spec.Proxy) {
		t.Errorf("given back as shown: %v", err)
	}

	// what another node's configuration knows and this one's does not
	spec.App = "ios"
	if d := u.Desired(ctx, spec); d.Hold == nil || d.Hold.Reason != "APP_UNKNOWN" || d.Hold.Remedy == "" {
		t.Errorf("unknown app: %+v", d.Hold)
	}
	// sealed by another cluster: no route at all
	spec.Proxy.Own = &cluster.SealedProxy{Shown: "x", Sealed: []byte("y")}
	u.Desired(ctx, spec)
	if r, err := u.Routes().Route("a"); err == nil || r.Direct || r.Proxy != nil {
		t.Errorf("a proxy that cannot be opened: %+v, %v", r, err)
	}
	for want, bad := range map[string]*v1.AccountSpec{
		"APP_UNKNOWN": {App: "ios"}, "DC_UNKNOWN": {Dc: 77}, "PROXY_INVALID": {Proxy: "ftp://x"},
	} {
		var fe *fleet.Error
		if err := u.Spec(ctx, &cluster.Spec{Account: "b"}, bad, cluster.Spec{}, none); !errors.As(err, &fe) || fe.Reason != want || fe.Remedy == "" {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := u.Spec(ctx, &cluster.Spec{Account: "b"}, &v1.AccountSpec{Proxy: "pool:none"}, cluster.Spec{}, none); err == nil {
		t.Error("an unknown pool was taken")
	}
}

// TestPoolsAreFollowed: a pool that changes tells who must connect anew, one that cannot be opened gives no route.
func TestPoolsAreFollowed(t *testing.T) {
	s := &shared{values: map[string][]byte{}, put: make(chan string, 1)}
	u := open(t, s)
	v := u.Vault()
	seal := func(link string) cluster.SealedProxy {
		p, err := v.Seal(t.Context(), "x", proxyvault.OfPool("p"), link, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	one, two := seal("socks5://127.0.0.1:1"), seal("socks5://127.0.0.1:2")
	u.Desired(t.Context(), cluster.Spec{Account: "a", Proxy: cluster.ProxySpec{Pool: "p"}})
	var rerouted []fleet.AccountID
	ctx, stop := context.WithCancel(t.Context())
	s.tell = func(changed func(string, *cluster.ProxyPool), known func()) {
		defer stop()
		changed("p", &cluster.ProxyPool{Name: "p", Members: []cluster.SealedProxy{one}})
		known()
		if r, err := u.Routes().Route("a"); err != nil || r.Proxy.Addr != "127.0.0.1:1" {
			t.Errorf("route %v, %v", r, err)
		}
		changed("p", &cluster.ProxyPool{Name: "p", Members: []cluster.SealedProxy{two}})
		if r, err := u.Routes().Route("a"); err != nil || r.Proxy.Addr != "127.0.0.1:2" || len(rerouted) != 1 {
			t.Errorf("route %v, %v, rerouted %v", r, err, rerouted)
		}
		changed("p", &cluster.ProxyPool{Name: "p", Members: []cluster.SealedProxy{two, {Shown: "x", Sealed: []byte("y")}}})
		if r, err := u.Routes().Route("a"); err == nil || r.Proxy != nil || r.Direct {
			t.Errorf("a pool that cannot be opened: %+v, %v", r, err)
		}
	}
	u.Run(ctx, func(id fleet.AccountID) { rerouted = append(rerouted, id) })
}
