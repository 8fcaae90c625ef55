package users

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

const configLife = 3600 // seconds

func getConfig(c *model.Call, _ *tg.HelpGetConfigRequest) (bin.Encoder, error) {
	now := c.World.Now()
	cfg := &tg.Config{
		Date: now, Expires: now + configLife, ThisDC: c.DC,
		ChatSizeMax: model.MaxGroup, MegagroupSizeMax: model.MaxChannel, ForwardedCountMax: model.MaxRequestIDs,
		OnlineUpdatePeriodMs: 210_000, OfflineBlurTimeoutMs: 5000, OfflineIdleTimeoutMs: 30_000,
		OnlineCloudTimeoutMs: 300_000, NotifyCloudDelayMs: 30_000, NotifyDefaultDelayMs: 1500,
		PushChatPeriodMs: 60_000, PushChatLimit: 2, EditTimeLimit: model.EditTimeLimit,
		RevokeTimeLimit: model.Unlimited, RevokePmTimeLimit: model.Unlimited, RevokePmInbox: true,
		RatingEDecay: 2419200, StickersRecentLimit: 200, ChannelsReadMediaPeriod: 604800,
		CallReceiveTimeoutMs: 20_000, CallRingTimeoutMs: 90_000, CallConnectTimeoutMs: 30_000,
		CallPacketTimeoutMs: 10_000, MeURLPrefix: "https://t.me/",
		CaptionLengthMax: model.MaxCaption, MessageLengthMax: model.MaxText, WebfileDCID: c.DC,
	}
	for _, dc := range c.World.Config.DCs {
		cfg.DCOptions = append(cfg.DCOptions, tg.DCOption{
			ID: dc.ID, IPAddress: dc.IP, Port: dc.Port, MediaOnly: dc.MediaOnly, Static: true, CDN: dc.CDN != "",
		})
	}
	return cfg, nil
}

func getCDNConfig(c *model.Call, _ *tg.HelpGetCDNConfigRequest) (bin.Encoder, error) {
	cfg := &tg.CDNConfig{}
	for _, dc := range c.World.Config.DCs {
		if dc.CDN != "" {
			cfg.PublicKeys = append(cfg.PublicKeys, tg.CDNPublicKey{DCID: dc.ID, PublicKey: dc.CDN})
		}
	}
	return cfg, nil
}

func getNearestDC(c *model.Call, _ *tg.HelpGetNearestDCRequest) (bin.Encoder, error) {
	return &tg.NearestDC{Country: "DE", ThisDC: c.DC, NearestDC: c.DC}, nil
}

func getAppConfig(c *model.Call, q *tg.HelpGetAppConfigRequest) (bin.Encoder, error) {
	const hash = 1
	if q.Hash == hash {
		return &tg.HelpAppConfigNotModified{}, nil
	}
	return &tg.HelpAppConfig{Hash: hash, Config: &tg.JSONObject{Value: []tg.JSONObjectValue{
		{Key: "upload_max_fileparts_default", Value: &tg.JSONNumber{Value: 4000}},
		{Key: "upload_max_fileparts_premium", Value: &tg.JSONNumber{Value: 8000}},
	}}}, nil
}
