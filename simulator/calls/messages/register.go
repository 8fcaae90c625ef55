// Package messages writes, changes, deletes and returns messages.
//
// # Usage
//
//	messages.Register(world, attach)
//
// # Concurrency
//
// Handlers run under the world's lock.
//
// # Errors
//
// Refusals have Telegram's codes and names.
package messages

import (
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// Attach makes what a message carries of what a caller describes.
type Attach func(c *model.Call, in tg.InputMediaClass) (model.Media, error)

// Register registers the methods of messages.
func Register(w *model.World, attach Attach) {
	model.On(w, 0, sendMessage)
	model.On(w, 0, attach.editMessage)
	model.On(w, 0, forwardMessages)
	model.On(w, 0, deleteMessages)
	model.On(w, 0, deleteChannelMessages)
	model.On(w, 0, getMessages)
	model.On(w, 0, getChannelMessages)
	model.On(w, 0, updatePinnedMessage)
	model.On(w, 0, unpinAllMessages)
	model.On(w, 0, sendReaction)
	model.On(w, model.UserOnly, getRecentReactions)
	model.On(w, 0, setTyping)
	model.On(w, model.UserOnly, saveDraft)
	model.On(w, model.UserOnly, getScheduledHistory)
	model.On(w, model.UserOnly, getScheduledMessages)
	model.On(w, model.UserOnly, sendScheduledMessages)
	model.On(w, model.UserOnly, deleteScheduledMessages)
	model.On(w, model.UserOnly, getSendAs)
	w.OnTick(func(now time.Time) { fireDue(w, now) })
}
