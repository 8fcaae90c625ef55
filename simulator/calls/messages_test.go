package calls_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/simtest"
)

func TestUnknownMethodIsRefusedByName(t *testing.T) {
	b := simtest.New(t, model.Config{})
	a := b.Person("ann").Send(&tg.StoriesGetAllStoriesRequest{})
	if a.Err == nil || !strings.Contains(a.Err.Error(), "stories.getAllStories") {
		t.Errorf("got %v", a.Err)
	}
	a = &simtest.Answer{}
	b.Handle(model.Request{DC: 1, KeyID: 1, Body: []byte{1, 2, 3, 4}}, a)
	if a.Err == nil {
		t.Error("an unknown constructor was answered")
	}
}

func TestPrivateMessagesHaveACopyPerAccount(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	phone := b.Login(model.Identity{ID: ann.ID, Phone: "15550001", HomeDC: 1}) // Ann's second session
	b.Rec.Take(ann.Key)
	b.Rec.Take(phone.Key)
	for range 3 {
		simtest.Must(bob.Write(bob.To(bob), "note to self"))(t) // shifts Bob's ids
	}
	b.Rec.Take(bob.Key)
	sent := simtest.Must(ann.Write(ann.To(bob), "hello"))(t).(*tg.Updates)
	mine := sent.Updates[1].(*tg.UpdateNewMessage)
	got := b.Rec.Take(bob.Key)[0].(*tg.Updates).Updates[0].(*tg.UpdateNewMessage)
	if m := got.Message.(*tg.Message); m.ID == mine.Message.GetID() || m.Message != "hello" || m.Out {
		t.Errorf("recipient got %+v", m)
	}
	if other := b.Rec.Take(phone.Key); len(other) != 1 {
		t.Errorf("the sender's other session got %d pushes", len(other))
	}
	if own := b.Rec.Take(ann.Key); len(own) != 0 {
		t.Errorf("the sending session got %d pushes", len(own))
	}
	if _, err := ann.Write(&tg.InputPeerUser{UserID: bob.ID, AccessHash: 1}, "x"); err == nil {
		t.Error("a wrong access hash was accepted")
	}
	_, err := ann.Write(&tg.InputPeerUser{UserID: bob.ID, AccessHash: bob.Hash(model.UserPeer(bob.ID))}, "x")
	simtest.Refused(t, err, 400, "PEER_ID_INVALID") // another viewer's hash
	_, err = ann.Write(ann.To(bob), "")
	simtest.Refused(t, err, 400, "MESSAGE_EMPTY")
	_, err = ann.Write(ann.To(bob), strings.Repeat("😀", 2049))
	simtest.Refused(t, err, 400, "MESSAGE_TOO_LONG")
}

func TestRandomIDSendsOnce(t *testing.T) {
	b := simtest.New(t, model.Config{})
	ann, bob := b.Person("ann"), b.Person("bob")
	q := &tg.MessagesSendMessageRequest{Peer: ann.To(bob), Message: "once", RandomID: 42}
	simtest.Must(ann.MessagesSendMessage(simtest.Ctx, q))(t)
	_, err := ann.MessagesSendMessage(simtest.Ctx, q)
	simtest.Refused(t, err, 500, "RANDOM_ID_DUPLICATE")
	h := simtest.Must(ann.MessagesGetHistory(simtest.Ctx, &tg.MessagesGetHistoryRequest{Peer: ann.To(bob), Limit: 10}))(t)
	if n := len(h.(*tg.MessagesMessages).Messages); n != 1 {
		t.Errorf("history has %d messages", n)
	}
}

