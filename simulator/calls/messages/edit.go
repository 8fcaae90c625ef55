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
	if q.Media != nil || q.ScheduleDate != 0 {
		return nil, model.RPCError(400, "INPUT_METHOD_INVALID_messages.editMessage: media and schedule_date are not modelled")
	}
	p := c.Find(in, q.ID)
	if p == nil || p.Action != nil {
		return nil, model.RPCError(400, "MESSAGE_ID_INVALID")
	}
	if !mayEdit(c, p) {
		return nil, model.RPCError(403, "MESSAGE_AUTHOR_REQUIRED")
	}
	if !c.User.Bot && c.World.Now()-p.Date > model.EditTimeLimit {
		return nil, model.RPCError(400, "MESSAGE_EDIT_TIME_EXPIRED")
	}
	d := draft{text: p.Text, entities: p.Entities, named: p.Named, markup: q.ReplyMarkup}
	if q.Flags.Has(11) {
		if d, err = compose(c, q.Message, q.Entities, q.ReplyMarkup, p.Media != nil); err != nil {
			return nil, err
		}
	}
	if !c.User.Bot {
		d.markup = p.Markup
	}
	if d.text == p.Text && sameTL(d.entities, p.Entities) && sameMarkup(d.markup, p.Markup) {
		return nil, model.RPCError(400, "MESSAGE_NOT_MODIFIED")
	}
	p.Text, p.Entities, p.Named, p.Markup = d.text, d.entities, d.named, d.markup
	p.EditDate = max(c.World.Now(), p.EditDate)
	if in.Kind == model.PeerChannel {
		return c.World.Answer(c.World.EditPost(c.World.Channels[in.ID], p, c.Key)), nil
	}
	var own *model.Bundle
	for _, id := range model.Owners(p) {
		u := c.World.Users[id]
		m := u.Box.Messages[p.Copies[id]]
		e := c.World.Record(u, model.Event{Count: 1, Kind: model.KindMessageEdited, IDs: []int{m.ID}, Dialog: m.Dialog}, p.From, p.From == id)
		b := c.World.Bundle(u, &tg.UpdateEditMessage{Message: c.World.RenderLetter(u, m), Pts: e.Pts, PtsCount: e.Count})
		b.Refs.Post(p, m.Dialog)
		if u == c.User {
			own = b
			c.World.SendTo(u, b, c.Key)
			continue
		}
		c.World.SendTo(u, b, nil)
	}
	return c.World.Answer(own), nil
}

func mayEdit(c *model.Call, p *model.Post) bool {
	if p.To.Kind == model.PeerChannel && p.From == 0 {
		m := c.World.Channels[p.To.ID].Members[c.User.ID]
		return m != nil && m.Admin
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
