package convert

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

// everybody is known to the conversion of pushes.
type everybody struct{}

func (everybody) KnowsUser(int64) bool                            { return true }
func (everybody) KnowsChat(int64) bool                            { return true }
func (everybody) InputChannel(int64) (tg.InputChannelClass, bool) { return nil, false }

// logged is the event that the log hands out for an update, typed and with its raw form.
func logged(t *testing.T, u tg.UpdateClass, peers Peers) *v1.Event {
	t.Helper()
	in, err := tlupdates.FromUpdates(&tg.UpdateShort{Update: u, Date: 5}, tlupdates.Source{Self: 1, MsgID: 9, Token: "1"}, everybody{})
	if err != nil {
		t.Fatal(err)
	}
	r, ok := in.(updates.Received)
	if !ok || len(r.Updates) != 1 || len(r.Updates[0].Events) == 0 {
		return nil // moves counters only
	}
	e := r.Updates[0].Events[0]
	payload, err := tlupdates.Encode(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	out := &v1.Event{Kind: e.Kind, Id: e.ID}
	Payload(out, payload, peers, true)
	return out
}

// TestEveryKindIsTyped: each update whose kind is not raw has a typed form of its own, besides
// its bytes and its JSON.
func TestEveryKindIsTyped(t *testing.T) {
	rawForms := map[string]bool{ // their kind says all that is known
		"updateBotShippingQuery": true, "updateBotPrecheckoutQuery": true, "updateEncryptedChatTyping": true,
		"updateReadMonoForumInbox": true, "updateReadMonoForumOutbox": true,
	}
	constructors, classes := tg.TypesConstructorMap(), tg.ClassConstructorsMap()
	typed := map[string]int{}
	for _, id := range classes["Update"] {
		u := constructors[id]().(tg.UpdateClass)
		fillRequired(reflect.ValueOf(u).Elem(), constructors, classes)
		e := logged(t, u, known())
		if e == nil {
			continue
		}
		raw, isRaw := e.GetPayload().(*v1.Event_Update)
		switch {
		case e.GetKind() == tlupdates.KindRaw:
			if !isRaw || raw.Update.GetName() != u.TypeName() {
				t.Errorf("%s: %T", u.TypeName(), e.GetPayload())
			}
		case isRaw != rawForms[u.TypeName()]:
			t.Errorf("%s of kind %s: %T", u.TypeName(), e.GetKind(), e.GetPayload())
		default:
			typed[e.GetKind()]++
		}
		if len(e.GetTl()) == 0 || e.GetJson() == "" {
			t.Errorf("%s: %d bytes of TL, JSON %q", u.TypeName(), len(e.GetTl()), e.GetJson())
		}
	}
	for _, kind := range []string{
		tlupdates.KindMessageNew, tlupdates.KindMessageEdited, tlupdates.KindMessageDeleted, tlupdates.KindCallbackQuery,
		tlupdates.KindInlineQuery, tlupdates.KindInlineSend, tlupdates.KindTyping, tlupdates.KindUserStatus, tlupdates.KindRead,
		tlupdates.KindReaction, tlupdates.KindParticipant, tlupdates.KindJoinRequest, tlupdates.KindPoll,
	} {
		if typed[kind] == 0 {
			t.Errorf("no update has the kind %s", kind)
		}
	}
}

// fillRequired gives interface fields a value: TL has no null.
func fillRequired(v reflect.Value, constructors map[uint32]func() bin.Object, classes map[string][]uint32) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Kind() {
		case reflect.Int64:
			f.SetInt(9)
		case reflect.Slice:
			if f.Type() == reflect.TypeFor[[]int]() {
				f.Set(reflect.ValueOf([]int{1}))
			}
		case reflect.Struct:
			if f.Type() != reflect.TypeFor[bin.Fields]() {
				fillRequired(f, constructors, classes)
			}
		case reflect.Interface:
			simplest := reflect.Value{}
			for _, ids := range classes {
				for _, id := range ids {
					value := reflect.ValueOf(constructors[id]())
					if _, empty := value.Interface().(*tg.MessageEmpty); !empty && value.Type().AssignableTo(f.Type()) && (!simplest.IsValid() || value.Elem().NumField() < simplest.Elem().NumField()) {
						simplest = value
					}
				}
			}
			fillRequired(simplest.Elem(), constructors, classes)
			f.Set(simplest)
		}
	}
}

