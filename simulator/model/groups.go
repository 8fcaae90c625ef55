package model

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// group is a basic group.
type group struct {
	id, creator int64
	title       string
	date        int
	version     int
	members     map[int64]*member
	order       []int64        // members in order of joining
	known       map[int64]bool // who may name the group: present and former members
}

// member is somebody's place in a group or channel.
type member struct {
	inviter int64
	date    int
	admin   bool
	readIn  int // channels only
}

func (w *World) registerGroups() {
	on(w, userOnly, (*call).createChat)
	on(w, userOnly, (*call).addChatUser)
	on(w, 0, (*call).deleteChatUser)
	on(w, 0, (*call).getFullChat)
	on(w, 0, (*call).getChats)
}

func (w *World) viewGroup(viewer *user, g *group) tg.ChatClass {
	c := &tg.Chat{
		ID: g.id, Title: g.title, Photo: &tg.ChatPhotoEmpty{}, ParticipantsCount: len(g.members),
		Date: g.date, Version: g.version, Creator: g.creator == viewer.id,
		Left: g.members[viewer.id] == nil,
	}
	c.SetDefaultBannedRights(tg.ChatBannedRights{UntilDate: unlimitedHours})
	return c
}

func (g *group) participant(id int64) tg.ChatParticipantClass {
	m := g.members[id]
	switch {
	case m == nil:
		return nil
	case id == g.creator:
		return &tg.ChatParticipantCreator{UserID: id}
	case m.admin:
		return &tg.ChatParticipantAdmin{UserID: id, InviterID: m.inviter, Date: m.date}
	default:
		return &tg.ChatParticipant{UserID: id, InviterID: m.inviter, Date: m.date}
	}
}

func (g *group) participants() *tg.ChatParticipants {
	out := &tg.ChatParticipants{ChatID: g.id, Version: g.version}
	for _, id := range g.order {
		out.Participants = append(out.Participants, g.participant(id))
	}
	return out
}

func (g *group) add(id, inviter int64, date int) {
	g.members[id] = &member{inviter: inviter, date: date}
	g.order = append(g.order, id)
	g.known[id] = true
	g.version++
}

func (c *call) createChat(q *tg.MessagesCreateChatRequest) (bin.Encoder, error) {
	if q.Title == "" {
		return nil, rpcError(400, "CHAT_TITLE_EMPTY")
	}
	var ids []int64
	for _, in := range q.Users {
		u, err := c.inputUser(in)
		if err != nil {
			return nil, err
		}
		if u != c.user && !slices.Contains(ids, u.id) {
			ids = append(ids, u.id)
		}
	}
	if len(ids) == 0 {
		return nil, rpcError(400, "USERS_TOO_FEW")
	}
	if len(ids) >= maxGroup {
		return nil, rpcError(400, "USERS_TOO_MUCH")
	}
	now := c.w.now()
	c.w.lastGroup += 1 + c.w.rng.Int64N(1000)
	g := &group{
		id: c.w.lastGroup, creator: c.user.id, title: q.Title, date: now,
		members: map[int64]*member{}, known: map[int64]bool{},
	}
	c.w.groups[g.id] = g
	for _, id := range append([]int64{c.user.id}, ids...) {
		g.add(id, c.user.id, now)
	}
	b := c.announce(g, &tg.MessageActionChatCreate{Title: q.Title, Users: append([]int64{c.user.id}, ids...)}, ids)
	for _, id := range ids {
		c.groupQts(g, id, nil)
	}
	return &tg.MessagesInvitedUsers{Updates: c.w.answer(b)}, nil
}

// announce writes a service message into a group and tells its members who they are now.
func (c *call) announce(g *group, action tg.MessageActionClass, named []int64) *bundle {
	p := &post{
		from: c.user.id, to: peer{kindGroup, g.id}, date: c.w.now(),
		action: action, named: named, copies: map[int64]int{},
	}
	b, _ := c.w.deliver(p, c.key, &tg.UpdateChatParticipants{Participants: g.participants()})
	return b
}

