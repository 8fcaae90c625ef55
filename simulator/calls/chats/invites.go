package chats

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// linkPrefix is what Telegram shows a hash with.
const linkPrefix = "https://t.me/+"

// hashSize is the length of a hash, in random bytes; they are shown in hexadecimal.
const hashSize = 8

// entrance is a chat that people get into by links.
type entrance struct {
	peer    model.Peer
	door    *model.Door
	group   *model.Group
	channel *model.Channel
}

func entranceOf(w *model.World, p model.Peer) *entrance {
	switch p.Kind {
	case model.PeerGroup:
		g := w.Groups[p.ID]
		return &entrance{peer: p, door: &g.Door, group: g}
	case model.PeerChannel:
		ch := w.Channels[p.ID]
		return &entrance{peer: p, door: &ch.Door, channel: ch}
	}
	return nil
}

// entrance finds the chat of an input peer whose links the caller may handle.
func inputEntrance(c *model.Call, in tg.InputPeerClass) (*entrance, error) {
	p, err := c.InputPeer(in)
	if err != nil {
		return nil, err
	}
	e := entranceOf(c.World, p)
	if e == nil {
		return nil, model.RPCError(400, "PEER_ID_INVALID")
	}
	if !e.mayInvite(c.User.ID) {
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	}
	return e, nil
}

func (e *entrance) mayInvite(id int64) bool {
	if e.channel != nil {
		return e.channel.May(id, model.InviteUsers)
	}
	m := e.group.Members[id]
	return id == e.group.Creator || m != nil && m.Admin
}

func (e *entrance) isMember(id int64) bool {
	if e.channel != nil {
		return e.channel.Members[id] != nil
	}
	return e.group.Members[id] != nil
}

func (e *entrance) link(text string) *model.Link {
	for _, l := range e.door.Links {
		if linkPrefix+l.Hash == text {
			return l
		}
	}
	return nil
}

func shown(l *model.Link) *tg.ChatInviteExported {
	out := &tg.ChatInviteExported{Link: linkPrefix + l.Hash, AdminID: l.By, Date: l.Date, Revoked: l.Revoked, RequestNeeded: l.Approval}
	if l.Expires != 0 {
		out.SetExpireDate(l.Expires)
	}
	if l.Limit != 0 {
		out.SetUsageLimit(l.Limit)
	}
	if l.Used != 0 {
		out.SetUsage(l.Used)
	}
	if l.Title != "" {
		out.SetTitle(l.Title)
	}
	return out
}

func exportInvite(c *model.Call, q *tg.MessagesExportChatInviteRequest) (bin.Encoder, error) {
	e, err := inputEntrance(c, q.Peer)
	if err != nil {
		return nil, err
	}
	if q.UsageLimit != 0 && q.RequestNeeded {
		return nil, model.RPCError(400, "USAGE_LIMIT_INVALID")
	}
	if q.ExpireDate != 0 && q.ExpireDate <= c.World.Now() {
		return nil, model.RPCError(400, "EXPIRE_DATE_INVALID")
	}
	l := &model.Link{
		Hash: c.World.Token(hashSize) + "x", By: c.User.ID, Date: c.World.Now(),
		Expires: q.ExpireDate, Limit: q.UsageLimit, Approval: q.RequestNeeded, Title: q.Title,
	}
	e.door.Links = append(e.door.Links, l)
	return shown(l), nil
}

func editInvite(c *model.Call, q *tg.MessagesEditExportedChatInviteRequest) (bin.Encoder, error) {
	e, err := inputEntrance(c, q.Peer)
	if err != nil {
		return nil, err
	}
	l := e.link(q.Link)
	switch {
	case l == nil:
		return nil, model.RPCError(400, "INVITE_HASH_INVALID")
	case l.Revoked:
		return nil, model.RPCError(400, "INVITE_REVOKED_MISSING")
	}
	l.Revoked = q.Revoked
	if v, ok := q.GetExpireDate(); ok {
		l.Expires = v
	}
	if v, ok := q.GetUsageLimit(); ok {
		l.Limit = v
	}
	if v, ok := q.GetRequestNeeded(); ok {
		l.Approval = v
	}
	return &tg.MessagesExportedChatInvite{Invite: shown(l), Users: []tg.UserClass{c.World.ViewUser(c.User, l.By, false)}}, nil
}