// TestTypedEventsSayWhatHappened: one example of each form.
func TestTypedEventsSayWhatHappened(t *testing.T) {
	peers := known(
		telegram.Peer{Kind: telegram.PeerUser, ID: 7, Username: "anna"},
		telegram.Peer{Kind: telegram.PeerChannel, ID: 9, Title: "News"},
	)
	anna := &v1.Peer{Kind: v1.PeerKind_PEER_KIND_USER, Id: 7, Username: "anna"}
	boris := &v1.Peer{Kind: v1.PeerKind_PEER_KIND_USER, Id: 8}
	group := &v1.Peer{Kind: v1.PeerKind_PEER_KIND_CHAT, Id: -5}
	news := &v1.Peer{Kind: v1.PeerKind_PEER_KIND_CHANNEL, Id: -1000000000009, Title: "News"}
	at := timestamppb.New(time.Unix(100, 0))
	inline := &tg.InputBotInlineMessageID{DCID: 2, ID: 3, AccessHash: 4}
	var inlineTL bin.Buffer
	if err := inline.Encode(&inlineTL); err != nil {
		t.Fatal(err)
	}
	poll := &tg.UpdateMessagePoll{PollID: 3, Results: tg.PollResults{Results: []tg.PollAnswerVoters{{Option: []byte("a"), Voters: 2, Chosen: true}}, TotalVoters: 2}}
	heart := &v1.Reaction{Emoji: "❤"}
	examples := map[tg.UpdateClass]*v1.Event{
		&tg.UpdateBotCallbackQuery{QueryID: 1, UserID: 7, Peer: &tg.PeerChat{ChatID: 5}, MsgID: 4, ChatInstance: 6, Data: []byte("go")}: {
			Payload: &v1.Event_CallbackQuery{CallbackQuery: &v1.CallbackQuery{QueryId: 1, User: anna, Peer: group, MessageId: 4, ChatInstance: 6, Data: []byte("go")}},
		},
		&tg.UpdateInlineBotCallbackQuery{QueryID: 1, UserID: 7, MsgID: inline, GameShortName: "chess"}: {
			Payload: &v1.Event_CallbackQuery{CallbackQuery: &v1.CallbackQuery{QueryId: 1, User: anna, InlineMessageId: inlineTL.Buf, Game: "chess"}},
		},
		&tg.UpdateBusinessBotCallbackQuery{QueryID: 1, UserID: 7, ConnectionID: "c", Message: &tg.Message{ID: 4, PeerID: &tg.PeerUser{UserID: 8}}}: {
			Payload: &v1.Event_CallbackQuery{CallbackQuery: &v1.CallbackQuery{QueryId: 1, User: anna, Peer: boris, MessageId: 4, BusinessConnectionId: "c"}},
		},
		&tg.UpdateBotInlineQuery{QueryID: 1, UserID: 7, Query: "cats", Offset: "10", PeerType: &tg.InlineQueryPeerTypeMegagroup{}, Geo: &tg.GeoPoint{Lat: 1.5, Long: 2.5}}: {
			Payload: &v1.Event_InlineQuery{InlineQuery: &v1.InlineQuery{QueryId: 1, User: anna, Query: "cats", Offset: "10", PeerType: "megagroup", Location: &v1.GeoPoint{Latitude: 1.5, Longitude: 2.5}}},
		},
		&tg.UpdateBotInlineSend{UserID: 7, Query: "cats", ID: "r1", MsgID: inline}: {
			Payload: &v1.Event_InlineSend{InlineSend: &v1.InlineSend{User: anna, Query: "cats", ResultId: "r1", InlineMessageId: inlineTL.Buf}},
		},
		&tg.UpdateUserTyping{UserID: 7, Action: &tg.SendMessageUploadPhotoAction{Progress: 40}}: {
			Payload: &v1.Event_ChatAction{ChatAction: &v1.ChatAction{Peer: anna, Sender: anna, Action: "uploadPhoto", Progress: 40}},
		},
		&tg.UpdateChannelUserTyping{ChannelID: 9, FromID: &tg.PeerUser{UserID: 8}, TopMsgID: 3, Action: &tg.SendMessageTypingAction{}}: {
			Payload: &v1.Event_ChatAction{ChatAction: &v1.ChatAction{Peer: news, Sender: boris, TopId: 3, Action: "typing"}},
		},
		&tg.UpdateUserStatus{UserID: 7, Status: &tg.UserStatusOffline{WasOnline: 100}}: {
			Payload: &v1.Event_UserStatus{UserStatus: &v1.UserStatus{User: anna, Status: v1.OnlineStatus_ONLINE_STATUS_OFFLINE, Until: at}},
		},
		&tg.UpdateReadHistoryInbox{Peer: &tg.PeerUser{UserID: 7}, MaxID: 4, StillUnreadCount: 2}: {
			Payload: &v1.Event_Read{Read: &v1.ReadReceipt{Peer: anna, MaxId: 4, StillUnread: 2}},
		},
		&tg.UpdateReadChannelOutbox{ChannelID: 9, MaxID: 4}: {
			Payload: &v1.Event_Read{Read: &v1.ReadReceipt{Peer: news, MaxId: 4, Outbox: true}},
		},
		&tg.UpdateReadMessagesContents{Messages: []int{4}}: {
			Payload: &v1.Event_Read{Read: &v1.ReadReceipt{MessageIds: []int32{4}}},
		},
		&tg.UpdateBotMessageReaction{Peer: &tg.PeerChannel{ChannelID: 9}, MsgID: 4, Date: 100, Actor: &tg.PeerUser{UserID: 7}, NewReactions: []tg.ReactionClass{&tg.ReactionEmoji{Emoticon: "❤"}}}: {
			Payload: &v1.Event_Reaction{Reaction: &v1.ReactionChanged{Peer: news, MessageId: 4, Date: at, Actor: anna, Now: []*v1.Reaction{heart}}},
		},
		&tg.UpdateMessageReactions{Peer: &tg.PeerUser{UserID: 7}, MsgID: 4, Reactions: tg.MessageReactions{Results: []tg.ReactionCount{{Reaction: &tg.ReactionEmoji{Emoticon: "❤"}, Count: 3}}}}: {
			Payload: &v1.Event_Reaction{Reaction: &v1.ReactionChanged{Peer: anna, MessageId: 4, Counts: []*v1.ReactionCount{{Reaction: heart, Count: 3}}}},
		},
		&tg.UpdateChannelParticipant{ChannelID: 9, Date: 100, ActorID: 8, UserID: 7, PrevParticipant: &tg.ChannelParticipant{UserID: 7}, NewParticipant: &tg.ChannelParticipantBanned{Peer: &tg.PeerUser{UserID: 7}, BannedRights: tg.ChatBannedRights{ViewMessages: true}}}: {
			Payload: &v1.Event_Participant{Participant: &v1.ParticipantChanged{Peer: news, User: anna, Actor: boris, Date: at, Before: v1.Membership_MEMBERSHIP_MEMBER, Now: v1.Membership_MEMBERSHIP_BANNED}},
		},
		&tg.UpdateChatParticipant{ChatID: 5, Date: 100, ActorID: 7, UserID: 7, NewParticipant: &tg.ChatParticipant{UserID: 7}, Invite: &tg.ChatInviteExported{Link: "https://t.me/+x"}}: {
			Payload: &v1.Event_Participant{Participant: &v1.ParticipantChanged{Peer: group, User: anna, Actor: anna, Date: at, Before: v1.Membership_MEMBERSHIP_LEFT, Now: v1.Membership_MEMBERSHIP_MEMBER, InviteLink: "https://t.me/+x"}},
		},
		&tg.UpdateBotStopped{UserID: 7, Date: 100, Stopped: true}: {
			Payload: &v1.Event_Participant{Participant: &v1.ParticipantChanged{Peer: anna, User: anna, Actor: anna, Date: at, Before: v1.Membership_MEMBERSHIP_MEMBER, Now: v1.Membership_MEMBERSHIP_LEFT}},
		},
		&tg.UpdateBotChatInviteRequester{Peer: &tg.PeerChannel{ChannelID: 9}, Date: 100, UserID: 7, About: "hi", Invite: &tg.ChatInvitePublicJoinRequests{}}: {
			Payload: &v1.Event_JoinRequest{JoinRequest: &v1.JoinRequest{Peer: news, Users: []*v1.Peer{anna}, Date: at, About: "hi"}},
		},
		&tg.UpdatePendingJoinRequests{Peer: &tg.PeerChannel{ChannelID: 9}, RequestsPending: 4, RecentRequesters: []int64{7, 8}}: {
			Payload: &v1.Event_JoinRequest{JoinRequest: &v1.JoinRequest{Peer: news, Users: []*v1.Peer{anna, boris}, Pending: 4}},
		},
		&tg.UpdateMessagePollVote{PollID: 3, Peer: &tg.PeerUser{UserID: 7}, Options: [][]byte{[]byte("a")}}: {
			Payload: &v1.Event_Poll{Poll: &v1.PollChanged{PollId: 3, Voter: anna, Options: [][]byte{[]byte("a")}}},
		},
		poll: {
			Payload: &v1.Event_Poll{Poll: &v1.PollChanged{PollId: 3, TotalVoters: 2, Results: []*v1.PollResult{{Option: []byte("a"), Voters: 2, Chosen: true}}}},
		},
		&tg.UpdateDeleteChannelMessages{ChannelID: 9, Messages: []int{4}}: {
			Payload: &v1.Event_MessagesDeleted{MessagesDeleted: &v1.MessagesDeleted{Peer: news, Ids: []int32{4}}},
		},
		&tg.UpdateUserName{UserID: 7}: {
			Payload: &v1.Event_Update{Update: &v1.RawUpdate{Name: "updateUserName"}},
		},
	}
	for u, want := range examples {
		t.Run(u.TypeName(), func(t *testing.T) {
			got := &v1.Event{Payload: logged(t, u, peers).GetPayload()}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
