package tlupdates_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
	"github.com/telefleet/orchestrator/updates"
)

const self = 1000

// known is a Lookup that knows the ids below 100.
type known struct{}

func (known) KnowsUser(id int64) bool { return id < 100 }
func (known) KnowsChat(id int64) bool { return id < 100 }
func (known) InputChannel(id int64) (tg.InputChannelClass, bool) {
	return &tg.InputChannel{ChannelID: id, AccessHash: 7}, id < 100
}

var src = tlupdates.Source{Self: self, MsgID: 77, Token: "5"}

func from(t *testing.T, u tg.UpdatesClass) updates.Received {
	t.Helper()
	in, err := tlupdates.FromUpdates(u, src, known{})
	r, ok := in.(updates.Received)
	if err != nil || !ok {
		t.Fatalf("FromUpdates(%T) = %#v, %v", u, in, err)
	}
	return r
}

func one(t *testing.T, u tg.UpdateClass) updates.Update {
	t.Helper()
	r := from(t, &tg.UpdateShort{Update: u, Date: 5})
	if len(r.Updates) != 1 {
		t.Fatalf("%T became %d updates", u, len(r.Updates))
	}
	return r.Updates[0]
}

// uncounted carry a pts that moves nothing.
var uncounted = map[string]bool{"UpdateReadChannelInbox": true}

// TestEveryCounterOfTheSchemaIsHandled: an update constructor with a pts or qts field that this
// package does not know fails here.
func TestEveryCounterOfTheSchemaIsHandled(t *testing.T) {
	constructors := tg.TypesConstructorMap()
	counted := 0
	for _, id := range tg.ClassConstructorsMap()["Update"] {
		u, ok := constructors[id]().(tg.UpdateClass)
		if !ok {
			t.Fatalf("%#x is no update", id)
		}
		v := reflect.ValueOf(u).Elem()
		name := v.Type().Name()
		want := updates.Update{}
		if f := v.FieldByName("Pts"); f.IsValid() && !uncounted[name] {
			f.SetInt(41)
			want = updates.Update{Box: updates.Box{Kind: updates.BoxPts}, Pts: 41}
		}
		if f := v.FieldByName("PtsCount"); f.IsValid() {
			f.SetInt(3)
			want.Count = 3
		}
		if f := v.FieldByName("Qts"); f.IsValid() {
			f.SetInt(42)
			want = updates.Update{Box: updates.Box{Kind: updates.BoxQts}, Pts: 42, Count: 1}
		}
		if f := v.FieldByName("ChannelID"); f.IsValid() {
			f.SetInt(9)
			if want.Box.Kind == updates.BoxPts {
				want.Box = updates.ChannelBox(9)
			}
		}
		if f := v.FieldByName("Message"); f.IsValid() && f.Type() == reflect.TypeFor[tg.MessageClass]() {
			f.Set(reflect.ValueOf(&tg.Message{ID: 1, PeerID: &tg.PeerUser{UserID: 2}}))
			if strings.Contains(name, "Channel") {
				f.Set(reflect.ValueOf(&tg.Message{ID: 1, PeerID: &tg.PeerChannel{ChannelID: 9}}))
				want.Box = updates.ChannelBox(9)
			}
		}
		if f := v.FieldByName("Messages"); f.IsValid() && f.Type() == reflect.TypeFor[[]int]() {
			f.Set(reflect.ValueOf([]int{1, 2}))
		}
		if want.Box.Kind != updates.BoxNone {
			counted++
		}
		got := one(t, u)
		if got.Box != want.Box || got.Pts != want.Pts || got.Count != want.Count {
			if name != "UpdatePtsChanged" {
				t.Errorf("%s: box %v pts %d count %d, want %v %d %d", name, got.Box, got.Pts, got.Count, want.Box, want.Pts, want.Count)
			}
		}
		wantEvents := !got.TooLong && name != "UpdateMessageID"
		if wantEvents != (len(got.Events) > 0) {
			t.Errorf("%s: %d events", name, len(got.Events))
		}
		for _, e := range got.Events {
			if e.Kind == "" || e.Payload == nil || e.Live == (e.ID != "") {
				t.Errorf("%s: event %+v", name, e)
			}
		}
	}
	if counted < 30 {
		t.Errorf("only %d counted updates found: is the test blind?", counted)
	}
}

