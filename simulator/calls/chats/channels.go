package chats

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

func createChannel(c *model.Call, q *tg.ChannelsCreateChannelRequest) (bin.Encoder, error) {
	if q.Title == "" {
		return nil, model.RPCError(400, "CHAT_TITLE_EMPTY")
	}
	if q.Forum && !q.Megagroup {
		return nil, model.RPCError(400, "CHANNEL_INVALID")
	}
	if len(c.User.Channels) >= model.MaxChannels {
		return nil, model.RPCError(400, "CHANNELS_TOO_MUCH")
	}
	ch := c.World.NewChannel(c.User, q.Title, !q.Megagroup)
	ch.About, ch.Forum = q.About, q.Forum
	if q.Forum {
		ch.Topics = map[int]*model.Topic{model.GeneralTopic: {ID: model.GeneralTopic, Title: "General", Creator: c.User.ID, Date: ch.Date}}
	}
	p := &model.Post{From: c.User.ID, To: ch.Peer(), Date: ch.Date, Action: &tg.MessageActionChannelCreate{Title: q.Title}}
	b := c.World.Publish(ch, p, c.User, c.Key)
	return c.World.Answer(b.Lead([]tg.UpdateClass{&tg.UpdateChannel{ChannelID: ch.ID}})), nil
}

// membershipChanged tells a user's sessions that their place in a channel is another one.
func membershipChanged(w *model.World, ch *model.Channel, u *model.User, actor int64, before tg.ChannelParticipantClass, except *model.Key) *model.Bundle {
	b := w.Bundle(u, &tg.UpdateChannel{ChannelID: ch.ID})
	b.Refs.Peer(ch.Peer())
	b.Seq = true
	w.SendTo(u, b, except)
	if u.Bot {
		participantQts(w, u, ch, actor, u.ID, before)
	}
	return b
}

// participantQts tells a bot that somebody's place in a channel is another one.
func participantQts(w *model.World, bot *model.User, ch *model.Channel, actor, user int64, before tg.ChannelParticipantClass) {
	w.AddQts(bot, model.KindParticipant, ch.Peer(), func(qts int) tg.UpdateClass {
		return &tg.UpdateChannelParticipant{
			ChannelID: ch.ID, Date: w.Now(), ActorID: actor, UserID: user, Qts: qts,
			PrevParticipant: before, NewParticipant: ch.Participant(user, 0),
		}
	}, actor, user)
}

// service writes a service message of the caller into a supergroup and returns the caller's updates.
func service(c *model.Call, ch *model.Channel, action tg.MessageActionClass, named ...int64) *model.Bundle {
	return serviceBy(c, c.User, ch, action, named...)
}

// serviceBy is service in the name of somebody else.
func serviceBy(c *model.Call, from *model.User, ch *model.Channel, action tg.MessageActionClass, named ...int64) *model.Bundle {
	p := &model.Post{From: from.ID, To: ch.Peer(), Date: c.World.Now(), Action: action, Named: named}
	return c.World.Publish(ch, p, from, c.Key)
}

func inviteToChannel(c *model.Call, q *tg.ChannelsInviteToChannelRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	me, admin := ch.Members[c.User.ID], ch.May(c.User.ID, model.InviteUsers)
	if me == nil || (ch.Broadcast || ch.Default.InviteUsers) && !admin {
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	}
	var added []*model.User
	for _, in := range q.Users {
		u, err := c.InputUser(in)
		if err != nil {
			return nil, err
		}
		if u.Bot && ch.Broadcast {
			return nil, model.RPCError(400, "USER_BOT")
		}
		if ban := c.World.BanOf(ch, u.Peer()); ban != nil && ban.Rights.ViewMessages {
			if !ch.May(c.User.ID, model.BanUsers) {
				return nil, model.RPCError(400, "USER_KICKED")
			}
			delete(ch.Bans, u.Peer())
		}
		if ch.Members[u.ID] == nil && !slices.Contains(added, u) {
			added = append(added, u)
		}
	}
	if len(added) == 0 {
		return nil, model.RPCError(400, "USER_ALREADY_PARTICIPANT")
	}
	var ids []int64
	for _, u := range added {
		ids = append(ids, u.ID)
		c.World.Enter(ch, u, c.User.ID)
		membershipChanged(c.World, ch, u, c.User.ID, nil, nil)
	}
	b := c.World.Bundle(c.User)
	b.Refs.Peer(ch.Peer())
	if !ch.Broadcast {
		p := &model.Post{
			From: c.User.ID, To: ch.Peer(), Date: c.World.Now(), Named: ids,
			Action: &tg.MessageActionChatAddUser{Users: ids},
		}
		b = c.World.Publish(ch, p, c.User, c.Key)
	}
	return &tg.MessagesInvitedUsers{Updates: c.World.Answer(b)}, nil
}

