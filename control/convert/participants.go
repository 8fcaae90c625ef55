package convert

import (
	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// fillParticipant: who joined, left, or became something else.
func fillParticipant(out *v1.Event, u tg.UpdateClass, peers Peers) {
	p := &v1.ParticipantChanged{}
	switch u := u.(type) {
	case *tg.UpdateChatParticipant:
		p.Peer, p.User, p.Actor = chatPeer(u.ChatID, peers), userPeer(u.UserID, peers), userPeer(u.ActorID, peers)
		p.Date, p.InviteLink = Unix(u.Date), inviteLink(u.Invite)
		p.Before, p.Now, p.Rank = chatMembership(u.PrevParticipant), chatMembership(u.NewParticipant), rankOf(u.NewParticipant)
	case *tg.UpdateChannelParticipant:
		p.Peer, p.User, p.Actor = channelPeer(u.ChannelID, peers), userPeer(u.UserID, peers), userPeer(u.ActorID, peers)
		p.Date, p.InviteLink = Unix(u.Date), inviteLink(u.Invite)
		p.Before, p.Now, p.Rank = channelMembership(u.PrevParticipant), channelMembership(u.NewParticipant), rankOf(u.NewParticipant)
	case *tg.UpdateChatParticipantAdd:
		p.Peer, p.User, p.Actor, p.Date = chatPeer(u.ChatID, peers), userPeer(u.UserID, peers), userPeer(u.InviterID, peers), Unix(u.Date)
		p.Before, p.Now = v1.Membership_MEMBERSHIP_LEFT, v1.Membership_MEMBERSHIP_MEMBER
	case *tg.UpdateChatParticipantDelete:
		p.Peer, p.User, p.Now = chatPeer(u.ChatID, peers), userPeer(u.UserID, peers), v1.Membership_MEMBERSHIP_LEFT
	case *tg.UpdateChatParticipantAdmin:
		p.Peer, p.User, p.Now = chatPeer(u.ChatID, peers), userPeer(u.UserID, peers), v1.Membership_MEMBERSHIP_MEMBER
		if u.IsAdmin {
			p.Now = v1.Membership_MEMBERSHIP_ADMIN
		}
	case *tg.UpdateChatParticipantRank:
		p.Peer, p.User, p.Rank = chatPeer(u.ChatID, peers), userPeer(u.UserID, peers), u.Rank
	case *tg.UpdateChatParticipants:
		if u.Participants != nil {
			p.Peer = chatPeer(u.Participants.GetChatID(), peers)
		}
	case *tg.UpdateBotStopped:
		p.Peer, p.User, p.Actor, p.Date = userPeer(u.UserID, peers), userPeer(u.UserID, peers), userPeer(u.UserID, peers), Unix(u.Date)
		p.Before, p.Now = v1.Membership_MEMBERSHIP_LEFT, v1.Membership_MEMBERSHIP_MEMBER
		if u.Stopped {
			p.Before, p.Now = p.Now, p.Before
		}
	default:
		return
	}
	out.Payload = &v1.Event_Participant{Participant: p}
}

// chatMembership is a participant's place in a basic group; none is somebody who is not in it.
func chatMembership(p tg.ChatParticipantClass) v1.Membership {
	switch p.(type) {
	case nil:
		return v1.Membership_MEMBERSHIP_LEFT
	case *tg.ChatParticipantCreator:
		return v1.Membership_MEMBERSHIP_CREATOR
	case *tg.ChatParticipantAdmin:
		return v1.Membership_MEMBERSHIP_ADMIN
	case *tg.ChatParticipant:
		return v1.Membership_MEMBERSHIP_MEMBER
	}
	return v1.Membership_MEMBERSHIP_UNSPECIFIED
}

func channelMembership(p tg.ChannelParticipantClass) v1.Membership {
	switch p := p.(type) {
	case nil, *tg.ChannelParticipantLeft:
		return v1.Membership_MEMBERSHIP_LEFT
	case *tg.ChannelParticipantCreator:
		return v1.Membership_MEMBERSHIP_CREATOR
	case *tg.ChannelParticipantAdmin:
		return v1.Membership_MEMBERSHIP_ADMIN
	case *tg.ChannelParticipantBanned:
		if p.BannedRights.ViewMessages {
			return v1.Membership_MEMBERSHIP_BANNED
		}
		return v1.Membership_MEMBERSHIP_RESTRICTED
	case *tg.ChannelParticipant, *tg.ChannelParticipantSelf:
		return v1.Membership_MEMBERSHIP_MEMBER
	}
	return v1.Membership_MEMBERSHIP_UNSPECIFIED
}

// rankOf is the custom title of a participant, where the constructor has one.
func rankOf(p any) string {
	if titled, ok := p.(interface{ GetRank() (string, bool) }); ok {
		rank, _ := titled.GetRank()
		return rank
	}
	return ""
}
