// Package action makes what others are shown in a chat: that an account types, records, uploads.
//
// # Usage
//
//	account.SendChatAction(ctx, peer, action.UploadingPhoto(40))
//	account.KeepTyping(ctx, peer, action.Typing().InTopic(7))
//
// # Concurrency
//
// Actions do not change.
//
// # Errors
//
// The API checks an action when it is sent: progress of 0 to 100 percent, reason FIELD_INVALID.
package action

import v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"

// Action is what others are shown.
type Action struct {
	input *v1.InputChatAction
	topic int32
}

// Input is the action as the contract has it.
func (a Action) Input() *v1.InputChatAction { return a.input }

// Topic is the forum topic or thread that it is shown in; 0 for none.
func (a Action) Topic() int32 { return a.topic }

func plain(kind v1.ChatActionKind) Action {
	return Action{input: &v1.InputChatAction{Kind: kind}}
}

func progress(kind v1.ChatActionKind, percent int) Action {
	return Action{input: &v1.InputChatAction{Kind: kind, Progress: int32(percent)}}
}

// InTopic shows the action in a forum topic or thread, named by its top message.
func (a Action) InTopic(id int32) Action {
	a.topic = id
	return a
}

// Typing shows that the account types.
func Typing() Action { return plain(v1.ChatActionKind_CHAT_ACTION_KIND_TYPING) }

// None ends what was shown.
func None() Action { return plain(v1.ChatActionKind_CHAT_ACTION_KIND_CANCEL) }

// RecordingVideo shows that the account records a video.
func RecordingVideo() Action { return plain(v1.ChatActionKind_CHAT_ACTION_KIND_RECORD_VIDEO) }

// RecordingVoice shows that the account records a voice message.
func RecordingVoice() Action { return plain(v1.ChatActionKind_CHAT_ACTION_KIND_RECORD_AUDIO) }

// RecordingRound shows that the account records a round video.
func RecordingRound() Action { return plain(v1.ChatActionKind_CHAT_ACTION_KIND_RECORD_ROUND) }

// ChoosingPlace shows that the account picks a place.
func ChoosingPlace() Action { return plain(v1.ChatActionKind_CHAT_ACTION_KIND_GEO_LOCATION) }

// ChoosingContact shows that the account picks a contact.
func ChoosingContact() Action { return plain(v1.ChatActionKind_CHAT_ACTION_KIND_CHOOSE_CONTACT) }

// ChoosingSticker shows that the account picks a sticker.
func ChoosingSticker() Action { return plain(v1.ChatActionKind_CHAT_ACTION_KIND_CHOOSE_STICKER) }

// Playing shows that the account plays a game.
func Playing() Action { return plain(v1.ChatActionKind_CHAT_ACTION_KIND_GAME_PLAY) }

// Speaking shows that the account speaks in a group call.
func Speaking() Action { return plain(v1.ChatActionKind_CHAT_ACTION_KIND_SPEAKING) }

// UploadingVideo shows an upload and its progress, 0 to 100 percent.
func UploadingVideo(percent int) Action {
	return progress(v1.ChatActionKind_CHAT_ACTION_KIND_UPLOAD_VIDEO, percent)
}

// UploadingVoice shows an upload and its progress, 0 to 100 percent.
func UploadingVoice(percent int) Action {
	return progress(v1.ChatActionKind_CHAT_ACTION_KIND_UPLOAD_AUDIO, percent)
}

// UploadingPhoto shows an upload and its progress, 0 to 100 percent.
func UploadingPhoto(percent int) Action {
	return progress(v1.ChatActionKind_CHAT_ACTION_KIND_UPLOAD_PHOTO, percent)
}

// UploadingDocument shows an upload and its progress, 0 to 100 percent.
func UploadingDocument(percent int) Action {
	return progress(v1.ChatActionKind_CHAT_ACTION_KIND_UPLOAD_DOCUMENT, percent)
}

// UploadingRound shows an upload and its progress, 0 to 100 percent.
func UploadingRound(percent int) Action {
	return progress(v1.ChatActionKind_CHAT_ACTION_KIND_UPLOAD_ROUND, percent)
}

// ImportingHistory shows an import and its progress, 0 to 100 percent.
func ImportingHistory(percent int) Action {
	return progress(v1.ChatActionKind_CHAT_ACTION_KIND_HISTORY_IMPORT, percent)
}

// TappingEmoji shows that an animated emoji is tapped; interaction is JSON as
// core.telegram.org/api/animated-emojis says.
func TappingEmoji(emoji string, messageID int32, interaction string) Action {
	c := plain(v1.ChatActionKind_CHAT_ACTION_KIND_EMOJI_INTERACTION)
	c.input.Emoji, c.input.MessageId, c.input.Interaction = emoji, messageID, interaction
	return c
}

// SeeingEmoji shows that the animation of a tapped emoji is watched.
func SeeingEmoji(emoji string) Action {
	c := plain(v1.ChatActionKind_CHAT_ACTION_KIND_EMOJI_INTERACTION_SEEN)
	c.input.Emoji = emoji
	return c
}

// DraftingText shows a text while it grows; for bots. id is not 0 and the same for each state of one text.
func DraftingText(id int64, text string) Action {
	c := plain(v1.ChatActionKind_CHAT_ACTION_KIND_TEXT_DRAFT)
	c.input.DraftId, c.input.Draft = id, text
	return c
}
