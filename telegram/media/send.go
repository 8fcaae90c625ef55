package media

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Kind says as what a file is sent.
type Kind uint8

// The kinds; Auto goes by the file.
const (
	Auto Kind = iota
	Photo
	Document
	Video
	Audio
	Voice
	Animation
	VideoNote
	Sticker // of a file that Telegram has
)

// Attachment is a file to send. Exactly one of Uploaded, Find and URL is set.
type Attachment struct {
	// Uploaded is one that was uploaded.
	Uploaded *File
	// Find finds one that Telegram has; it is called again when its file reference has expired.
	Find func(context.Context) (Stored, error)
	// URL is one that Telegram fetches; About is what is known of it, as inline results need it.
	URL   string
	About Info

	Kind             Kind
	Title, Performer string // of music
	Spoiler          bool
	// TTL is how long it can be seen, in seconds; 0 = for ever.
	TTL int
}

// kind is what an uploaded file is sent as.
func (a Attachment) kind() Kind {
	if a.Kind != Auto || a.Uploaded == nil {
		return a.Kind
	}
	f := a.Uploaded
	switch {
	case f.Mime == "image/gif":
		return Animation
	case (f.Mime == "image/jpeg" || f.Mime == "image/png") && f.checkPhoto(f.Size) == nil:
		return Photo
	case strings.HasPrefix(f.Mime, "video/") && f.Width > 0:
		return Video
	case f.Mime == "audio/mpeg" || f.Mime == "audio/mp4" || f.Mime == "audio/flac":
		return Audio
	}
	return Document
}

// input is the file as an argument of calls, and as what it is sent; Auto when only Telegram can tell.
func (a Attachment) input(ctx context.Context) (tg.InputMediaClass, Kind, error) {
	switch kind := a.kind(); {
	case a.Uploaded != nil && kind == Photo:
		if err := a.Uploaded.checkPhoto(a.Uploaded.Size); err != nil {
			return nil, kind, err
		}
		m := &tg.InputMediaUploadedPhoto{Spoiler: a.Spoiler, File: a.Uploaded.Input()}
		if a.TTL != 0 {
			m.SetTTLSeconds(a.TTL)
		}
		return m, kind, nil
	case a.Uploaded != nil:
		m := &tg.InputMediaUploadedDocument{
			Spoiler: a.Spoiler, File: a.Uploaded.Input(), MimeType: a.Uploaded.Mime, Attributes: a.attributes(kind),
			ForceFile: kind == Document, NosoundVideo: kind == Animation,
		}
		if a.TTL != 0 {
			m.SetTTLSeconds(a.TTL)
		}
		return m, kind, nil
	case a.Find != nil:
		stored, err := a.Find(ctx)
		return a.marked(stored.Media), stored.Kind, err
	case kind == Photo:
		return &tg.InputMediaPhotoExternal{Spoiler: a.Spoiler, URL: a.URL, TTLSeconds: a.TTL}, kind, nil
	default:
		return &tg.InputMediaDocumentExternal{Spoiler: a.Spoiler, URL: a.URL, TTLSeconds: a.TTL}, kind, nil
	}
}

// marked is a file that Telegram has, with what can be said of it anew.
func (a Attachment) marked(m tg.InputMediaClass) tg.InputMediaClass {
	switch m := m.(type) {
	case *tg.InputMediaPhoto:
		return &tg.InputMediaPhoto{ID: m.ID, Spoiler: a.Spoiler, TTLSeconds: a.TTL}
	case *tg.InputMediaDocument:
		return &tg.InputMediaDocument{ID: m.ID, Spoiler: a.Spoiler, TTLSeconds: a.TTL}
	}
	return m
}

func (a Attachment) attributes(kind Kind) []tg.DocumentAttributeClass {
	f := a.Uploaded
	out := []tg.DocumentAttributeClass{&tg.DocumentAttributeFilename{FileName: f.Name}}
	switch kind {
	case Video, VideoNote:
		out = append(out, &tg.DocumentAttributeVideo{
			SupportsStreaming: true, RoundMessage: kind == VideoNote, W: f.Width, H: f.Height, Duration: f.Duration,
		})
	case Animation:
		out = append(out, &tg.DocumentAttributeAnimated{})
		if strings.HasPrefix(f.Mime, "video/") {
			out = append(out, &tg.DocumentAttributeVideo{Nosound: true, W: f.Width, H: f.Height, Duration: f.Duration})
		}
	case Audio, Voice:
		out = append(out, a.audio(kind, f.Duration))
	case Document:
		if strings.HasPrefix(f.Mime, "image/") && f.Width > 0 {
			out = append(out, &tg.DocumentAttributeImageSize{W: f.Width, H: f.Height})
		}
	}
	return out
}

func (a Attachment) audio(kind Kind, seconds float64) *tg.DocumentAttributeAudio {
	out := &tg.DocumentAttributeAudio{Voice: kind == Voice, Duration: int(seconds + 0.5)}
	if a.Title != "" {
		out.SetTitle(a.Title)
	}
	if a.Performer != "" {
		out.SetPerformer(a.Performer)
	}
	return out
}

// Send sends a file with a caption (messages.sendMedia). A file reference that has expired is found
// again and the call repeated.
func Send(ctx context.Context, env telegram.Env, to telegram.Peer, m telegram.Outgoing, a Attachment) (*tg.Message, error) {
	var sent *tg.Message
	err := Refreshing(a.Find != nil, func() (err error) {
		if m.Media, _, err = a.input(ctx); err == nil {
			sent, err = telegram.SendMessage(ctx, env, to, m)
		}
		return err
	})
	return sent, partsGone(err)
}

