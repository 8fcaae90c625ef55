package calls_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/simtest"
)

// sent is the message in the answer to a query that sends.
func sent(u tg.UpdatesClass) tg.MessageClass {
	for _, one := range u.(*tg.Updates).Updates {
		switch one := one.(type) {
		case *tg.UpdateNewMessage:
			return one.Message
		case *tg.UpdateNewChannelMessage:
			return one.Message
		case *tg.UpdateNewScheduledMessage:
			return one.Message
		}
	}
	return nil
}

func first(u []tg.UpdatesClass) tg.UpdateClass { return u[0].(*tg.Updates).Updates[0] }

func TestOptionsOfAMessageAreKept(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	simtest.Must(ann.MessagesSaveDraft(simtest.Ctx, &tg.MessagesSaveDraftRequest{Peer: ann.To(bob), Message: "unfinished"}))(t)
	q := &tg.MessagesSendMessageRequest{
		Peer: ann.To(bob), Message: "see https://example.org/x", RandomID: 9, Silent: true, Background: true, ClearDraft: true,
		Noforwards: true, InvertMedia: true,
	}
	q.SetEffect(5104841245755180586)
	m := sent(simtest.Must(ann.MessagesSendMessage(simtest.Ctx, q))(t)).(*tg.Message)
	if !m.Silent || !m.Noforwards || !m.InvertMedia || m.Effect == 0 || m.Media.(*tg.MessageMediaWebPage).Webpage.(*tg.WebPage).URL != "https://example.org/x" {
		t.Errorf("got %+v", m)
	}
	if d := b.Users[ann.ID].Dialogs[model.UserPeer(bob.ID)]; d.Draft != nil {
		t.Errorf("the draft is still there: %v", d.Draft)
	}
	q.RandomID, q.NoWebpage = 10, true
	if m := sent(simtest.Must(ann.MessagesSendMessage(simtest.Ctx, q))(t)).(*tg.Message); m.Media != nil {
		t.Errorf("no_webpage: %v", m.Media)
	}
	q.RandomID = 11
	q.SetEffect(1)
	_, err := ann.MessagesSendMessage(simtest.Ctx, q)
	simtest.Refused(t, err, 400, "EFFECT_ID_INVALID")
	_, err = ann.MessagesForwardMessages(simtest.Ctx, &tg.MessagesForwardMessagesRequest{FromPeer: ann.To(bob), ToPeer: &tg.InputPeerSelf{}, ID: []int{m.ID}, RandomID: []int64{12}})
	simtest.Refused(t, err, 400, "CHAT_FORWARDS_RESTRICTED")
}

func TestRepliesQuoteAndReachOtherChats(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	news := ann.NewChannel(true, bob)
	post := sent(simtest.Must(ann.Write(ann.InChannel(news), "breaking: all is well"))(t)).GetID()
	b.Rec.Take(bob.Key)
	in := &tg.InputReplyToMessage{ReplyToMsgID: post, QuoteText: "all is well", QuoteOffset: 10}
	in.SetReplyToPeerID(ann.InChannel(news))
	q := &tg.MessagesSendMessageRequest{Peer: ann.To(bob), Message: "see this", RandomID: 5, ReplyTo: in}
	simtest.Must(ann.MessagesSendMessage(simtest.Ctx, q))(t)
	m := first(b.Rec.Take(bob.Key)).(*tg.UpdateNewMessage).Message.(*tg.Message)
	h := m.ReplyTo.(*tg.MessageReplyHeader)
	if h.QuoteText != "all is well" || h.ReplyToMsgID != post || h.ReplyToPeerID.(*tg.PeerChannel).ChannelID != news {
		t.Errorf("got %+v", h)
	}
	q.RandomID, in.QuoteText = 6, "nothing is well"
	_, err := ann.MessagesSendMessage(simtest.Ctx, q)
	simtest.Refused(t, err, 400, "QUOTE_TEXT_INVALID")
}

