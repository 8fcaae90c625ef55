package messages

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

func editMessage(c *model.Call, q *tg.MessagesEditMessageRequest) (bin.Encoder, error) {
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if q.Media != nil || q.ScheduleRepeatPeriod != 0 || q.QuickReplyShortcutID != 0 {
		return nil, model.RPCError(400, "INPUT_METHOD_INVALID_messages.editMessage: media, repetition and quick replies are not modelled")
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
	if err := change(c, p, q); err != nil {
		return nil, err
	}
	if q.ScheduleDate != 0 {
		return c.World.Answer(scheduled(c, p)), nil
	}
	p.EditDate = max(c.World.Now(), p.EditDate)
	if in.Kind == model.PeerChannel {
		return c.World.Answer(c.World.EditPost(c.World.Channels[in.ID], p, c.Key)), nil
	}
	return c.World.Answer(c.World.EditLetters(p, c.User, c.Key)), nil
}

// change gives a message its new content.
func change(c *model.Call, p *model.Post, q *tg.MessagesEditMessageRequest) error {
	_, preview := p.Media.(model.Webpage)
	d := draft{text: p.Text, entities: p.Entities, named: p.Named, markup: q.ReplyMarkup}
	if q.Flags.Has(11) {
		var err error
		if d, err = compose(c, q.Message, q.Entities, q.ReplyMarkup, p.Media != nil && !preview); err != nil {
			return err
		}
	}
	if !c.User.Bot {
		d.markup = p.Markup
	}
	media := p.Media
	if preview || media == nil {
		media = nil
		if url := link.FindString(d.text); url != "" && !q.NoWebpage {
			media = model.Webpage{URL: url}
		}
	}
	date := p.Date
	if q.ScheduleDate != 0 {
		date = q.ScheduleDate
	}
	if d.text == p.Text && date == p.Date && media == p.Media && q.InvertMedia == p.InvertMedia &&
		sameTL(d.entities, p.Entities) && sameMarkup(d.markup, p.Markup) {
		return model.RPCError(400, "MESSAGE_NOT_MODIFIED")
	}
	p.Text, p.Entities, p.Named, p.Markup, p.Media = d.text, d.entities, d.named, d.markup, media
	p.InvertMedia, p.Date = q.InvertMedia, date
	return nil
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
