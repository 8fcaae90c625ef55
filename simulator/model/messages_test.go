package model

import (
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tg"
)

func TestUnknownMethodIsRefusedByName(t *testing.T) {
	b := newBench(t, Config{})
	a := b.person("ann").send(&tg.StoriesGetAllStoriesRequest{})
	if a.err == nil || !strings.Contains(a.err.Error(), "stories.getAllStories") {
		t.Errorf("got %v", a.err)
	}
	a = &answer{}
	b.Handle(Request{DC: 1, KeyID: 1, Body: []byte{1, 2, 3, 4}}, a)
	if a.err == nil {
		t.Error("an unknown constructor was answered")
	}
}

func TestPrivateMessagesHaveACopyPerAccount(t *testing.T) {
	b := newBench(t, Config{Plain: true})
	ann, bob := b.person("ann"), b.person("bob")
	phone := b.login(User{ID: ann.id, Phone: "15550001", HomeDC: 1}) // Ann's second session
	b.rec.take(ann.key)
	b.rec.take(phone.key)
	for range 3 {
		must(bob.write(bob.to(bob), "note to self"))(t) // shifts Bob's ids
	}
	b.rec.take(bob.key)
	sent := must(ann.write(ann.to(bob), "hello"))(t).(*tg.Updates)
	mine := sent.Updates[1].(*tg.UpdateNewMessage)
	got := b.rec.take(bob.key)[0].(*tg.Updates).Updates[0].(*tg.UpdateNewMessage)
	if m := got.Message.(*tg.Message); m.ID == mine.Message.GetID() || m.Message != "hello" || m.Out {
		t.Errorf("recipient got %+v", m)
	}
	if other := b.rec.take(phone.key); len(other) != 1 {
		t.Errorf("the sender's other session got %d pushes", len(other))
	}
	if own := b.rec.take(ann.key); len(own) != 0 {
		t.Errorf("the sending session got %d pushes", len(own))
	}
	if _, err := ann.write(&tg.InputPeerUser{UserID: bob.id, AccessHash: 1}, "x"); err == nil {
		t.Error("a wrong access hash was accepted")
	}
	_, err := ann.write(&tg.InputPeerUser{UserID: bob.id, AccessHash: bob.hash(peer{kindUser, bob.id})}, "x")
	refused(t, err, 400, "PEER_ID_INVALID") // another viewer's hash
	_, err = ann.write(ann.to(bob), "")
	refused(t, err, 400, "MESSAGE_EMPTY")
	_, err = ann.write(ann.to(bob), strings.Repeat("😀", 2049))
	refused(t, err, 400, "MESSAGE_TOO_LONG")
}

func TestRandomIDSendsOnce(t *testing.T) {
	b := newBench(t, Config{})
	ann, bob := b.person("ann"), b.person("bob")
	q := &tg.MessagesSendMessageRequest{Peer: ann.to(bob), Message: "once", RandomID: 42}
	must(ann.MessagesSendMessage(ctx, q))(t)
	_, err := ann.MessagesSendMessage(ctx, q)
	refused(t, err, 500, "RANDOM_ID_DUPLICATE")
	h := must(ann.MessagesGetHistory(ctx, &tg.MessagesGetHistoryRequest{Peer: ann.to(bob), Limit: 10}))(t)
	if n := len(h.(*tg.MessagesMessages).Messages); n != 1 {
		t.Errorf("history has %d messages", n)
	}
}

func TestEditDeleteAndReadReachEveryCopy(t *testing.T) {
	b := newBench(t, Config{Plain: true})
	ann, bob := b.person("ann"), b.person("bob")
	id := must(ann.write(ann.to(bob), "first"))(t).(*tg.Updates).Updates[0].(*tg.UpdateMessageID).ID
	edit := func(s *session, to tg.InputPeerClass, id int, text string) error {
		q := &tg.MessagesEditMessageRequest{Peer: to, ID: id}
		q.SetMessage(text)
		_, err := s.MessagesEditMessage(ctx, q)
		return err
	}
	refused(t, edit(ann, ann.to(bob), id, "first"), 400, "MESSAGE_NOT_MODIFIED")
	refused(t, edit(ann, ann.to(bob), 999, "x"), 400, "MESSAGE_ID_INVALID")
	refused(t, edit(bob, bob.to(ann), 1, "x"), 403, "MESSAGE_AUTHOR_REQUIRED")
	if err := edit(ann, ann.to(bob), id, "second"); err != nil {
		t.Fatal(err)
	}
	b.rec.take(ann.key)
	read := must(bob.MessagesReadHistory(ctx, &tg.MessagesReadHistoryRequest{Peer: bob.to(ann)}))(t)
	if read.PtsCount != 1 {
		t.Errorf("read: %+v", read)
	}
	if u := b.rec.take(ann.key)[0].(*tg.Updates).Updates[0]; u.TypeID() != tg.UpdateReadHistoryOutboxTypeID {
		t.Errorf("writer got %T", u)
	}
	b.rec.take(bob.key)
	before := must(bob.UpdatesGetState(ctx))(t)
	gone := must(ann.MessagesDeleteMessages(ctx, &tg.MessagesDeleteMessagesRequest{Revoke: true, ID: []int{id, id, 999}}))(t)
	if gone.PtsCount != 1 {
		t.Errorf("delete: %+v", gone)
	}
	u := b.rec.take(bob.key)[0].(*tg.Updates).Updates[0].(*tg.UpdateDeleteMessages)
	if u.Pts != before.Pts+1 || len(u.Messages) != 1 {
		t.Errorf("recipient got %+v", u)
	}
	b.time = b.time.Add(49 * time.Hour)
	old := must(ann.write(ann.to(bob), "x"))(t).(*tg.Updates).Updates[0].(*tg.UpdateMessageID).ID
	b.time = b.time.Add(49 * time.Hour)
	refused(t, edit(ann, ann.to(bob), old, "y"), 400, "MESSAGE_EDIT_TIME_EXPIRED")
}