func TestKeyboardsAreForBotsAndChecked(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bot := b.Person("ann"), b.Robot("bot")
	simtest.Must(ann.Write(ann.To(bot), "/start"))(t)
	n := int64(50)
	try := func(s *simtest.Session, to tg.InputPeerClass, m tg.ReplyMarkupClass) (*tg.Message, error) {
		n++
		q := &tg.MessagesSendMessageRequest{Peer: to, Message: "x", RandomID: n}
		q.SetReplyMarkup(m)
		u, err := s.MessagesSendMessage(simtest.Ctx, q)
		if err != nil {
			return nil, err
		}
		return sent(u).(*tg.Message), nil
	}
	row := func(b tg.KeyboardButtonClass) []tg.KeyboardButtonRow {
		return []tg.KeyboardButtonRow{{Buttons: []tg.KeyboardButtonClass{b}}}
	}
	link := &tg.KeyboardButtonURL{Text: "go", URL: "https://example.org"}
	if m := simtest.Must(try(ann, ann.To(bot), &tg.ReplyInlineMarkup{Rows: row(link)}))(t); m.ReplyMarkup != nil {
		t.Error("a person's keyboard was kept")
	}
	for _, m := range []tg.ReplyMarkupClass{
		&tg.ReplyInlineMarkup{Rows: row(link)}, &tg.ReplyKeyboardMarkup{Rows: row(&tg.KeyboardButton{Text: "a"})},
		&tg.ReplyKeyboardHide{}, &tg.ReplyKeyboardForceReply{},
	} {
		if got := simtest.Must(try(bot, bot.To(ann), m))(t); got.ReplyMarkup == nil {
			t.Errorf("%T was lost", m)
		}
	}
	for name, m := range map[string]tg.ReplyMarkupClass{
		"BUTTON_URL_INVALID":   &tg.ReplyInlineMarkup{Rows: row(&tg.KeyboardButtonURL{Text: "go", URL: "::"})},
		"BUTTON_DATA_INVALID":  &tg.ReplyInlineMarkup{Rows: row(&tg.KeyboardButtonCallback{Text: "go", Data: make([]byte, 65)})},
		"BUTTON_TYPE_INVALID":  &tg.ReplyInlineMarkup{Rows: row(&tg.KeyboardButton{Text: "go"})},
		"REPLY_MARKUP_INVALID": &tg.ReplyKeyboardMarkup{},
	} {
		_, err := try(bot, bot.To(ann), m)
		simtest.Refused(t, err, 400, name)
	}
}

func TestForwardsNameTheirOrigin(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob, cat := b.Person("ann"), b.Person("bob"), b.Person("cat")
	var ids []int
	for _, text := range []string{"a", "b", "c"} {
		ids = append(ids, sent(simtest.Must(bob.Write(bob.To(ann), text))(t)).GetID())
	}
	q := &tg.MessagesForwardMessagesRequest{FromPeer: bob.To(ann), ToPeer: bob.To(cat), ID: []int{ids[2], 99, ids[0]}, RandomID: []int64{101, 102, 103}}
	u := simtest.Must(bob.MessagesForwardMessages(simtest.Ctx, q))(t).(*tg.Updates)
	if len(u.Updates) != 4 { // of each of two: the id and the message
		t.Fatalf("got %v", u.Updates)
	}
	m := u.Updates[1].(*tg.UpdateNewMessage).Message.(*tg.Message)
	if m.Message != "c" || m.FwdFrom.FromID.(*tg.PeerUser).UserID != bob.ID {
		t.Errorf("got %+v", m)
	}
	_, err := bob.MessagesForwardMessages(simtest.Ctx, q)
	simtest.Refused(t, err, 500, "RANDOM_ID_DUPLICATE")
	q.RandomID, q.DropAuthor = []int64{104, 105, 106}, true
	if m := sent(simtest.Must(bob.MessagesForwardMessages(simtest.Ctx, q))(t)).(*tg.Message); m.FwdFrom.FromID != nil {
		t.Errorf("drop_author: %+v", m.FwdFrom)
	}
	q.RandomID = []int64{107}
	_, err = bob.MessagesForwardMessages(simtest.Ctx, q)
	simtest.Refused(t, err, 400, "RANDOM_ID_INVALID")
	q.ID = []int{99}
	_, err = bob.MessagesForwardMessages(simtest.Ctx, q)
	simtest.Refused(t, err, 400, "MESSAGE_ID_INVALID")
}