// findLink finds a link by its hash.
func findLink(w *model.World, hash string) (*entrance, *model.Link) {
	search := func(e *entrance) *model.Link { return e.link(linkPrefix + hash) }
	for _, id := range model.SortedKeys(w.Groups) {
		e := entranceOf(w, model.GroupPeer(id))
		if l := search(e); l != nil {
			return e, l
		}
	}
	for _, id := range model.SortedKeys(w.Channels) {
		e := entranceOf(w, model.ChannelPeer(id))
		if l := search(e); l != nil {
			return e, l
		}
	}
	return nil, nil
}

// usable finds a link that lets people in.
func usable(c *model.Call, hash string) (*entrance, *model.Link, error) {
	if hash == "" {
		return nil, nil, model.RPCError(400, "INVITE_HASH_EMPTY")
	}
	e, l := findLink(c.World, hash)
	if l == nil {
		return nil, nil, model.RPCError(400, "INVITE_HASH_INVALID")
	}
	banned := e.channel != nil && c.World.BanOf(e.channel, c.User.Peer()) != nil
	if !e.isMember(c.User.ID) && (banned || c.World.Closed(l)) {
		return nil, nil, model.RPCError(400, "INVITE_HASH_EXPIRED")
	}
	return e, l, nil
}

func checkInvite(c *model.Call, q *tg.MessagesCheckChatInviteRequest) (bin.Encoder, error) {
	e, l, err := usable(c, q.Hash)
	if err != nil {
		return nil, err
	}
	if e.isMember(c.User.ID) {
		if e.channel != nil {
			return &tg.ChatInviteAlready{Chat: c.World.ViewChannel(c.User, e.channel, false)}, nil
		}
		return &tg.ChatInviteAlready{Chat: c.World.ViewGroup(c.User, e.group)}, nil
	}
	out := &tg.ChatInvite{RequestNeeded: l.Approval, Photo: &tg.PhotoEmpty{}}
	if e.channel != nil {
		out.Channel, out.Broadcast, out.Megagroup, out.Public = true, e.channel.Broadcast, !e.channel.Broadcast, e.channel.Username != ""
		out.Title, out.ParticipantsCount = e.channel.Title, len(e.channel.Members)
		if e.channel.About != "" {
			out.SetAbout(e.channel.About)
		}
	} else {
		out.Title, out.ParticipantsCount = e.group.Title, len(e.group.Members)
	}
	return out, nil
}

func importInvite(c *model.Call, q *tg.MessagesImportChatInviteRequest) (bin.Encoder, error) {
	e, l, err := usable(c, q.Hash)
	switch {
	case err != nil:
		return nil, err
	case e.isMember(c.User.ID):
		return nil, model.RPCError(400, "USER_ALREADY_PARTICIPANT")
	case e.channel != nil && len(c.User.Channels) >= model.MaxChannels:
		return nil, model.RPCError(400, "CHANNELS_TOO_MUCH")
	case e.group != nil && len(e.group.Members) >= model.MaxGroup:
		return nil, model.RPCError(400, "USERS_TOO_MUCH")
	case l.Approval:
		return nil, e.ask(c, l)
	}
	l.Used++
	return &tg.MessagesChatInviteJoinResultOk{Updates: c.World.Answer(e.enter(c, c.User, c.User.ID, l))}, nil
}

// ask notes that the caller wants to be let in, and tells the admins.
func (e *entrance) ask(c *model.Call, l *model.Link) error {
	if e.door.Waits(c.User.ID) == nil {
		r := &model.JoinRequest{User: c.User.ID, Date: c.World.Now(), Link: l}
		e.door.Requests = append(e.door.Requests, r)
		e.tellAdmins(c, r)
	}
	return model.RPCError(400, "INVITE_REQUEST_SENT")
}