// partsGone says what to do about an uploaded file whose parts Telegram no longer has.
func partsGone(err error) error {
	var own *fleet.Error
	if errors.As(err, &own) && strings.HasPrefix(own.Reason, "FILE_PART_") && own.Remedy == "" {
		c := *own
		c.Remedy = "upload the file again: Telegram keeps parts for some minutes to hours"
		return &c
	}
	return err
}

// AlbumItem is one file of an album and its caption.
type AlbumItem struct {
	Attachment
	Text     string
	Entities []tg.MessageEntityClass
	// RandomID makes repetitions of one command one message; 0 = drawn.
	RandomID int64
}

// Sizes of albums (messages.sendMultiMedia).
const (
	MinAlbum = 2
	MaxAlbum = 10
)

// SendAlbum sends 2 to 10 files as one album: messages.uploadMedia for each that Telegram has not,
// then messages.sendMultiMedia. What cannot be in one album is refused before anything is sent: photos
// and videos go together, music with music, other documents with such. File references that have
// expired are found again.
func SendAlbum(ctx context.Context, env telegram.Env, to telegram.Peer, m telegram.Outgoing, items []AlbumItem) ([]*tg.Message, error) {
	if n := len(items); n < MinAlbum || n > MaxAlbum {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "ALBUM_SIZE_INVALID", "items: must be %d to %d (got %d)", MinAlbum, MaxAlbum, n).
			WithRemedy("send a single file by itself, and more than ten as several albums")
	}
	ready := make([]telegram.AlbumItem, len(items))
	groups := make([]string, len(items))
	for i, item := range items {
		ready[i] = telegram.AlbumItem{Text: item.Text, Entities: item.Entities, RandomID: item.RandomID}
		var err error
		if ready[i].Media, groups[i], err = item.grouped(ctx); err != nil {
			return nil, fmt.Errorf("items[%d]: %w", i, err)
		}
		if groups[i] != groups[0] {
			return nil, fleet.Errorf(fleet.CodeInvalidArgument, "ALBUM_MIXED", "items[%d]: is %s, and the first one %s", i, groups[i], groups[0]).
				WithRemedy("send photos and videos together, and music and documents in albums of their own")
		}
	}
	for i := range ready {
		if err := known(ctx, env, to, &ready[i]); err != nil {
			return nil, fmt.Errorf("items[%d]: %w", i, partsGone(err))
		}
	}
	for tries := 0; ; tries++ {
		sent, err := telegram.SendAlbum(ctx, env, to, m, ready)
		if !expired(err) || tries >= maxRefreshes {
			return sent, err
		}
		if !slices.ContainsFunc(items, func(i AlbumItem) bool { return i.Find != nil }) {
			return nil, err
		}
		for i, item := range items {
			if item.Find == nil {
				continue
			}
			if ready[i].Media, _, err = item.grouped(ctx); err != nil {
				return nil, fmt.Errorf("items[%d]: %w", i, err)
			}
		}
	}
}

// grouped is the file as an argument of calls, and with what it can be in one album.
func (a Attachment) grouped(ctx context.Context) (tg.InputMediaClass, string, error) {
	media, kind, err := a.input(ctx)
	switch {
	case err != nil:
		return nil, "", err
	case kind == Photo || kind == Video:
		return media, groupVisual, nil
	case kind == Audio:
		return media, groupAudio, nil
	case kind == Document || kind == Auto:
		return media, groupDocument, nil
	}
	return nil, "", fleet.Errorf(fleet.CodeInvalidArgument, "ALBUM_MIXED", "voice messages, animations, stickers and video messages cannot be in albums").
		WithRemedy("send it by itself, or as a document")
}

// What can be in one album together.
const (
	groupVisual   = "a photo or video"
	groupAudio    = "music"
	groupDocument = "a document"
)

// known makes an item one that Telegram has (messages.uploadMedia).
func known(ctx context.Context, env telegram.Env, to telegram.Peer, item *telegram.AlbumItem) error {
	switch item.Media.(type) {
	case *tg.InputMediaPhoto, *tg.InputMediaDocument:
		return nil
	}
	peer, err := to.Input()
	if err != nil {
		return err
	}
	kept, err := keep(ctx, env, peer, item.Media)
	if err != nil {
		return err
	}
	stored, err := OfMedia(kept, "")
	if err != nil {
		return err
	}
	var shown Attachment
	switch m := kept.(type) {
	case *tg.MessageMediaPhoto:
		shown.Spoiler, shown.TTL = m.Spoiler, m.TTLSeconds
	case *tg.MessageMediaDocument:
		shown.Spoiler, shown.TTL = m.Spoiler, m.TTLSeconds
	}
	item.Media = shown.marked(stored.Media)
	return nil
}

// keep makes Telegram keep a file in no chat (messages.uploadMedia).
func keep(ctx context.Context, env telegram.Env, peer tg.InputPeerClass, media tg.InputMediaClass) (tg.MessageMediaClass, error) {
	var res tg.MessageMediaBox
	err := telegram.Invoke(ctx, env, &tg.MessagesUploadMediaRequest{Peer: peer, Media: media}, &res)
	return res.MessageMedia, err
}