func TestPinsAreToldAndCounted(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true, AffectedSlice: 2})
	ann, bob := b.Person("ann"), b.Person("bob")
	talk := ann.NewChannel(false, bob)
	for _, in := range []tg.InputPeerClass{ann.To(bob), ann.InChannel(talk)} {
		var ids []int
		for range 3 {
			ids = append(ids, sent(simtest.Must(ann.Write(in, "x"))(t)).GetID())
		}
		b.Rec.Take(bob.Key)
		for _, id := range ids {
			u := simtest.Must(ann.MessagesUpdatePinnedMessage(simtest.Ctx, &tg.MessagesUpdatePinnedMessageRequest{Peer: in, ID: id}))(t).(*tg.Updates)
			if len(u.Updates) != 2 || sent(u).(*tg.MessageService).ReplyTo.(*tg.MessageReplyHeader).ReplyToMsgID != id {
				t.Errorf("got %v", u.Updates)
			}
		}
		if got := len(b.Rec.Take(bob.Key)); got != 6 {
			t.Errorf("the other one got %d pushes", got)
		}
		_, err := ann.MessagesUpdatePinnedMessage(simtest.Ctx, &tg.MessagesUpdatePinnedMessageRequest{Peer: in, ID: ids[0]})
		simtest.Refused(t, err, 400, "CHAT_NOT_MODIFIED")
		found := simtest.Must(ann.MessagesSearch(simtest.Ctx, &tg.MessagesSearchRequest{Peer: in, Filter: &tg.InputMessagesFilterPinned{}, Limit: 10}))(t)
		all, _ := found.AsModified()
		if n := len(all.GetMessages()); n != 3 {
			t.Errorf("%d pinned", n)
		}
		a := simtest.Must(ann.MessagesUnpinAllMessages(simtest.Ctx, &tg.MessagesUnpinAllMessagesRequest{Peer: in}))(t)
		if a.PtsCount != 2 || a.Offset != 1 {
			t.Errorf("first: %+v", a)
		}
		a = simtest.Must(ann.MessagesUnpinAllMessages(simtest.Ctx, &tg.MessagesUnpinAllMessagesRequest{Peer: in}))(t)
		if a.PtsCount != 1 || a.Offset != 0 {
			t.Errorf("then: %+v", a)
		}
	}
	_, err := bob.MessagesUpdatePinnedMessage(simtest.Ctx, &tg.MessagesUpdatePinnedMessageRequest{Peer: bob.InChannel(talk), ID: 2})
	simtest.Refused(t, err, 400, "CHAT_ADMIN_REQUIRED")
}