// TestEveryResultWithUpdatesIsKnown: so is an RPC result that carries updates or affected pts.
func TestEveryResultWithUpdatesIsKnown(t *testing.T) {
	found := 0
	for id, make := range tg.TypesConstructorMap() {
		object := make()
		kind := reflect.TypeOf(object).Elem()
		if strings.HasSuffix(kind.Name(), "Request") {
			continue
		}
		field, _ := kind.FieldByName("Updates")
		_, isUpdates := object.(tg.UpdatesClass)
		carries := isUpdates || field.Type == reflect.TypeFor[tg.UpdatesClass]() || strings.HasPrefix(kind.Name(), "MessagesAffected")
		if carries != tlupdates.CarriesUpdates(id) {
			t.Errorf("%s: CarriesUpdates = %v", kind.Name(), !carries)
		}
		if !carries {
			continue
		}
		found++
		_, affected := tlupdates.FromAffected(object, 0)
		if field.Name != "" && field.Type == reflect.TypeFor[tg.UpdatesClass]() {
			reflect.ValueOf(object).Elem().FieldByName("Updates").Set(reflect.ValueOf(&tg.UpdatesTooLong{}))
		}
		if affected == (tlupdates.FromResult(object) != nil) {
			t.Errorf("%s: neither or both of FromResult and FromAffected know it", kind.Name())
		}
	}
	if found != 13 {
		t.Errorf("%d results carry updates, want 13", found)
	}
}

func ids(list []updates.Update) []string {
	var out []string
	for _, u := range list {
		for _, e := range u.Events {
			out = append(out, e.ID)
		}
	}
	return out
}

func TestEventIDsAreStable(t *testing.T) {
	chat := &tg.PeerUser{UserID: 3}
	channel := &tg.PeerChannel{ChannelID: 9}
	r := from(t, &tg.Updates{Seq: 4, Date: 5, Updates: []tg.UpdateClass{
		&tg.UpdateNewMessage{Message: &tg.Message{ID: 11, PeerID: chat}, Pts: 1, PtsCount: 1},
		&tg.UpdateNewChannelMessage{Message: &tg.MessageService{ID: 12, PeerID: channel}, Pts: 1, PtsCount: 1},
		&tg.UpdateDeleteMessages{Messages: []int{1, 2}, Pts: 3, PtsCount: 2},
		&tg.UpdateDeleteChannelMessages{ChannelID: 9, Messages: []int{3}, Pts: 3, PtsCount: 1},
		&tg.UpdateReadHistoryInbox{Peer: chat, MaxID: 8, Pts: 4, PtsCount: 1},
		&tg.UpdateReadHistoryOutbox{Peer: chat, MaxID: 9, Pts: 5, PtsCount: 1},
		&tg.UpdateReadMessagesContents{Messages: []int{6}, Pts: 6, PtsCount: 1},
		&tg.UpdateReadChannelInbox{ChannelID: 9, MaxID: 7, Pts: 3},
		&tg.UpdateMessagePollVote{PollID: 1, Peer: chat, Qts: 13},
		&tg.UpdateBotCallbackQuery{QueryID: 14, Peer: chat},
		&tg.UpdateBotInlineQuery{QueryID: 15},
		&tg.UpdateBotInlineSend{ID: "x"},
		&tg.UpdateUserTyping{UserID: 3, Action: &tg.SendMessageTypingAction{}},
		&tg.UpdateMessageID{ID: 11, RandomID: 1},
		&tg.UpdateNewEncryptedMessage{Message: &tg.EncryptedMessage{ChatID: 1, RandomID: 2}, Qts: 14},
		&tg.UpdateUserName{UserID: 3},
	}})
	want := []string{
		"pts:message_new:11", "channel:9:message_new:12", "pts:message_deleted:1", "pts:message_deleted:2",
		"channel:9:message_deleted:3", "pts:read:in:user3:0:8", "pts:read:out:user3:9", "pts:read:content:6",
		"channel:9:read:in:7", "qts:poll:13", "none:callback_query:14", "none:inline_query:15",
		"none:inline_send:5/77/11", "", "qts:raw:encrypted:1:2", "none:raw:5/77/15",
	}
	if diff := cmp.Diff(want, ids(r.Updates)); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	if r.Seq != 4 || r.SeqStart != 4 || r.Date != 5 || r.MsgID != 77 {
		t.Errorf("seq %d-%d date %d msg %d", r.SeqStart, r.Seq, r.Date, r.MsgID)
	}
	c := from(t, &tg.UpdatesCombined{SeqStart: 3, Seq: 5, Date: 6})
	if c.SeqStart != 3 || c.Seq != 5 {
		t.Errorf("combined: %d-%d", c.SeqStart, c.Seq)
	}
}

