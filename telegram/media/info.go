package media

import (
	"bytes"
	"encoding/binary"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"mime"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/telefleet/orchestrator/fleet"
)

// Info is what is known of a file by its name and its first bytes.
type Info struct {
	// Mime is the MIME type without parameters.
	Mime string
	// Width and Height are in pixels; 0 when not known.
	Width, Height int
	// Duration is in seconds; 0 when not known.
	Duration float64
}

// Limits of photos (Bot API sendPhoto; PHOTO_INVALID_DIMENSIONS).
const (
	maxPhoto      = 10 << 20
	maxPhotoSides = 10_000
	maxPhotoRatio = 20
)

// Inspect finds out what a file is: from its content, else from its name. head are its first bytes,
// size its length or SizeUnknown. Dimensions are known of JPEG, PNG, GIF, MP4 and QuickTime,
// durations of WAV, MP4 and QuickTime whose index lies in head.
func Inspect(name string, head []byte, size int64) Info {
	out := Info{Mime: mimeOf(name, head)}
	switch {
	case strings.HasPrefix(out.Mime, "image/"):
		if c, _, err := image.DecodeConfig(bytes.NewReader(head)); err == nil {
			out.Width, out.Height = c.Width, c.Height
		}
	case out.Mime == "audio/wav":
		out.Duration = wavDuration(head, size)
	case out.Mime == "video/mp4" || out.Mime == "audio/mp4" || out.Mime == "video/quicktime":
		readMovie(head, &out)
	}
	return out
}

// extensions are types that the content does not tell, or not exactly enough.
var extensions = map[string]string{
	".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac",
	".wav": "audio/wav", ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".mkv": "video/x-matroska", ".webm": "video/webm",
	".webp": "image/webp", ".heic": "image/heic", ".txt": "text/plain", ".csv": "text/csv", ".md": "text/markdown", ".json": "application/json",
	".zip": "application/zip", ".apk": "application/vnd.android.package-archive", ".tgs": "application/x-tgsticker",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

func mimeOf(name string, head []byte) string {
	found, _, _ := strings.Cut(http.DetectContentType(head[:min(len(head), 512)]), ";")
	byName := extensions[strings.ToLower(filepath.Ext(name))]
	if byName == "" {
		byName, _, _ = strings.Cut(mime.TypeByExtension(filepath.Ext(name)), ";")
	}
	switch found {
	case "audio/wave":
		return "audio/wav"
	case "application/ogg":
		if byName == "" {
			return "audio/ogg"
		}
		return byName
	case "application/octet-stream", "text/plain", "text/xml", "application/zip", "application/x-gzip", "video/mp4":
		if byName != "" {
			return byName
		}
	}
	return found
}

// wavDuration divides the length of the samples by their rate (RIFF WAVE, chunks fmt and data).
func wavDuration(head []byte, size int64) float64 {
	if len(head) < 12 {
		return 0
	}
	var rate uint32
	for at := 12; at+8 <= len(head); {
		n := binary.LittleEndian.Uint32(head[at+4:])
		switch string(head[at : at+4]) {
		case "fmt ":
			if at+20 <= len(head) {
				rate = binary.LittleEndian.Uint32(head[at+16:])
			}
		case "data":
			length := int64(n)
			if n == 0xffffffff && size > 0 { // written by a stream that could not go back
				length = size - int64(at) - 8
			}
			if rate == 0 {
				return 0
			}
			return float64(length) / float64(rate)
		}
		if n > uint32(len(head)) {
			return 0
		}
		at += 8 + int(n) + int(n&1)
	}
	return 0
}

// readMovie reads duration and dimensions of an ISO base media file (ISO 14496-12: boxes moov, mvhd,
// trak, tkhd), as far as its index lies in head.
func readMovie(head []byte, out *Info) {
	for kind, body := range boxes(head) {
		if kind != "moov" {
			continue
		}
		for kind, body := range boxes(body) {
			switch kind {
			case "mvhd":
				out.Duration = movieDuration(body)
			case "trak":
				for kind, body := range boxes(body) {
					if w, h := trackSize(kind, body); w*h > out.Width*out.Height {
						out.Width, out.Height = w, h
					}
				}
			}
		}
	}
}

// boxes yields the whole boxes in b.
func boxes(b []byte) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for len(b) >= 8 {
			size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
			if size == 1 && len(b) >= 16 {
				size, head = binary.BigEndian.Uint64(b[8:]), 16
			}
			if size < head || size > uint64(len(b)) || !yield(string(b[4:8]), b[head:size]) {
				return
			}
			b = b[size:]
		}
	}
}

func movieDuration(b []byte) float64 {
	var scale, length uint64
	switch {
	case len(b) >= 32 && b[0] == 1:
		scale, length = uint64(binary.BigEndian.Uint32(b[20:])), binary.BigEndian.Uint64(b[24:])
	case len(b) >= 20 && b[0] == 0:
		scale, length = uint64(binary.BigEndian.Uint32(b[12:])), uint64(binary.BigEndian.Uint32(b[16:]))
	}
	if scale == 0 {
		return 0
	}
	return float64(length) / float64(scale)
}

// trackSize reads the last two fields of a tkhd box: fixed-point numbers.
func trackSize(kind string, b []byte) (w, h int) {
	if kind != "tkhd" || len(b) < 84 {
		return 0, 0
	}
	return int(binary.BigEndian.Uint32(b[len(b)-8:]) >> 16), int(binary.BigEndian.Uint32(b[len(b)-4:]) >> 16)
}

// checkPhoto refuses what Telegram does not take as a photo.
func (i Info) checkPhoto(size int64) error {
	long, short := max(i.Width, i.Height), min(i.Width, i.Height)
	switch {
	case !strings.HasPrefix(i.Mime, "image/"):
		return notAPhoto("is no picture (got %s)", i.Mime)
	case size > maxPhoto:
		return photoTooLarge(size)
	case long == 0: // a format that this program does not read
		return nil
	case i.Width+i.Height > maxPhotoSides:
		return notAPhoto("width and height must be at most %d together (got %dx%d)", maxPhotoSides, i.Width, i.Height)
	case long > short*maxPhotoRatio:
		return notAPhoto("its sides must be at most 1 to %d (got %dx%d)", maxPhotoRatio, i.Width, i.Height)
	}
	return nil
}

func notAPhoto(format string, args ...any) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "PHOTO_INVALID", "photo: "+format, args...).WithRemedy("send it as a document")
}

func photoTooLarge(size int64) error {
	return notAPhoto("must have at most %d bytes (got %d)", maxPhoto, size)
}