func TestScheduledMessagesFire(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	n := int64(0)
	at := func(d int) (tg.UpdatesClass, error) {
		n++
		q := &tg.MessagesSendMessageRequest{Peer: ann.To(bob), Message: "later", RandomID: n}
		q.SetScheduleDate(d)
		return ann.MessagesSendMessage(simtest.Ctx, q)
	}
	now := int(b.Time.Unix())
	m := sent(simtest.Must(at(now + 60))(t)).(*tg.Message)
	if m.Date != now+60 || !m.FromScheduled {
		t.Errorf("got %+v", m)
	}
	online := sent(simtest.Must(at(model.WhenOnline))(t)).GetID()
	_, err := at(now + 400*24*3600)
	simtest.Refused(t, err, 400, "SCHEDULE_DATE_TOO_LATE")
	list := simtest.Must(ann.MessagesGetScheduledHistory(simtest.Ctx, &tg.MessagesGetScheduledHistoryRequest{Peer: ann.To(bob)}))(t).(*tg.MessagesMessages)
	if len(list.Messages) != 2 || list.Messages[0].GetID() != online {
		t.Errorf("got %v", list.Messages)
	}
	if got := b.Rec.Take(bob.Key); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
	b.Time = b.Time.Add(61 * time.Second)
	b.Tick()
	if got := first(b.Rec.Take(bob.Key)).(*tg.UpdateNewMessage).Message.(*tg.Message); got.Message != "later" || !got.FromScheduled {
		t.Errorf("got %+v", got)
	}
	pushed := b.Rec.Take(ann.Key)
	gone := first(pushed[1:]).(*tg.UpdateDeleteScheduledMessages)
	if gone.Messages[0] != m.ID || len(gone.SentMessages) != 1 {
		t.Errorf("got %+v", gone)
	}
	simtest.Must(bob.AccountUpdateStatus(simtest.Ctx, false))(t)
	b.Tick()
	if got := b.Rec.Take(bob.Key); len(got) != 1 {
		t.Errorf("when online: %v", got)
	}
	m = sent(simtest.Must(at(now + 6000))(t)).(*tg.Message)
	simtest.Must(ann.MessagesDeleteScheduledMessages(simtest.Ctx, &tg.MessagesDeleteScheduledMessagesRequest{Peer: ann.To(bob), ID: []int{m.ID}}))(t)
	_, err = ann.MessagesSendScheduledMessages(simtest.Ctx, &tg.MessagesSendScheduledMessagesRequest{Peer: ann.To(bob), ID: []int{m.ID}})
	simtest.Refused(t, err, 400, "MESSAGE_ID_INVALID")
}

func TestReactionsAreLimitedAndTold(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	id := sent(simtest.Must(ann.Write(ann.To(bob), "x"))(t)).GetID()
	b.Rec.Take(bob.Key)
	react := func(list ...tg.ReactionClass) (tg.UpdatesClass, error) {
		return ann.MessagesSendReaction(simtest.Ctx, &tg.MessagesSendReactionRequest{Peer: ann.To(bob), MsgID: id, Reaction: list, AddToRecent: true})
	}
	fire, heart, custom := &tg.ReactionEmoji{Emoticon: "🔥"}, &tg.ReactionEmoji{Emoticon: "❤"}, &tg.ReactionCustomEmoji{DocumentID: 5}
	simtest.Must(react(fire))(t)
	r := first(b.Rec.Take(bob.Key)).(*tg.UpdateMessageReactions).Reactions
	if len(r.Results) != 1 || r.Results[0].Count != 1 || r.Results[0].Flags.Has(0) {
		t.Errorf("got %+v", r)
	}
	_, err := react(fire)
	simtest.Refused(t, err, 400, "MESSAGE_NOT_MODIFIED")
	_, err = react(fire, heart)
	simtest.Refused(t, err, 400, "REACTIONS_TOO_MANY")
	_, err = react(custom)
	simtest.Refused(t, err, 403, "PREMIUM_ACCOUNT_REQUIRED")
	_, err = react(&tg.ReactionEmoji{Emoticon: "x"})
	simtest.Refused(t, err, 400, "REACTION_INVALID")
	b.Users[ann.ID].Premium = true
	simtest.Must(react(heart, custom))(t)
	if got := b.Users[ann.ID].Recent; len(got) != 3 || got[0] != tg.ReactionClass(got[0].(*tg.ReactionCustomEmoji)) {
		t.Errorf("recent: %v", got)
	}
	simtest.Must(react())(t)
	if p := b.Users[ann.ID].Box.Messages[id].Post; len(p.Reactions) != 0 {
		t.Errorf("still there: %v", p.Reactions)
	}
}

