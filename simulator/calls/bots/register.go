// Package bots carries what passes between bots and those who use them.
//
// # Usage
//
//	bots.Register(world)
//
// # Concurrency
//
// Handlers run under the world's lock.
//
// # Errors
//
// Refusals have Telegram's codes and names.
package bots

import "github.com/telefleet/orchestrator/simulator/model"

// room is what waits for an answer.
type room struct {
	world     *model.World
	callbacks map[int64]*callback   // by query id
	queries   map[int64]*query      // inline queries, by id
	sent      map[int64]*model.Post // messages that came from inline queries, by the id in their inline id
}

// Register registers the methods of bots.
func Register(w *model.World) {
	r := &room{world: w, callbacks: map[int64]*callback{}, queries: map[int64]*query{}, sent: map[int64]*model.Post{}}
	model.On(w, model.UserOnly, r.getBotCallbackAnswer)
	model.On(w, model.BotOnly, r.setBotCallbackAnswer)
	model.On(w, model.UserOnly, r.getInlineBotResults)
	model.On(w, model.BotOnly, r.setInlineBotResults)
	model.On(w, model.UserOnly, r.sendInlineBotResult)
	model.On(w, model.BotOnly|model.Anywhere, r.editInlineBotMessage)
	w.OnTick(r.expire)
	w.OnTick(r.expireQueries)
}
