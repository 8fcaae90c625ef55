package model

import (
	"slices"
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// channel is a channel (broadcast) or a supergroup.
type channel struct {
	id, creator  int64
	title, about string
	username     string
	broadcast    bool
	date         int
	members      map[int64]*member
	order        []int64 // members in order of joining
	pts          int
	lastID       int
	posts        map[int]*post
	ids          []int // of posts that still exist, ascending
	events       []event
	changed      int           // date of the last change
	readOut      map[int64]int // by writer: last own post that somebody has read
}

const maxChannels = 500 // of one account

func (w *World) registerChannels() {
	on(w, userOnly, (*call).createChannel)
	on(w, userOnly, (*call).inviteToChannel)
	on(w, userOnly, (*call).joinChannel)
	on(w, 0, (*call).leaveChannel)
	on(w, userOnly, (*call).updateChannelUsername)
	on(w, 0, (*call).getChannels)
	on(w, 0, (*call).getFullChannel)
	on(w, 0, (*call).getParticipants)
	on(w, 0, (*call).getParticipant)
	on(w, 0, (*call).deleteChannelMessages)
	on(w, userOnly, (*call).readChannelHistory)
}

func (ch *channel) peer() peer { return peer{kindChannel, ch.id} }

func (w *World) viewChannel(viewer *user, ch *channel, min bool) tg.ChatClass {
	m := ch.members[viewer.id]
	c := &tg.Channel{
		ID: ch.id, Title: ch.title, Username: ch.username, Photo: &tg.ChatPhotoEmpty{}, Date: ch.date,
		Broadcast: ch.broadcast, Megagroup: !ch.broadcast,
	}
	if min {
		c.Min = true
		c.SetAccessHash(w.minHash(viewer.id, ch.peer()))
		return c
	}
	if m == nil && ch.username == "" {
		return &tg.ChannelForbidden{
			Broadcast: ch.broadcast, Megagroup: !ch.broadcast, ID: ch.id,
			AccessHash: w.accessHash(viewer.id, ch.peer()), Title: ch.title,
		}
	}
	c.Creator, c.Left = ch.creator == viewer.id, m == nil
	c.SetAccessHash(w.accessHash(viewer.id, ch.peer()))
	if m != nil && m.admin {
		c.SetAdminRights(allRights())
	}
	if !ch.broadcast {
		c.SetDefaultBannedRights(tg.ChatBannedRights{UntilDate: unlimitedHours})
	}
	c.SetParticipantsCount(len(ch.members))
	return c
}

func allRights() tg.ChatAdminRights {
	return tg.ChatAdminRights{
		ChangeInfo: true, PostMessages: true, EditMessages: true, DeleteMessages: true, BanUsers: true,
		InviteUsers: true, PinMessages: true, AddAdmins: true, ManageCall: true, Other: true,
	}
}

func (c *call) createChannel(q *tg.ChannelsCreateChannelRequest) (bin.Encoder, error) {
	if q.Title == "" {
		return nil, rpcError(400, "CHAT_TITLE_EMPTY")
	}
	if q.Forum {
		return nil, rpcError(400, "INPUT_METHOD_INVALID_channels.createChannel: forum is not modelled")
	}
	if len(c.user.channels) >= maxChannels {
		return nil, rpcError(400, "CHANNELS_TOO_MUCH")
	}
	c.w.lastChannel += 1 + c.w.rng.Int64N(1000)
	ch := &channel{
		id: c.w.lastChannel, creator: c.user.id, title: q.Title, about: q.About,
		broadcast: !q.Megagroup, date: c.w.now(), pts: 1,
		members: map[int64]*member{}, posts: map[int]*post{}, readOut: map[int64]int{},
	}
	c.w.channels[ch.id] = ch
	c.w.enter(ch, c.user, c.user.id)
	ch.members[c.user.id].admin = true
	p := &post{from: c.user.id, to: ch.peer(), date: ch.date, action: &tg.MessageActionChannelCreate{Title: q.Title}}
	b := c.w.publish(ch, p, c.key, 0)
	return c.w.answer(b.lead([]tg.UpdateClass{&tg.UpdateChannel{ChannelID: ch.id}})), nil
}

// enter makes a user a member.
func (w *World) enter(ch *channel, u *user, inviter int64) {
	ch.members[u.id] = &member{inviter: inviter, date: w.now(), readIn: ch.lastID}
	ch.order = append(ch.order, u.id)
	u.channels[ch.id] = ch
	w.dialog(u, ch.peer()).since = w.now()
}

// leave ends a membership.
func (w *World) leave(ch *channel, u *user) {
	delete(ch.members, u.id)
	delete(u.channels, ch.id)
	delete(u.dialogs, ch.peer())
	ch.order = slices.DeleteFunc(ch.order, func(id int64) bool { return id == u.id })
}

// membershipChanged tells a user's sessions that their place in a channel is another one.
func (w *World) membershipChanged(ch *channel, u *user, actor int64, before tg.ChannelParticipantClass, except *authKey) *bundle {
	b := w.bundle(u, &tg.UpdateChannel{ChannelID: ch.id})
	b.refs.peer(ch.peer())
	b.seq = true
	w.sendTo(u, b, except)
	if u.bot {
		w.addQts(u, ch.peer(), func(qts int) tg.UpdateClass {
			return &tg.UpdateChannelParticipant{
				ChannelID: ch.id, Date: w.now(), ActorID: actor, UserID: u.id, Qts: qts,
				PrevParticipant: before, NewParticipant: ch.participant(u.id, 0),
			}
		}, actor, u.id)
	}
	return b
}

func (c *call) inviteToChannel(q *tg.ChannelsInviteToChannelRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	me := ch.members[c.user.id]
	if me == nil || ch.broadcast && !me.admin {
		return nil, rpcError(400, "CHAT_ADMIN_REQUIRED")
	}
	var added []*user
	for _, in := range q.Users {
		u, err := c.inputUser(in)
		if err != nil {
			return nil, err
		}
		if u.bot && ch.broadcast {
			return nil, rpcError(400, "USER_BOT")
		}
		if ch.members[u.id] == nil && !slices.Contains(added, u) {
			added = append(added, u)
		}
	}
	if len(added) == 0 {
		return nil, rpcError(400, "USER_ALREADY_PARTICIPANT")
	}
	var ids []int64
	for _, u := range added {
		ids = append(ids, u.id)
		c.w.enter(ch, u, c.user.id)
		c.w.membershipChanged(ch, u, c.user.id, nil, nil)
	}
	b := c.w.bundle(c.user)
	b.refs.peer(ch.peer())
	if !ch.broadcast {
		p := &post{
			from: c.user.id, to: ch.peer(), date: c.w.now(), named: ids,
			action: &tg.MessageActionChatAddUser{Users: ids},
		}
		b = c.w.publish(ch, p, c.key, 0)
	}
	return &tg.MessagesInvitedUsers{Updates: c.w.answer(b)}, nil
}

func (c *call) joinChannel(q *tg.ChannelsJoinChannelRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	if ch.members[c.user.id] != nil {
		return nil, rpcError(400, "USER_ALREADY_PARTICIPANT")
	}
	if len(c.user.channels) >= maxChannels {
		return nil, rpcError(400, "CHANNELS_TOO_MUCH")
	}
	c.w.enter(ch, c.user, c.user.id)
	b := c.w.membershipChanged(ch, c.user, c.user.id, nil, c.key)
	if !ch.broadcast {
		p := &post{
			from: c.user.id, to: ch.peer(), date: c.w.now(),
			action: &tg.MessageActionChatAddUser{Users: []int64{c.user.id}}, named: []int64{c.user.id},
		}
		b.updates = append(b.updates, c.w.publish(ch, p, c.key, 0).updates...)
		b.refs.post(p, ch.peer())
	}
	return &tg.MessagesChatInviteJoinResultOk{Updates: c.w.answer(b)}, nil
}

func (c *call) leaveChannel(q *tg.ChannelsLeaveChannelRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	switch {
	case ch.members[c.user.id] == nil:
		return nil, rpcError(400, "USER_NOT_PARTICIPANT")
	case ch.creator == c.user.id:
		return nil, rpcError(400, "USER_CREATOR")
	}
	before := ch.participant(c.user.id, 0)
	c.w.leave(ch, c.user)
	if !ch.broadcast {
		c.w.publish(ch, &post{
			from: c.user.id, to: ch.peer(), date: c.w.now(),
			action: &tg.MessageActionChatDeleteUser{UserID: c.user.id}, named: []int64{c.user.id},
		}, c.key, 0)
	}
	return c.w.answer(c.w.membershipChanged(ch, c.user, c.user.id, before, c.key)), nil
}

func (c *call) updateChannelUsername(q *tg.ChannelsUpdateUsernameRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	if ch.creator != c.user.id {
		return nil, rpcError(400, "CHAT_ADMIN_REQUIRED")
	}
	if q.Username == ch.username {
		return nil, rpcError(400, "USERNAME_NOT_MODIFIED")
	}
	if q.Username != "" {
		if !usernamePattern.MatchString(q.Username) {
			return nil, rpcError(400, "USERNAME_INVALID")
		}
		if owner, taken := c.w.usernames[fold(q.Username)]; taken && owner != ch.peer() {
			return nil, rpcError(400, "USERNAME_OCCUPIED")
		}
	}
	delete(c.w.usernames, fold(ch.username))
	if ch.username = q.Username; q.Username != "" {
		c.w.usernames[fold(q.Username)] = ch.peer()
	}
	return &tg.BoolTrue{}, nil
}

func (c *call) getChannels(q *tg.ChannelsGetChannelsRequest) (bin.Encoder, error) {
	out := &tg.MessagesChats{}
	for _, in := range q.ID {
		ch, err := c.inputChannel(in)
		if err != nil {
			return nil, err
		}
		out.Chats = append(out.Chats, c.w.viewChannel(c.user, ch, false))
	}
	return out, nil
}

func (c *call) getFullChannel(q *tg.ChannelsGetFullChannelRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	m := ch.members[c.user.id]
	full := &tg.ChannelFull{
		ID: ch.id, About: ch.about, ChatPhoto: &tg.PhotoEmpty{}, Pts: ch.pts,
		CanViewParticipants: !ch.broadcast || m != nil && m.admin, ReadOutboxMaxID: ch.readOut[c.user.id],
	}
	full.SetParticipantsCount(len(ch.members))
	if m != nil {
		full.ReadInboxMaxID, full.UnreadCount = m.readIn, ch.unread(c.user.id, m)
	}
	r := newRefs(c.w, c.user)
	r.peer(ch.peer())
	return &tg.MessagesChatFull{FullChat: full, Chats: r.tlChats(), Users: r.tlUsers()}, nil
}

// participant renders a member as the viewer sees it; nil if there is none.
func (ch *channel) participant(id, viewer int64) tg.ChannelParticipantClass {
	m := ch.members[id]
	switch {
	case m == nil:
		return nil
	case id == ch.creator:
		return &tg.ChannelParticipantCreator{UserID: id, AdminRights: allRights()}
	case m.admin:
		return &tg.ChannelParticipantAdmin{
			Self: id == viewer, UserID: id, PromotedBy: ch.creator, Date: m.date, AdminRights: allRights(),
		}
	case id == viewer:
		return &tg.ChannelParticipantSelf{UserID: id, InviterID: m.inviter, Date: m.date}
	default:
		return &tg.ChannelParticipant{UserID: id, Date: m.date}
	}
}

func (c *call) getParticipants(q *tg.ChannelsGetParticipantsRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	if me := ch.members[c.user.id]; ch.broadcast && (me == nil || !me.admin) {
		return nil, rpcError(400, "CHAT_ADMIN_REQUIRED")
	}
	var ids []int64
	for _, id := range ch.order {
		u, fits := c.w.users[id], true
		switch f := q.Filter.(type) {
		case *tg.ChannelParticipantsRecent:
		case *tg.ChannelParticipantsAdmins:
			fits = ch.members[id].admin
		case *tg.ChannelParticipantsBots:
			fits = u.bot
		case *tg.ChannelParticipantsSearch:
			fits = strings.Contains(fold(u.first+" "+u.last+" "+u.username), fold(f.Q))
		default:
			fits = false
		}
		if fits {
			ids = append(ids, id)
		}
	}
	out := &tg.ChannelsChannelParticipants{Count: len(ids)}
	r := newRefs(c.w, c.user)
	r.peer(ch.peer())
	from := min(max(q.Offset, 0), len(ids))
	for _, id := range ids[from:min(len(ids), from+min(max(q.Limit, 0), 200))] {
		out.Participants = append(out.Participants, ch.participant(id, c.user.id))
		r.user(id)
	}
	out.Chats, out.Users = r.tlChats(), r.tlUsers()
	return out, nil
}

func (c *call) getParticipant(q *tg.ChannelsGetParticipantRequest) (bin.Encoder, error) {
	ch, err := c.inputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	p, err := c.peer(q.Participant)
	if err != nil {
		return nil, err
	}
	if p.kind != kindUser || ch.members[p.id] == nil {
		return nil, rpcError(400, "USER_NOT_PARTICIPANT")
	}
	r := newRefs(c.w, c.user)
	r.peer(ch.peer())
	r.user(p.id)
	return &tg.ChannelsChannelParticipant{
		Participant: ch.participant(p.id, c.user.id), Chats: r.tlChats(), Users: r.tlUsers(),
	}, nil
}
