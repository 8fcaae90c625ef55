package chats

import (
	"reflect"
	"unicode/utf16"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

const maxRank = 16 // UTF-16 units of a title

// checkRank knows the forms of a title: short, and without emoji.
func checkRank(rank string) error {
	units := utf16.Encode([]rune(rank))
	if len(units) > maxRank {
		return model.RPCError(400, "ADMIN_RANK_INVALID")
	}
	for _, r := range rank {
		if r >= 0x1f000 || r >= 0x2600 && r < 0x27c0 {
			return model.RPCError(400, "ADMIN_RANK_EMOJI_NOT_ALLOWED")
		}
	}
	return nil
}

// within says whether every flag of a is one of b.
func within(a, b tg.ChatAdminRights) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		if x.Field(i).Kind() == reflect.Bool && x.Field(i).Bool() && !y.Field(i).Bool() {
			return false
		}
	}
	return true
}

// editable says whether the caller may change this member's rights as an admin.
func editable(c *model.Call, ch *model.Channel, m *model.Member) bool {
	return c.User.ID == ch.Creator || !m.Admin || m.PromotedBy == c.User.ID
}

func editAdmin(c *model.Call, q *tg.ChannelsEditAdminRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	u, err := c.InputUser(q.UserID)
	if err != nil {
		return nil, err
	}
	rights := q.AdminRights
	rights.Flags = 0
	if err := mayPromote(c, ch, u, rights, q.Rank); err != nil {
		return nil, err
	}
	before := ch.Participant(u.ID, 0)
	m := ch.Members[u.ID]
	switch {
	case rights == (tg.ChatAdminRights{}):
		if m != nil {
			m.Demote()
		}
	case m == nil:
		delete(ch.Bans, u.Peer())
		c.World.Enter(ch, u, c.User.ID)
		ch.Members[u.ID].Promote(rights, c.User.ID, q.Rank)
	default:
		by := c.User.ID
		if m.Admin {
			by = m.PromotedBy
		}
		m.Promote(rights, by, q.Rank)
	}
	return changed(c, ch, u, before), nil
}

func mayPromote(c *model.Call, ch *model.Channel, u *model.User, rights tg.ChatAdminRights, rank string) error {
	m := ch.Members[u.ID]
	switch {
	case !ch.May(c.User.ID, model.AddAdmins):
		return model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	case u.ID == ch.Creator:
		return model.RPCError(400, "USER_CREATOR")
	case m != nil && !editable(c, ch, m):
		return model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	case c.User.ID != ch.Creator && !within(rights, ch.Members[c.User.ID].Rights):
		return model.RPCError(403, "RIGHT_FORBIDDEN")
	case m == nil && rights != (tg.ChatAdminRights{}) && !ch.May(c.User.ID, model.InviteUsers):
		return model.RPCError(403, "CHAT_ADMIN_INVITE_REQUIRED")
	}
	return checkRank(rank)
}

// changed tells the user, and the bots that are admins, of a new place in a channel, and answers the
// caller.
func changed(c *model.Call, ch *model.Channel, u *model.User, before tg.ChannelParticipantClass) *tg.Updates {
	membershipChanged(c.World, ch, u, c.User.ID, before, c.Key)
	for _, id := range ch.Order {
		bot := c.World.Users[id]
		if !bot.Bot || bot == u || !ch.Members[id].Admin {
			continue
		}
		participantQts(c.World, bot, ch, c.User.ID, u.ID, before)
	}
	b := c.World.Bundle(c.User, &tg.UpdateChannel{ChannelID: ch.ID})
	b.Refs.Peer(ch.Peer())
	return c.World.Answer(b)
}

func editChatAdmin(c *model.Call, q *tg.MessagesEditChatAdminRequest) (bin.Encoder, error) {
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
	case c.User.ID != g.Creator:
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	case m == nil:
		return nil, model.RPCError(400, "USER_NOT_PARTICIPANT")
	case u.ID == g.Creator:
		return nil, model.RPCError(400, "USER_CREATOR")
	}
	if m.Admin != q.IsAdmin {
		before := g.Participant(u.ID)
		if m.Admin = q.IsAdmin; !m.Admin {
			m.Rank = ""
		}
		groupChanged(c, g)
		groupQts(c, g, u.ID, before)
	}
	return &tg.BoolTrue{}, nil
}

// groupChanged tells all members of a group who they are now.
func groupChanged(c *model.Call, g *model.Group) {
	g.Version++
	for _, id := range g.Order {
		u := c.World.Users[id]
		b := c.World.Bundle(u, &tg.UpdateChatParticipants{Participants: g.Participants()})
		b.Seq = true
		b.Refs.Peer(g.Peer())
		for _, other := range g.Order {
			b.Refs.User(other)
		}
		c.World.SendTo(u, b, c.Key)
	}
}

func editParticipantRank(c *model.Call, q *tg.MessagesEditChatParticipantRankRequest) (bin.Encoder, error) {
	to, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	who, err := c.InputPeer(q.Participant)
	if err != nil {
		return nil, err
	}
	if err := checkRank(q.Rank); err != nil {
		return nil, err
	}
	switch to.Kind {
	case model.PeerGroup:
		g := c.World.Groups[to.ID]
		m := g.Members[who.ID]
		if c.User.ID != g.Creator && who.ID != c.User.ID {
			return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
		}
		if m == nil {
			return nil, model.RPCError(400, "USER_NOT_PARTICIPANT")
		}
		m.Rank = q.Rank
		groupChanged(c, g)
		b := c.World.Bundle(c.User, &tg.UpdateChatParticipants{Participants: g.Participants()})
		b.Refs.Peer(g.Peer())
		return c.World.Answer(b), nil
	case model.PeerChannel:
		ch := c.World.Channels[to.ID]
		m := ch.Members[who.ID]
		if who.ID != c.User.ID && !ch.May(c.User.ID, model.ManageRanks) {
			return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
		}
		if m == nil {
			return nil, model.RPCError(400, "USER_NOT_PARTICIPANT")
		}
		before := ch.Participant(who.ID, 0)
		m.Rank = q.Rank
		return changed(c, ch, c.World.Users[who.ID], before), nil
	}
	return nil, model.RPCError(400, "PEER_ID_INVALID")
}
