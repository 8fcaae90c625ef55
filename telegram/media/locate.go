package media

import (
	"context"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Stored is a photo or document that Telegram has.
type Stored struct {
	Location
	// ID is Telegram's number of it.
	ID int64
	// Name and Mime are those of a document; of a photo Mime is image/jpeg.
	Name, Mime string
	// Kind is as what it was sent.
	Kind Kind
	// Media is the file as what a further message carries.
	Media tg.InputMediaClass
}

// OfMessage finds the photo or document of a message: the size or thumbnail that thumb names, the
// whole file when it is empty.
func OfMessage(ctx context.Context, env telegram.Env, peer telegram.Peer, id int, thumb string) (Stored, error) {
	found, _, err := telegram.GetMessages(ctx, env, peer, []int{id})
	if err != nil {
		return Stored{}, err
	}
	m, ok := found[0].(*tg.Message)
	if !ok {
		return Stored{}, fleet.Errorf(fleet.CodeNotFound, "MESSAGE_NOT_FOUND", "message: the chat has none with the id %d", id).
			WithRemedy("give the id as the account sees it: private chats and basic groups count for each account")
	}
	return OfMedia(m.Media, thumb)
}

// OfMedia finds the photo or document of what a message carries; see OfMessage.
func OfMedia(m tg.MessageMediaClass, thumb string) (Stored, error) {
	switch m := m.(type) {
	case *tg.MessageMediaPhoto:
		if p, ok := m.Photo.(*tg.Photo); ok {
			return OfPhoto(p, thumb)
		}
	case *tg.MessageMediaDocument:
		if d, ok := m.Document.(*tg.Document); ok {
			return ofDocument(d, thumb)
		}
	case *tg.MessageMediaWebPage:
		page, _ := m.Webpage.(*tg.WebPage)
		if page == nil {
			break
		}
		if d, ok := page.Document.(*tg.Document); ok {
			return ofDocument(d, thumb)
		}
		if p, ok := page.Photo.(*tg.Photo); ok {
			return OfPhoto(p, thumb)
		}
	}
	return Stored{}, fleet.Errorf(fleet.CodeFailedPrecondition, "FILE_NONE", "message: carries no file that can be read").
		WithRemedy("name a message with a photo or document that has not expired")
}

func ofDocument(d *tg.Document, thumb string) (Stored, error) {
	out := Stored{
		Location: Location{Input: d.AsInputDocumentFileLocation(thumb), DC: d.DCID, Size: d.Size}, ID: d.ID, Mime: d.MimeType,
		Media: &tg.InputMediaDocument{ID: d.AsInput()}, Kind: kindOf(d.Attributes),
	}
	for _, a := range d.Attributes {
		if a, ok := a.(*tg.DocumentAttributeFilename); ok {
			out.Name = a.FileName
		}
	}
	if thumb == "" {
		return out, nil
	}
	for _, s := range d.Thumbs {
		if size, ok := sizeOf(s); ok && s.GetType() == thumb {
			out.Size, out.Mime, out.Name = size.bytes, "image/jpeg", ""
			return out, nil
		}
	}
	return Stored{}, noSize(thumb)
}

// kindOf is as what a document was sent: a GIF has the attributes of a video, too.
func kindOf(attributes []tg.DocumentAttributeClass) Kind {
	kind := Document
	for _, a := range attributes {
		switch a := a.(type) {
		case *tg.DocumentAttributeSticker:
			return Sticker
		case *tg.DocumentAttributeAnimated:
			kind = Animation
		case *tg.DocumentAttributeVideo:
			switch {
			case a.RoundMessage:
				return VideoNote
			case kind == Document:
				kind = Video
			}
		case *tg.DocumentAttributeAudio:
			if kind = Audio; a.Voice {
				return Voice
			}
		}
	}
	return kind
}

// OfPhoto finds one size of a photo, the largest when none is named.
func OfPhoto(p *tg.Photo, thumb string) (Stored, error) {
	best := photoSize{}
	for _, s := range p.Sizes {
		size, ok := sizeOf(s)
		if ok && (thumb == "" && size.w*size.h >= best.w*best.h || thumb != "" && s.GetType() == thumb) {
			best = size
		}
	}
	if best.kind == "" {
		return Stored{}, noSize(thumb)
	}
	return Stored{
		Location: Location{
			Input: p.AsInputPhotoFileLocation(best.kind),
			DC:    p.DCID, Size: best.bytes,
		},
		ID: p.ID, Mime: "image/jpeg",
		Media: &tg.InputMediaPhoto{ID: p.AsInput()}, Kind: Photo,
	}, nil
}

// PhotoSize is the dimensions of a photo's largest size and its bytes.
func PhotoSize(p *tg.Photo) (w, h int, bytes int64) {
	best := photoSize{}
	for _, s := range p.Sizes {
		if size, ok := sizeOf(s); ok && size.w*size.h >= best.w*best.h {
			best = size
		}
	}
	return best.w, best.h, best.bytes
}

type photoSize struct {
	kind  string
	w, h  int
	bytes int64
}

// sizeOf is false for what cannot be downloaded: sizes that come inside the message, and outlines.
func sizeOf(s tg.PhotoSizeClass) (photoSize, bool) {
	switch s := s.(type) {
	case *tg.PhotoSize:
		return photoSize{s.Type, s.W, s.H, int64(s.Size)}, true
	case *tg.PhotoSizeProgressive:
		whole := 0
		for _, n := range s.Sizes {
			whole = max(whole, n)
		}
		return photoSize{s.Type, s.W, s.H, int64(whole)}, true
	}
	return photoSize{}, false
}

func noSize(thumb string) error {
	return fleet.Errorf(fleet.CodeNotFound, "THUMB_NOT_FOUND", "thumb: the file has no such size (got %q)", thumb).
		WithRemedy("leave thumb empty for the largest one")
}
