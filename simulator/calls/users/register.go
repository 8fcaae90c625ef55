// Package users says who somebody is, and what this Telegram is like.
//
// # Usage
//
//	users.Register(world)
//
// # Concurrency
//
// Handlers run under the world's lock.
//
// # Errors
//
// Refusals have Telegram's codes and names.
package users

import "github.com/telefleet/orchestrator/simulator/model"

// Register registers the methods of users and of help.
func Register(w *model.World) {
	model.On(w, model.Anyone|model.Anywhere, getConfig)
	model.On(w, model.Anyone|model.Anywhere, getNearestDC)
	model.On(w, model.Anyone|model.Anywhere, getAppConfig)
	model.On(w, model.Anyone, getCDNConfig)
	model.On(w, model.Anywhere, getUsers)
	model.On(w, 0, getFullUser)
	model.On(w, 0, resolveUsername)
	model.On(w, model.UserOnly, resolvePhone)
	model.On(w, model.UserOnly, updateStatus)
}
