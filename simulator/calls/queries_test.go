package calls_test

import (
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/simtest"
)

func TestConfigListsThisSimulator(t *testing.T) {
	b := simtest.New(t, model.Config{})
	s := b.Session(2) // nobody is logged in
	cfg := simtest.Must(s.HelpGetConfig(simtest.Ctx))(t)
	if cfg.ThisDC != 2 || len(cfg.DCOptions) != 2 || cfg.DCOptions[1].Port != 2 {
		t.Errorf("got %+v", cfg)
	}
	if n := simtest.Must(s.HelpGetNearestDC(simtest.Ctx))(t); n.NearestDC != 2 {
		t.Errorf("got %+v", n)
	}
	simtest.Must(s.HelpGetAppConfig(simtest.Ctx, 0))(t)
}

func TestPeersAreShown(t *testing.T) {
	b := simtest.New(t, model.Config{})
	ann, bob, bot := b.Person("ann"), b.Person("bob"), b.Robot("bot")
	id, gid := ann.NewChannel(false, bob), ann.NewGroup(bob, bot)
	self := simtest.Must(ann.UsersGetUsers(simtest.Ctx, []tg.InputUserClass{&tg.InputUserSelf{}}))(t)[0].(*tg.User)
	if !self.Self || self.Phone == "" {
		t.Errorf("self: %+v", self)
	}
	found := simtest.Must(ann.ContactsResolvePhone(simtest.Ctx, "+15550002"))(t).Users[0].(*tg.User)
	if found.ID != bob.ID || found.Phone != "" || found.AccessHash == 0 {
		t.Errorf("by phone: %+v", found)
	}
	_, err := ann.ContactsResolvePhone(simtest.Ctx, "+15551234")
	simtest.Refused(t, err, 400, "PHONE_NOT_OCCUPIED")
	_, err = ann.ContactsResolveUsername(simtest.Ctx, &tg.ContactsResolveUsernameRequest{Username: "nobody_here"})
	simtest.Refused(t, err, 400, "USERNAME_NOT_OCCUPIED")
	if full := simtest.Must(ann.UsersGetFullUser(simtest.Ctx, ann.User(bob)))(t); full.FullUser.CommonChatsCount != 1 {
		t.Errorf("full user: %+v", full.FullUser)
	}
	simtest.Must(ann.UsersGetFullUser(simtest.Ctx, ann.User(bot)))(t)
	full := simtest.Must(bob.ChannelsGetFullChannel(simtest.Ctx, bob.Channel(id)))(t).FullChat.(*tg.ChannelFull)
	if full.Pts != b.Channels[id].Pts || full.ParticipantsCount != 2 {
		t.Errorf("full channel: %+v", full)
	}
	page := simtest.Must(bob.ChannelsGetParticipants(simtest.Ctx, &tg.ChannelsGetParticipantsRequest{
		Channel: bob.Channel(id), Filter: &tg.ChannelParticipantsRecent{}, Offset: 1, Limit: 10,
	}))(t).(*tg.ChannelsChannelParticipants)
	if page.Count != 2 || len(page.Participants) != 1 {
		t.Errorf("participants: %+v", page)
	}
	_, err = bob.ChannelsGetParticipant(simtest.Ctx, &tg.ChannelsGetParticipantRequest{Channel: bob.Channel(id), Participant: bob.To(bot)})
	simtest.Refused(t, err, 400, "USER_NOT_PARTICIPANT")
	simtest.Must(bob.ChannelsGetChannels(simtest.Ctx, []tg.InputChannelClass{bob.Channel(id)}))(t)
	simtest.Must(bob.MessagesGetChats(simtest.Ctx, []int64{gid}))(t)
	_, err = bob.MessagesGetChats(simtest.Ctx, []int64{gid + 1})
	simtest.Refused(t, err, 400, "CHAT_ID_INVALID")
	peers := simtest.Must(bob.MessagesGetPeerDialogs(simtest.Ctx, []tg.InputDialogPeerClass{
		&tg.InputDialogPeer{Peer: &tg.InputPeerChat{ChatID: gid}}, &tg.InputDialogPeer{Peer: bob.InChannel(id)},
		&tg.InputDialogPeer{Peer: bob.To(ann)},
	}))(t)
	if len(peers.Dialogs) != 3 || len(peers.Messages) != 2 {
		t.Errorf("peer dialogs: %d, %d messages", len(peers.Dialogs), len(peers.Messages))
	}
}

