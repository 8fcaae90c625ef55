package model

import (
	"bytes"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// callback is a pressed button that waits for the bot.
type callback struct {
	bot       int64
	responder Responder // nil once the user's query was answered
	waits     time.Time // until then for the answer to the user
	lives     time.Time // until then the bot may answer
}

// callbackLife is how long a bot may answer a callback query.
const callbackLife = time.Minute

func (w *World) registerCallbacks() {
	on(w, userOnly, (*call).getBotCallbackAnswer)
	on(w, botOnly, (*call).setBotCallbackAnswer)
}

func (c *call) getBotCallbackAnswer(q *tg.MessagesGetBotCallbackAnswerRequest) (bin.Encoder, error) {
	in, err := c.peer(q.Peer)
	if err != nil {
		return nil, err
	}
	p := c.find(in, q.MsgID)
	if p == nil || p.markup == nil {
		return nil, rpcError(400, "MESSAGE_ID_INVALID")
	}
	bot := c.w.users[p.from]
	if bot == nil || !bot.bot {
		return nil, rpcError(400, "BOT_INVALID")
	}
	if !hasButton(p.markup, q.Data) {
		return nil, rpcError(400, "DATA_INVALID")
	}
	id := c.w.rng.Int64()
	now := c.w.cfg.Now()
	c.w.callbacks[id] = &callback{
		bot: bot.id, responder: c.responder, waits: now.Add(c.w.cfg.CallbackTimeout), lives: now.Add(callbackLife),
	}
	update := &tg.UpdateBotCallbackQuery{
		QueryID: id, UserID: c.user.id, Peer: in.tl(), MsgID: p.id, ChatInstance: c.w.accessHash(bot.id, in),
	}
	if in.kind == kindUser {
		update.Peer = c.user.peer().tl()
	}
	if in.kind != kindChannel {
		update.MsgID = p.copies[bot.id]
	}
	update.SetData(q.Data)
	b := c.w.bundle(bot, update)
	b.refs.user(c.user.id)
	if in.kind != kindUser {
		b.refs.peer(in)
	}
	c.w.sendTo(bot, b, nil)
	return nil, errLater
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

func (c *call) setBotCallbackAnswer(q *tg.MessagesSetBotCallbackAnswerRequest) (bin.Encoder, error) {
	cb := c.w.callbacks[q.QueryID]
	if cb == nil || cb.bot != c.user.id || !c.w.cfg.Now().Before(cb.lives) {
		return nil, rpcError(400, "QUERY_ID_INVALID")
	}
	if len(q.Message) > 200 {
		return nil, rpcError(400, "MESSAGE_TOO_LONG")
	}
	delete(c.w.callbacks, q.QueryID)
	if cb.responder != nil {
		out := &tg.MessagesBotCallbackAnswer{Alert: q.Alert, CacheTime: q.CacheTime}
		if q.Message != "" {
			out.SetMessage(q.Message)
		}
		if q.URL != "" {
			out.HasURL = true
			out.SetURL(q.URL)
		}
		respond(c.w, cb.responder, out, nil)
	}
	return &tg.BoolTrue{}, nil
}

// Tick answers queries that have waited too long. It is to be called every now and then.
func (w *World) Tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.cfg.Now()
	for id, cb := range w.callbacks {
		if cb.responder != nil && !now.Before(cb.waits) {
			respond(w, cb.responder, nil, rpcError(400, "BOT_RESPONSE_TIMEOUT"))
			cb.responder = nil
		}
		if !now.Before(cb.lives) {
			delete(w.callbacks, id)
		}
	}
	for hash, code := range w.codes {
		if now.Sub(code.expires) > w.cfg.CodeLife {
			delete(w.codes, hash)
		}
	}
}
