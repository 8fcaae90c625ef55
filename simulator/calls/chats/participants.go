package chats

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// maxPage is the most participants in one answer.
const maxPage = 200

func getParticipants(c *model.Call, q *tg.ChannelsGetParticipantsRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	me := ch.Members[c.User.ID]
	admin := me != nil && me.Admin
	if ch.Broadcast && !admin {
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	}
	var chosen []model.Peer
	switch f := q.Filter.(type) {
	case *tg.ChannelParticipantsKicked, *tg.ChannelParticipantsBanned:
		if !admin {
			return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
		}
		chosen = punished(c, ch, f)
	default:
		for _, id := range ch.Order {
			if fits(c.World, ch, id, q.Filter) {
				chosen = append(chosen, model.UserPeer(id))
			}
		}
	}
	out := &tg.ChannelsChannelParticipants{Count: len(chosen)}
	r := model.NewRefs(c.World, c.User)
	r.Peer(ch.Peer())
	from := min(max(q.Offset, 0), len(chosen))
	for _, who := range chosen[from:min(len(chosen), from+min(max(q.Limit, 0), maxPage))] {
		out.Participants = append(out.Participants, place(ch, who, c.User.ID))
		r.Peer(who)
	}
	out.Chats, out.Users = r.TLChats(), r.TLUsers()
	return out, nil
}

// place renders a member, one who is out, or a channel that may not send.
func place(ch *model.Channel, who model.Peer, viewer int64) tg.ChannelParticipantClass {
	if who.Kind == model.PeerUser {
		return ch.Participant(who.ID, viewer)
	}
	b := ch.Bans[who]
	return &tg.ChannelParticipantBanned{Left: true, Peer: who.TL(), KickedBy: b.By, Date: b.Date, BannedRights: b.Rights}
}

func fits(w *model.World, ch *model.Channel, id int64, filter tg.ChannelParticipantsFilterClass) bool {
	u := w.Users[id]
	switch f := filter.(type) {
	case *tg.ChannelParticipantsRecent:
		return true
	case *tg.ChannelParticipantsAdmins:
		return ch.Members[id].Admin
	case *tg.ChannelParticipantsBots:
		return u.Bot
	case *tg.ChannelParticipantsSearch:
		return named(u, f.Q)
	case *tg.ChannelParticipantsMentions:
		return named(u, f.Q)
	}
	return false // nobody is anybody's contact here
}

func named(u *model.User, text string) bool {
	return strings.Contains(model.Fold(u.First+" "+u.Last+" "+u.Username), model.Fold(text))
}

// punished lists those who are out, or restricted.
func punished(c *model.Call, ch *model.Channel, filter tg.ChannelParticipantsFilterClass) []model.Peer {
	text, out := "", false
	switch f := filter.(type) {
	case *tg.ChannelParticipantsKicked:
		text, out = f.Q, true
	case *tg.ChannelParticipantsBanned:
		text = f.Q
	}
	var list []model.Peer
	for who := range ch.Bans {
		b := c.World.BanOf(ch, who)
		if b != nil && b.Rights.ViewMessages == out && (text == "" || who.Kind == model.PeerUser && named(c.World.Users[who.ID], text)) {
			list = append(list, who)
		}
	}
	if !out {
		for _, id := range ch.Order {
			if c.World.Restriction(ch.Members[id]) != nil && named(c.World.Users[id], text) {
				list = append(list, model.UserPeer(id))
			}
		}
	}
	slices.SortFunc(list, func(a, b model.Peer) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

func getParticipant(c *model.Call, q *tg.ChannelsGetParticipantRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	who, err := c.InputPeer(q.Participant)
	if err != nil {
		return nil, model.RPCError(400, "PARTICIPANT_ID_INVALID")
	}
	member := who.Kind == model.PeerUser && ch.Members[who.ID] != nil
	if !member && c.World.BanOf(ch, who) == nil {
		return nil, model.RPCError(400, "USER_NOT_PARTICIPANT")
	}
	r := model.NewRefs(c.World, c.User)
	r.Peer(ch.Peer())
	r.Peer(who)
	return &tg.ChannelsChannelParticipant{
		Participant: place(ch, who, c.User.ID), Chats: r.TLChats(), Users: r.TLUsers(),
	}, nil
}