func TestEditDeleteAndReadReachEveryCopy(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	id := simtest.Must(ann.Write(ann.To(bob), "first"))(t).(*tg.Updates).Updates[0].(*tg.UpdateMessageID).ID
	edit := func(s *simtest.Session, to tg.InputPeerClass, id int, text string) error {
		q := &tg.MessagesEditMessageRequest{Peer: to, ID: id}
		q.SetMessage(text)
		_, err := s.MessagesEditMessage(simtest.Ctx, q)
		return err
	}
	simtest.Refused(t, edit(ann, ann.To(bob), id, "first"), 400, "MESSAGE_NOT_MODIFIED")
	simtest.Refused(t, edit(ann, ann.To(bob), 999, "x"), 400, "MESSAGE_ID_INVALID")
	simtest.Refused(t, edit(bob, bob.To(ann), 1, "x"), 403, "MESSAGE_AUTHOR_REQUIRED")
	if err := edit(ann, ann.To(bob), id, "second"); err != nil {
		t.Fatal(err)
	}
	b.Rec.Take(ann.Key)
	read := simtest.Must(bob.MessagesReadHistory(simtest.Ctx, &tg.MessagesReadHistoryRequest{Peer: bob.To(ann)}))(t)
	if read.PtsCount != 1 {
		t.Errorf("read: %+v", read)
	}
	if u := b.Rec.Take(ann.Key)[0].(*tg.Updates).Updates[0]; u.TypeID() != tg.UpdateReadHistoryOutboxTypeID {
		t.Errorf("writer got %T", u)
	}
	b.Rec.Take(bob.Key)
	before := simtest.Must(bob.UpdatesGetState(simtest.Ctx))(t)
	gone := simtest.Must(ann.MessagesDeleteMessages(simtest.Ctx, &tg.MessagesDeleteMessagesRequest{Revoke: true, ID: []int{id, id, 999}}))(t)
	if gone.PtsCount != 1 {
		t.Errorf("delete: %+v", gone)
	}
	u := b.Rec.Take(bob.Key)[0].(*tg.Updates).Updates[0].(*tg.UpdateDeleteMessages)
	if u.Pts != before.Pts+1 || len(u.Messages) != 1 {
		t.Errorf("recipient got %+v", u)
	}
	b.Time = b.Time.Add(49 * time.Hour)
	old := simtest.Must(ann.Write(ann.To(bob), "x"))(t).(*tg.Updates).Updates[0].(*tg.UpdateMessageID).ID
	b.Time = b.Time.Add(49 * time.Hour)
	simtest.Refused(t, edit(ann, ann.To(bob), old, "y"), 400, "MESSAGE_EDIT_TIME_EXPIRED")
}

func TestGroupLife(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob, bot, eve := b.Person("ann"), b.Person("bob"), b.Robot("bot"), b.Person("eve")
	_, err := ann.MessagesCreateChat(simtest.Ctx, &tg.MessagesCreateChatRequest{Title: "t"})
	simtest.Refused(t, err, 400, "USERS_TOO_FEW")
	id := ann.NewGroup(bob, bot)
	in := &tg.InputPeerChat{ChatID: id}
	_, err = eve.Write(in, "x")
	simtest.Refused(t, err, 400, "PEER_ID_INVALID")
	simtest.Must(bob.Write(in, "hi"))(t)
	if st := simtest.Must(bot.UpdatesGetState(simtest.Ctx))(t); st.Qts != 1 {
		t.Errorf("bot's qts: %d", st.Qts)
	}
	simtest.Must(ann.MessagesAddChatUser(simtest.Ctx, &tg.MessagesAddChatUserRequest{ChatID: id, UserID: ann.User(eve)}))(t)
	_, err = ann.MessagesAddChatUser(simtest.Ctx, &tg.MessagesAddChatUserRequest{ChatID: id, UserID: ann.User(eve)})
	simtest.Refused(t, err, 400, "USER_ALREADY_PARTICIPANT")
	full := simtest.Must(eve.MessagesGetFullChat(simtest.Ctx, id))(t)
	if n := len(full.FullChat.(*tg.ChatFull).Participants.(*tg.ChatParticipants).Participants); n != 4 {
		t.Errorf("%d participants", n)
	}
	_, err = bob.MessagesDeleteChatUser(simtest.Ctx, &tg.MessagesDeleteChatUserRequest{ChatID: id, UserID: bob.User(ann)})
	simtest.Refused(t, err, 400, "CHAT_ADMIN_REQUIRED")
	simtest.Must(eve.MessagesDeleteChatUser(simtest.Ctx, &tg.MessagesDeleteChatUserRequest{ChatID: id, UserID: &tg.InputUserSelf{}}))(t)
	_, err = eve.Write(in, "x")
	simtest.Refused(t, err, 403, "CHAT_WRITE_FORBIDDEN")
}

