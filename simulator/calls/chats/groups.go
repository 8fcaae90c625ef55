package chats

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

func createChat(c *model.Call, q *tg.MessagesCreateChatRequest) (bin.Encoder, error) {
	if q.Title == "" {
		return nil, model.RPCError(400, "CHAT_TITLE_EMPTY")
	}
	var ids []int64
	for _, in := range q.Users {
		u, err := c.InputUser(in)
		if err != nil {
			return nil, err
		}
		if u != c.User && !slices.Contains(ids, u.ID) {
			ids = append(ids, u.ID)
		}
	}
	if len(ids) == 0 {
		return nil, model.RPCError(400, "USERS_TOO_FEW")
	}
	if len(ids) >= model.MaxGroup {
		return nil, model.RPCError(400, "USERS_TOO_MUCH")
	}
	now, g := c.World.Now(), c.World.NewGroup(c.User, q.Title)
	for _, id := range append([]int64{c.User.ID}, ids...) {
		g.Add(id, c.User.ID, now)
	}
	b := announce(c, g, &tg.MessageActionChatCreate{Title: q.Title, Users: append([]int64{c.User.ID}, ids...)}, ids)
	for _, id := range ids {
		groupQts(c, g, id, nil)
	}
	return &tg.MessagesInvitedUsers{Updates: c.World.Answer(b)}, nil
}

// announce writes a service message into a group and tells its members who they are now.
func announce(c *model.Call, g *model.Group, action tg.MessageActionClass, named []int64) *model.Bundle {
	return announceBy(c, c.User, g, action, named)
}

// announceBy is announce in the name of somebody else.
func announceBy(c *model.Call, from *model.User, g *model.Group, action tg.MessageActionClass, named []int64) *model.Bundle {
	p := &model.Post{
		From: from.ID, To: model.GroupPeer(g.ID), Date: c.World.Now(),
		Action: action, Named: named, Copies: map[int64]int{},
	}
	b, _ := c.World.Deliver(p, c.Key, &tg.UpdateChatParticipants{Participants: g.Participants()})
	return b
}

// groupQts tells a bot that its own place in a group has changed.
func groupQts(c *model.Call, g *model.Group, id int64, before tg.ChatParticipantClass) {
	u := c.World.Users[id]
	if !u.Bot {
		return
	}
	c.World.AddQts(u, model.KindParticipant, model.GroupPeer(g.ID), func(qts int) tg.UpdateClass {
		out := &tg.UpdateChatParticipant{ChatID: g.ID, Date: c.World.Now(), ActorID: c.User.ID, UserID: id, Qts: qts}
		out.PrevParticipant, out.NewParticipant = before, g.Participant(id)
		return out
	}, c.User.ID, id)
}

func addChatUser(c *model.Call, q *tg.MessagesAddChatUserRequest) (bin.Encoder, error) {
	g, err := c.InputGroup(q.ChatID)
	if err != nil {
		return nil, err
	}
	u, err := c.InputUser(q.UserID)
	if err != nil {
		return nil, err
	}
	switch {
	case g.Members[u.ID] != nil:
		return nil, model.RPCError(400, "USER_ALREADY_PARTICIPANT")
	case g.Members[c.User.ID] == nil && u != c.User:
		return nil, model.RPCError(403, "CHAT_WRITE_FORBIDDEN")
	case g.Default.InviteUsers && c.User.ID != g.Creator && !mayRemove(g, c.User.ID):
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	case len(g.Members) >= model.MaxGroup:
		return nil, model.RPCError(400, "USERS_TOO_MUCH")
	}
	g.Add(u.ID, c.User.ID, c.World.Now())
	b := announce(c, g, &tg.MessageActionChatAddUser{Users: []int64{u.ID}}, []int64{u.ID})
	groupQts(c, g, u.ID, nil)
	return &tg.MessagesInvitedUsers{Updates: c.World.Answer(b)}, nil
}

func deleteChatUser(c *model.Call, q *tg.MessagesDeleteChatUserRequest) (bin.Encoder, error) {
	g, err := c.InputGroup(q.ChatID)
	if err != nil {
		return nil, err
	}
	u, err := c.InputUser(q.UserID)
	if err != nil {
		return nil, err
	}
	m := g.Members[u.ID]
	switch {
	case m == nil:
		return nil, model.RPCError(400, "USER_NOT_PARTICIPANT")
	case u != c.User && c.User.ID != g.Creator && (c.User.ID != m.Inviter && !mayRemove(g, c.User.ID) || m.Admin || u.ID == g.Creator):
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	}
	before := g.Participant(u.ID)
	// The removed member still gets the message that says so.
	p := &model.Post{
		From: c.User.ID, To: model.GroupPeer(g.ID), Date: c.World.Now(), Named: []int64{u.ID},
		Action: &tg.MessageActionChatDeleteUser{UserID: u.ID}, Copies: map[int64]int{},
	}
	delete(g.Members, u.ID)
	g.Version++
	b, _ := c.World.Deliver(p, c.Key)
	g.Order = slices.DeleteFunc(g.Order, func(id int64) bool { return id == u.ID })
	groupQts(c, g, u.ID, before)
	return c.World.Answer(b), nil
}

// mayRemove says whether somebody is an admin of the group.
func mayRemove(g *model.Group, id int64) bool {
	m := g.Members[id]
	return m != nil && m.Admin
}

func getFullChat(c *model.Call, q *tg.MessagesGetFullChatRequest) (bin.Encoder, error) {
	g, err := c.InputGroup(q.ChatID)
	if err != nil {
		return nil, err
	}
	full := &tg.ChatFull{ID: g.ID, Participants: &tg.ChatParticipantsForbidden{ChatID: g.ID}}
	if g.Photo != nil {
		full.SetChatPhoto(model.FullPhoto(g.Photo, c.User.ID))
	}
	r := model.NewRefs(c.World, c.User)
	r.Peer(model.GroupPeer(g.ID))
	if g.Members[c.User.ID] != nil {
		full.Participants = g.Participants()
		for _, id := range g.Order {
			r.User(id)
		}
	}
	return &tg.MessagesChatFull{FullChat: full, Chats: r.TLChats(), Users: r.TLUsers()}, nil
}

func getChats(c *model.Call, q *tg.MessagesGetChatsRequest) (bin.Encoder, error) {
	out := &tg.MessagesChats{}
	for _, id := range q.ID {
		g, err := c.InputGroup(id)
		if err != nil {
			return nil, err
		}
		out.Chats = append(out.Chats, c.World.ViewGroup(c.User, g))
	}
	return out, nil
}
