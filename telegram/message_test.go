package telegram

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

func message(id int, text string) *tg.Message {
	return &tg.Message{ID: id, Out: true, PeerID: &tg.PeerUser{UserID: bob.ID}, Date: 100, Message: text}
}

func TestSendMessageReturnsTheNumberedMessage(t *testing.T) {
	// the random id is fixed so that the script can name it
	answer := &tg.Updates{Updates: []tg.UpdateClass{
		&tg.UpdateMessageID{ID: 8, RandomID: 99}, &tg.UpdateNewMessage{Message: message(7, "other")},
		&tg.UpdateNewMessage{Message: message(8, "hi")},
	}}
	env := script(t, step{"messages.sendMessage", answer})
	got, err := SendMessage(context.Background(), env, bobPeer(), Outgoing{
		Text: "hi", RandomID: 99, Silent: true, ReplyTo: 3, Quote: "q", TopID: 2, Schedule: time.Unix(5, 0),
		Entities: []tg.MessageEntityClass{&tg.MessageEntityBold{Length: 2}},
	})
	if err != nil || got.ID != 8 {
		t.Fatalf("got %v, %v", got, err)
	}
	req := env.calls[0].(*tg.MessagesSendMessageRequest)
	reply := req.ReplyTo.(*tg.InputReplyToMessage)
	wantEqual(t, []any{req.Silent, reply.ReplyToMsgID, reply.TopMsgID, reply.QuoteText, req.ScheduleDate, len(req.Entities)},
		[]any{true, 3, 2, "q", 5, 1})
}

func TestSendMessageRebuildsShortAnswers(t *testing.T) {
	short := &tg.UpdateShortSentMessage{Out: true, ID: 9, Pts: 1, PtsCount: 1, Date: 55}
	short.SetEntities([]tg.MessageEntityClass{&tg.MessageEntityURL{Length: 4}})
	env := script(t, step{"messages.sendMessage", short})
	self, _ := PeerOfUser(alice)
	env.peers.Put(self)
	got, err := SendMessage(context.Background(), env, bobPeer(), Outgoing{Text: "t.me", ReplyTo: 4})
	if err != nil {
		t.Fatal(err)
	}
	header := got.ReplyTo.(*tg.MessageReplyHeader)
	wantEqual(t, []any{got.ID, got.Date, got.Message, got.Out, got.PeerID, got.FromID, header.ReplyToMsgID, len(got.Entities)},
		[]any{9, 55, "t.me", true, &tg.PeerUser{UserID: bob.ID}, &tg.PeerUser{UserID: alice.ID}, 4, 1})
	if env.calls[0].(*tg.MessagesSendMessageRequest).RandomID == 0 {
		t.Error("random_id was not drawn")
	}
}

func TestSentAlreadyIsSuccess(t *testing.T) {
	page := &tg.MessagesMessages{Messages: []tg.MessageClass{message(12, "newer"), message(11, "hi")}}
	env := script(t, step{"messages.sendMessage", rpc(500, "RANDOM_ID_DUPLICATE")}, step{"messages.getHistory", page})
	got, err := SendMessage(context.Background(), env, bobPeer(), Outgoing{Text: "hi", RandomID: 7})
	if err != nil || got.ID != 11 {
		t.Fatalf("got %v, %v", got, err)
	}
	env = script(t, step{"messages.sendMessage", rpc(500, "RANDOM_ID_DUPLICATE")}, step{"messages.getHistory", page})
	_, err = SendMessage(context.Background(), env, bobPeer(), Outgoing{Text: "gone", RandomID: 7})
	wantReason(t, err, "MESSAGE_UNKNOWN")
}