func TestChannelRights(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob, eve := b.Person("ann"), b.Person("bob"), b.Person("eve")
	news, talk := ann.NewChannel(true, bob), ann.NewChannel(false, bob)
	_, err := bob.Write(bob.InChannel(news), "x")
	simtest.Refused(t, err, 403, "CHAT_WRITE_FORBIDDEN")
	simtest.Must(bob.Write(bob.InChannel(talk), "hi"))(t)
	_, err = eve.Write(eve.InChannel(talk), "x")
	simtest.Refused(t, err, 406, "CHANNEL_PRIVATE")
	_, err = eve.Write(ann.InChannel(talk), "x")
	simtest.Refused(t, err, 400, "CHANNEL_INVALID")
	simtest.Must(ann.ChannelsUpdateUsername(simtest.Ctx, &tg.ChannelsUpdateUsernameRequest{Channel: ann.Channel(talk), Username: "talking"}))(t)
	r := simtest.Must(eve.ContactsResolveUsername(simtest.Ctx, &tg.ContactsResolveUsernameRequest{Username: "Talking"}))(t)
	if ch := r.Chats[0].(*tg.Channel); !ch.Left || ch.AccessHash == 0 {
		t.Errorf("resolved %+v", ch)
	}
	_, err = eve.Write(eve.InChannel(talk), "x")
	simtest.Refused(t, err, 403, "CHAT_GUEST_SEND_FORBIDDEN")
	simtest.Must(eve.ChannelsJoinChannel(simtest.Ctx, eve.Channel(talk)))(t)
	_, err = eve.ChannelsJoinChannel(simtest.Ctx, eve.Channel(talk))
	simtest.Refused(t, err, 400, "USER_ALREADY_PARTICIPANT")
	post := simtest.Must(eve.Write(eve.InChannel(talk), "x"))(t).(*tg.Updates).Updates[0].(*tg.UpdateMessageID).ID
	_, err = bob.ChannelsDeleteMessages(simtest.Ctx, &tg.ChannelsDeleteMessagesRequest{Channel: bob.Channel(talk), ID: []int{post}})
	simtest.Refused(t, err, 403, "MESSAGE_DELETE_FORBIDDEN")
	simtest.Must(ann.ChannelsDeleteMessages(simtest.Ctx, &tg.ChannelsDeleteMessagesRequest{Channel: ann.Channel(talk), ID: []int{post}}))(t)
	m := simtest.Must(bob.ChannelsGetMessages(simtest.Ctx, &tg.ChannelsGetMessagesRequest{Channel: bob.Channel(talk), ID: []tg.InputMessageClass{&tg.InputMessageID{ID: post}}}))(t)
	if x := m.(*tg.MessagesChannelMessages).Messages[0]; x.TypeID() != tg.MessageEmptyTypeID {
		t.Errorf("deleted post: %T", x)
	}
	_, err = ann.ChannelsLeaveChannel(simtest.Ctx, ann.Channel(talk))
	simtest.Refused(t, err, 400, "USER_CREATOR")
	simtest.Must(eve.ChannelsLeaveChannel(simtest.Ctx, eve.Channel(talk)))(t)
}

func TestDialogsPageWithoutHolesOrRepeats(t *testing.T) {
	b := simtest.New(t, model.Config{})
	ann := b.Person("ann")
	for range 25 {
		other := b.Person("p" + string(rune('a'+len(b.Phones))))
		simtest.Must(other.Write(other.To(ann), "hi"))(t)
		if len(b.Phones)%3 == 0 {
			b.Time = b.Time.Add(time.Second)
		}
	}
	ann.NewChannel(false)
	seen := map[string]bool{}
	q := &tg.MessagesGetDialogsRequest{OffsetPeer: &tg.InputPeerEmpty{}, Limit: 4}
	for {
		page := simtest.Must(ann.MessagesGetDialogs(simtest.Ctx, q))(t).(*tg.MessagesDialogsSlice)
		if page.Count != 26 {
			t.Fatalf("count %d", page.Count)
		}
		if len(page.Dialogs) == 0 {
			break
		}
		for _, d := range page.Dialogs {
			k := model.Encoded(d.(*tg.Dialog).Peer)
			if seen[k] {
				t.Fatalf("%v came twice", d)
			}
			seen[k] = true
		}
		last := page.Dialogs[len(page.Dialogs)-1].(*tg.Dialog)
		q.OffsetID = last.TopMessage
		switch m := page.Messages[len(page.Messages)-1].(type) {
		case *tg.Message:
			q.OffsetDate = m.Date
		case *tg.MessageService:
			q.OffsetDate = m.Date
		}
		switch p := last.Peer.(type) {
		case *tg.PeerUser:
			q.OffsetPeer = &tg.InputPeerUser{UserID: p.UserID, AccessHash: ann.Hash(model.UserPeer(p.UserID))}
		case *tg.PeerChannel:
			q.OffsetPeer = ann.InChannel(p.ChannelID)
		}
	}
	if len(seen) != 26 {
		t.Errorf("%d dialogs, want 26", len(seen))
	}
}

