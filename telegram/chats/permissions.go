package chats

import (
	"context"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/telegram"
)

// Permissions is what somebody may do in a chat.
type Permissions struct {
	Participant Participant
	// Default is what the chat forbids to ordinary members.
	Default tg.ChatBannedRights
	// Forbidden is what they may not do in the end. UntilDate is when their own restrictions end.
	Forbidden tg.ChatBannedRights
	// Allowed is what they may do beyond ordinary members.
	Allowed tg.ChatAdminRights
}

// GetPermissions combines role, own restrictions and the chat's defaults
// (core.telegram.org/api/rights). Somebody who is not in the chat has the role Left, or BannedUser,
// and may do nothing.
func GetPermissions(ctx context.Context, env telegram.Env, chat, who telegram.Peer) (Permissions, error) {
	if chat.Kind == telegram.PeerChat {
		return groupPermissions(ctx, env, chat, who)
	}
	in, err := channelOf(chat)
	if err != nil {
		return Permissions{}, err
	}
	var shown tg.MessagesChatsBox
	if err := telegram.Invoke(ctx, env, &tg.ChannelsGetChannelsRequest{ID: []tg.InputChannelClass{in}}, &shown); err != nil {
		return Permissions{}, err
	}
	channel, err := channelIn(shown.Chats.GetChats(), chat.ID)
	if err != nil {
		return Permissions{}, err
	}
	participant, err := participantOf(ctx, env, in, who)
	if err != nil {
		return Permissions{}, err
	}
	return combine(participant, channel.DefaultBannedRights, channel.Broadcast), nil
}

// participantOf asks for one participant; one who is none is Left.
func participantOf(ctx context.Context, env telegram.Env, in *tg.InputChannel, who telegram.Peer) (Participant, error) {
	input, err := who.Input()
	if err != nil {
		return Participant{}, err
	}
	var res tg.ChannelsChannelParticipant
	err = telegram.Invoke(ctx, env, &tg.ChannelsGetParticipantRequest{Channel: in, Participant: input}, &res)
	if answered(err, "USER_NOT_PARTICIPANT") {
		return Participant{Peer: who, Role: Left}, nil
	}
	if err != nil {
		return Participant{}, err
	}
	return channelParticipant(res.Participant, peersOf(&res)), nil
}

func groupPermissions(ctx context.Context, env telegram.Env, chat, who telegram.Peer) (Permissions, error) {
	if _, err := userOf(who); err != nil {
		return Permissions{}, err
	}
	all, group, err := groupMembers(ctx, env, chat)
	if err != nil {
		return Permissions{}, err
	}
	found := Participant{Peer: who, Role: Left}
	for _, p := range all {
		if p.Peer.ID == who.ID || who.Self && p.Peer.Self {
			found = p
		}
	}
	if found.Role == Admin { // all admins of a basic group have the same rights
		found.Admin = &tg.ChatAdminRights{
			ChangeInfo: true, DeleteMessages: true, BanUsers: true, InviteUsers: true, PinMessages: true, ManageCall: true, Other: true,
		}
	}
	return combine(found, group.DefaultBannedRights, false), nil
}

// combine is the rule of core.telegram.org/api/rights: the creator may do all, an admin what ordinary
// members may do by default and what the admin's rights say, a member what neither the chat nor their
// own restrictions forbid. In a channel for posts only admins send.
func combine(p Participant, defaults tg.ChatBannedRights, broadcast bool) Permissions {
	defaults.Flags = 0
	out := Permissions{Participant: p, Default: defaults}
	out.Default.UntilDate = 0
	switch p.Role {
	case Creator:
		out.Allowed = allAdminRights()
		if p.Admin != nil {
			out.Allowed.Anonymous = p.Admin.Anonymous
		}
	case Admin:
		if p.Admin != nil {
			out.Allowed = *p.Admin
			out.Allowed.Flags = 0
		}
		out.Forbidden = adminForbidden(out.Default, out.Allowed)
		if broadcast && !out.Allowed.PostMessages {
			out.Forbidden = union(out.Forbidden, noSending())
		}
	case Member, RestrictedMember:
		out.Forbidden = out.Default
		if p.Banned != nil {
			out.Forbidden = union(out.Forbidden, *p.Banned)
			out.Forbidden.UntilDate = p.Banned.UntilDate
		}
		if broadcast {
			out.Forbidden = union(out.Forbidden, broadcastForbidden())
		}
	default:
		out.Forbidden = allBannedRights()
		if p.Banned != nil {
			out.Forbidden.UntilDate = p.Banned.UntilDate
		}
	}
	return out
}

// adminForbidden: what a chat forbids to members does not concern the sending of its admins; the
// rest it forbids them unless their rights allow it.
func adminForbidden(defaults tg.ChatBannedRights, allowed tg.ChatAdminRights) tg.ChatBannedRights {
	return tg.ChatBannedRights{
		ChangeInfo:        defaults.ChangeInfo && !allowed.ChangeInfo,
		InviteUsers:       defaults.InviteUsers && !allowed.InviteUsers,
		PinMessages:       defaults.PinMessages && !allowed.PinMessages,
		ManageTopics:      defaults.ManageTopics && !allowed.ManageTopics,
		EditRank:          defaults.EditRank && !allowed.ManageRanks,
		ManageLinkedPeers: defaults.ManageLinkedPeers && !allowed.ManageLinkedPeers,
	}
}

func noSending() tg.ChatBannedRights {
	return tg.ChatBannedRights{
		SendMessages: true, SendMedia: true, SendStickers: true, SendGifs: true, SendGames: true, SendInline: true, EmbedLinks: true,
		SendPolls: true, SendPhotos: true, SendVideos: true, SendRoundvideos: true, SendAudios: true, SendVoices: true, SendDocs: true, SendPlain: true,
	}
}

func broadcastForbidden() tg.ChatBannedRights {
	out := noSending()
	out.ChangeInfo, out.InviteUsers, out.PinMessages, out.ManageTopics, out.EditRank, out.ManageLinkedPeers = true, true, true, true, true, true
	return out
}
