package media

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/methods/messages"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/media"
)

func sendFile(ctx context.Context, env telegram.Env, req *v1.SendFileRequest, c *methods.Command) (*v1.SendFileReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	out, err := messages.Outgoing(ctx, env, "message", req.GetMessage())
	if err != nil {
		return nil, err
	}
	out.RandomID, out.Since = c.RandomID(0), c.Since()
	file, err := attachment(env, "media", req.GetMedia())
	if err != nil {
		return nil, err
	}
	sent, err := media.Send(ctx, env, peer, out, file)
	if errors.Is(err, telegram.ErrMessageUnknown) {
		return &v1.SendFileReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN}, nil
	}
	if err != nil {
		return nil, err
	}
	return &v1.SendFileReply{Message: convert.Message(sent, env.Peers()), Outcome: v1.SendOutcome_SEND_OUTCOME_DONE}, nil
}

func sendAlbum(ctx context.Context, env telegram.Env, req *v1.SendAlbumRequest, c *methods.Command) (*v1.SendAlbumReply, error) {
	peer, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	out, err := messages.Outgoing(ctx, env, "message", req.GetMessage())
	if err != nil {
		return nil, err
	}
	var items []media.AlbumItem
	for i, in := range req.GetItems() {
		field := fmt.Sprintf("items[%d]", i)
		item := media.AlbumItem{RandomID: c.RandomID(i)}
		if item.Attachment, err = attachment(env, field+".media", in.GetMedia()); err != nil {
			return nil, err
		}
		caption, err := messages.Outgoing(ctx, env, field+".caption", in.GetCaption())
		if err != nil {
			return nil, err
		}
		if item.Text, item.Entities = caption.Text, caption.Entities; i == 0 && item.Text == "" {
			item.Text, item.Entities = out.Text, out.Entities
		}
		items = append(items, item)
	}
	sent, err := media.SendAlbum(ctx, env, peer, out, items)
	if errors.Is(err, telegram.ErrMessageUnknown) {
		return &v1.SendAlbumReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE_MESSAGE_UNKNOWN}, nil
	}
	if err != nil {
		return nil, err
	}
	reply := &v1.SendAlbumReply{Outcome: v1.SendOutcome_SEND_OUTCOME_DONE}
	for _, m := range sent {
		reply.Messages = append(reply.Messages, convert.Message(m, env.Peers()))
	}
	return reply, nil
}

// kinds are as what files are sent.
var kinds = map[v1.MediaKind]media.Kind{
	v1.MediaKind_MEDIA_KIND_UNSPECIFIED: media.Auto, v1.MediaKind_MEDIA_KIND_PHOTO: media.Photo,
	v1.MediaKind_MEDIA_KIND_DOCUMENT: media.Document, v1.MediaKind_MEDIA_KIND_VIDEO: media.Video,
	v1.MediaKind_MEDIA_KIND_AUDIO: media.Audio, v1.MediaKind_MEDIA_KIND_VOICE: media.Voice,
	v1.MediaKind_MEDIA_KIND_ANIMATION: media.Animation, v1.MediaKind_MEDIA_KIND_VIDEO_NOTE: media.VideoNote,
}

// maxTTL is the longest time for which a file can be seen, in seconds.
const maxTTL = 60

// attachment is a file to send as package media has it.
func attachment(env telegram.Env, field string, in *v1.InputMedia) (media.Attachment, error) {
	kind, ok := kinds[in.GetKind()]
	if !ok {
		return media.Attachment{}, convert.Invalid(field+".kind", "give a kind that this version knows", "is unknown (got %d)", in.GetKind())
	}
	if n := in.GetTtlSeconds(); n < 0 || n > maxTTL {
		return media.Attachment{}, convert.Invalid(field+".ttl_seconds", "give seconds, or 0 for ever", "must be 0 to %d (got %d)", maxTTL, n)
	}
	out := media.Attachment{
		Kind: kind, Title: in.GetTitle(), Performer: in.GetPerformer(), Spoiler: in.GetSpoiler(), TTL: int(in.GetTtlSeconds()),
	}
	switch source := in.GetSource().(type) {
	case *v1.InputMedia_Uploaded:
		file, err := uploadedFile(field, in, source.Uploaded)
		out.Uploaded = file
		return out, err
	case *v1.InputMedia_Stored:
		out.Find = func(ctx context.Context) (media.Stored, error) {
			return stored(ctx, env, field+".stored", source.Stored, "")
		}
		return out, nil
	case *v1.InputMedia_Url:
		u, err := url.Parse(source.Url)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return out, convert.Invalid(field+".url", "give a http or https URL", "is no URL that Telegram can fetch")
		}
		out.URL = source.Url
		return out, nil
	}
	return out, convert.Invalid(field, "name an upload, a stored file or a URL", "has no file")
}

func uploadedFile(field string, in *v1.InputMedia, u *v1.UploadedFile) (*media.File, error) {
	f := &media.File{
		ID: u.GetId(), Parts: int(u.GetParts()), Size: u.GetSize(), Name: u.GetName(), MD5: u.GetMd5(),
		Info: media.Info{Mime: u.GetMimeType(), Width: int(u.GetWidth()), Height: int(u.GetHeight()), Duration: u.GetDuration()},
	}
	if f.ID == 0 || f.Parts <= 0 || f.Size <= 0 {
		return nil, convert.Invalid(field+".uploaded", "pass what Upload replied", "is incomplete")
	}
	if in.GetFileName() != "" {
		f.Name = in.GetFileName()
	}
	if in.GetMimeType() != "" {
		f.Mime = in.GetMimeType()
	}
	if in.GetWidth() > 0 && in.GetHeight() > 0 {
		f.Width, f.Height = int(in.GetWidth()), int(in.GetHeight())
	}
	if in.GetDuration() > 0 {
		f.Duration = in.GetDuration()
	}
	return f, nil
}
