package files

import (
	"bytes"
	"image"
	_ "image/gif"
	"image/jpeg"
	_ "image/png"

	"github.com/gotd/td/tg"
)

// Limits of photos (core.telegram.org/api/files, sendPhoto of the Bot API).
const (
	maxPhotoSides = 10_000
	maxPhotoRatio = 20
	thumbBox      = 320
)

// Media is what is attached to a message: a photo or a document, or nothing of ours.
type Media struct {
	File    *File
	Spoiler bool
	TTL     int // seconds
}

// Media makes the attachment that a caller describes: uploaded just now, or known.
func (s *Store) Media(who Who, in tg.InputMediaClass) (Media, error) {
	switch in := in.(type) {
	case *tg.InputMediaUploadedPhoto:
		f, err := s.uploadedPhoto(who, in.File)
		return Media{f, in.Spoiler, in.TTLSeconds}, err
	case *tg.InputMediaUploadedDocument:
		f, err := s.uploadedDocument(who, in)
		return Media{f, in.Spoiler, in.TTLSeconds}, err
	case *tg.InputMediaPhoto:
		id, ok := in.ID.(*tg.InputPhoto)
		if !ok {
			return Media{}, refuse("MEDIA_EMPTY")
		}
		f, err := s.known(who, id.ID, id.AccessHash, id.FileReference, true)
		return Media{f, in.Spoiler, in.TTLSeconds}, err
	case *tg.InputMediaDocument:
		id, ok := in.ID.(*tg.InputDocument)
		if !ok {
			return Media{}, refuse("MEDIA_EMPTY")
		}
		f, err := s.known(who, id.ID, id.AccessHash, id.FileReference, false)
		return Media{f, in.Spoiler, in.TTLSeconds}, err
	case *tg.InputMediaPhotoExternal, *tg.InputMediaDocumentExternal:
		return Media{}, refuse("WEBPAGE_CURL_FAILED") // a local Telegram fetches nothing
	case *tg.InputMediaEmpty:
		return Media{}, refuse("MEDIA_EMPTY")
	}
	return Media{}, refuse("MEDIA_INVALID")
}

func (s *Store) uploadedDocument(who Who, in *tg.InputMediaUploadedDocument) (*File, error) {
	content, name, err := s.assemble(who, in.File)
	if err != nil {
		return nil, err
	}
	f := &File{DC: who.DC, Mime: in.MimeType, Attributes: in.Attributes, blob: content}
	if f.Mime == "" {
		f.Mime = "application/octet-stream"
	}
	named := false
	for _, a := range f.Attributes {
		_, is := a.(*tg.DocumentAttributeFilename)
		named = named || is
	}
	if !named && name != "" {
		f.Attributes = append(f.Attributes[:len(f.Attributes):len(f.Attributes)], &tg.DocumentAttributeFilename{FileName: name})
	}
	return s.add(f), nil
}

func (s *Store) uploadedPhoto(who Who, in tg.InputFileClass) (*File, error) {
	if _, big := in.(*tg.InputFileBig); big {
		return nil, refuse("PHOTO_EXT_INVALID") // photos are at most 10 MB
	}
	content, _, err := s.assemble(who, in)
	if err != nil {
		return nil, err
	}
	data, err := s.arena.slice(content, 0, int(content.size))
	if err != nil {
		return nil, err
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, refuse("IMAGE_PROCESS_FAILED")
	}
	long, short := max(c.Width, c.Height), max(1, min(c.Width, c.Height))
	if c.Width+c.Height > maxPhotoSides || long > short*maxPhotoRatio {
		return nil, refuse("PHOTO_INVALID_DIMENSIONS")
	}
	f := &File{DC: who.DC, Mime: "image/" + format, Sizes: []Size{{Type: "y", W: c.Width, H: c.Height, blob: content}}}
	if long > thumbBox {
		thumb, err := s.thumbnail(data, c)
		if err != nil {
			return nil, err
		}
		f.Sizes = append([]Size{thumb}, f.Sizes...)
	}
	return s.add(f), nil
}

// thumbnail makes the size "m" of a photo, by nearest pixels.
func (s *Store) thumbnail(data []byte, c image.Config) (Size, error) {
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return Size{}, refuse("IMAGE_PROCESS_FAILED")
	}
	w, h := thumbBox, max(1, c.Height*thumbBox/c.Width)
	if c.Height > c.Width {
		w, h = max(1, c.Width*thumbBox/c.Height), thumbBox
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			small.Set(x, y, img.At(img.Bounds().Min.X+x*c.Width/w, img.Bounds().Min.Y+y*c.Height/h))
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, nil); err != nil {
		return Size{}, err
	}
	content, err := s.arena.store(out.Bytes())
	return Size{Type: "m", W: w, H: h, blob: content}, err
}

// Render is the attachment as a viewer sees it.
func (m Media) Render(s *Store, viewer int64) tg.MessageMediaClass {
	switch {
	case m.File == nil:
		return nil
	case m.File.photo():
		out := &tg.MessageMediaPhoto{Spoiler: m.Spoiler}
		out.SetPhoto(s.Photo(m.File, viewer))
		if m.TTL != 0 {
			out.SetTTLSeconds(m.TTL)
		}
		return out
	}
	out := &tg.MessageMediaDocument{Spoiler: m.Spoiler}
	for _, a := range m.File.Attributes {
		switch a := a.(type) {
		case *tg.DocumentAttributeVideo:
			out.Video, out.Round = true, a.RoundMessage
		case *tg.DocumentAttributeAudio:
			out.Voice = a.Voice
		}
	}
	out.SetDocument(s.Document(m.File, viewer))
	if m.TTL != 0 {
		out.SetTTLSeconds(m.TTL)
	}
	return out
}

// Document is a document as a viewer sees it.
func (s *Store) Document(f *File, viewer int64) *tg.Document {
	return &tg.Document{
		ID: f.ID, AccessHash: f.hash, FileReference: s.reference(f, viewer), Date: f.Date, MimeType: f.Mime,
		Size: f.blob.size, DCID: f.DC, Attributes: f.Attributes,
	}
}

// Photo is a photo as a viewer sees it.
func (s *Store) Photo(f *File, viewer int64) *tg.Photo {
	out := &tg.Photo{ID: f.ID, AccessHash: f.hash, FileReference: s.reference(f, viewer), Date: f.Date, DCID: f.DC}
	for _, size := range f.Sizes {
		out.Sizes = append(out.Sizes, &tg.PhotoSize{Type: size.Type, W: size.W, H: size.H, Size: int(size.blob.size)})
	}
	return out
}

// Photograph makes a photo of an uploaded file.
func (s *Store) Photograph(who Who, in tg.InputFileClass) (*File, error) {
	return s.uploadedPhoto(who, in)
}

// Known finds a photo that a caller names.
func (s *Store) Known(who Who, in tg.InputPhotoClass) (*File, error) {
	id, ok := in.(*tg.InputPhoto)
	if !ok {
		return nil, refuse("PHOTO_ID_INVALID")
	}
	return s.known(who, id.ID, id.AccessHash, id.FileReference, true)
}

// SetProfilePhoto makes an uploaded photo the newest profile photo of the caller.
func (s *Store) SetProfilePhoto(who Who, in tg.InputFileClass) (*File, error) {
	f, err := s.uploadedPhoto(who, in)
	if err != nil {
		return nil, err
	}
	s.profile[who.User] = append([]*File{f}, s.profile[who.User]...)
	return f, nil
}

// ProfilePhotos are the profile photos of a user, newest first.
func (s *Store) ProfilePhotos(user int64) []*File { return s.profile[user] }
