package methodtest

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/action"
	"github.com/telefleet/orchestrator/simulator/model"
)

// acting is what somebody shows in a chat; nil for nothing.
func acting(who *person, chat model.Peer, topic int) (what tg.SendMessageActionClass) {
	inside(func(w *model.World) { what = w.Acting[model.Actor{User: who.UserID, Chat: chat, Topic: topic}] })
	return what
}

func TestMethod30_SendChatAction(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	chat := model.UserPeer(boris.UserID)
	for _, one := range []struct {
		show action.Action
		want tg.SendMessageActionClass
	}{
		{action.Typing(), &tg.SendMessageTypingAction{}}, {action.RecordingVideo(), &tg.SendMessageRecordVideoAction{}},
		{action.UploadingVideo(10), &tg.SendMessageUploadVideoAction{Progress: 10}}, {action.RecordingVoice(), &tg.SendMessageRecordAudioAction{}},
		{action.UploadingVoice(20), &tg.SendMessageUploadAudioAction{Progress: 20}}, {action.UploadingPhoto(30), &tg.SendMessageUploadPhotoAction{Progress: 30}},
		{action.UploadingDocument(40), &tg.SendMessageUploadDocumentAction{Progress: 40}}, {action.ChoosingPlace(), &tg.SendMessageGeoLocationAction{}},
		{action.ChoosingContact(), &tg.SendMessageChooseContactAction{}}, {action.Playing(), &tg.SendMessageGamePlayAction{}},
		{action.RecordingRound(), &tg.SendMessageRecordRoundAction{}}, {action.UploadingRound(50), &tg.SendMessageUploadRoundAction{Progress: 50}},
		{action.Speaking(), &tg.SpeakingInGroupCallAction{}}, {action.ImportingHistory(60), &tg.SendMessageHistoryImportAction{Progress: 60}},
		{action.ChoosingSticker(), &tg.SendMessageChooseStickerAction{}}, {action.SeeingEmoji("🎉"), &tg.SendMessageEmojiInteractionSeen{Emoticon: "🎉"}},
		{action.TappingEmoji("🎉", 4, `{"v":1}`), &tg.SendMessageEmojiInteraction{Emoticon: "🎉", MsgID: 4, Interaction: tg.DataJSON{Data: `{"v":1}`}}},
		{action.DraftingText(7, "so far"), &tg.SendMessageTextDraftAction{RandomID: 7, Text: tg.TextWithEntities{Text: "so far", Entities: []tg.MessageEntityClass{}}}},
		{action.None(), nil},
	} {
		if err := anna.SendChatAction(deadline(t), boris.Ref(), one.show); err != nil {
			t.Errorf("%T: %v", one.want, err)
		}
		if got := acting(anna, chat, 0); !same(got, one.want) {
			t.Errorf("the simulator has %v, want %v", got, one.want)
		}
	}
	refused(t, anna.SendChatAction(deadline(t), boris.Ref(), action.UploadingPhoto(101)), "FIELD_INVALID")
	// In basic groups a topic is ignored: Telegram would refuse it.
	var group model.Peer
	inside(func(w *model.World) {
		g := w.NewGroup(w.Users[anna.UserID], "Group")
		g.Add(anna.UserID, anna.UserID, w.Now())
		g.Add(boris.UserID, anna.UserID, w.Now())
		group = g.Peer()
	})
	if err := anna.SendChatAction(deadline(t), fmt.Sprint(-group.ID), action.Typing().InTopic(5)); err != nil {
		t.Errorf("in a basic group: %v", err)
	}
	talk := newRoom(t, anna, false, boris)
	if err := anna.SendChatAction(deadline(t), talk.Name, action.Typing().InTopic(5)); err != nil {
		t.Error(err)
	}
	if acting(anna, group, 0) == nil || acting(anna, talk.peer(), 5) == nil {
		t.Error("the simulator has not been told")
	}
}

func same(a, b tg.SendMessageActionClass) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return reflect.TypeOf(a) == reflect.TypeOf(b) && model.Encoded(a) == model.Encoded(b)
}

// TestMethod30_KeepTyping: what is shown stays until the context ends, and is ended then.
func TestMethod30_KeepTyping(t *testing.T) {
	t.Parallel()
	anna, boris := account(t), account(t)
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	heard := boris.expect(t, func(e *client.Event) bool { return e.GetChatAction().GetAction() == "uploadDocument" }, "typing")
	done := make(chan error, 1)
	go func() { done <- anna.KeepTyping(ctx, boris.Ref(), action.UploadingDocument(5)) }()
	heard()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := acting(anna, model.UserPeer(boris.UserID), 0); got != nil {
		t.Errorf("the simulator still has %v", got)
	}
	if out, err := cli(t, "typing", anna.ID(), boris.Ref(), "--action", "upload-photo", "--progress", "40"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if got := acting(anna, model.UserPeer(boris.UserID), 0); !same(got, &tg.SendMessageUploadPhotoAction{Progress: 40}) {
		t.Errorf("the simulator has %v", got)
	}
}