func TestForumsHaveTopics(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	u := simtest.Must(ann.ChannelsCreateChannel(simtest.Ctx, &tg.ChannelsCreateChannelRequest{Title: "forum", Megagroup: true, Forum: true}))(t)
	id := u.(*tg.Updates).Chats[0].GetID()
	simtest.Must(ann.ChannelsInviteToChannel(simtest.Ctx, &tg.ChannelsInviteToChannelRequest{Channel: ann.Channel(id), Users: []tg.InputUserClass{ann.User(bob)}}))(t)
	topic := sent(simtest.Must(ann.MessagesCreateForumTopic(simtest.Ctx, &tg.MessagesCreateForumTopicRequest{Peer: ann.InChannel(id), Title: "help", RandomID: 7}))(t)).GetID()
	n := int64(20)
	write := func(s *simtest.Session, in *tg.InputReplyToMessage) (tg.UpdatesClass, error) {
		n++
		q := &tg.MessagesSendMessageRequest{Peer: s.InChannel(id), Message: "x", RandomID: n, ReplyTo: in}
		if in == nil {
			q.ReplyTo = nil
		}
		return s.MessagesSendMessage(simtest.Ctx, q)
	}
	m := sent(simtest.Must(write(bob, &tg.InputReplyToMessage{ReplyToMsgID: topic}))(t)).(*tg.Message)
	if h := m.ReplyTo.(*tg.MessageReplyHeader); !h.ForumTopic || h.ReplyToMsgID != topic || h.ReplyToTopID != 0 {
		t.Errorf("in the topic: %+v", h)
	}
	answer := sent(simtest.Must(write(ann, &tg.InputReplyToMessage{ReplyToMsgID: m.ID}))(t)).(*tg.Message)
	if h := answer.ReplyTo.(*tg.MessageReplyHeader); !h.ForumTopic || h.ReplyToMsgID != m.ID || h.ReplyToTopID != topic {
		t.Errorf("answer in the topic: %+v", h)
	}
	if m := sent(simtest.Must(write(bob, nil))(t)).(*tg.Message); m.ReplyTo != nil {
		t.Errorf("in General: %+v", m.ReplyTo)
	}
	_, err := write(bob, &tg.InputReplyToMessage{ReplyToMsgID: m.ID, TopMsgID: 999})
	simtest.Refused(t, err, 400, "TOPIC_DELETED")
	close := &tg.MessagesEditForumTopicRequest{Peer: ann.InChannel(id), TopicID: topic}
	close.SetClosed(true)
	simtest.Must(ann.MessagesEditForumTopic(simtest.Ctx, close))(t)
	_, err = write(bob, &tg.InputReplyToMessage{ReplyToMsgID: topic})
	simtest.Refused(t, err, 400, "TOPIC_CLOSED")
	found := simtest.Must(bob.MessagesGetForumTopicsByID(simtest.Ctx, &tg.MessagesGetForumTopicsByIDRequest{Peer: bob.InChannel(id), Topics: []int{topic, 999}}))(t)
	if got := found.Topics[0].(*tg.ForumTopic); got.Title != "help" || !got.Closed || found.Topics[1].TypeID() != tg.ForumTopicDeletedTypeID {
		t.Errorf("got %v", found.Topics)
	}
}

func TestSendAsNeedsAChannelOfOnesOwn(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	talk, news := ann.NewChannel(false, bob), bob.NewChannel(true)
	as := func(s *simtest.Session, p tg.InputPeerClass, random int64) (tg.UpdatesClass, error) {
		q := &tg.MessagesSendMessageRequest{Peer: s.InChannel(talk), Message: "x", RandomID: random}
		q.SetSendAs(p)
		return s.MessagesSendMessage(simtest.Ctx, q)
	}
	m := sent(simtest.Must(as(bob, bob.InChannel(news), 1))(t)).(*tg.Message)
	if m.FromID.(*tg.PeerChannel).ChannelID != news || !m.Out {
		t.Errorf("got %+v", m)
	}
	_, err := as(bob, bob.InChannel(talk), 2)
	simtest.Refused(t, err, 400, "SEND_AS_PEER_INVALID")
	list := simtest.Must(ann.ChannelsGetSendAs(simtest.Ctx, &tg.ChannelsGetSendAsRequest{Peer: ann.InChannel(talk)}))(t)
	if len(list.Peers) != 2 || !strings.Contains(list.Peers[1].String(), "PeerChannel") {
		t.Errorf("got %v", list.Peers)
	}
}
