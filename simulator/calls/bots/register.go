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
	callbacks map[int64]*callback // by query id
}

// Register registers the methods of bots.
func Register(w *model.World) {
	r := &room{world: w, callbacks: map[int64]*callback{}}
	model.On(w, model.UserOnly, r.getBotCallbackAnswer)
	model.On(w, model.BotOnly, r.setBotCallbackAnswer)
	w.OnTick(r.expire)
}
