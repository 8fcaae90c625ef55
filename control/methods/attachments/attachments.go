// Package attachments reads the files that requests name, whatever is done with them.
//
// # Usage
//
//	file, err := attachments.Of(env, "media", req.GetMedia())
//	sent, err := media.Send(ctx, env, peer, message, file)
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// *fleet.Error, which names the field of the request.
package attachments

import (
	"context"
	"net/url"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/media"
)

// Find finds the file that a request names: the size or thumbnail thumb of it, all of it when that is empty.
// field is where the request has it.
func Find(ctx context.Context, env telegram.Env, field string, ref *v1.FileRef, thumb string) (media.Stored, error) {
	switch place := ref.GetPlace().(type) {
	case *v1.FileRef_Message:
		if n := place.Message.GetMessageId(); n <= 0 {
			return media.Stored{}, convert.Invalid(field+".message.message_id", "give the id of a message", "must be positive (got %d)", n)
		}
		peer, err := telegram.ResolvePeer(ctx, env, place.Message.GetPeer())
		if err != nil {
			return media.Stored{}, err
		}
		return media.OfMessage(ctx, env, peer, int(place.Message.GetMessageId()), thumb)
	case *v1.FileRef_ProfilePhoto:
		peer, err := telegram.ResolvePeer(ctx, env, place.ProfilePhoto.GetPeer())
		if err != nil {
			return media.Stored{}, err
		}
		return media.OfProfile(ctx, env, peer, place.ProfilePhoto.GetPhotoId(), thumb)
	}
	return media.Stored{}, convert.Invalid(field, "name a message or a profile photo", "is missing")
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

// Of is a file to send as package telegram/media has it; field is where the request has it.
func Of(env telegram.Env, field string, in *v1.InputMedia) (media.Attachment, error) {
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
			return Find(ctx, env, field+".stored", source.Stored, "")
		}
		return out, nil
	case *v1.InputMedia_Url:
		u, err := url.Parse(source.Url)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return out, convert.Invalid(field+".url", "give a http or https URL", "is no URL that Telegram can fetch")
		}
		out.URL = source.Url
		out.About = media.Info{Mime: in.GetMimeType(), Width: int(in.GetWidth()), Height: int(in.GetHeight()), Duration: in.GetDuration()}
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