// TestSentInABusyChatIsFound: a command that draws its random_id begins now, so all messages since
// then are searched, however many others came meanwhile, and none before.
func TestSentInABusyChatIsFound(t *testing.T) {
	now := int(time.Now().Unix())
	at := func(id, date int, text string) tg.MessageClass {
		m := message(id, text)
		m.Date = date
		return m
	}
	busy, rest := &tg.MessagesMessagesSlice{Count: 120}, &tg.MessagesMessages{}
	for i := range historyPage {
		busy.Messages = append(busy.Messages, at(1000-i, now, "other"))
	}
	rest.Messages = append(rest.Messages, at(900, now, "hi"), at(899, now-100, "hi"))
	env := script(t, step{"messages.sendMessage", rpc(500, "RANDOM_ID_DUPLICATE")},
		step{"messages.getHistory", busy}, step{"messages.getHistory", rest})
	if got, err := SendMessage(context.Background(), env, bobPeer(), Outgoing{Text: "hi"}); err != nil || got.ID != 900 {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestMessageSentBeforeIsNeverGuessed: another message with the same text is not it.
func TestMessageSentBeforeIsNeverGuessed(t *testing.T) {
	duplicate := step{"messages.sendMessage", rpc(500, "RANDOM_ID_DUPLICATE")}
	at := func(id, date int, text string) *tg.Message {
		m := message(id, text)
		m.Date = date
		return m
	}
	history := func(ms ...tg.MessageClass) step {
		return step{"messages.getHistory", &tg.MessagesMessages{Messages: ms}}
	}
	theirs := at(13, 1100, "hi")
	theirs.Out = false
	for name, c := range map[string]struct {
		history step
		want    int // 0 = unknown
	}{
		"one":                 {history(at(12, 1000, "hi")), 12},
		"trimmed":             {history(at(12, 1000, " hi ")), 12},
		"the older is not it": {history(at(12, 1000, "hi"), at(11, 900, "hi")), 12},
		"within clock skew":   {history(at(12, 941, "hi")), 12},
		"two":                 {history(at(12, 1001, "hi"), at(11, 1000, "hi")), 0},
		"too old":             {history(at(11, 900, "hi")), 0},
		"of the other side":   {history(theirs), 0},
		"a bot may not look":  {step{"messages.getHistory", rpc(400, "BOT_METHOD_INVALID")}, 0},
	} {
		got, err := SendMessage(context.Background(), script(t, duplicate, c.history), bobPeer(), Outgoing{Text: "hi", Since: time.Unix(1000, 0)})
		switch {
		case c.want == 0 && !errors.Is(err, ErrMessageUnknown):
			t.Errorf("%s: got %v, %v", name, got, err)
		case c.want != 0 && (err != nil || got.ID != c.want):
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	// All since the first attempt are searched, and no older ones.
	pages := func(n int, date func(i int) int) []step {
		steps := []step{duplicate}
		for p := range n {
			s := &tg.MessagesMessagesSlice{Count: 10_000}
			for i := range 100 {
				s.Messages = append(s.Messages, at(5000-100*p-i, date(100*p+i), "other"))
			}
			steps = append(steps, step{"messages.getHistory", s})
		}
		return steps
	}
	three := pages(3, func(i int) int { return 1300 - i })
	three[3].answer.(*tg.MessagesMessagesSlice).Messages[50] = at(4750, 1050, "hi")
	got, err := SendMessage(context.Background(), script(t, append(three, history(at(4700, 900, "hi")))...), bobPeer(), Outgoing{Text: "hi", Since: time.Unix(1000, 0)})
	if err != nil || got.ID != 4750 {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = SendMessage(context.Background(), script(t, pages(10, func(int) int { return 2000 })...), bobPeer(), Outgoing{Text: "hi", Since: time.Unix(1000, 0)})
	wantReason(t, err, "MESSAGE_UNKNOWN")
	// Scheduled ones are not in the history, but among those that wait; a broken connection is no answer.
	waiting := func(ms ...tg.MessageClass) step {
		return step{"messages.getScheduledHistory", &tg.MessagesMessages{Messages: ms}}
	}
	later := Outgoing{Text: "hi", Schedule: time.Unix(5, 0)}
	got, err = SendMessage(context.Background(), script(t, duplicate, waiting(at(3, 6, "hi"), at(2, 5, "hi"), at(1, 5, "x"))), bobPeer(), later)
	if err != nil || got.ID != 2 {
		t.Errorf("scheduled: got %v, %v", got, err)
	}
	_, err = SendMessage(context.Background(), script(t, duplicate, waiting(at(2, 5, "hi"), at(1, 5, "hi"))), bobPeer(), later)
	wantReason(t, err, "MESSAGE_UNKNOWN")
	_, err = SendMessage(context.Background(), script(t, duplicate, step{"messages.getHistory", rpc(500, "INTERNAL")}), bobPeer(), Outgoing{Text: "hi"})
	wantReason(t, err, "INTERNAL")
	// A success that does not name the message is one all the same.
	_, err = SendMessage(context.Background(), script(t, step{"messages.sendMessage", &tg.Updates{}}), bobPeer(), Outgoing{Text: "hi"})
	wantReason(t, err, "MESSAGE_UNKNOWN")
}

func TestSendMessageChecksTheText(t *testing.T) {
	_, err := SendMessage(context.Background(), script(t), bobPeer(), Outgoing{})
	wantReason(t, err, "MESSAGE_EMPTY")
	_, err = SendMessage(context.Background(), script(t), bobPeer(), Outgoing{Text: strings.Repeat("😀", 2049)})
	wantReason(t, err, "MESSAGE_TOO_LONG")
}

func TestHistoryPagesUntilTheLimit(t *testing.T) {
	page := func(from, n int) *tg.MessagesMessagesSlice {
		s := &tg.MessagesMessagesSlice{Count: 1000, Users: []tg.UserClass{bob}}
		for i := range n {
			s.Messages = append(s.Messages, message(from-i, "x"))
		}
		return s
	}
	env := script(t, step{"messages.getHistory", page(500, 100)}, step{"messages.getHistory", page(401, 40)}, step{"messages.getHistory", page(361, 11)})
	got, err := GetHistory(context.Background(), env, bobPeer(), HistoryOptions{Limit: 149, OffsetID: 501})
	if err != nil || len(got.Messages) != 149 || got.Total != 1000 {
		t.Fatalf("got %d messages of %d, %v", len(got.Messages), got.Total, err)
	}
	for i, m := range got.Messages { // the overlap of the pages (401, 361) is returned once
		if m.GetID() != 500-i {
			t.Fatalf("message %d has id %d", i, m.GetID())
		}
	}
	for i, want := range []struct{ offset, limit int }{{501, 100}, {401, 49}, {362, 10}} {
		req := env.calls[i].(*tg.MessagesGetHistoryRequest)
		if req.OffsetID != want.offset || req.Limit != want.limit {
			t.Errorf("call %d: offset %d limit %d, want %+v", i, req.OffsetID, req.Limit, want)
		}
	}
}

func TestHistoryEnds(t *testing.T) {
	whole := &tg.MessagesMessages{Messages: []tg.MessageClass{message(2, "b"), message(1, "a")}}
	got, err := GetHistory(context.Background(), script(t, step{"messages.getHistory", whole}), bobPeer(), HistoryOptions{})
	if err != nil || len(got.Messages) != 2 || got.Total != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	part := &tg.MessagesMessagesSlice{Count: 2, Messages: whole.Messages}
	got, err = GetHistory(context.Background(), script(t, step{"messages.getHistory", part}, step{"messages.getHistory", &tg.MessagesMessagesSlice{Count: 2}}),
		Peer{Self: true}, HistoryOptions{Limit: 10})
	if err != nil || len(got.Messages) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	for name, want := range map[string]fleet.Error{
		"FLOOD_WAIT_30":         {Code: fleet.CodeResourceExhausted, Reason: "FLOOD_WAIT", Argument: 30, RetryAfter: 30 * time.Second},
		"FLOOD_PREMIUM_WAIT_3":  {Code: fleet.CodeResourceExhausted, Reason: "FLOOD_PREMIUM_WAIT", Argument: 3, RetryAfter: 3 * time.Second},
		"SLOWMODE_WAIT_7":       {Code: fleet.CodeResourceExhausted, Reason: "SLOWMODE_WAIT", Argument: 7, RetryAfter: 7 * time.Second},
		"PHONE_MIGRATE_4":       {Code: fleet.CodeUnavailable, Reason: "PHONE_MIGRATE", Argument: 4},
		"AUTH_KEY_UNREGISTERED": {Code: fleet.CodeUnauthenticated, Reason: "AUTH_KEY_UNREGISTERED"},
		"AUTH_KEY_DUPLICATED":   {Code: fleet.CodeFailedPrecondition, Reason: "AUTH_KEY_DUPLICATED"},
		"PASSWORD_HASH_INVALID": {Code: fleet.CodeInvalidArgument, Reason: "PASSWORD_HASH_INVALID"},
		"USERNAME_NOT_OCCUPIED": {Code: fleet.CodeNotFound, Reason: "USERNAME_NOT_OCCUPIED"},
		"CHAT_WRITE_FORBIDDEN":  {Code: fleet.CodePermissionDenied, Reason: "CHAT_WRITE_FORBIDDEN"},
		"SOMETHING_NEW":         {Code: fleet.CodeInvalidArgument, Reason: "SOMETHING_NEW"},
	} {
		number := map[fleet.Code]int{fleet.CodeResourceExhausted: 420, fleet.CodeUnavailable: 303, fleet.CodeUnauthenticated: 401}[want.Code]
		if number == 0 {
			number = 400
		}
		err := TypedError("a.method", rpc(number, name))
		own := wantReason(t, err, want.Reason)
		if own.Code != want.Code || own.Argument != want.Argument || own.RetryAfter != want.RetryAfter || own.Method != "a.method" {
			t.Errorf("%s: %+v", name, own)
		}
		if own.Remedy == "" && name != "SOMETHING_NEW" {
			t.Errorf("%s: no remedy", name)
		}
	}
	if err := TypedError("m", context.Canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("context error lost: %v", err)
	}
	own := wantReason(t, TypedError("m", fleet.Errorf(fleet.CodeUnavailable, "DISCONNECTED", "gone")), "DISCONNECTED")
	if own.Method != "m" {
		t.Errorf("method is %q", own.Method)
	}
}

func TestIdempotent(t *testing.T) {
	for call, want := range map[interface{ TypeID() uint32 }]bool{
		&tg.MessagesGetHistoryRequest{}: true, &tg.UsersGetUsersRequest{}: true, &tg.ContactsResolveUsernameRequest{}: true,
		&tg.MessagesSendMessageRequest{}: true, &tg.MessagesForwardMessagesRequest{}: true, &tg.UpdatesGetDifferenceRequest{}: true,
		&tg.HelpGetConfigRequest{}: true, &tg.AuthLogOutRequest{}: true, &tg.MessagesCheckChatInviteRequest{}: true,
		&tg.AuthSendCodeRequest{}: false, &tg.AuthSignInRequest{}: false, &tg.AuthCheckPasswordRequest{}: false,
		&tg.MessagesGetBotCallbackAnswerRequest{}: false, &tg.ChannelsCreateChannelRequest{}: false,
		&tg.MessagesEditMessageRequest{}: true, &tg.MessagesSendScheduledMessagesRequest{}: false, &tg.User{}: false,
	} {
		if got := IdempotentID(call.TypeID()); got != want {
			t.Errorf("%T: got %t", call, got)
		}
	}
	for name := range repeatable {
		if _, known := tg.NamesMap()[name]; !known && !strings.HasPrefix(name, "invoke") {
			t.Errorf("%s is not in the schema", name)
		}
	}
	for name := range notRepeatable {
		if _, known := tg.NamesMap()[name]; !known {
			t.Errorf("%s is not in the schema", name)
		}
	}
}