func TestShortFormsBecomeMessages(t *testing.T) {
	in := from(t, &tg.UpdateShortMessage{ID: 4, UserID: 3, Message: "hi", Pts: 8, PtsCount: 1, Date: 9,
		Entities: []tg.MessageEntityClass{&tg.MessageEntityBold{Length: 2}}})
	u := in.Updates[0]
	m := u.Events[0].Payload.(tlupdates.Payload).Message.(*tg.Message)
	if u.Events[0].ID != "pts:message_new:4" || u.Pts != 8 || m.Message != "hi" || len(m.Entities) != 1 ||
		m.FromID.(*tg.PeerUser).UserID != 3 || in.Seq != 0 {
		t.Errorf("short message: %+v %+v", u, m)
	}
	if _, ok := m.GetEntities(); !ok {
		t.Error("the flags of a rebuilt message are not set")
	}
	in = from(t, &tg.UpdateShortMessage{Out: true, ID: 5, UserID: 3, Pts: 9, PtsCount: 1})
	if m := in.Updates[0].Events[0].Payload.(tlupdates.Payload).Message.(*tg.Message); m.FromID.(*tg.PeerUser).UserID != self {
		t.Errorf("sent by us: %+v", m)
	}
	in = from(t, &tg.UpdateShortChatMessage{ID: 6, FromID: 3, ChatID: 2, Message: "all", Pts: 10, PtsCount: 1})
	if m := in.Updates[0].Events[0].Payload.(tlupdates.Payload).Message.(*tg.Message); m.PeerID.(*tg.PeerChat).ChatID != 2 {
		t.Errorf("short chat message: %+v", m)
	}

	forward := tg.MessageFwdHeader{}
	forward.SetFromID(&tg.PeerChannel{ChannelID: 500})
	unknown := []tg.UpdatesClass{
		&tg.UpdateShortMessage{UserID: 500},
		&tg.UpdateShortChatMessage{FromID: 3, ChatID: 500},
		&tg.UpdateShortChatMessage{FromID: 500, ChatID: 3},
		&tg.UpdateShortMessage{UserID: 3, ViaBotID: 500},
		&tg.UpdateShortMessage{UserID: 3, FwdFrom: forward},
		&tg.UpdateShortMessage{UserID: 3, Entities: []tg.MessageEntityClass{&tg.MessageEntityMentionName{UserID: 500}}},
		&tg.UpdatesTooLong{},
	}
	for _, u := range unknown {
		if in, err := tlupdates.FromUpdates(u, src, known{}); err != nil || in != (updates.TooLong{MsgID: 77}) {
			t.Errorf("%v: %#v, %v; want a difference", u, in, err)
		}
	}
}

func TestShortAnswerNeedsItsRequest(t *testing.T) {
	res := &tg.UpdateShortSentMessage{Out: true, ID: 7, Pts: 11, PtsCount: 1, Date: 9}
	if _, err := tlupdates.FromUpdates(res, src, known{}); !errors.Is(err, tlupdates.ErrNeedsRequest) {
		t.Errorf("err = %v", err)
	}
	peers := map[tg.InputPeerClass]string{
		&tg.InputPeerSelf{}: "pts", &tg.InputPeerUser{UserID: 3}: "pts", &tg.InputPeerChat{ChatID: 3}: "pts",
		&tg.InputPeerChannel{ChannelID: 9}: "channel:9",
	}
	for peer, box := range peers {
		in := tlupdates.FromSentMessage(&tg.MessagesSendMessageRequest{Peer: peer, Message: "hi",
			ReplyTo: &tg.InputReplyToMessage{ReplyToMsgID: 2}}, res, src).(updates.Received)
		u := in.Updates[0]
		m := u.Events[0].Payload.(tlupdates.Payload).Message.(*tg.Message)
		if u.Events[0].ID != box+":message_new:7" || u.Pts != 11 || m.Message != "hi" || !m.Out || m.ReplyTo == nil {
			t.Errorf("%T: %+v %+v", peer, u, m)
		}
	}
	if in := tlupdates.FromSentMessage(&tg.MessagesSendMessageRequest{Peer: &tg.InputPeerEmpty{}}, res, src); in != (updates.TooLong{MsgID: 77}) {
		t.Errorf("no peer: %#v", in)
	}
}

