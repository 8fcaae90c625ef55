package chats

import (
	"context"
	"strings"
	"unicode/utf16"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// MaxRank is the longest title beside a name, in UTF-16 code units (core.telegram.org/api/rights).
const MaxRank = 16

// SetAdminRights makes a user an admin with these rights and this title, or ends it when rights are
// empty (channels.editAdmin). A basic group knows only admins and others (messages.editChatAdmin);
// its titles are set by messages.editChatParticipantRank.
func SetAdminRights(ctx context.Context, env telegram.Env, chat, user telegram.Peer, rights tg.ChatAdminRights, rank string) error {
	rank = strings.TrimSpace(rank)
	if n := len(utf16.Encode([]rune(rank))); n > MaxRank {
		return fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", "rank: must have at most %d characters (got %d)", MaxRank, n).
			WithRemedy("give a shorter title")
	}
	rights.Flags = 0
	in, err := userOf(user)
	if err != nil {
		return err
	}
	if chat.Kind == telegram.PeerChat {
		return setGroupAdmin(ctx, env, chat, user, in, rights != (tg.ChatAdminRights{}), rank)
	}
	channel, err := channelOf(chat)
	if err != nil {
		return err
	}
	req := &tg.ChannelsEditAdminRequest{Channel: channel, UserID: in, AdminRights: rights}
	if rank != "" {
		req.SetRank(rank)
	}
	return telegram.Invoke(ctx, env, req, &tg.UpdatesBox{})
}

func setGroupAdmin(ctx context.Context, env telegram.Env, chat, user telegram.Peer, in tg.InputUserClass, admin bool, rank string) error {
	var ok tg.BoolBox
	if err := telegram.Invoke(ctx, env, &tg.MessagesEditChatAdminRequest{ChatID: chat.ID, UserID: in, IsAdmin: admin}, &ok); err != nil {
		return err
	}
	if rank == "" {
		return nil
	}
	who, err := user.Input()
	if err != nil {
		return err
	}
	req := &tg.MessagesEditChatParticipantRankRequest{Peer: &tg.InputPeerChat{ChatID: chat.ID}, Participant: who, Rank: rank}
	return telegram.Invoke(ctx, env, req, &tg.UpdatesBox{})
}

// SetBannedRights forbids a member of a supergroup or channel these things, in place of what was
// forbidden before; empty rights take all back (channels.editBanned). who may be a channel that sends
// in a group. A basic group knows only the full ban, which removes the user (messages.deleteChatUser),
// with revoke also their messages.
func SetBannedRights(ctx context.Context, env telegram.Env, chat, who telegram.Peer, rights tg.ChatBannedRights, revoke bool) error {
	rights.Flags = 0
	if chat.Kind == telegram.PeerChat {
		return removeFromGroup(ctx, env, chat, who, rights, revoke)
	}
	channel, err := channelOf(chat)
	if err != nil {
		return err
	}
	if revoke {
		return unsupported("revoke_history", "delete the messages by themselves", "is for basic groups")
	}
	participant, err := who.Input()
	if err != nil {
		return err
	}
	req := &tg.ChannelsEditBannedRequest{Channel: channel, Participant: participant, BannedRights: rights}
	return telegram.Invoke(ctx, env, req, &tg.UpdatesBox{})
}

func removeFromGroup(ctx context.Context, env telegram.Env, chat, who telegram.Peer, rights tg.ChatBannedRights, revoke bool) error {
	const remedy = "make the group a supergroup first, or set view_messages alone to remove the member"
	until := rights.UntilDate
	rights.UntilDate = 0
	switch {
	case rights == (tg.ChatBannedRights{}):
		return unsupported("rights", "add the user to the group again", "a basic group keeps no bans that could be taken back")
	case !rights.ViewMessages:
		return unsupported("rights", remedy, "a basic group knows no restrictions of one member")
	case until != 0:
		return unsupported("rights.until", remedy, "a basic group knows no bans for a time")
	}
	user, err := userOf(who)
	if err != nil {
		return err
	}
	req := &tg.MessagesDeleteChatUserRequest{ChatID: chat.ID, UserID: user, RevokeHistory: revoke}
	return telegram.Invoke(ctx, env, req, &tg.UpdatesBox{})
}