func TestGroupLife(t *testing.T) {
	b := newBench(t, Config{Plain: true})
	ann, bob, bot, eve := b.person("ann"), b.person("bob"), b.robot("bot"), b.person("eve")
	_, err := ann.MessagesCreateChat(ctx, &tg.MessagesCreateChatRequest{Title: "t"})
	refused(t, err, 400, "USERS_TOO_FEW")
	id := ann.newGroup(bob, bot)
	in := &tg.InputPeerChat{ChatID: id}
	_, err = eve.write(in, "x")
	refused(t, err, 400, "PEER_ID_INVALID")
	must(bob.write(in, "hi"))(t)
	if st := must(bot.UpdatesGetState(ctx))(t); st.Qts != 1 {
		t.Errorf("bot's qts: %d", st.Qts)
	}
	must(ann.MessagesAddChatUser(ctx, &tg.MessagesAddChatUserRequest{ChatID: id, UserID: ann.user(eve)}))(t)
	_, err = ann.MessagesAddChatUser(ctx, &tg.MessagesAddChatUserRequest{ChatID: id, UserID: ann.user(eve)})
	refused(t, err, 400, "USER_ALREADY_PARTICIPANT")
	full := must(eve.MessagesGetFullChat(ctx, id))(t)
	if n := len(full.FullChat.(*tg.ChatFull).Participants.(*tg.ChatParticipants).Participants); n != 4 {
		t.Errorf("%d participants", n)
	}
	_, err = bob.MessagesDeleteChatUser(ctx, &tg.MessagesDeleteChatUserRequest{ChatID: id, UserID: bob.user(ann)})
	refused(t, err, 400, "CHAT_ADMIN_REQUIRED")
	must(eve.MessagesDeleteChatUser(ctx, &tg.MessagesDeleteChatUserRequest{ChatID: id, UserID: &tg.InputUserSelf{}}))(t)
	_, err = eve.write(in, "x")
	refused(t, err, 403, "CHAT_WRITE_FORBIDDEN")
}

func TestChannelRights(t *testing.T) {
	b := newBench(t, Config{Plain: true})
	ann, bob, eve := b.person("ann"), b.person("bob"), b.person("eve")
	news, talk := ann.newChannel(true, bob), ann.newChannel(false, bob)
	_, err := bob.write(bob.inChannel(news), "x")
	refused(t, err, 403, "CHAT_WRITE_FORBIDDEN")
	must(bob.write(bob.inChannel(talk), "hi"))(t)
	_, err = eve.write(eve.inChannel(talk), "x")
	refused(t, err, 406, "CHANNEL_PRIVATE")
	_, err = eve.write(ann.inChannel(talk), "x")
	refused(t, err, 400, "CHANNEL_INVALID")
	must(ann.ChannelsUpdateUsername(ctx, &tg.ChannelsUpdateUsernameRequest{Channel: ann.channel(talk), Username: "talking"}))(t)
	r := must(eve.ContactsResolveUsername(ctx, &tg.ContactsResolveUsernameRequest{Username: "Talking"}))(t)
	if ch := r.Chats[0].(*tg.Channel); !ch.Left || ch.AccessHash == 0 {
		t.Errorf("resolved %+v", ch)
	}
	_, err = eve.write(eve.inChannel(talk), "x")
	refused(t, err, 403, "CHAT_GUEST_SEND_FORBIDDEN")
	must(eve.ChannelsJoinChannel(ctx, eve.channel(talk)))(t)
	_, err = eve.ChannelsJoinChannel(ctx, eve.channel(talk))
	refused(t, err, 400, "USER_ALREADY_PARTICIPANT")
	post := must(eve.write(eve.inChannel(talk), "x"))(t).(*tg.Updates).Updates[0].(*tg.UpdateMessageID).ID
	_, err = bob.ChannelsDeleteMessages(ctx, &tg.ChannelsDeleteMessagesRequest{Channel: bob.channel(talk), ID: []int{post}})
	refused(t, err, 403, "MESSAGE_DELETE_FORBIDDEN")
	must(ann.ChannelsDeleteMessages(ctx, &tg.ChannelsDeleteMessagesRequest{Channel: ann.channel(talk), ID: []int{post}}))(t)
	m := must(bob.ChannelsGetMessages(ctx, &tg.ChannelsGetMessagesRequest{Channel: bob.channel(talk), ID: []tg.InputMessageClass{&tg.InputMessageID{ID: post}}}))(t)
	if x := m.(*tg.MessagesChannelMessages).Messages[0]; x.TypeID() != tg.MessageEmptyTypeID {
		t.Errorf("deleted post: %T", x)
	}
	_, err = ann.ChannelsLeaveChannel(ctx, ann.channel(talk))
	refused(t, err, 400, "USER_CREATOR")
	must(eve.ChannelsLeaveChannel(ctx, eve.channel(talk)))(t)
}

