package model

import "github.com/gotd/td/tg"

// AllRights are those of a creator.
func AllRights() tg.ChatAdminRights {
	return tg.ChatAdminRights{
		ChangeInfo: true, PostMessages: true, EditMessages: true, DeleteMessages: true, BanUsers: true,
		InviteUsers: true, PinMessages: true, AddAdmins: true, ManageCall: true, Other: true,
	}
}

// MayWrite checks that the caller may write to this peer.
func (c *Call) MayWrite(to Peer) error {
	switch to.Kind {
	case PeerUser:
		other := c.World.Users[to.ID]
		if other.Deactivated {
			return RPCError(400, "INPUT_USER_DEACTIVATED")
		}
		if c.User.Bot && other.Bot {
			return RPCError(400, "USER_IS_BOT")
		}
		if c.User.Bot && other.Dialogs[c.User.Peer()] == nil {
			return RPCError(400, "PEER_ID_INVALID") // a bot cannot begin a conversation
		}
	case PeerGroup:
		if c.World.Groups[to.ID].Members[c.User.ID] == nil {
			return RPCError(403, "CHAT_WRITE_FORBIDDEN")
		}
	case PeerChannel:
		ch := c.World.Channels[to.ID]
		m := ch.Members[c.User.ID]
		switch {
		case ch.Broadcast && (m == nil || !m.Admin):
			return RPCError(403, "CHAT_WRITE_FORBIDDEN")
		case m == nil:
			return RPCError(403, "CHAT_GUEST_SEND_FORBIDDEN")
		}
	}
	return nil
}
