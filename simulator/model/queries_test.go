package model

import (
	"testing"

	"github.com/gotd/td/tg"
)

func TestConfigListsThisSimulator(t *testing.T) {
	b := newBench(t, Config{})
	s := b.session(2) // nobody is logged in
	cfg := must(s.HelpGetConfig(ctx))(t)
	if cfg.ThisDC != 2 || len(cfg.DCOptions) != 2 || cfg.DCOptions[1].Port != 2 {
		t.Errorf("got %+v", cfg)
	}
	if n := must(s.HelpGetNearestDC(ctx))(t); n.NearestDC != 2 {
		t.Errorf("got %+v", n)
	}
	must(s.HelpGetAppConfig(ctx, 0))(t)
}

func TestPeersAreShown(t *testing.T) {
	b := newBench(t, Config{})
	ann, bob, bot := b.person("ann"), b.person("bob"), b.robot("bot")
	id, gid := ann.newChannel(false, bob), ann.newGroup(bob, bot)
	self := must(ann.UsersGetUsers(ctx, []tg.InputUserClass{&tg.InputUserSelf{}}))(t)[0].(*tg.User)
	if !self.Self || self.Phone == "" {
		t.Errorf("self: %+v", self)
	}
	found := must(ann.ContactsResolvePhone(ctx, "+15550002"))(t).Users[0].(*tg.User)
	if found.ID != bob.id || found.Phone != "" || found.AccessHash == 0 {
		t.Errorf("by phone: %+v", found)
	}
	_, err := ann.ContactsResolvePhone(ctx, "+15551234")
	refused(t, err, 400, "PHONE_NOT_OCCUPIED")
	_, err = ann.ContactsResolveUsername(ctx, &tg.ContactsResolveUsernameRequest{Username: "nobody_here"})
	refused(t, err, 400, "USERNAME_NOT_OCCUPIED")
	if full := must(ann.UsersGetFullUser(ctx, ann.user(bob)))(t); full.FullUser.CommonChatsCount != 1 {
		t.Errorf("full user: %+v", full.FullUser)
	}
	must(ann.UsersGetFullUser(ctx, ann.user(bot)))(t)
	full := must(bob.ChannelsGetFullChannel(ctx, bob.channel(id)))(t).FullChat.(*tg.ChannelFull)
	if full.Pts != b.channels[id].pts || full.ParticipantsCount != 2 {
		t.Errorf("full channel: %+v", full)
	}
	page := must(bob.ChannelsGetParticipants(ctx, &tg.ChannelsGetParticipantsRequest{
		Channel: bob.channel(id), Filter: &tg.ChannelParticipantsRecent{}, Offset: 1, Limit: 10,
	}))(t).(*tg.ChannelsChannelParticipants)
	if page.Count != 2 || len(page.Participants) != 1 {
		t.Errorf("participants: %+v", page)
	}
	_, err = bob.ChannelsGetParticipant(ctx, &tg.ChannelsGetParticipantRequest{Channel: bob.channel(id), Participant: bob.to(bot)})
	refused(t, err, 400, "USER_NOT_PARTICIPANT")
	must(bob.ChannelsGetChannels(ctx, []tg.InputChannelClass{bob.channel(id)}))(t)
	must(bob.MessagesGetChats(ctx, []int64{gid}))(t)
	_, err = bob.MessagesGetChats(ctx, []int64{gid + 1})
	refused(t, err, 400, "CHAT_ID_INVALID")
	peers := must(bob.MessagesGetPeerDialogs(ctx, []tg.InputDialogPeerClass{
		&tg.InputDialogPeer{Peer: &tg.InputPeerChat{ChatID: gid}}, &tg.InputDialogPeer{Peer: bob.inChannel(id)},
		&tg.InputDialogPeer{Peer: bob.to(ann)},
	}))(t)
	if len(peers.Dialogs) != 3 || len(peers.Messages) != 2 {
		t.Errorf("peer dialogs: %d, %d messages", len(peers.Dialogs), len(peers.Messages))
	}
}