func TestDialogsPageWithoutHolesOrRepeats(t *testing.T) {
	b := newBench(t, Config{})
	ann := b.person("ann")
	for range 25 {
		other := b.person("p" + string(rune('a'+len(b.phones))))
		must(other.write(other.to(ann), "hi"))(t)
		if len(b.phones)%3 == 0 {
			b.time = b.time.Add(time.Second)
		}
	}
	ann.newChannel(false)
	seen := map[string]bool{}
	q := &tg.MessagesGetDialogsRequest{OffsetPeer: &tg.InputPeerEmpty{}, Limit: 4}
	for {
		page := must(ann.MessagesGetDialogs(ctx, q))(t).(*tg.MessagesDialogsSlice)
		if page.Count != 26 {
			t.Fatalf("count %d", page.Count)
		}
		if len(page.Dialogs) == 0 {
			break
		}
		for _, d := range page.Dialogs {
			k := encoded(d.(*tg.Dialog).Peer)
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
			q.OffsetPeer = &tg.InputPeerUser{UserID: p.UserID, AccessHash: ann.hash(peer{kindUser, p.UserID})}
		case *tg.PeerChannel:
			q.OffsetPeer = ann.inChannel(p.ChannelID)
		}
	}
	if len(seen) != 26 {
		t.Errorf("%d dialogs, want 26", len(seen))
	}
}

func TestHistoryPages(t *testing.T) {
	b := newBench(t, Config{Plain: true})
	ann, bob := b.person("ann"), b.person("bob")
	for range 10 {
		must(ann.write(ann.to(bob), "x"))(t)
	}
	ids := func(q tg.MessagesGetHistoryRequest) (out []int) {
		q.Peer = ann.to(bob)
		m, _ := must(ann.MessagesGetHistory(ctx, &q))(t).AsModified()
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
	} {
		if got := join(ids(c.q)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestCallbackWaitsForTheBot(t *testing.T) {
	b := newBench(t, Config{Plain: true})
	ann, bot := b.person("ann"), b.robot("bot")
	must(ann.write(ann.to(bot), "/start"))(t)
	q := &tg.MessagesSendMessageRequest{Peer: bot.to(ann), Message: "choose", RandomID: 5}
	q.SetReplyMarkup(&tg.ReplyInlineMarkup{Rows: []tg.KeyboardButtonRow{{Buttons: []tg.KeyboardButtonClass{
		&tg.KeyboardButtonCallback{Text: "A", Data: []byte("a")},
	}}}})
	must(bot.MessagesSendMessage(ctx, q))(t)
	b.rec.take(bot.key)
	press := func(data string) *answer {
		p := &tg.MessagesGetBotCallbackAnswerRequest{Peer: ann.to(bot), MsgID: 2}
		p.SetData([]byte(data))
		return ann.send(p)
	}
	refused(t, press("b").err, 400, "DATA_INVALID")
	pressed := press("a")
	if pressed.done {
		t.Fatal("answered before the bot did")
	}
	u := b.rec.take(bot.key)[0].(*tg.Updates).Updates[0].(*tg.UpdateBotCallbackQuery)
	must(bot.MessagesSetBotCallbackAnswer(ctx, &tg.MessagesSetBotCallbackAnswerRequest{QueryID: u.QueryID, Message: "ok"}))(t)
	if !pressed.done || pressed.err != nil {
		t.Errorf("got %+v", pressed)
	}
	late := press("a")
	b.time = b.time.Add(11 * time.Second)
	b.Tick()
	refused(t, late.err, 400, "BOT_RESPONSE_TIMEOUT")
	u = b.rec.take(bot.key)[0].(*tg.Updates).Updates[0].(*tg.UpdateBotCallbackQuery)
	b.time = b.time.Add(time.Minute)
	b.Tick()
	_, err := bot.MessagesSetBotCallbackAnswer(ctx, &tg.MessagesSetBotCallbackAnswerRequest{QueryID: u.QueryID})
	refused(t, err, 400, "QUERY_ID_INVALID")
}
