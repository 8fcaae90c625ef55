// Package bots carries what passes between bots and those who use them.
//
// # Usage
//
//	bots.Register(world, attach)
//
// # Concurrency
//
// Handlers run under the world's lock.
//
// # Errors
//
// Refusals have Telegram's codes and names.
package bots

import (
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/calls/messages"
	"github.com/telefleet/orchestrator/simulator/model"
)

// room is what waits for an answer.
type room struct {
	world     *model.World
	attach    messages.Attach
	callbacks map[int64]*callback   // by query id
	queries   map[int64]*query      // inline queries, by id
	answers   map[asked]*answer     // that are kept for equal queries
	sent      map[int64]*model.Post // messages that came from inline queries, by the id in their inline id
	ids       map[*model.Post]*tg.InputBotInlineMessageID64
}

// Register registers the methods of bots.
func Register(w *model.World, attach messages.Attach) {
	r := &room{
		world: w, attach: attach, callbacks: map[int64]*callback{}, queries: map[int64]*query{}, answers: map[asked]*answer{},
		sent: map[int64]*model.Post{}, ids: map[*model.Post]*tg.InputBotInlineMessageID64{},
	}
	model.On(w, model.UserOnly, r.getBotCallbackAnswer)
	model.On(w, model.BotOnly, r.setBotCallbackAnswer)
	model.On(w, model.UserOnly, r.getInlineBotResults)
	model.On(w, model.BotOnly, r.setInlineBotResults)
	model.On(w, model.UserOnly, r.sendInlineBotResult)
	model.On(w, model.BotOnly|model.Anywhere, r.editInlineBotMessage)
	w.OnTick(r.expire)
	w.OnTick(r.expireQueries)
}
