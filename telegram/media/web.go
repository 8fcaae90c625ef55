package media

import (
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// webMimes are the types of what Telegram fetches for results of inline queries, where the kind tells.
var webMimes = map[Kind]string{Photo: "image/jpeg", Animation: "image/gif", Voice: "audio/ogg"}

// Web is a file that Telegram fetches as inline results name it: what it is must be known before. About.Mime
// may be empty where Kind tells it.
func (a Attachment) Web() (tg.InputWebDocument, error) {
	doc := tg.InputWebDocument{URL: a.URL, MimeType: a.About.Mime}
	if doc.MimeType == "" {
		doc.MimeType = webMimes[a.Kind]
	}
	switch {
	case a.Kind == Auto:
		return doc, fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", "media.kind: is missing").WithRemedy("say as what the file behind the URL is shown")
	case doc.MimeType == "":
		return doc, fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", "media.mime_type: is missing").WithRemedy("give that of the file behind the URL, such as video/mp4")
	}
	switch a.Kind {
	case Photo, Document:
		if a.About.Width > 0 && a.About.Height > 0 {
			doc.Attributes = append(doc.Attributes, &tg.DocumentAttributeImageSize{W: a.About.Width, H: a.About.Height})
		}
	case Video, Animation:
		doc.Attributes = append(doc.Attributes, &tg.DocumentAttributeVideo{W: a.About.Width, H: a.About.Height, Duration: a.About.Duration})
	case Audio, Voice:
		doc.Attributes = append(doc.Attributes, a.audio(a.Kind, a.About.Duration))
	}
	return doc, nil
}
