// Package uplink is how the accounts of a node reach Telegram: which DCs there are, which proxy
// and which application each account uses. It joins the configuration, what all nodes share in
// etcd, and the actors.
//
// # Usage
//
//	u, err := uplink.Open(ctx, cfg)         // reads the DCs that were learnt, and the key of the proxies
//	go u.Run(ctx, fleet.Reroute)            // follows the pools of proxies
//	desired := u.Desired(ctx, spec)         // what a spec asks for; also sets the account's route
//
// # Concurrency
//
// An Uplink may be used by any goroutine.
//
// # Errors
//
// What a spec asks for and cannot be had becomes actors.Desired.Hold, with what to do: the account
// then holds no socket. A proxy that is missing or cannot be opened gives no route: nothing goes out.
package uplink

import (
	"context"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/actors"
	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/proxyvault"
	"github.com/telefleet/orchestrator/internal/routes"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// Pools follows the pools of proxies; *etcd.Proxies of package cluster/etcd.
type Pools interface {
	Follow(ctx context.Context, log hclog.Logger, changed func(name string, pool *cluster.ProxyPool), known func())
}

// Settings keeps what all nodes share; *etcd.Settings of package cluster/etcd.
type Settings interface {
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, value []byte) error
}

// Config of an Uplink.
type Config struct {
	ClusterID string
	// Network names the DCs: what is learnt of one is nothing for another.
	Network string
	// DCs is the list to begin with. Fixed says that it stays.
	DCs   dcs.List
	Fixed bool
	// App is the profile of accounts that name none, Apps those that they may name.
	App  telegram.AppProfile
	Apps map[string]telegram.AppProfile

	Pools    Pools
	Settings Settings
	// Key gives the fleet's own data key.
	Key func(ctx context.Context) (cipher.AEAD, error)
	Log hclog.Logger
	Now func() time.Time
}

// Uplink is the way out of one node.
type Uplink struct {
	cfg       Config
	vault     proxyvault.Vault
	routes    *routes.Table
	directory *dcs.Directory
	learnt    chan []dcs.Option // at most the last
}

// storeTimeout bounds one write of what was learnt.
const storeTimeout = 10 * time.Second

// Open reads what all nodes share.
func Open(ctx context.Context, cfg Config) (*Uplink, error) {
	key, err := cfg.Key(ctx) // never changes: it is kept for the life of the process
	if err != nil {
		return nil, fmt.Errorf("key of the proxies: %w", err)
	}
	u := &Uplink{cfg: cfg, routes: routes.New(cfg.Now), learnt: make(chan []dcs.Option, 1)}
	u.vault = proxyvault.Vault{Key: func(context.Context) (cipher.AEAD, error) { return key, nil }, ClusterID: cfg.ClusterID}
	if cfg.Fixed {
		u.directory = dcs.Fixed(cfg.DCs)
		return u, nil
	}
	text, err := cfg.Settings.Get(ctx, u.setting())
	if err != nil {
		return nil, err
	}
	var options []dcs.Option
	if len(text) > 0 && json.Unmarshal(text, &options) != nil {
		cfg.Log.Warn("the stored addresses of Telegram's DCs cannot be read: the built-in ones are used until new ones are learnt")
		options = nil
	}
	u.directory = dcs.NewDirectory(cfg.DCs, options, cfg.Now, u.remember)
	return u, nil
}

func (u *Uplink) setting() string { return "dcs/" + u.cfg.Network }

// Vault seals proxies for the API.
func (u *Uplink) Vault() proxyvault.Vault { return u.vault }

// Routes is the routes as the actors want them.
func (u *Uplink) Routes() *routes.Table { return u.routes }

// Directory is the DCs as the actors want them.
func (u *Uplink) Directory() *dcs.Directory { return u.directory }

// remember hands options over to Run; the last ones win.
func (u *Uplink) remember(options []dcs.Option) {
	for {
		select {
		case u.learnt <- options:
			return
		default:
		}
		select {
		case <-u.learnt:
		default:
		}
	}
}