func TestHistoryPages(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	for range 10 {
		simtest.Must(ann.Write(ann.To(bob), "x"))(t)
	}
	ids := func(q tg.MessagesGetHistoryRequest) (out []int) {
		q.Peer = ann.To(bob)
		m, _ := simtest.Must(ann.MessagesGetHistory(simtest.Ctx, &q))(t).AsModified()
		for _, one := range m.GetMessages() {
			out = append(out, one.GetID())
		}
		return out
	}
	for name, c := range map[string]struct {
		q    tg.MessagesGetHistoryRequest
		want string
	}{
		"newest":     {tg.MessagesGetHistoryRequest{Limit: 3}, "10 9 8"},
		"below":      {tg.MessagesGetHistoryRequest{OffsetID: 8, Limit: 3}, "7 6 5"},
		"around":     {tg.MessagesGetHistoryRequest{OffsetID: 8, AddOffset: -2, Limit: 4}, "9 8 7 6"},
		"bounded":    {tg.MessagesGetHistoryRequest{Limit: 10, MinID: 4, MaxID: 7}, "6 5"},
		"past start": {tg.MessagesGetHistoryRequest{OffsetID: 2, Limit: 5}, "1"},
		"none":       {tg.MessagesGetHistoryRequest{OffsetID: 1, Limit: 5}, ""},
		"one second": {tg.MessagesGetHistoryRequest{OffsetID: 8, OffsetDate: int(b.Time.Unix()), Limit: 3}, "7 6 5"},
		"date":       {tg.MessagesGetHistoryRequest{OffsetDate: int(b.Time.Unix()), Limit: 3}, ""},
	} {
		if got := join(ids(c.q)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestCallbackWaitsForTheBot(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bot := b.Person("ann"), b.Robot("bot")
	simtest.Must(ann.Write(ann.To(bot), "/start"))(t)
	q := &tg.MessagesSendMessageRequest{Peer: bot.To(ann), Message: "choose", RandomID: 5}
	q.SetReplyMarkup(&tg.ReplyInlineMarkup{Rows: []tg.KeyboardButtonRow{{Buttons: []tg.KeyboardButtonClass{
		&tg.KeyboardButtonCallback{Text: "A", Data: []byte("a")},
	}}}})
	simtest.Must(bot.MessagesSendMessage(simtest.Ctx, q))(t)
	b.Rec.Take(bot.Key)
	press := func(data string) *simtest.Answer {
		p := &tg.MessagesGetBotCallbackAnswerRequest{Peer: ann.To(bot), MsgID: 2}
		p.SetData([]byte(data))
		return ann.Send(p)
	}
	simtest.Refused(t, press("b").Err, 400, "DATA_INVALID")
	pressed := press("a")
	if pressed.Done {
		t.Fatal("answered before the bot did")
	}
	u := b.Rec.Take(bot.Key)[0].(*tg.Updates).Updates[0].(*tg.UpdateBotCallbackQuery)
	simtest.Must(bot.MessagesSetBotCallbackAnswer(simtest.Ctx, &tg.MessagesSetBotCallbackAnswerRequest{QueryID: u.QueryID, Message: "ok"}))(t)
	if !pressed.Done || pressed.Err != nil {
		t.Errorf("got %+v", pressed)
	}
	late := press("a")
	b.Time = b.Time.Add(11 * time.Second)
	b.Tick()
	simtest.Refused(t, late.Err, 400, "BOT_RESPONSE_TIMEOUT")
	u = b.Rec.Take(bot.Key)[0].(*tg.Updates).Updates[0].(*tg.UpdateBotCallbackQuery)
	b.Time = b.Time.Add(time.Minute)
	b.Tick()
	_, err := bot.MessagesSetBotCallbackAnswer(simtest.Ctx, &tg.MessagesSetBotCallbackAnswerRequest{QueryID: u.QueryID})
	simtest.Refused(t, err, 400, "QUERY_ID_INVALID")
}