func TestSignsOfLifeAreLiveOnly(t *testing.T) {
	b := simtest.New(t, model.Config{})
	ann, bob := b.Person("ann"), b.Person("bob")
	simtest.Must(ann.Write(ann.To(bob), "x"))(t)
	b.Rec.Take(bob.Key)
	n, pts := b.Ledger().Last(), b.Users[bob.ID].Box.Pts
	simtest.Must(ann.MessagesSetTyping(simtest.Ctx, &tg.MessagesSetTypingRequest{Peer: ann.To(bob), Action: &tg.SendMessageTypingAction{}}))(t)
	simtest.Must(ann.AccountUpdateStatus(simtest.Ctx, false))(t)
	if got := b.Rec.Take(bob.Key); len(got) != 2 {
		t.Errorf("got %d pushes", len(got))
	}
	if b.Ledger().Last() != n || b.Users[bob.ID].Box.Pts != pts {
		t.Error("they were counted as owed")
	}
}

func TestReadingAChannelTellsTheWriter(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	id := ann.NewChannel(false, bob)
	simtest.Must(ann.Write(ann.InChannel(id), "x"))(t)
	b.Rec.Take(ann.Key)
	if !simtest.Must(bob.ChannelsReadHistory(simtest.Ctx, &tg.ChannelsReadHistoryRequest{Channel: bob.Channel(id)}))(t) {
		t.Error("nothing was read")
	}
	u := b.Rec.Take(ann.Key)
	if len(u) != 1 || u[0].(*tg.Updates).Updates[0].TypeID() != tg.UpdateReadChannelOutboxTypeID {
		t.Errorf("writer got %v", u)
	}
	if simtest.Must(bob.ChannelsReadHistory(simtest.Ctx, &tg.ChannelsReadHistoryRequest{Channel: bob.Channel(id)}))(t) {
		t.Error("read twice")
	}
}

func TestRepliesPointIntoTheOwnersBox(t *testing.T) {
	b := simtest.New(t, model.Config{Plain: true})
	ann, bob := b.Person("ann"), b.Person("bob")
	simtest.Must(bob.Write(bob.To(bob), "shift"))(t)
	simtest.Must(ann.Write(ann.To(bob), "question"))(t)
	b.Rec.Take(ann.Key)
	q := &tg.MessagesSendMessageRequest{Peer: bob.To(ann), Message: "answer", RandomID: 77, ReplyTo: &tg.InputReplyToMessage{ReplyToMsgID: 2}}
	q.SetEntities([]tg.MessageEntityClass{&tg.MessageEntityBold{Offset: 0, Length: 6}})
	simtest.Must(bob.MessagesSendMessage(simtest.Ctx, q))(t)
	m := b.Rec.Take(ann.Key)[0].(*tg.Updates).Updates[0].(*tg.UpdateNewMessage).Message.(*tg.Message)
	if h, ok := m.ReplyTo.(*tg.MessageReplyHeader); !ok || h.ReplyToMsgID != 1 || len(m.Entities) != 1 {
		t.Errorf("got %+v", m.ReplyTo)
	}
	q.RandomID, q.ReplyTo = 78, &tg.InputReplyToMessage{ReplyToMsgID: 99}
	_, err := bob.MessagesSendMessage(simtest.Ctx, q)
	simtest.Refused(t, err, 400, "REPLY_MESSAGE_ID_INVALID")
	q = &tg.MessagesSendMessageRequest{Peer: bob.To(ann), Message: "answer", RandomID: 79}
	q.SetEntities([]tg.MessageEntityClass{&tg.MessageEntityBold{Offset: 3, Length: 6}})
	_, err = bob.MessagesSendMessage(simtest.Ctx, q)
	simtest.Refused(t, err, 400, "ENTITY_BOUNDS_INVALID")
}

// A min user can be reached by the message in which it was seen, and never by its hash.
func TestMinUserIsReachedByItsMessage(t *testing.T) {
	b := simtest.New(t, model.Config{Seed: 3})
	ann, bob := b.Person("ann"), b.Person("bob")
	id := ann.NewChannel(false, bob)
	b.Rec.Take(bob.Key)
	for range 100 {
		simtest.Must(ann.Write(ann.InChannel(id), "x"))(t)
		u := b.Rec.Take(bob.Key)[0].(*tg.Updates)
		seen := u.Users[0].(*tg.User)
		if !seen.Min {
			continue
		}
		_, err := bob.Write(&tg.InputPeerUser{UserID: seen.ID, AccessHash: seen.AccessHash}, "x")
		simtest.Refused(t, err, 400, "PEER_ID_INVALID")
		post := u.Updates[0].(*tg.UpdateNewChannelMessage).Message.GetID()
		simtest.Must(bob.Write(&tg.InputPeerUserFromMessage{Peer: bob.InChannel(id), MsgID: post, UserID: seen.ID}, "x"))(t)
		return
	}
	t.Error("no min user came")
}
