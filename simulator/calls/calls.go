// Package calls is the list of the rooms in which the methods of a local Telegram are. A new
// room is a package that registers its handlers on the world, and a line in Join.
//
// # Usage
//
//	world := model.New(cfg, pusher)
//	rooms := calls.Join(world)
//	code, ok := rooms.Auth.LoginCode("+15550001")
//
// # Concurrency
//
// Join is called once, before the first query. Handlers run under the world's lock.
//
// # Errors
//
// A method that no room has is refused by the world, by its name.
package calls

import (
	"github.com/telefleet/orchestrator/simulator/calls/auth"
	"github.com/telefleet/orchestrator/simulator/calls/bots"
	"github.com/telefleet/orchestrator/simulator/calls/chats"
	"github.com/telefleet/orchestrator/simulator/calls/dialogs"
	"github.com/telefleet/orchestrator/simulator/calls/files"
	"github.com/telefleet/orchestrator/simulator/calls/messages"
	"github.com/telefleet/orchestrator/simulator/calls/topics"
	"github.com/telefleet/orchestrator/simulator/calls/users"
	"github.com/telefleet/orchestrator/simulator/model"
)

// Rooms are those that can be looked into from outside.
type Rooms struct {
	Auth  *auth.Room
	Files *files.Room
}

// Join registers the methods of all rooms.
func Join(w *model.World) Rooms {
	for _, register := range []func(*model.World){users.Register, dialogs.Register, chats.Register, topics.Register} {
		register(w)
	}
	rooms := Rooms{Auth: auth.New(w), Files: files.New(w)}
	messages.Register(w, rooms.Files.Attach)
	bots.Register(w, rooms.Files.Attach)
	return rooms
}

// Close gives back what the rooms hold. No call may follow.
func (r Rooms) Close() error { return r.Files.Close() }
