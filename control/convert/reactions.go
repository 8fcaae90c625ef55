package convert

import (
	"fmt"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// InputReactions converts reactions to TL; field names them in errors.
func InputReactions(field string, list []*v1.Reaction) ([]tg.ReactionClass, error) {
	var out []tg.ReactionClass
	for i, r := range list {
		switch {
		case r.GetPaid() || (r.GetEmoji() == "") == (r.GetCustomEmojiId() == 0):
			return nil, Invalid(fmt.Sprintf("%s[%d]", field, i), "give either emoji or custom_emoji_id", "must be one emoji, ordinary or custom")
		case r.GetEmoji() != "":
			out = append(out, &tg.ReactionEmoji{Emoticon: r.GetEmoji()})
		default:
			out = append(out, &tg.ReactionCustomEmoji{DocumentID: r.GetCustomEmojiId()})
		}
	}
	return out, nil
}

// plainActions are the chat actions that are no more than their kind.
var plainActions = map[v1.ChatActionKind]tg.SendMessageActionClass{
	v1.ChatActionKind_CHAT_ACTION_KIND_UNSPECIFIED:    &tg.SendMessageTypingAction{},
	v1.ChatActionKind_CHAT_ACTION_KIND_TYPING:         &tg.SendMessageTypingAction{},
	v1.ChatActionKind_CHAT_ACTION_KIND_CANCEL:         &tg.SendMessageCancelAction{},
	v1.ChatActionKind_CHAT_ACTION_KIND_RECORD_VIDEO:   &tg.SendMessageRecordVideoAction{},
	v1.ChatActionKind_CHAT_ACTION_KIND_RECORD_AUDIO:   &tg.SendMessageRecordAudioAction{},
	v1.ChatActionKind_CHAT_ACTION_KIND_GEO_LOCATION:   &tg.SendMessageGeoLocationAction{},
	v1.ChatActionKind_CHAT_ACTION_KIND_CHOOSE_CONTACT: &tg.SendMessageChooseContactAction{},
	v1.ChatActionKind_CHAT_ACTION_KIND_GAME_PLAY:      &tg.SendMessageGamePlayAction{},
	v1.ChatActionKind_CHAT_ACTION_KIND_RECORD_ROUND:   &tg.SendMessageRecordRoundAction{},
	v1.ChatActionKind_CHAT_ACTION_KIND_SPEAKING:       &tg.SpeakingInGroupCallAction{},
	v1.ChatActionKind_CHAT_ACTION_KIND_CHOOSE_STICKER: &tg.SendMessageChooseStickerAction{},
}

// progressing are those that have a progress.
var progressing = map[v1.ChatActionKind]func(percent int) tg.SendMessageActionClass{
	v1.ChatActionKind_CHAT_ACTION_KIND_UPLOAD_VIDEO:    func(n int) tg.SendMessageActionClass { return &tg.SendMessageUploadVideoAction{Progress: n} },
	v1.ChatActionKind_CHAT_ACTION_KIND_UPLOAD_AUDIO:    func(n int) tg.SendMessageActionClass { return &tg.SendMessageUploadAudioAction{Progress: n} },
	v1.ChatActionKind_CHAT_ACTION_KIND_UPLOAD_PHOTO:    func(n int) tg.SendMessageActionClass { return &tg.SendMessageUploadPhotoAction{Progress: n} },
	v1.ChatActionKind_CHAT_ACTION_KIND_UPLOAD_DOCUMENT: func(n int) tg.SendMessageActionClass { return &tg.SendMessageUploadDocumentAction{Progress: n} },
	v1.ChatActionKind_CHAT_ACTION_KIND_UPLOAD_ROUND:    func(n int) tg.SendMessageActionClass { return &tg.SendMessageUploadRoundAction{Progress: n} },
	v1.ChatActionKind_CHAT_ACTION_KIND_HISTORY_IMPORT:  func(n int) tg.SendMessageActionClass { return &tg.SendMessageHistoryImportAction{Progress: n} },
}

// InputChatAction converts what others are shown to TL; field names it in errors.
func InputChatAction(field string, a *v1.InputChatAction) (tg.SendMessageActionClass, error) {
	kind, percent := a.GetKind(), int(a.GetProgress())
	make, progress := progressing[kind]
	if percent < 0 || percent > 100 || percent != 0 && !progress {
		return nil, Invalid(field+".progress", "give 0 to 100, for uploads and imports only", "does not fit %s (got %d)", kind, percent)
	}
	if progress {
		return make(percent), nil
	}
	switch kind {
	case v1.ChatActionKind_CHAT_ACTION_KIND_EMOJI_INTERACTION:
		if a.GetEmoji() == "" || a.GetMessageId() <= 0 || a.GetInteraction() == "" {
			return nil, Invalid(field, "give emoji, message_id and interaction", "lacks something of %s", kind)
		}
		return &tg.SendMessageEmojiInteraction{
			Emoticon: a.GetEmoji(), MsgID: int(a.GetMessageId()), Interaction: tg.DataJSON{Data: a.GetInteraction()},
		}, nil
	case v1.ChatActionKind_CHAT_ACTION_KIND_EMOJI_INTERACTION_SEEN:
		if a.GetEmoji() == "" {
			return nil, Invalid(field+".emoji", "give the emoji that was tapped", "is empty")
		}
		return &tg.SendMessageEmojiInteractionSeen{Emoticon: a.GetEmoji()}, nil
	case v1.ChatActionKind_CHAT_ACTION_KIND_TEXT_DRAFT:
		if a.GetDraftId() == 0 {
			return nil, Invalid(field+".draft_id", "give the same one for each state of a draft", "must not be 0")
		}
		return &tg.SendMessageTextDraftAction{RandomID: a.GetDraftId(), Text: tg.TextWithEntities{Text: a.GetDraft()}}, nil
	}
	action, ok := plainActions[kind]
	if !ok {
		return nil, Invalid(field+".kind", "use one of the kinds of this version", "is not known (got %d)", kind)
	}
	return action, nil
}