// groupQts tells a bot that its own place in a group has changed.
func (c *call) groupQts(g *group, id int64, before tg.ChatParticipantClass) {
	u := c.w.users[id]
	if !u.bot {
		return
	}
	c.w.addQts(u, peer{kindGroup, g.id}, func(qts int) tg.UpdateClass {
		out := &tg.UpdateChatParticipant{ChatID: g.id, Date: c.w.now(), ActorID: c.user.id, UserID: id, Qts: qts}
		out.PrevParticipant, out.NewParticipant = before, g.participant(id)
		return out
	}, c.user.id, id)
}

func (c *call) myGroup(id int64) (*group, error) {
	g := c.w.groups[id]
	if g == nil || !g.known[c.user.id] {
		return nil, rpcError(400, "CHAT_ID_INVALID")
	}
	return g, nil
}

func (c *call) addChatUser(q *tg.MessagesAddChatUserRequest) (bin.Encoder, error) {
	g, err := c.myGroup(q.ChatID)
	if err != nil {
		return nil, err
	}
	u, err := c.inputUser(q.UserID)
	if err != nil {
		return nil, err
	}
	switch {
	case g.members[u.id] != nil:
		return nil, rpcError(400, "USER_ALREADY_PARTICIPANT")
	case g.members[c.user.id] == nil && u != c.user:
		return nil, rpcError(403, "CHAT_WRITE_FORBIDDEN")
	case len(g.members) >= maxGroup:
		return nil, rpcError(400, "USERS_TOO_MUCH")
	}
	g.add(u.id, c.user.id, c.w.now())
	b := c.announce(g, &tg.MessageActionChatAddUser{Users: []int64{u.id}}, []int64{u.id})
	c.groupQts(g, u.id, nil)
	return &tg.MessagesInvitedUsers{Updates: c.w.answer(b)}, nil
}

func (c *call) deleteChatUser(q *tg.MessagesDeleteChatUserRequest) (bin.Encoder, error) {
	g, err := c.myGroup(q.ChatID)
	if err != nil {
		return nil, err
	}
	u, err := c.inputUser(q.UserID)
	if err != nil {
		return nil, err
	}
	m := g.members[u.id]
	switch {
	case m == nil:
		return nil, rpcError(400, "USER_NOT_PARTICIPANT")
	case u != c.user && c.user.id != g.creator && c.user.id != m.inviter:
		return nil, rpcError(400, "CHAT_ADMIN_REQUIRED")
	}
	before := g.participant(u.id)
	// The removed member still gets the message that says so.
	p := &post{
		from: c.user.id, to: peer{kindGroup, g.id}, date: c.w.now(), named: []int64{u.id},
		action: &tg.MessageActionChatDeleteUser{UserID: u.id}, copies: map[int64]int{},
	}
	delete(g.members, u.id)
	g.version++
	b, _ := c.w.deliver(p, c.key)
	g.order = slices.DeleteFunc(g.order, func(id int64) bool { return id == u.id })
	c.groupQts(g, u.id, before)
	return c.w.answer(b), nil
}

func (c *call) getFullChat(q *tg.MessagesGetFullChatRequest) (bin.Encoder, error) {
	g, err := c.myGroup(q.ChatID)
	if err != nil {
		return nil, err
	}
	full := &tg.ChatFull{ID: g.id, Participants: &tg.ChatParticipantsForbidden{ChatID: g.id}}
	r := newRefs(c.w, c.user)
	r.peer(peer{kindGroup, g.id})
	if g.members[c.user.id] != nil {
		full.Participants = g.participants()
		for _, id := range g.order {
			r.user(id)
		}
	}
	return &tg.MessagesChatFull{FullChat: full, Chats: r.tlChats(), Users: r.tlUsers()}, nil
}

func (c *call) getChats(q *tg.MessagesGetChatsRequest) (bin.Encoder, error) {
	out := &tg.MessagesChats{}
	for _, id := range q.ID {
		g, err := c.myGroup(id)
		if err != nil {
			return nil, err
		}
		out.Chats = append(out.Chats, c.w.viewGroup(c.user, g))
	}
	return out, nil
}
