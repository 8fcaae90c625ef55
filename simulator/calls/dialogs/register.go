// Package dialogs lists dialogs and their messages, and marks them as read.
//
// # Usage
//
//	dialogs.Register(world)
//
// # Concurrency
//
// Handlers run under the world's lock.
//
// # Errors
//
// Refusals have Telegram's codes and names.
package dialogs

import "github.com/telefleet/orchestrator/simulator/model"

// Register registers the methods of dialogs.
func Register(w *model.World) {
	model.On(w, model.UserOnly, getDialogs)
	model.On(w, model.UserOnly, getPeerDialogs)
	model.On(w, model.UserOnly, getHistory)
	model.On(w, model.UserOnly, search)
	model.On(w, model.UserOnly, searchGlobal)
	model.On(w, model.UserOnly, readHistory)
	model.On(w, model.UserOnly, readDiscussion)
	model.On(w, model.UserOnly, readMentions)
	model.On(w, model.UserOnly, deleteHistory)
	model.On(w, model.UserOnly, readChannelHistory)
}
