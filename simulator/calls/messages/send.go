package messages

import (
	"slices"
	"unicode/utf16"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// chanceSentFull is how often the answer to sendMessage is full where updateShortSentMessage would do.
const chanceSentFull = 0.4

// Outgoing is one message that the caller wants to write, as the queries that send have it.
type Outgoing struct {
	Peer      tg.InputPeerClass
	ReplyTo   tg.InputReplyToClass // nil: none
	Text      string               // a caption if there is media
	Entities  []tg.MessageEntityClass
	Markup    tg.ReplyMarkupClass // nil: none
	RandomID  int64
	Silent    bool
	Media     model.Media // nil: none
	GroupedID int64       // of an album; 0: none
}

// Write checks all messages, then writes them in order, and returns what the caller is
// answered. If one is refused, none is written.
func Write(c *model.Call, all ...Outgoing) (*tg.Updates, error) {
	posts := make([]*model.Post, len(all))
	ids := map[int64]bool{}
	for i, out := range all {
		p, err := draw(c, out)
		if err != nil {
			return nil, err
		}
		switch {
		case out.RandomID == 0:
			return nil, model.RPCError(400, "RANDOM_ID_EMPTY")
		case ids[out.RandomID] || c.User.Used(out.RandomID):
			return nil, model.RPCError(500, "RANDOM_ID_DUPLICATE")
		}
		ids[out.RandomID], posts[i] = true, p
	}
	var whole *model.Bundle
	for i, p := range posts {
		c.User.Remember(all[i].RandomID)
		whole = whole.And(post(c, p, all[i].RandomID))
	}
	return c.World.Answer(whole), nil
}

// post writes one message and returns the writer's updates, the random_id first.
func post(c *model.Call, p *model.Post, randomID int64) *model.Bundle {
	if p.To.Kind == model.PeerChannel {
		return c.World.Publish(c.World.Channels[p.To.ID], p, c.Key, randomID)
	}
	b, e := c.World.Deliver(p, c.Key)
	b.Updates = slices.Insert(b.Updates, 0, tg.UpdateClass(&tg.UpdateMessageID{ID: e.IDs[0], RandomID: randomID}))
	return b
}

// draw checks a message and makes the post of it.
func draw(c *model.Call, out Outgoing) (*model.Post, error) {
	to, err := c.InputPeer(out.Peer)
	if err != nil {
		return nil, err
	}
	d, err := compose(c, out.Text, out.Entities, out.Markup, out.Media != nil)
	if err != nil {
		return nil, err
	}
	if err := c.MayWrite(to); err != nil {
		return nil, err
	}
	p := &model.Post{
		From: c.User.ID, To: to, Date: c.World.Now(), Text: d.text, Entities: d.entities, Media: out.Media,
		GroupedID: out.GroupedID, Markup: d.markup, Named: d.named, Silent: out.Silent, Copies: map[int64]int{},
	}
	return p, answerTo(c, p, out.ReplyTo)
}

// draft is a checked message before it is written.
type draft struct {
	text     string
	entities []tg.MessageEntityClass
	named    []int64
	markup   tg.ReplyMarkupClass
}

// compose checks text, entities and keyboard.
func compose(c *model.Call, text string, entities []tg.MessageEntityClass, markup tg.ReplyMarkupClass, media bool) (draft, error) {
	d := draft{text: text}
	size := len(utf16.Encode([]rune(text)))
	switch {
	case size == 0 && !media:
		return d, model.RPCError(400, "MESSAGE_EMPTY")
	case size > model.MaxCaption && media:
		return d, model.RPCError(400, "MEDIA_CAPTION_TOO_LONG")
	case size > model.MaxText:
		return d, model.RPCError(400, "MESSAGE_TOO_LONG")
	}
	for _, e := range entities {
		if e.GetOffset() < 0 || e.GetLength() <= 0 || e.GetOffset()+e.GetLength() > size {
			return d, model.RPCError(400, "ENTITY_BOUNDS_INVALID")
		}
		if in, ok := e.(*tg.InputMessageEntityMentionName); ok {
			u, err := c.InputUser(in.UserID)
			if err != nil {
				return d, model.RPCError(400, "ENTITY_MENTION_USER_INVALID")
			}
			e = &tg.MessageEntityMentionName{Offset: in.Offset, Length: in.Length, UserID: u.ID}
			d.named = append(d.named, u.ID)
		}
		d.entities = append(d.entities, e)
	}
	if !c.User.Bot {
		return d, nil // only bots have keyboards; others' are dropped without a word
	}
	d.markup = markup
	if inline, ok := markup.(*tg.ReplyInlineMarkup); ok {
		for _, row := range inline.Rows {
			for _, button := range row.Buttons {
				if b, ok := button.(*tg.KeyboardButtonCallback); ok && (len(b.Data) == 0 || len(b.Data) > 64) {
					return d, model.RPCError(400, "BUTTON_DATA_INVALID")
				}
			}
		}
	}
	return d, nil
}

func sendMessage(c *model.Call, q *tg.MessagesSendMessageRequest) (bin.Encoder, error) {
	if q.ScheduleDate != 0 || q.SendAs != nil || q.QuickReplyShortcut != nil || q.Flags.Has(22) || q.Flags.Has(23) {
		return nil, model.RPCError(400, "INPUT_METHOD_INVALID_messages.sendMessage: schedule_date, send_as, quick replies, suggested and rich posts are not modelled")
	}
	sent, err := Write(c, Outgoing{
		Peer: q.Peer, ReplyTo: q.ReplyTo, Text: q.Message, Entities: q.Entities, Markup: q.ReplyMarkup,
		RandomID: q.RandomID, Silent: q.Silent,
	})
	if err != nil {
		return nil, err
	}
	return short(c, sent), nil
}

// short is the form in which the sender of a plain private message may be answered.
func short(c *model.Call, sent *tg.Updates) bin.Encoder {
	if c.World.Config.Plain || c.World.Chance(chanceSentFull) || len(sent.Updates) != 2 {
		return sent
	}
	u, ok := sent.Updates[1].(*tg.UpdateNewMessage)
	if !ok {
		return sent
	}
	m, ok := u.Message.(*tg.Message)
	if _, private := m.GetPeerID().(*tg.PeerUser); !ok || !private || m.ReplyMarkup != nil {
		return sent
	}
	return &tg.UpdateShortSentMessage{
		Out: true, ID: m.ID, Pts: u.Pts, PtsCount: u.PtsCount, Date: m.Date, Entities: m.Entities,
	}
}

// answerTo finds the message that a new one answers.
func answerTo(c *model.Call, p *model.Post, in tg.InputReplyToClass) error {
	if in == nil {
		return nil
	}
	r, ok := in.(*tg.InputReplyToMessage)
	if !ok || r.ReplyToPeerID != nil {
		return model.RPCError(400, "REPLY_TO_INVALID")
	}
	p.Reply = c.Find(p.To, r.ReplyToMsgID)
	if p.Reply == nil {
		return model.RPCError(400, "REPLY_MESSAGE_ID_INVALID")
	}
	p.Quote = r.QuoteText
	return nil
}
