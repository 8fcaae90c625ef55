package client

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// Messages of the contract under short names.
type (
	// UploadedFile is a file at Telegram that no message has yet.
	UploadedFile = v1.UploadedFile
	// ProfilePhoto is one photo of a user or chat.
	ProfilePhoto = v1.ProfilePhoto
	// MediaKind says as what a file is sent.
	MediaKind = v1.MediaKind
)

// As what files are sent; see the contract for their limits.
const (
	AsPhoto     = v1.MediaKind_MEDIA_KIND_PHOTO
	AsDocument  = v1.MediaKind_MEDIA_KIND_DOCUMENT
	AsVideo     = v1.MediaKind_MEDIA_KIND_VIDEO
	AsAudio     = v1.MediaKind_MEDIA_KIND_AUDIO
	AsVoice     = v1.MediaKind_MEDIA_KIND_VOICE
	AsAnimation = v1.MediaKind_MEDIA_KIND_ANIMATION
	AsVideoNote = v1.MediaKind_MEDIA_KIND_VIDEO_NOTE
)

// FileRef names a file that Telegram has by where it is seen.
type FileRef struct{ ref *v1.FileRef }

// FileOf is the photo or document of a message.
func FileOf(peer string, messageID int32) FileRef {
	return FileRef{&v1.FileRef{Place: &v1.FileRef_Message{Message: &v1.MessageRef{Peer: peer, MessageId: messageID}}}}
}

// ProfilePhotoOf is a profile photo of a user or chat; 0 is the newest.
func ProfilePhotoOf(peer string, photoID int64) FileRef {
	return FileRef{&v1.FileRef{Place: &v1.FileRef_ProfilePhoto{ProfilePhoto: &v1.ProfilePhotoRef{Peer: peer, PhotoId: photoID}}}}
}

// OutgoingFile is a file to send. Its methods return changed copies.
type OutgoingFile struct {
	in      *v1.InputMedia
	path    string // to be uploaded
	caption *v1.InputMessage

	progress func(sent, size int64)
}

// Uploaded sends what Upload returned.
func Uploaded(file *UploadedFile) OutgoingFile {
	return OutgoingFile{in: &v1.InputMedia{Source: &v1.InputMedia_Uploaded{Uploaded: file}}}
}

// Local uploads a file of this machine and sends it.
func Local(path string) OutgoingFile { return OutgoingFile{in: &v1.InputMedia{}, path: path} }

// Stored sends a file that Telegram has already.
func Stored(ref FileRef) OutgoingFile {
	return OutgoingFile{in: &v1.InputMedia{Source: &v1.InputMedia_Stored{Stored: ref.ref}}}
}

// FromURL sends what Telegram fetches from a URL: at most 5 MB as a photo, 20 MB else.
func FromURL(url string) OutgoingFile {
	return OutgoingFile{in: &v1.InputMedia{Source: &v1.InputMedia_Url{Url: url}}}
}

// with changes a copy.
func (f OutgoingFile) with(change func(*v1.InputMedia)) OutgoingFile {
	in := &v1.InputMedia{
		Source: f.in.GetSource(), Kind: f.in.GetKind(), FileName: f.in.GetFileName(), MimeType: f.in.GetMimeType(),
		Width: f.in.GetWidth(), Height: f.in.GetHeight(), Duration: f.in.GetDuration(), Title: f.in.GetTitle(),
		Performer: f.in.GetPerformer(), Spoiler: f.in.GetSpoiler(), TtlSeconds: f.in.GetTtlSeconds(),
	}
	change(in)
	f.in = in
	return f
}

// As says as what it is sent; by default that goes by the file.
func (f OutgoingFile) As(kind MediaKind) OutgoingFile {
	return f.with(func(in *v1.InputMedia) { in.Kind = kind })
}

// Named gives it another name and, unless mime is empty, another MIME type.
func (f OutgoingFile) Named(name, mime string) OutgoingFile {
	return f.with(func(in *v1.InputMedia) { in.FileName, in.MimeType = name, mime })
}

// Size says how large and long it is, where the file itself does not tell.
func (f OutgoingFile) Size(width, height int32, duration time.Duration) OutgoingFile {
	return f.with(func(in *v1.InputMedia) { in.Width, in.Height, in.Duration = width, height, duration.Seconds() })
}

// Music gives it a title and a performer.
func (f OutgoingFile) Music(title, performer string) OutgoingFile {
	return f.with(func(in *v1.InputMedia) { in.Kind, in.Title, in.Performer = AsAudio, title, performer })
}

// Spoiler hides it until it is tapped.
func (f OutgoingFile) Spoiler() OutgoingFile {
	return f.with(func(in *v1.InputMedia) { in.Spoiler = true })
}

// SeenFor lets it be seen for 1 to 60 seconds after it was opened.
func (f OutgoingFile) SeenFor(d time.Duration) OutgoingFile {
	return f.with(func(in *v1.InputMedia) { in.TtlSeconds = int32(d / time.Second) })
}

// Caption gives it a caption of its own, for albums.
func (f OutgoingFile) Caption(caption Content) OutgoingFile {
	f.caption = &v1.InputMessage{}
	caption.fill(f.caption)
	return f
}