func TestAffectedCountsInItsBox(t *testing.T) {
	for _, result := range []any{
		&tg.MessagesAffectedMessages{Pts: 5, PtsCount: 2},
		&tg.MessagesAffectedHistory{Pts: 5, PtsCount: 2, Offset: 1},
		&tg.MessagesAffectedFoundMessages{Pts: 5, PtsCount: 2},
	} {
		for channel, box := range map[int64]string{0: "pts", 9: "channel:9"} {
			got, ok := tlupdates.FromAffected(result, channel)
			if !ok || got.Box.String() != box || got.Pts != 5 || got.Count != 2 {
				t.Errorf("%T: %+v, %v", result, got, ok)
			}
		}
	}
	if _, ok := tlupdates.FromAffected(&tg.BoolTrue{}, 0); ok {
		t.Error("boolTrue affects something")
	}
}

func TestDifferencesKeepTheirOutcome(t *testing.T) {
	s := tg.UpdatesState{Pts: 1, Qts: 2, Seq: 3, Date: 4}
	want := updates.ServerState{Pts: 1, Qts: 2, Seq: 3, Date: 4}
	if got := tlupdates.FromState(&s); got.State != want {
		t.Errorf("state %+v", got)
	}
	check := func(d tg.UpdatesDifferenceClass, outcome updates.Outcome, state updates.ServerState) {
		t.Helper()
		if got := tlupdates.FromDifference(d, src); got.Outcome != outcome || got.State != state {
			t.Errorf("%T: %+v", d, got)
		}
	}
	check(&tg.UpdatesDifferenceEmpty{Date: 4, Seq: 3}, updates.OutcomeEmpty, updates.ServerState{Seq: 3, Date: 4})
	check(&tg.UpdatesDifferenceTooLong{Pts: 9}, updates.OutcomeTooLong, updates.ServerState{Pts: 9})
	check(&tg.UpdatesDifference{State: s}, updates.OutcomeFinal, want)
	check(&tg.UpdatesDifferenceSlice{IntermediateState: s}, updates.OutcomeSlice, want)

	channel := func(d tg.UpdatesChannelDifferenceClass, want updates.ChannelDifference) {
		t.Helper()
		if diff := cmp.Diff(want, tlupdates.FromChannelDifference(9, d, src)); diff != "" {
			t.Errorf("%T (-want +got):\n%s", d, diff)
		}
	}
	channel(&tg.UpdatesChannelDifferenceEmpty{Final: true, Pts: 5}, updates.ChannelDifference{Channel: 9, Outcome: updates.OutcomeEmpty, Pts: 5})
	channel(&tg.UpdatesChannelDifference{Pts: 5}, updates.ChannelDifference{Channel: 9, Outcome: updates.OutcomeFinal, More: true, Pts: 5})
	channel(&tg.UpdatesChannelDifferenceTooLong{Final: true, Dialog: &tg.Dialog{Pts: 6}, Messages: []tg.MessageClass{&tg.Message{ID: 1}}},
		updates.ChannelDifference{Channel: 9, Outcome: updates.OutcomeTooLong, Pts: 6})

	req, err := tlupdates.ChannelDifferenceRequest(updates.GetChannelDifference{Channel: 9, Pts: 5, Limit: 100}, known{})
	if err != nil || req.Pts != 5 || req.Limit != 100 || req.Channel.(*tg.InputChannel).AccessHash != 7 {
		t.Errorf("request %+v, %v", req, err)
	}
	if _, err := tlupdates.ChannelDifferenceRequest(updates.GetChannelDifference{Channel: 900}, known{}); !errors.Is(err, tlupdates.ErrNoAccess) {
		t.Errorf("unknown channel: %v", err)
	}
	if req := tlupdates.DifferenceRequest(updates.GetDifference{Pts: 1, Qts: 2, Date: 3}); req.Pts != 1 || req.Qts != 2 || req.Date != 3 {
		t.Errorf("request %+v", req)
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	cases := []struct {
		err   error
		kind  updates.FailureKind
		after time.Duration
	}{
		{errors.New("connection reset"), updates.FailureTemporary, 0},
		{tgerr.New(500, "PERSISTENT_TIMESTAMP_OUTDATED"), updates.FailureTemporary, 0},
		{tgerr.New(420, "FLOOD_WAIT_30"), updates.FailureTemporary, 30 * time.Second},
		{tgerr.New(400, "PERSISTENT_TIMESTAMP_INVALID"), updates.FailureInvalid, 0},
		{fmt.Errorf("call: %w", tgerr.New(400, "CHANNEL_PRIVATE")), updates.FailureAccessLost, 0},
		{&fleet.Error{Reason: "CHANNEL_PRIVATE"}, updates.FailureAccessLost, 0},
		{&fleet.Error{Reason: "FLOOD_WAIT", RetryAfter: time.Minute}, updates.FailureTemporary, time.Minute},
		{fmt.Errorf("ask: %w", tlupdates.ErrNoAccess), updates.FailureUnknown, 0},
	}
	for _, c := range cases {
		if kind, after := tlupdates.Failure(c.err); kind != c.kind || after != c.after {
			t.Errorf("%v: %v %v", c.err, kind, after)
		}
	}
}

func TestPayloadsSurviveTheLog(t *testing.T) {
	m := &tg.Message{ID: 4, PeerID: &tg.PeerUser{UserID: 3}, Message: "hi", EditDate: 9}
	m.SetFlags()
	gap := updates.Gap{Box: updates.ChannelBox(9), From: 1, To: 5, Reason: updates.GapTooLong}
	cases := []struct{ in, want any }{
		{tlupdates.Payload{Message: m}, tlupdates.Payload{Message: m}},
		{tlupdates.Payload{Update: &tg.UpdateUserName{UserID: 3}}, tlupdates.Payload{Update: &tg.UpdateUserName{UserID: 3}}},
		{tlupdates.Payload{Raw: []byte{1, 2, 3}}, tlupdates.Payload{Raw: []byte{1, 2, 3}}},
		{gap, tlupdates.Payload{Gap: &gap}},
	}
	for _, c := range cases {
		data, err := tlupdates.Encode(c.in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tlupdates.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got.Message, got.Update, got.Gap, got.Raw) != fmt.Sprint(c.want.(tlupdates.Payload).Message,
			c.want.(tlupdates.Payload).Update, c.want.(tlupdates.Payload).Gap, c.want.(tlupdates.Payload).Raw) {
			t.Errorf("%+v became %+v", c.in, got)
		}
	}
	if _, err := tlupdates.Encode(3); err == nil {
		t.Error("a number is a payload")
	}
	if _, err := tlupdates.Encode(tlupdates.Payload{Update: &tg.UpdateNewMessage{}}); err == nil {
		t.Error("an update without its message is a payload")
	}
	future := []byte{1, 1, 255, 0, 0xde, 0xad, 0xbe, 0xef, 5}
	if p, err := tlupdates.Decode(future); err != nil || len(p.Raw) != 5 {
		t.Errorf("an update of a later layer: %+v, %v", p, err)
	}
	r := tlupdates.Raw(src, []byte{9, 9})
	if e := r.Updates[0].Events[0]; e.ID != "none:raw:5/77/0" || len(e.Payload.(tlupdates.Payload).Raw) != 2 || r.MsgID != 77 {
		t.Errorf("raw %+v", r)
	}
}

func FuzzDecode(f *testing.F) {
	b := &bin.Buffer{}
	_ = (&tg.UpdateUserName{UserID: 3}).Encode(b)
	f.Add(append([]byte{1, 1, 0, 0}, b.Buf...))
	f.Add([]byte(`    {"box":"pts"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := tlupdates.Decode(data)
		if err != nil {
			if !errors.Is(err, tlupdates.ErrPayload) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if _, err := tlupdates.Encode(p); err != nil {
			t.Fatalf("%+v cannot be written again: %v", p, err)
		}
	})
}
