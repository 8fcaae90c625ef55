package bots

import (
	"bytes"
	"cmp"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// callback is a pressed button that waits for the bot.
type callback struct {
	bot       int64
	responder model.Responder // nil once the user's query was answered
	waits     time.Time       // until then for the answer to the user
	lives     time.Time       // until then the bot may answer
}

// callbackLife is how long a bot may answer a callback query.
const callbackLife = time.Minute

func (r *room) getBotCallbackAnswer(c *model.Call, q *tg.MessagesGetBotCallbackAnswerRequest) (bin.Encoder, error) {
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	p := c.Find(in, q.MsgID)
	if p == nil || p.Markup == nil {
		return nil, model.RPCError(400, "MESSAGE_ID_INVALID")
	}
	bot := c.World.Users[cmp.Or(p.ViaBot, p.From)]
	if bot == nil || !bot.Bot {
		return nil, model.RPCError(400, "BOT_INVALID")
	}
	if !hasButton(p.Markup, q.Data) {
		return nil, model.RPCError(400, "DATA_INVALID")
	}
	id := c.World.Rand.Int64()
	now := c.World.Config.Now()
	r.callbacks[id] = &callback{
		bot: bot.ID, responder: c.Responder, waits: now.Add(c.World.Config.CallbackTimeout), lives: now.Add(callbackLife),
	}
	if p.ViaBot != 0 {
		update := &tg.UpdateInlineBotCallbackQuery{QueryID: id, UserID: c.User.ID, MsgID: r.ids[p], ChatInstance: c.World.AccessHash(bot.ID, in)}
		update.SetData(q.Data)
		b := c.World.Bundle(bot, update)
		b.Refs.User(c.User.ID)
		c.World.SendTo(bot, b, nil)
		return nil, model.ErrLater
	}
	update := &tg.UpdateBotCallbackQuery{
		QueryID: id, UserID: c.User.ID, Peer: in.TL(), MsgID: p.ID, ChatInstance: c.World.AccessHash(bot.ID, in),
	}
	if in.Kind == model.PeerUser {
		update.Peer = c.User.Peer().TL()
	}
	if in.Kind != model.PeerChannel {
		update.MsgID = p.Copies[bot.ID]
	}
	update.SetData(q.Data)
	b := c.World.Bundle(bot, update)
	b.Refs.User(c.User.ID)
	if in.Kind != model.PeerUser {
		b.Refs.Peer(in)
	}
	c.World.SendTo(bot, b, nil)
	return nil, model.ErrLater
}

func hasButton(markup tg.ReplyMarkupClass, data []byte) bool {
	inline, ok := markup.(*tg.ReplyInlineMarkup)
	if !ok {
		return false
	}
	for _, row := range inline.Rows {
		for _, button := range row.Buttons {
			if b, ok := button.(*tg.KeyboardButtonCallback); ok && bytes.Equal(b.Data, data) {
				return true
			}
		}
	}
	return false
}

func (r *room) setBotCallbackAnswer(c *model.Call, q *tg.MessagesSetBotCallbackAnswerRequest) (bin.Encoder, error) {
	cb := r.callbacks[q.QueryID]
	if cb == nil || cb.bot != c.User.ID || !c.World.Config.Now().Before(cb.lives) {
		return nil, model.RPCError(400, "QUERY_ID_INVALID")
	}
	if len(q.Message) > 200 {
		return nil, model.RPCError(400, "MESSAGE_TOO_LONG")
	}
	delete(r.callbacks, q.QueryID)
	if cb.responder != nil {
		out := &tg.MessagesBotCallbackAnswer{Alert: q.Alert, CacheTime: q.CacheTime}
		if q.Message != "" {
			out.SetMessage(q.Message)
		}
		if q.URL != "" {
			out.HasURL = true
			out.SetURL(q.URL)
		}
		model.Respond(c.World, cb.responder, out, nil)
	}
	return &tg.BoolTrue{}, nil
}

// expire answers queries that have waited too long.
func (r *room) expire(now time.Time) {
	for id, cb := range r.callbacks {
		if cb.responder != nil && !now.Before(cb.waits) {
			model.Respond(r.world, cb.responder, nil, model.RPCError(400, "BOT_RESPONSE_TIMEOUT"))
			cb.responder = nil
		}
		if !now.Before(cb.lives) {
			delete(r.callbacks, id)
		}
	}
}
