// Package messages writes, changes, deletes and returns messages.
//
// # Usage
//
//	messages.Register(world)
//
// # Concurrency
//
// Handlers run under the world's lock.
//
// # Errors
//
// Refusals have Telegram's codes and names.
package messages

import "github.com/telefleet/orchestrator/simulator/model"

// Register registers the methods of messages.
func Register(w *model.World) {
	model.On(w, 0, sendMessage)
	model.On(w, 0, editMessage)
	model.On(w, 0, deleteMessages)
	model.On(w, 0, deleteChannelMessages)
	model.On(w, 0, getMessages)
	model.On(w, 0, getChannelMessages)
	model.On(w, 0, setTyping)
}
