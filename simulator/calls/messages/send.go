package messages

import (
	"regexp"
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
	Peer     tg.InputPeerClass
	ReplyTo  tg.InputReplyToClass // nil: none
	SendAs   tg.InputPeerClass    // nil: the caller
	Text     string               // a caption if there is media
	Entities []tg.MessageEntityClass
	Markup   tg.ReplyMarkupClass // nil: none
	RandomID int64
	model.Options
	ClearDraft   bool
	NoWebpage    bool
	ScheduleDate int            // 0: now
	Media        model.Media    // nil: none
	GroupedID    int64          // of an album; 0: none
	Forward      *model.Forward // nil: it is no forward
	Named        []int64        // users that a forwarded message names
	ViaBot       int64          // whose inline result it is; 0: none
}

// Write checks all messages, then writes them in order, or lets them wait for their time, and returns
// what the caller is answered. If one is refused, none is written.
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
	waits, err := later(c, all[0], posts)
	if err != nil {
		return nil, err
	}
	var whole *model.Bundle
	for i, p := range posts {
		c.User.Remember(all[i].RandomID)
		if waits {
			whole = whole.And(wait(c, p, all[i].RandomID))
		} else {
			whole = whole.And(post(c, p, all[i].RandomID))
		}
	}
	if all[0].ClearDraft {
		setDraft(c, posts[0].To, nil)
	}
	return c.World.Answer(whole), nil
}

// post writes one message and returns the writer's updates, the random_id first.
func post(c *model.Call, p *model.Post, randomID int64) *model.Bundle {
	b, id := c.World.Send(p, c.Key)
	b.Updates = slices.Insert(b.Updates, 0, tg.UpdateClass(&tg.UpdateMessageID{ID: id, RandomID: randomID}))
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
	if out.ViaBot != 0 {
		d.markup = out.Markup // which the bot's answer was checked for
	}
	if err := c.MayWrite(to); err != nil {
		return nil, err
	}
	if out.Effect != 0 && (to.Kind != model.PeerUser || !effects[out.Effect]) {
		return nil, model.RPCError(400, "EFFECT_ID_INVALID")
	}
	p := &model.Post{
		From: c.User.ID, To: to, Date: c.World.Now(), Text: d.text, Entities: d.entities, Media: out.Media, Options: out.Options,
		GroupedID: out.GroupedID, ViaBot: out.ViaBot, Markup: d.markup, Named: append(d.named, out.Named...), Forward: out.Forward, Copies: map[int64]int{},
	}
	if err := c.MaySend(p); err != nil {
		return nil, err
	}
	if url := link.FindString(out.Text); url != "" && p.Media == nil && !out.NoWebpage {
		p.Media = model.Webpage{URL: url}
	}
	if p.As, err = sendAs(c, to, out.SendAs); err != nil {
		return nil, err
	}
	if err := answerTo(c, p, out.ReplyTo); err != nil {
		return nil, err
	}
	return p, mayWriteInTopic(c, p)
}

// link finds what a preview is made of.
var link = regexp.MustCompile(`https?://[^\s]+`)

// effects are those of messages.getAvailableEffects that every user has.
var effects = map[int64]bool{
	5104841245755180586: true, 5107584321108051014: true, 5104858069142078462: true,
	5159385139981059251: true, 5046509860389126442: true, 5046589136895476101: true,
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
	return d, CheckMarkup(markup)
}

func sendMessage(c *model.Call, q *tg.MessagesSendMessageRequest) (bin.Encoder, error) {
	if q.QuickReplyShortcut != nil || q.ScheduleRepeatPeriod != 0 || q.Flags.Has(22) || q.Flags.Has(23) {
		return nil, model.RPCError(400, "INPUT_METHOD_INVALID_messages.sendMessage: repetition, quick replies, suggested and rich posts are not modelled")
	}
	sent, err := Write(c, Outgoing{
		Peer: q.Peer, ReplyTo: q.ReplyTo, SendAs: q.SendAs, Text: q.Message, Entities: q.Entities, Markup: q.ReplyMarkup,
		RandomID: q.RandomID, ClearDraft: q.ClearDraft, NoWebpage: q.NoWebpage, ScheduleDate: q.ScheduleDate,
		Options: model.Options{
			Silent: q.Silent, Background: q.Background, Noforwards: q.Noforwards, InvertMedia: q.InvertMedia, Effect: q.Effect,
		},
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
		Out: true, ID: m.ID, Pts: u.Pts, PtsCount: u.PtsCount, Date: m.Date, Entities: m.Entities, Media: m.Media,
	}
}
