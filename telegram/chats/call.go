package chats

import (
	"context"
	"errors"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// answered reports whether Telegram answered with one of the names.
func answered(err error, names ...string) bool {
	for _, name := range names {
		if errors.Is(err, &fleet.Error{Reason: name}) {
			return true
		}
	}
	return false
}

// unsupported refuses what Telegram has not got for a kind of chat.
func unsupported(field, remedy, format string, args ...any) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "UNSUPPORTED_PEER", field+": "+format, args...).WithRemedy(remedy)
}

// channelOf is a channel or supergroup as an argument.
func channelOf(chat telegram.Peer) (*tg.InputChannel, error) {
	in, err := chat.Input()
	if err != nil {
		return nil, err
	}
	c, ok := in.(*tg.InputPeerChannel)
	if !ok {
		return nil, notAChat(chat)
	}
	return &tg.InputChannel{ChannelID: c.ChannelID, AccessHash: c.AccessHash}, nil
}

func notAChat(p telegram.Peer) error {
	return unsupported("peer", "name a group or channel", "is a %s, not a group or channel", p.Kind)
}

// userOf is a user as an argument.
func userOf(user telegram.Peer) (tg.InputUserClass, error) {
	in, err := user.Input()
	if err != nil {
		return nil, err
	}
	switch in := in.(type) {
	case *tg.InputPeerSelf:
		return &tg.InputUserSelf{}, nil
	case *tg.InputPeerUser:
		return &tg.InputUser{UserID: in.UserID, AccessHash: in.AccessHash}, nil
	}
	return nil, unsupported("user", "name a user", "is a %s, not a user", user.Kind)
}

// fullChat reads what Telegram tells of a basic group.
func fullChat(ctx context.Context, env telegram.Env, id int64) (*tg.MessagesChatFull, *tg.ChatFull, error) {
	req := &tg.MessagesGetFullChatRequest{ChatID: id}
	var res tg.MessagesChatFull
	if err := telegram.Invoke(ctx, env, req, &res); err != nil {
		return nil, nil, err
	}
	full, ok := res.FullChat.(*tg.ChatFull)
	if !ok {
		return nil, nil, telegram.Unexpected(req, res.FullChat)
	}
	return &res, full, nil
}

// channelIn finds a channel in an answer.
func channelIn(list []tg.ChatClass, id int64) (*tg.Channel, error) {
	for _, c := range list {
		if c, ok := c.(*tg.Channel); ok && c.ID == id {
			return c, nil
		}
	}
	return nil, hidden(id)
}

// groupIn finds a basic group in an answer.
func groupIn(list []tg.ChatClass, id int64) (*tg.Chat, error) {
	for _, c := range list {
		if c, ok := c.(*tg.Chat); ok && c.ID == id {
			return c, nil
		}
	}
	return nil, hidden(id)
}

func hidden(id int64) error {
	return fleet.Errorf(fleet.CodePermissionDenied, "CHAT_FORBIDDEN", "peer: Telegram does not show chat %d to the account", id).
		WithRemedy("the account was removed from it: join it first")
}