// Run follows the pools and stores what is learnt of DCs, until ctx ends. reroute is called for
// each account whose proxy is no longer the one that it uses.
func (u *Uplink) Run(ctx context.Context, reroute func(fleet.AccountID)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		u.store(ctx)
	}()
	u.cfg.Pools.Follow(ctx, u.cfg.Log, func(name string, pool *cluster.ProxyPool) {
		for _, id := range u.setPool(ctx, name, pool) {
			reroute(id)
		}
	}, u.routes.Listed)
	<-done
}

func (u *Uplink) setPool(ctx context.Context, name string, pool *cluster.ProxyPool) []fleet.AccountID {
	if pool == nil {
		return u.routes.SetPool(name, nil)
	}
	members, err := u.vault.OpenAll(ctx, *pool)
	if err != nil { // it must not look like a pool that works
		u.cfg.Log.Error("the pool of proxies cannot be opened: its accounts do not connect", "pool", name, "error", err.Error())
		members = nil
	}
	return u.routes.SetPool(name, members)
}

// store writes what was learnt; what fails is learnt again.
func (u *Uplink) store(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case options := <-u.learnt:
			text, err := json.Marshal(options)
			if err == nil {
				put, cancel := context.WithTimeout(ctx, storeTimeout)
				err = u.cfg.Settings.Put(put, u.setting(), text)
				cancel()
			}
			if err != nil && ctx.Err() == nil {
				u.cfg.Log.Warn("the addresses of Telegram's DCs are not stored", "error", err.Error())
			}
		}
	}
}

// Desired is what a spec asks of the actors. It sets the account's route.
func (u *Uplink) Desired(ctx context.Context, s cluster.Spec) actors.Desired {
	d := actors.Desired{
		Paused: s.Desired == cluster.DesiredPaused || s.Desired == cluster.DesiredDisconnected,
		AtOnce: s.Desired == cluster.DesiredDisconnected, Generation: s.Generation, DC: s.DC, PFS: s.PFS,
	}
	w := u.wanted(ctx, s)
	u.routes.SetAccount(s.Account, w)
	d.Route = routeName(s.Proxy)
	profile, err := u.profile(s)
	if err != nil {
		d.Hold = holdOf(err)
	}
	d.Profile = profile
	return d
}

// wanted is the proxy of a spec.
func (u *Uplink) wanted(ctx context.Context, s cluster.Spec) routes.Wanted {
	if s.Proxy.Own == nil {
		return routes.Wanted{Pool: s.Proxy.Pool}
	}
	p, err := u.vault.Open(ctx, proxyvault.OfAccount(s.Account), *s.Proxy.Own)
	if err != nil {
		u.cfg.Log.Error("the proxy of an account cannot be opened: it does not connect", "account", string(s.Account), "error", err.Error())
		return routes.Wanted{Unusable: err}
	}
	return routes.Wanted{Own: &p}
}

// routeName tells two ways of an account apart. It holds no secret.
func routeName(p cluster.ProxySpec) string {
	switch {
	case p.Own != nil:
		return "own:" + fmt.Sprintf("%x", p.Own.Sealed)
	case p.Pool != "":
		return "pool:" + p.Pool
	}
	return ""
}

// profile is the application of a spec; nil for the node's own.
func (u *Uplink) profile(s cluster.Spec) (*actors.Profile, error) {
	if s.App == "" && s.Device == (cluster.Device{}) {
		return nil, nil
	}
	app, err := u.app(s.App)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&app.DeviceModel, s.Device.DeviceModel}, {&app.SystemVersion, s.Device.SystemVersion}, {&app.AppVersion, s.Device.AppVersion},
		{&app.SystemLangCode, s.Device.SystemLangCode}, {&app.LangPack, s.Device.LangPack}, {&app.LangCode, s.Device.LangCode},
	} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	return actors.NewProfile(app)
}

func (u *Uplink) app(name string) (telegram.AppProfile, error) {
	if name == "" {
		return u.cfg.App, nil
	}
	app, ok := u.cfg.Apps[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(u.cfg.Apps)), ", ")
		if known == "" {
			known = "none"
		}
		return app, fleet.Errorf(fleet.CodeInvalidArgument, "APP_UNKNOWN", "spec.app: must be one of `apps` in the node's configuration: %s (got %q)", known, name).
			WithRemedy("add it to `apps` on every node and restart them, or leave spec.app out for the default profile")
	}
	return app, nil
}

