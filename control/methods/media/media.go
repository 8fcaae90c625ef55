// Package media holds the RPCs of files, one function each, as package methods does those of
// accounts.
//
// # Usage
//
// All lists them; package control serves them. What is done at Telegram is in telegram/media.
//
// # Concurrency
//
// Functions keep no state but which uploads run. Where an upload stands is noted with its account
// (control/requests), for an hour.
//
// # Errors
//
// Errors that callers can act on are *fleet.Error.
package media

import (
	"context"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/methods/attachments"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/media"
)

// All lists the methods.
func All() []methods.Method {
	u := newUploads(time.Now)
	return []methods.Method{
		methods.Fed(u.upload), methods.Hosted(u.get), methods.Sending(sendFile), methods.Sending(sendAlbum),
		methods.Streamed(download), methods.Routed(getProfilePhotos),
	}
}

func download(ctx context.Context, host *methods.Host, req *v1.DownloadRequest, send func(*v1.DownloadReply) error) error {
	env, err := host.Env(ctx, fleet.AccountID(req.GetAccount()))
	if err != nil {
		return err
	}
	file, err := attachments.Find(ctx, env, "file", req.GetFile(), req.GetThumb())
	if err != nil {
		return err
	}
	start := &v1.DownloadStart{Size: file.Size, Name: file.Name, MimeType: file.Mime, FileId: file.ID}
	if err := send(&v1.DownloadReply{Content: &v1.DownloadReply_Start{Start: start}}); err != nil {
		return err
	}
	refresh := func(ctx context.Context) (media.Location, error) {
		again, err := attachments.Find(ctx, env, "file", req.GetFile(), req.GetThumb())
		if err == nil && again.ID != file.ID {
			err = fleet.Errorf(fleet.CodeAborted, "FILE_CHANGED", "file: is another one now").WithRemedy("begin anew")
		}
		return again.Location, err
	}
	return media.Download(ctx, env, file.Location, media.DownloadOptions{Offset: req.GetOffset(), Refresh: refresh}, func(p []byte) error {
		return send(&v1.DownloadReply{Content: &v1.DownloadReply_Chunk{Chunk: p}})
	})
}

// maxPhotos is the most photos that one GetProfilePhotos returns.
const maxPhotos = 10_000

func getProfilePhotos(ctx context.Context, env telegram.Env, req *v1.GetProfilePhotosRequest) (*v1.GetProfilePhotosReply, error) {
	if n := req.GetLimit(); n < 0 || n > maxPhotos {
		return nil, convert.Invalid("limit", "read on with offset", "must be 0 to %d (got %d)", maxPhotos, n)
	}
	if n := req.GetOffset(); n < 0 {
		return nil, convert.Invalid("offset", "give how many to leave out", "must not be negative (got %d)", n)
	}
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	photos, err := media.ProfilePhotos(ctx, env, peer, int(req.GetOffset()), int(req.GetLimit()))
	if err != nil {
		return nil, err
	}
	reply := &v1.GetProfilePhotosReply{Peer: convert.Peer(peer), Total: int32(photos.Total)}
	for _, p := range photos.List {
		w, h, size := media.PhotoSize(p)
		reply.Photos = append(reply.Photos, &v1.ProfilePhoto{
			Id: p.ID, Date: convert.Unix(p.Date), Width: int32(w), Height: int32(h), Size: size, Video: len(p.VideoSizes) > 0,
		})
	}
	return reply, nil
}