func TestSignsOfLifeAreLiveOnly(t *testing.T) {
	b := newBench(t, Config{})
	ann, bob := b.person("ann"), b.person("bob")
	must(ann.write(ann.to(bob), "x"))(t)
	b.rec.take(bob.key)
	n, pts := b.Ledger().Last(), b.users[bob.id].box.pts
	must(ann.MessagesSetTyping(ctx, &tg.MessagesSetTypingRequest{Peer: ann.to(bob), Action: &tg.SendMessageTypingAction{}}))(t)
	must(ann.AccountUpdateStatus(ctx, false))(t)
	if got := b.rec.take(bob.key); len(got) != 2 {
		t.Errorf("got %d pushes", len(got))
	}
	if b.Ledger().Last() != n || b.users[bob.id].box.pts != pts {
		t.Error("they were counted as owed")
	}
}

func TestReadingAChannelTellsTheWriter(t *testing.T) {
	b := newBench(t, Config{Plain: true})
	ann, bob := b.person("ann"), b.person("bob")
	id := ann.newChannel(false, bob)
	must(ann.write(ann.inChannel(id), "x"))(t)
	b.rec.take(ann.key)
	if !must(bob.ChannelsReadHistory(ctx, &tg.ChannelsReadHistoryRequest{Channel: bob.channel(id)}))(t) {
		t.Error("nothing was read")
	}
	u := b.rec.take(ann.key)
	if len(u) != 1 || u[0].(*tg.Updates).Updates[0].TypeID() != tg.UpdateReadChannelOutboxTypeID {
		t.Errorf("writer got %v", u)
	}
	if must(bob.ChannelsReadHistory(ctx, &tg.ChannelsReadHistoryRequest{Channel: bob.channel(id)}))(t) {
		t.Error("read twice")
	}
}

func TestRepliesPointIntoTheOwnersBox(t *testing.T) {
	b := newBench(t, Config{Plain: true})
	ann, bob := b.person("ann"), b.person("bob")
	must(bob.write(bob.to(bob), "shift"))(t)
	must(ann.write(ann.to(bob), "question"))(t)
	b.rec.take(ann.key)
	q := &tg.MessagesSendMessageRequest{Peer: bob.to(ann), Message: "answer", RandomID: 77, ReplyTo: &tg.InputReplyToMessage{ReplyToMsgID: 2}}
	q.SetEntities([]tg.MessageEntityClass{&tg.MessageEntityBold{Offset: 0, Length: 6}})
	must(bob.MessagesSendMessage(ctx, q))(t)
	m := b.rec.take(ann.key)[0].(*tg.Updates).Updates[0].(*tg.UpdateNewMessage).Message.(*tg.Message)
	if h, ok := m.ReplyTo.(*tg.MessageReplyHeader); !ok || h.ReplyToMsgID != 1 || len(m.Entities) != 1 {
		t.Errorf("got %+v", m.ReplyTo)
	}
	q.RandomID, q.ReplyTo = 78, &tg.InputReplyToMessage{ReplyToMsgID: 99}
	_, err := bob.MessagesSendMessage(ctx, q)
	refused(t, err, 400, "REPLY_MESSAGE_ID_INVALID")
	q = &tg.MessagesSendMessageRequest{Peer: bob.to(ann), Message: "answer", RandomID: 79}
	q.SetEntities([]tg.MessageEntityClass{&tg.MessageEntityBold{Offset: 3, Length: 6}})
	_, err = bob.MessagesSendMessage(ctx, q)
	refused(t, err, 400, "ENTITY_BOUNDS_INVALID")
}

// A min user can be reached by the message in which it was seen, and never by its hash.
func TestMinUserIsReachedByItsMessage(t *testing.T) {
	b := newBench(t, Config{Seed: 3})
	ann, bob := b.person("ann"), b.person("bob")
	id := ann.newChannel(false, bob)
	b.rec.take(bob.key)
	for range 100 {
		must(ann.write(ann.inChannel(id), "x"))(t)
		u := b.rec.take(bob.key)[0].(*tg.Updates)
		seen := u.Users[0].(*tg.User)
		if !seen.Min {
			continue
		}
		_, err := bob.write(&tg.InputPeerUser{UserID: seen.ID, AccessHash: seen.AccessHash}, "x")
		refused(t, err, 400, "PEER_ID_INVALID")
		post := u.Updates[0].(*tg.UpdateNewChannelMessage).Message.GetID()
		must(bob.write(&tg.InputPeerUserFromMessage{Peer: bob.inChannel(id), MsgID: post, UserID: seen.ID}, "x"))(t)
		return
	}
	t.Error("no min user came")
}