// Progress tells how many bytes of how many of a Local file are uploaded.
func (f OutgoingFile) Progress(tell func(sent, size int64)) OutgoingFile {
	f.progress = tell
	return f
}

// upload makes it one that Telegram has. Under a request id of the caller's choice the n-th file has a
// number of its own, so that a repetition of the command is the same request.
func (f OutgoingFile) upload(ctx context.Context, a *Account, n int) (OutgoingFile, error) {
	if f.path == "" {
		return f, nil
	}
	o := UploadOptions{Photo: f.in.GetKind() == AsPhoto}
	if id, given := requestID(ctx); given {
		sum := sha256.Sum256(fmt.Appendf(nil, "file %d of %s", n, id))
		o.FileID = int64(binary.BigEndian.Uint64(sum[:])>>1 | 1)
	}
	if f.progress != nil {
		size := int64(0)
		if info, err := os.Stat(f.path); err == nil {
			size = info.Size()
		}
		o.Progress = func(sent int64) { f.progress(sent, size) }
	}
	file, err := a.UploadFile(ctx, f.path, o)
	if err != nil {
		return f, err
	}
	return f.with(func(in *v1.InputMedia) { in.Source = &v1.InputMedia_Uploaded{Uploaded: file} }), nil
}

// captioned is the options of a message that has a caption for text.
func captioned(caption Content, opts []SendOption) *v1.InputMessage {
	req := &v1.SendMessageRequest{Message: &v1.InputMessage{}}
	if caption != nil {
		caption.fill(req.Message)
	}
	for _, opt := range opts {
		opt(req)
	}
	return req.GetMessage()
}

// give uploads the file if it has to be, and uses it; once more when Telegram has dropped its parts meanwhile.
func (f OutgoingFile) give(ctx context.Context, a *Account, use func(*v1.InputMedia) error) error {
	for again := f.path != ""; ; again = false {
		ready, err := f.upload(ctx, a, 0)
		if err != nil {
			return err
		}
		if err = use(ready.in); !again || !partsGone(err) {
			return err
		}
	}
}

// partsGone reports whether Telegram no longer has what was uploaded.
func partsGone(err error) bool {
	var e *Error
	return errors.As(err, &e) && strings.HasPrefix(string(e.Reason), "FILE_PART_") && strings.HasSuffix(string(e.Reason), "_MISSING")
}

// SendFile sends a file with a caption (messages.sendMedia); a nil caption is none. As for
// SendMessage, a random request id is drawn unless WithRequestID gives one.
func (a *Account) SendFile(ctx context.Context, peer string, file OutgoingFile, caption Content, opts ...SendOption) (sent *Sent, err error) {
	err = file.give(ctx, a, func(media *v1.InputMedia) error {
		req := &v1.SendFileRequest{Account: a.id, Peer: peer, Media: media, Message: captioned(caption, opts)}
		reply, repeated, id, err := command(ctx, a.client, on(mediaService.SendFile), req)
		sent = &Sent{Message: reply.GetMessage(), Repeated: repeated, RequestID: id}
		return err
	})
	if err != nil {
		return nil, err
	}
	return sent, nil
}

// SentAlbum is the outcome of a sent album.
type SentAlbum struct {
	// Messages are in the order of the files; none when it was sent and could not be found out which
	// ones they are.
	Messages []*Message
	// Repeated and RequestID are as in Sent.
	Repeated  bool
	RequestID string
}

// SendAlbum sends 2 to 10 files as one album (messages.sendMultiMedia): photos and videos together, or
// music, or other documents. The caption is the first file's where that has none of its own.
func (a *Account) SendAlbum(ctx context.Context, peer string, files []OutgoingFile, caption Content, opts ...SendOption) (*SentAlbum, error) {
	req := &v1.SendAlbumRequest{Account: a.id, Peer: peer, Message: captioned(caption, opts)}
	for i, file := range files {
		ready, err := file.upload(ctx, a, i)
		if err != nil {
			return nil, err
		}
		req.Items = append(req.Items, &v1.AlbumItem{Media: ready.in, Caption: file.caption})
	}
	reply, repeated, id, err := command(ctx, a.client, on(mediaService.SendAlbum), req)
	if err != nil {
		return nil, err
	}
	return &SentAlbum{Messages: reply.GetMessages(), Repeated: repeated, RequestID: id}, nil
}

// ProfilePhotos reads photos of a user or chat, newest first: limit of them, 0 = all, behind the offset
// newest, and how many there are (photos.getUserPhotos, messages.search).
func (a *Account) ProfilePhotos(ctx context.Context, peer string, offset, limit int) ([]*ProfilePhoto, int, error) {
	reply, err := call(ctx, a.client, repeatable, on(mediaService.GetProfilePhotos), &v1.GetProfilePhotosRequest{Account: a.id, Peer: peer, Offset: int32(offset), Limit: int32(limit)})
	if err != nil {
		return nil, 0, err
	}
	return reply.GetPhotos(), int(reply.GetTotal()), nil
}
