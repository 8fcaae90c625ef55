package uplink

import (
	"context"
	"time"

	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/routes"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
	"github.com/telefleet/orchestrator/telegram/proxies"
)

var framings = map[string]transport.Framing{
	"abridged": transport.Abridged, "intermediate": transport.Intermediate,
	"padded": transport.PaddedIntermediate, "full": transport.Full,
}

// TransportOf is how bytes travel, as the configuration says.
func TransportOf(t configs.Telegram) transport.Options {
	return transport.Options{Framing: framings[t.Transport.Framing], Obfuscated: t.Transport.Obfuscated}
}

// IPv6Of is what becomes of IPv6 addresses, as the configuration says.
func IPv6Of(t configs.Telegram) dcs.IPv6 {
	return map[string]dcs.IPv6{
		"never": dcs.IPv6Never, "fallback": dcs.IPv6Fallback, "prefer": dcs.IPv6Prefer, "only": dcs.IPv6Only,
	}[t.IPv6]
}

// AppOf is the profile of accounts that name none.
func AppOf(t configs.Telegram) telegram.AppProfile { return appOf(t.APIID, t.APIHash, t.App) }

// AppsOf are those that accounts may name.
func AppsOf(cfg configs.Config) map[string]telegram.AppProfile {
	apps := make(map[string]telegram.AppProfile, len(cfg.Apps))
	for name, a := range cfg.Apps {
		apps[name] = appOf(a.APIID, a.APIHash, a.Over(cfg.Telegram.App))
	}
	return apps
}

func appOf(id int, hash string, app configs.App) telegram.AppProfile {
	return telegram.AppProfile{
		APIID: id, APIHash: hash, Layer: app.Layer, DeviceModel: app.DeviceModel,
		SystemVersion: app.SystemVersion, AppVersion: app.AppVersion, SystemLangCode: app.SystemLangCode,
		LangPack: app.LangPack, LangCode: app.LangCode,
	}
}

// Probe tries a proxy; see dcdial.Probe. DC 0 is the configured default.
func (u *Uplink) Probe(t configs.Telegram) func(ctx context.Context, p proxies.Proxy, dc int) (time.Duration, error) {
	return func(ctx context.Context, p proxies.Proxy, dc int) (time.Duration, error) {
		o := TransportOf(t)
		o.Proxy = routes.Via(p)
		if dc == 0 {
			dc = t.DefaultDC
		}
		return dcdial.Probe(ctx, u.directory.Known(), dcdial.Target{DC: dc, IPv6: IPv6Of(t)}, o)
	}
}
