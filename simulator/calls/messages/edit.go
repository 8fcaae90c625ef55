package messages

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

func (attach Attach) editMessage(c *model.Call, q *tg.MessagesEditMessageRequest) (bin.Encoder, error) {
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if q.ScheduleRepeatPeriod != 0 || q.QuickReplyShortcutID != 0 {
		return nil, model.RPCError(400, "INPUT_METHOD_INVALID_messages.editMessage: repetition and quick replies are not modelled")
	}
	var p *model.Post
	if q.ScheduleDate != 0 {
		p = c.World.Scheduled[c.ScheduleKey(in)].Find(q.ID)
	} else {
		p = c.Find(in, q.ID)
	}
	if p == nil || p.Action != nil {
		return nil, model.RPCError(400, "MESSAGE_ID_INVALID")
	}
	if !mayEdit(c, p) {
		return nil, model.RPCError(403, "MESSAGE_AUTHOR_REQUIRED")
	}
	if q.ScheduleDate == 0 && !c.User.Bot && in != c.User.Peer() && c.World.Now()-p.Date > model.EditTimeLimit {
		return nil, model.RPCError(400, "MESSAGE_EDIT_TIME_EXPIRED")
	}
	next := Edit{
		Text: q.Message, Retext: q.Flags.Has(11), Entities: q.Entities, Markup: q.ReplyMarkup, Media: q.Media, NoWebpage: q.NoWebpage,
		InvertMedia: q.InvertMedia, Date: q.ScheduleDate,
	}
	if err := attach.Apply(c, p, next); err != nil {
		return nil, err
	}
	if q.ScheduleDate != 0 {
		return c.World.Answer(scheduled(c, p)), nil
	}
	p.EditDate = max(c.World.Now(), p.EditDate)
	if in.Kind == model.PeerChannel {
		return c.World.Answer(c.World.EditPost(c.World.Channels[in.ID], p, c.User, c.Key)), nil
	}
	return c.World.Answer(c.World.EditLetters(p, c.User, c.Key)), nil
}

// Edit is the new content of a message, as the queries that change one have it.
type Edit struct {
	Text                   string
	Retext                 bool // else the text stays as it is
	Entities               []tg.MessageEntityClass
	Markup                 tg.ReplyMarkupClass
	Media                  tg.InputMediaClass // nil: as it is
	NoWebpage, InvertMedia bool
	Date                   int // of a scheduled message; 0: as it is
}

// Apply gives a message its new content.
func (attach Attach) Apply(c *model.Call, p *model.Post, e Edit) error {
	replaced, err := attach.replacement(c, p, e.Media)
	if err != nil {
		return err
	}
	media := p.Media
	if _, preview := media.(model.Webpage); preview {
		media = nil
	}
	if replaced != nil {
		media = replaced
	}
	d := draft{text: p.Text, entities: p.Entities, named: p.Named, markup: e.Markup}
	if e.Retext {
		if d, err = compose(c, e.Text, e.Entities, e.Markup, media != nil); err != nil {
			return err
		}
	}
	if !c.User.Bot {
		d.markup = p.Markup
	}
	if url := link.FindString(d.text); media == nil && url != "" && !e.NoWebpage {
		media = model.Webpage{URL: url}
	}
	date := p.Date
	if e.Date != 0 {
		date = e.Date
	}
	if d.text == p.Text && date == p.Date && media == p.Media && e.InvertMedia == p.InvertMedia &&
		sameTL(d.entities, p.Entities) && sameMarkup(d.markup, p.Markup) {
		return model.RPCError(400, "MESSAGE_NOT_MODIFIED")
	}
	p.Text, p.Entities, p.Named, p.Markup, p.Media = d.text, d.entities, d.named, d.markup, media
	p.InvertMedia, p.Date = e.InvertMedia, date
	return nil
}

// replacement is the new media of a message; nil for none. What it carries must be of the kinds that can be
// replaced, by one of them, and within an album by one that fits into it.
func (attach Attach) replacement(c *model.Call, p *model.Post, in tg.InputMediaClass) (model.Media, error) {
	if in == nil {
		return nil, nil
	}
	var was tg.MessageMediaClass
	if p.Media != nil {
		was = p.Media.Render(c.User.ID)
	}
	if !replaceable(was) {
		return nil, model.RPCError(400, "MEDIA_PREV_INVALID")
	}
	m, err := attach(c, in)
	if err != nil {
		return nil, err
	}
	next := m.Render(c.User.ID)
	_, text := next.(*tg.MessageMediaWebPage)
	switch {
	case text || !replaceable(next):
		return nil, model.RPCError(400, "MEDIA_NEW_INVALID")
	case p.GroupedID != 0 && AlbumKind(next) != AlbumKind(was):
		return nil, model.RPCError(400, "MEDIA_GROUPED_INVALID")
	}
	with := *p
	with.Media = m
	return m, c.MaySend(&with)
}

// replaceable are photos, videos, animations, music, documents and messages without media; not what can be
// seen for a time only.
func replaceable(m tg.MessageMediaClass) bool {
	switch m := m.(type) {
	case nil, *tg.MessageMediaWebPage:
		return true
	case *tg.MessageMediaPhoto:
		return m.TTLSeconds == 0
	case *tg.MessageMediaDocument:
		return m.TTLSeconds == 0 && !m.Voice && !m.Round && !isSticker(m.Document)
	}
	return false
}

func isSticker(d tg.DocumentClass) bool {
	doc, _ := d.(*tg.Document)
	return doc != nil && slices.ContainsFunc(doc.Attributes, func(a tg.DocumentAttributeClass) bool {
		_, sticker := a.(*tg.DocumentAttributeSticker)
		return sticker
	})
}

// AlbumKind is with what a media can be in one album: photos and videos, music, other documents.
func AlbumKind(m tg.MessageMediaClass) string {
	document, ok := m.(*tg.MessageMediaDocument)
	if !ok {
		return "visual"
	}
	doc, _ := document.Document.(*tg.Document)
	for _, a := range doc.Attributes {
		switch a.(type) {
		case *tg.DocumentAttributeVideo:
			return "visual"
		case *tg.DocumentAttributeAudio:
			return "audio"
		}
	}
	return "document"
}

func mayEdit(c *model.Call, p *model.Post) bool {
	if p.To.Kind == model.PeerChannel && p.From == 0 {
		return c.World.Channels[p.To.ID].May(c.User.ID, model.EditMessages)
	}
	return p.From == c.User.ID
}

func sameTL[T bin.Encoder](a, b []T) bool {
	return slices.EqualFunc(a, b, func(x, y T) bool { return model.Encoded(x) == model.Encoded(y) })
}

func sameMarkup(a, b tg.ReplyMarkupClass) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return model.Encoded(a) == model.Encoded(b)
}
