package model

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

const (
	configLife     = 3600 // seconds
	editTimeLimit  = 48 * 3600
	maxText        = 4096 // UTF-16 units
	maxGroup       = 200
	maxChannel     = 200_000
	maxRequestIDs  = 100
	unlimitedHours = 2147483647
)

func (w *World) registerHelp() {
	on(w, anyone|anywhere, (*call).getConfig)
	on(w, anyone|anywhere, (*call).getNearestDC)
	on(w, anyone|anywhere, (*call).getAppConfig)
	on(w, anyone, (*call).getCDNConfig)
}

func (c *call) getConfig(*tg.HelpGetConfigRequest) (bin.Encoder, error) {
	now := c.w.now()
	cfg := &tg.Config{
		Date: now, Expires: now + configLife, ThisDC: c.dc,
		ChatSizeMax: maxGroup, MegagroupSizeMax: maxChannel, ForwardedCountMax: maxRequestIDs,
		OnlineUpdatePeriodMs: 210_000, OfflineBlurTimeoutMs: 5000, OfflineIdleTimeoutMs: 30_000,
		OnlineCloudTimeoutMs: 300_000, NotifyCloudDelayMs: 30_000, NotifyDefaultDelayMs: 1500,
		PushChatPeriodMs: 60_000, PushChatLimit: 2, EditTimeLimit: editTimeLimit,
		RevokeTimeLimit: unlimitedHours, RevokePmTimeLimit: unlimitedHours, RevokePmInbox: true,
		RatingEDecay: 2419200, StickersRecentLimit: 200, ChannelsReadMediaPeriod: 604800,
		CallReceiveTimeoutMs: 20_000, CallRingTimeoutMs: 90_000, CallConnectTimeoutMs: 30_000,
		CallPacketTimeoutMs: 10_000, MeURLPrefix: "https://t.me/",
		CaptionLengthMax: 1024, MessageLengthMax: maxText, WebfileDCID: c.dc,
	}
	for _, dc := range c.w.cfg.DCs {
		cfg.DCOptions = append(cfg.DCOptions, tg.DCOption{
			ID: dc.ID, IPAddress: dc.IP, Port: dc.Port, MediaOnly: dc.MediaOnly, Static: true, CDN: dc.CDN != "",
		})
	}
	return cfg, nil
}

func (c *call) getCDNConfig(*tg.HelpGetCDNConfigRequest) (bin.Encoder, error) {
	cfg := &tg.CDNConfig{}
	for _, dc := range c.w.cfg.DCs {
		if dc.CDN != "" {
			cfg.PublicKeys = append(cfg.PublicKeys, tg.CDNPublicKey{DCID: dc.ID, PublicKey: dc.CDN})
		}
	}
	return cfg, nil
}

func (c *call) getNearestDC(*tg.HelpGetNearestDCRequest) (bin.Encoder, error) {
	return &tg.NearestDC{Country: "DE", ThisDC: c.dc, NearestDC: c.dc}, nil
}

func (c *call) getAppConfig(q *tg.HelpGetAppConfigRequest) (bin.Encoder, error) {
	const hash = 1
	if q.Hash == hash {
		return &tg.HelpAppConfigNotModified{}, nil
	}
	return &tg.HelpAppConfig{Hash: hash, Config: &tg.JSONObject{Value: []tg.JSONObjectValue{
		{Key: "upload_max_fileparts_default", Value: &tg.JSONNumber{Value: 4000}},
		{Key: "upload_max_fileparts_premium", Value: &tg.JSONNumber{Value: 8000}},
	}}}, nil
}
