package chats

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// Telegram takes shorter and longer bans for bans without an end.
const (
	shortestBan = 30
	longestBan  = 366 * 24 * 3600
)

func editBanned(c *model.Call, q *tg.ChannelsEditBannedRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	who, err := c.InputPeer(q.Participant)
	if err != nil {
		return nil, model.RPCError(400, "PARTICIPANT_ID_INVALID")
	}
	rights := q.BannedRights
	rights.Flags = 0
	if left := rights.UntilDate - c.World.Now(); left < shortestBan || left > longestBan {
		rights.UntilDate = model.Unlimited
	}
	ban := &model.Ban{Rights: rights, By: c.User.ID, Date: c.World.Now()}
	if none := (tg.ChatBannedRights{UntilDate: rights.UntilDate}); rights == none {
		ban = nil
	}
	switch {
	case !ch.May(c.User.ID, model.BanUsers):
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	case ban != nil && ch.Broadcast && !rights.ViewMessages, who.Kind == model.PeerChannel && ban != nil && !rights.ViewMessages:
		return nil, model.RPCError(400, "BANNED_RIGHTS_INVALID")
	}
	switch who.Kind {
	case model.PeerChannel:
		return banSender(c, ch, who, ban)
	case model.PeerUser:
		return banUser(c, ch, c.World.Users[who.ID], ban)
	}
	return nil, model.RPCError(400, "PARTICIPANT_ID_INVALID")
}

// banSender keeps a channel from sending in a group.
func banSender(c *model.Call, ch *model.Channel, who model.Peer, ban *model.Ban) (bin.Encoder, error) {
	if ch.Broadcast || who == ch.Peer() {
		return nil, model.RPCError(400, "PARTICIPANT_ID_INVALID")
	}
	if delete(ch.Bans, who); ban != nil {
		ch.Bans[who] = ban
	}
	b := c.World.Bundle(c.User, &tg.UpdateChannel{ChannelID: ch.ID})
	b.Refs.Peer(ch.Peer())
	return c.World.Answer(b), nil
}

func banUser(c *model.Call, ch *model.Channel, u *model.User, ban *model.Ban) (bin.Encoder, error) {
	m := ch.Members[u.ID]
	switch {
	case u.ID == c.User.ID:
		return nil, model.RPCError(400, "USER_ID_INVALID")
	case u.ID == ch.Creator, m != nil && m.Admin && !editable(c, ch, m):
		return nil, model.RPCError(400, "USER_ADMIN_INVALID")
	}
	before := ch.Participant(u.ID, 0)
	if m != nil && m.Admin {
		m.Demote()
	}
	delete(ch.Bans, u.Peer())
	var left *tg.Updates
	switch {
	case ban == nil:
		if m != nil {
			m.Restricted = nil
		}
	case ban.Rights.ViewMessages:
		ch.Bans[u.Peer()] = ban
		if m != nil {
			left = remove(c, ch, u)
		}
	case m != nil:
		m.Restricted = ban
	default: // it waits until they come
		ch.Bans[u.Peer()] = ban
	}
	answer := changed(c, ch, u, before)
	if left != nil {
		answer.Updates = append(answer.Updates, left.Updates...)
	}
	return answer, nil
}

// remove takes a member out of a channel, with a message in a group.
func remove(c *model.Call, ch *model.Channel, u *model.User) *tg.Updates {
	c.World.Leave(ch, u)
	if ch.Broadcast {
		return nil
	}
	return c.World.Answer(service(c, ch, &tg.MessageActionChatDeleteUser{UserID: u.ID}, u.ID))
}

func editDefaultRights(c *model.Call, q *tg.MessagesEditChatDefaultBannedRightsRequest) (bin.Encoder, error) {
	to, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	rights := q.BannedRights
	rights.Flags, rights.UntilDate = 0, 0
	if rights.ViewMessages {
		return nil, model.RPCError(400, "BANNED_RIGHTS_INVALID")
	}
	var members []int64
	version := 0
	switch to.Kind {
	case model.PeerGroup:
		g := c.World.Groups[to.ID]
		if m := g.Members[c.User.ID]; c.User.ID != g.Creator && (m == nil || !m.Admin) {
			return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
		}
		if g.Default == rights {
			return nil, model.RPCError(400, "CHAT_NOT_MODIFIED")
		}
		g.Default = rights
		g.Version++
		members, version = g.Order, g.Version
	case model.PeerChannel:
		ch := c.World.Channels[to.ID]
		if ch.Broadcast || !ch.May(c.User.ID, model.BanUsers) {
			return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
		}
		if ch.Default == rights {
			return nil, model.RPCError(400, "CHAT_NOT_MODIFIED")
		}
		ch.Default = rights
		members = ch.Order
	default:
		return nil, model.RPCError(400, "PEER_ID_INVALID")
	}
	update := func(u *model.User) *model.Bundle {
		rights.UntilDate = model.Unlimited
		b := c.World.Bundle(u, &tg.UpdateChatDefaultBannedRights{Peer: to.TL(), DefaultBannedRights: rights, Version: version})
		b.Seq = true
		b.Refs.Peer(to)
		return b
	}
	for _, id := range members {
		c.World.SendTo(c.World.Users[id], update(c.World.Users[id]), c.Key)
	}
	return c.World.Answer(update(c.User)), nil
}