// tellAdmins shows who waits, to bots each request.
func (e *entrance) tellAdmins(c *model.Call, newest *model.JoinRequest) {
	var order []int64
	if e.channel != nil {
		order = e.channel.Order
	} else {
		order = e.group.Order
	}
	for _, id := range order {
		if !e.mayInvite(id) {
			continue
		}
		u := c.World.Users[id]
		if u.Bot {
			if newest != nil {
				requesterQts(c.World, u, e.peer, newest)
			}
			continue
		}
		b := c.World.Bundle(u, e.pending())
		b.Seq = true
		b.Refs.Peer(e.peer)
		for _, r := range e.door.Requests {
			b.Refs.User(r.User)
		}
		c.World.SendTo(u, b, nil)
	}
}

// requesterQts tells a bot that somebody wants to be let in.
func requesterQts(w *model.World, bot *model.User, to model.Peer, r *model.JoinRequest) {
	var link tg.ExportedChatInviteClass = &tg.ChatInvitePublicJoinRequests{}
	if r.Link.Hash != "" {
		link = shown(r.Link)
	}
	w.AddQts(bot, model.KindParticipant, to, func(qts int) tg.UpdateClass {
		return &tg.UpdateBotChatInviteRequester{Peer: to.TL(), Date: r.Date, UserID: r.User, Invite: link, Qts: qts}
	}, r.User)
}

func (e *entrance) pending() *tg.UpdatePendingJoinRequests {
	out := &tg.UpdatePendingJoinRequests{Peer: e.peer.TL(), RequestsPending: len(e.door.Requests)}
	for _, r := range e.door.Requests {
		out.RecentRequesters = append(out.RecentRequesters, r.User)
	}
	return out
}

// enter makes somebody a member by a link and writes the message that says so.
func (e *entrance) enter(c *model.Call, u *model.User, inviter int64, l *model.Link) *model.Bundle {
	if e.group != nil {
		e.group.Add(u.ID, inviter, c.World.Now())
		b := announceBy(c, u, e.group, &tg.MessageActionChatJoinedByLink{InviterID: l.By}, []int64{u.ID, l.By})
		groupQts(c, e.group, u.ID, nil)
		return b
	}
	ban := e.channel.Bans[u.Peer()]
	delete(e.channel.Bans, u.Peer())
	c.World.Enter(e.channel, u, l.By)
	e.channel.Members[u.ID].Restricted = ban
	b := membershipChanged(c.World, e.channel, u, u.ID, nil, c.Key)
	if !e.channel.Broadcast {
		b = b.And(serviceBy(c, u, e.channel, &tg.MessageActionChatJoinedByLink{InviterID: l.By}, u.ID, l.By))
	}
	return b
}

func hideRequest(c *model.Call, q *tg.MessagesHideChatJoinRequestRequest) (bin.Encoder, error) {
	e, err := inputEntrance(c, q.Peer)
	if err != nil {
		return nil, err
	}
	u, err := c.InputUser(q.UserID)
	if err != nil {
		return nil, err
	}
	r := e.door.Waits(u.ID)
	if r == nil {
		return nil, model.RPCError(400, "HIDE_REQUESTER_MISSING")
	}
	if e.isMember(u.ID) {
		return nil, model.RPCError(400, "USER_ALREADY_PARTICIPANT")
	}
	e.door.Requests = slices.DeleteFunc(e.door.Requests, func(o *model.JoinRequest) bool { return o == r })
	if q.Approved {
		r.Link.Used++
		e.enter(c, u, c.User.ID, r.Link)
		if e.channel != nil {
			e.channel.Members[u.ID].ViaRequest = true
		}
	}
	e.tellAdmins(c, nil)
	b := c.World.Bundle(c.User, e.pending())
	b.Refs.Peer(e.peer)
	return c.World.Answer(b), nil
}

func getImporters(c *model.Call, q *tg.MessagesGetChatInviteImportersRequest) (bin.Encoder, error) {
	e, err := inputEntrance(c, q.Peer)
	if err != nil {
		return nil, err
	}
	if !q.Requested {
		return nil, model.RPCError(400, "INPUT_METHOD_INVALID_messages.getChatInviteImporters: only those who wait are modelled")
	}
	out := &tg.MessagesChatInviteImporters{Count: len(e.door.Requests)}
	r := model.NewRefs(c.World, c.User)
	for _, one := range e.door.Requests {
		out.Importers = append(out.Importers, tg.ChatInviteImporter{Requested: true, UserID: one.User, Date: one.Date})
		r.User(one.User)
	}
	out.Users = r.TLUsers()
	return out, nil
}
