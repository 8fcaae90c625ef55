package convert

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/tg"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/peertest"
	"github.com/telefleet/orchestrator/telegram"
)

func known(peers ...telegram.Peer) *peertest.Peers { return peertest.New(peers...) }

func TestEveryEntityTypeRoundTrips(t *testing.T) {
	peers := known(telegram.Peer{Kind: telegram.PeerUser, ID: 7, AccessHash: 8})
	for value, name := range v1.EntityType_name {
		if value == 0 {
			continue
		}
		want := &v1.Entity{Type: v1.EntityType(value), Offset: 1, Length: 2}
		switch want.Type {
		case v1.EntityType_ENTITY_TYPE_TEXT_URL:
			want.Url = "https://example.org"
		case v1.EntityType_ENTITY_TYPE_MENTION_NAME:
			want.UserId = 7
		case v1.EntityType_ENTITY_TYPE_PRE:
			want.Language = "go"
		case v1.EntityType_ENTITY_TYPE_CUSTOM_EMOJI:
			want.CustomEmojiId = 9
		case v1.EntityType_ENTITY_TYPE_BLOCKQUOTE:
			want.Collapsed = true
		}
		tl, err := InputEntities("message.entities", []*v1.Entity{want}, peers)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if mention, ok := tl[0].(*tg.InputMessageEntityMentionName); ok { // the server answers with the other form
			tl[0] = &tg.MessageEntityMentionName{Offset: mention.Offset, Length: mention.Length, UserID: mention.UserID.(*tg.InputUser).UserID}
		}
		if diff := cmp.Diff(want, Entities(tl)[0], protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestBadEntitiesAreRefused(t *testing.T) {
	for reason, e := range map[string]*v1.Entity{
		"FIELD_INVALID": {Type: v1.EntityType_ENTITY_TYPE_BOLD, Offset: -1, Length: 1},
		"PEER_UNKNOWN":  {Type: v1.EntityType_ENTITY_TYPE_MENTION_NAME, Length: 1, UserId: 5},
	} {
		_, err := InputEntities("message.entities", []*v1.Entity{e}, known())
		var own *fleet.Error
		if !errors.As(err, &own) || own.Reason != reason {
			t.Errorf("%v: got %v", e, err)
		}
	}
	for _, e := range []*v1.Entity{{Length: 1}, {Type: v1.EntityType_ENTITY_TYPE_TEXT_URL, Length: 1}, {Type: 99, Length: 1}} {
		if _, err := InputEntities("message.entities", []*v1.Entity{e}, known()); err == nil {
			t.Errorf("%v was accepted", e)
		}
	}
	if _, err := InputEntities("message.entities", make([]*v1.Entity, maxEntities+1), known()); err == nil {
		t.Error("too many were accepted")
	}
}

func TestMessageCarriesWhatItShows(t *testing.T) {
	m := &tg.Message{
		ID: 9, Date: 100, Message: "hi", Silent: true, PeerID: &tg.PeerChannel{ChannelID: 5},
		ReplyMarkup: &tg.ReplyInlineMarkup{Rows: []tg.KeyboardButtonRow{{Buttons: []tg.KeyboardButtonClass{
			&tg.KeyboardButtonCallback{Text: "ok", Data: []byte("d")}, &tg.KeyboardButtonURL{Text: "go", URL: "u"}, &tg.KeyboardButton{Text: "t"},
		}}}},
		Media: &tg.MessageMediaDocument{Document: &tg.Document{ID: 3, MimeType: "video/mp4", Size: 77, Attributes: []tg.DocumentAttributeClass{
			&tg.DocumentAttributeFilename{FileName: "f.mp4"}, &tg.DocumentAttributeVideo{W: 4, H: 3, Duration: 1.5},
		}}},
	}
	m.SetFromID(&tg.PeerUser{UserID: 7})
	m.SetEditDate(101)
	m.SetEntities([]tg.MessageEntityClass{&tg.MessageEntityBold{Length: 2}})
	m.SetReplyTo(&tg.MessageReplyHeader{ReplyToMsgID: 8, ReplyToTopID: 2, QuoteText: "q", ForumTopic: true})
	m.SetFwdFrom(tg.MessageFwdHeader{FromID: &tg.PeerUser{UserID: 4}, Date: 50, ChannelPost: 6})
	want := &v1.Message{
		Id: 9, Date: &timestamppb.Timestamp{Seconds: 100}, EditDate: &timestamppb.Timestamp{Seconds: 101}, Text: "hi", Silent: true,
		Peer:     &v1.Peer{Kind: v1.PeerKind_PEER_KIND_CHANNEL, Id: -1000000000005, Title: "News"},
		Sender:   &v1.Peer{Kind: v1.PeerKind_PEER_KIND_USER, Id: 7},
		Entities: []*v1.Entity{{Type: v1.EntityType_ENTITY_TYPE_BOLD, Length: 2}},
		Media:    &v1.Media{Kind: "document", MimeType: "video/mp4", FileName: "f.mp4", Size: 77, FileId: 3, Width: 4, Height: 3, Duration: 1.5},
		Reply:    &v1.ReplyHeader{MessageId: 8, TopId: 2, Quote: "q", ForumTopic: true},
		Forward:  &v1.ForwardHeader{From: &v1.Peer{Kind: v1.PeerKind_PEER_KIND_USER, Id: 4}, Date: &timestamppb.Timestamp{Seconds: 50}, ChannelPost: 6},
		Keyboard: &v1.Keyboard{Inline: true, Rows: []*v1.KeyboardRow{{Buttons: []*v1.Button{
			{Text: "ok", Kind: "callback", Data: []byte("d")}, {Text: "go", Kind: "url", Url: "u"}, {Text: "t", Kind: "text"},
		}}}},
	}
	got := Message(m, known(telegram.Peer{Kind: telegram.PeerChannel, ID: 5, Title: "News"}))
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	service := Message(&tg.MessageService{ID: 1, PeerID: &tg.PeerChat{ChatID: 2}, Action: &tg.MessageActionPinMessage{}}, Nobody{})
	if service.GetService().GetKind() != "pinMessage" || service.GetPeer().GetId() != -2 {
		t.Errorf("got %v", service)
	}
	if Message(&tg.MessageEmpty{ID: 1}, Nobody{}) != nil {
		t.Error("messageEmpty is no message")
	}
}

func TestSenderOfPrivateMessages(t *testing.T) {
	self := known(telegram.Peer{Kind: telegram.PeerUser, ID: 1, Self: true})
	chat := &tg.PeerUser{UserID: 7}
	for _, c := range []struct {
		m    *tg.Message
		want int64
	}{
		{&tg.Message{PeerID: chat}, 7}, {&tg.Message{PeerID: chat, Out: true}, 1},
		{&tg.Message{PeerID: &tg.PeerChannel{ChannelID: 5}, Post: true}, 0},
	} {
		if got := Message(c.m, self).GetSender().GetId(); got != c.want {
			t.Errorf("%v: got %d, want %d", c.m, got, c.want)
		}
	}
}

func TestEveryStateHasAValue(t *testing.T) {
	for _, state := range []string{"new", "connecting", "unauthorized", "code_sent", "password_needed", "qr_pending", "online", "backoff",
		"rate_limited", "paused", "draining", "quarantined", "logged_out", "banned", "conflict"} {
		if AccountState(state) == v1.AccountState_ACCOUNT_STATE_UNSPECIFIED {
			t.Errorf("%s has no value in the contract", state)
		}
	}
}

func TestUserNames(t *testing.T) {
	u := &tg.User{ID: 1, Usernames: []tg.Username{{Username: "old"}, {Active: true, Username: "a"}, {Active: true, Username: "b"}}}
	got := User(u)
	if got.GetUsername() != "a" || !slices.Equal(got.GetUsernames(), []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
	if User(nil) != nil {
		t.Error("Nobody is a user")
	}
}