// CheckApp reports whether a spec may name an application.
func (u *Uplink) CheckApp(name string) error {
	_, err := u.app(name)
	return err
}

// CheckDC reports whether a spec may name a DC.
func (u *Uplink) CheckDC(dc int) error {
	known := u.directory.Known().IDs()
	if dc == 0 || slices.Contains(known, dc) {
		return nil
	}
	return fleet.Errorf(fleet.CodeInvalidArgument, "DC_UNKNOWN", "spec.dc: must be 0 or one of %v (got %d)", known, dc).
		WithRemedy("leave spec.dc out: signing in moves the account to its home DC")
}

func holdOf(err error) *actors.Hold {
	var e *fleet.Error
	if !errors.As(err, &e) {
		e = &fleet.Error{Reason: "APP_UNUSABLE", Message: err.Error(), Remedy: "correct the account's spec"}
	}
	return &actors.Hold{Reason: e.Reason, Message: e.Message, Remedy: e.Remedy}
}

// Seal makes the stored form of spec.proxy: `pool:NAME`, a link, or what was shown of the stored
// one. pool reports whether there is a pool.
func (u *Uplink) Seal(ctx context.Context, id fleet.AccountID, text string, stored cluster.ProxySpec, pool func(name string) error) (cluster.ProxySpec, error) {
	if text == "" {
		return cluster.ProxySpec{}, nil
	}
	if name, ok := strings.CutPrefix(text, poolPrefix); ok {
		if name == stored.Pool {
			return cluster.ProxySpec{Pool: name}, nil
		}
		return cluster.ProxySpec{Pool: name}, pool(name)
	}
	var known []cluster.SealedProxy
	if stored.Own != nil {
		known = append(known, *stored.Own)
	}
	sealed, err := u.vault.Seal(ctx, "spec.proxy", proxyvault.OfAccount(id), text, known)
	if err != nil {
		return cluster.ProxySpec{}, err
	}
	return cluster.ProxySpec{Own: &sealed}, nil
}

const poolPrefix = "pool:"

// Shown is spec.proxy without secrets.
func Shown(p cluster.ProxySpec) string {
	switch {
	case p.Own != nil:
		return p.Own.Shown
	case p.Pool != "":
		return poolPrefix + p.Pool
	}
	return ""
}

// Resource is a spec's part of an account as the API has it.
func Resource(s cluster.Spec) *v1.AccountSpec {
	spec := &v1.AccountSpec{
		App: s.App, Proxy: Shown(s.Proxy), Dc: int32(s.DC), Pfs: s.PFS,
		Paused:       s.Desired == cluster.DesiredPaused || s.Desired == cluster.DesiredDisconnected,
		Disconnected: s.Desired == cluster.DesiredDisconnected,
	}
	if d := s.Device; d != (cluster.Device{}) {
		spec.Device = &v1.AppDevice{
			DeviceModel: d.DeviceModel, SystemVersion: d.SystemVersion, AppVersion: d.AppVersion,
			SystemLangCode: d.SystemLangCode, LangPack: d.LangPack, LangCode: d.LangCode,
		}
	}
	return spec
}

// Spec takes over the part of an account as the API has it; stored is what the account has now, the
// zero value for a new one. pool reports whether there is a pool of proxies.
func (u *Uplink) Spec(ctx context.Context, s *cluster.Spec, spec *v1.AccountSpec, stored cluster.Spec, pool func(name string) error) error {
	s.App, s.DC, s.PFS = spec.GetApp(), int(spec.GetDc()), spec.GetPfs()
	if d := spec.GetDevice(); d != nil {
		s.Device = cluster.Device{
			DeviceModel: d.GetDeviceModel(), SystemVersion: d.GetSystemVersion(), AppVersion: d.GetAppVersion(),
			SystemLangCode: d.GetSystemLangCode(), LangPack: d.GetLangPack(), LangCode: d.GetLangCode(),
		}
	}
	if s.App != stored.App {
		if err := u.CheckApp(s.App); err != nil {
			return err
		}
	}
	if s.DC != stored.DC {
		if err := u.CheckDC(s.DC); err != nil {
			return err
		}
	}
	var err error
	s.Proxy, err = u.Seal(ctx, s.Account, spec.GetProxy(), stored.Proxy, pool)
	return err
}