func joinChannel(c *model.Call, q *tg.ChannelsJoinChannelRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	if ch.Members[c.User.ID] != nil {
		return nil, model.RPCError(400, "USER_ALREADY_PARTICIPANT")
	}
	if len(c.User.Channels) >= model.MaxChannels {
		return nil, model.RPCError(400, "CHANNELS_TOO_MUCH")
	}
	if ch.Approval {
		return nil, entranceOf(c.World, ch.Peer()).ask(c, &model.Link{By: ch.Creator, Approval: true})
	}
	ban := ch.Bans[c.User.Peer()]
	delete(ch.Bans, c.User.Peer())
	c.World.Enter(ch, c.User, c.User.ID)
	ch.Members[c.User.ID].Restricted = ban
	b := membershipChanged(c.World, ch, c.User, c.User.ID, nil, c.Key)
	if !ch.Broadcast {
		p := &model.Post{
			From: c.User.ID, To: ch.Peer(), Date: c.World.Now(),
			Action: &tg.MessageActionChatAddUser{Users: []int64{c.User.ID}}, Named: []int64{c.User.ID},
		}
		b.Updates = append(b.Updates, c.World.Publish(ch, p, c.User, c.Key).Updates...)
		b.Refs.Post(p, ch.Peer())
	}
	return &tg.MessagesChatInviteJoinResultOk{Updates: c.World.Answer(b)}, nil
}

func leaveChannel(c *model.Call, q *tg.ChannelsLeaveChannelRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	switch {
	case ch.Members[c.User.ID] == nil:
		return nil, model.RPCError(400, "USER_NOT_PARTICIPANT")
	case ch.Creator == c.User.ID:
		return nil, model.RPCError(400, "USER_CREATOR")
	}
	before := ch.Participant(c.User.ID, 0)
	c.World.Leave(ch, c.User)
	if !ch.Broadcast {
		c.World.Publish(ch, &model.Post{
			From: c.User.ID, To: ch.Peer(), Date: c.World.Now(),
			Action: &tg.MessageActionChatDeleteUser{UserID: c.User.ID}, Named: []int64{c.User.ID},
		}, c.User, c.Key)
	}
	return c.World.Answer(membershipChanged(c.World, ch, c.User, c.User.ID, before, c.Key)), nil
}

func toggleJoinRequest(c *model.Call, q *tg.ChannelsToggleJoinRequestRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	switch {
	case err != nil:
		return nil, err
	case !ch.May(c.User.ID, model.BanUsers):
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	case ch.Username == "":
		return nil, model.RPCError(400, "CHAT_PUBLIC_REQUIRED")
	case ch.Approval == q.Enabled:
		return nil, model.RPCError(400, "CHAT_NOT_MODIFIED")
	}
	ch.Approval = q.Enabled
	b := c.World.Bundle(c.User, &tg.UpdateChannel{ChannelID: ch.ID})
	b.Refs.Peer(ch.Peer())
	return c.World.Answer(b), nil
}

func updateChannelUsername(c *model.Call, q *tg.ChannelsUpdateUsernameRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	if ch.Creator != c.User.ID {
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	}
	if q.Username == ch.Username {
		return nil, model.RPCError(400, "USERNAME_NOT_MODIFIED")
	}
	if q.Username != "" {
		if !model.UsernamePattern.MatchString(q.Username) {
			return nil, model.RPCError(400, "USERNAME_INVALID")
		}
		if owner, taken := c.World.Usernames[model.Fold(q.Username)]; taken && owner != ch.Peer() {
			return nil, model.RPCError(400, "USERNAME_OCCUPIED")
		}
	}
	delete(c.World.Usernames, model.Fold(ch.Username))
	if ch.Username = q.Username; q.Username != "" {
		c.World.Usernames[model.Fold(q.Username)] = ch.Peer()
	}
	return &tg.BoolTrue{}, nil
}

func getChannels(c *model.Call, q *tg.ChannelsGetChannelsRequest) (bin.Encoder, error) {
	out := &tg.MessagesChats{}
	for _, in := range q.ID {
		ch, err := c.InputChannel(in)
		if err != nil {
			return nil, err
		}
		out.Chats = append(out.Chats, c.World.ViewChannel(c.User, ch, false))
	}
	return out, nil
}

func getFullChannel(c *model.Call, q *tg.ChannelsGetFullChannelRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	m := ch.Members[c.User.ID]
	full := &tg.ChannelFull{
		ID: ch.ID, About: ch.About, ChatPhoto: model.FullPhoto(ch.Photo, c.User.ID), Pts: ch.Pts,
		CanViewParticipants: !ch.Broadcast || m != nil && m.Admin, ReadOutboxMaxID: ch.ReadOut[c.User.ID],
	}
	full.SetParticipantsCount(len(ch.Members))
	if m != nil {
		full.ReadInboxMaxID, full.UnreadCount = m.ReadIn, ch.Unread(c.User.ID, m)
	}
	r := model.NewRefs(c.World, c.User)
	r.Peer(ch.Peer())
	return &tg.MessagesChatFull{FullChat: full, Chats: r.TLChats(), Users: r.TLUsers()}, nil
}
