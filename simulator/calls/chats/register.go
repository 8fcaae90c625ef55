// Package chats makes basic groups, supergroups and channels, and says who is in them.
//
// # Usage
//
//	chats.Register(world)
//
// # Concurrency
//
// Handlers run under the world's lock.
//
// # Errors
//
// Refusals have Telegram's codes and names.
package chats

import "github.com/telefleet/orchestrator/simulator/model"

// Register registers the methods of chats and their members.
func Register(w *model.World) {
	model.On(w, model.UserOnly, createChat)
	model.On(w, model.UserOnly, addChatUser)
	model.On(w, 0, deleteChatUser)
	model.On(w, 0, getFullChat)
	model.On(w, 0, getChats)
	model.On(w, model.UserOnly, createChannel)
	model.On(w, model.UserOnly, inviteToChannel)
	model.On(w, model.UserOnly, joinChannel)
	model.On(w, 0, leaveChannel)
	model.On(w, model.UserOnly, updateChannelUsername)
	model.On(w, 0, getChannels)
	model.On(w, 0, getFullChannel)
	model.On(w, 0, getParticipants)
	model.On(w, 0, getParticipant)
	model.On(w, 0, editAdmin)
	model.On(w, model.UserOnly, editChatAdmin)
	model.On(w, 0, editParticipantRank)
	model.On(w, 0, editBanned)
	model.On(w, 0, editDefaultRights)
	model.On(w, model.UserOnly, toggleJoinRequest)
	model.On(w, 0, exportInvite)
	model.On(w, 0, editInvite)
	model.On(w, model.UserOnly, checkInvite)
	model.On(w, model.UserOnly, importInvite)
	model.On(w, 0, hideRequest)
	model.On(w, model.UserOnly, getImporters)
}
