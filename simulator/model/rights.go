package model

import "github.com/gotd/td/tg"

// MaySend checks that the caller may send what the message holds, in a chat where they may write.
// Texts of media are part of them.
func (c *Call) MaySend(p *Post) error {
	var forbidden tg.ChatBannedRights
	switch p.To.Kind {
	case PeerGroup:
		g := c.World.Groups[p.To.ID]
		if m := g.Members[c.User.ID]; m != nil && !m.Admin && g.Creator != c.User.ID {
			forbidden = g.Default
		}
	case PeerChannel:
		ch := c.World.Channels[p.To.ID]
		if m := ch.Members[c.User.ID]; m != nil && !m.Admin {
			forbidden = ch.Default
			if own := c.World.Restriction(m); own != nil {
				forbidden = eitherForbids(forbidden, own.Rights)
			}
		}
	}
	if p.Media == nil {
		if forbidden.SendPlain {
			return RPCError(403, "CHAT_SEND_PLAIN_FORBIDDEN")
		}
		return nil
	}
	return mediaForbidden(p.Media.Render(c.User.ID), forbidden)
}

// mediaForbidden names the right that the media would need.
func mediaForbidden(media tg.MessageMediaClass, f tg.ChatBannedRights) error {
	no := func(kind string) error { return RPCError(403, "CHAT_SEND_"+kind+"_FORBIDDEN") }
	if f.SendMedia {
		return no("MEDIA")
	}
	switch m := media.(type) {
	case *tg.MessageMediaPhoto:
		if f.SendPhotos {
			return no("PHOTOS")
		}
	case *tg.MessageMediaPoll:
		if f.SendPolls {
			return no("POLL")
		}
	case *tg.MessageMediaDocument:
		switch {
		case m.Round && f.SendRoundvideos:
			return no("ROUNDVIDEOS")
		case m.Voice && f.SendVoices:
			return no("VOICES")
		case m.Video && !m.Round && f.SendVideos:
			return no("VIDEOS")
		case !m.Round && !m.Voice && !m.Video && f.SendDocs:
			return no("DOCS")
		}
	}
	return nil
}

// AllRights are those of a creator.
func AllRights() tg.ChatAdminRights {
	return tg.ChatAdminRights{
		ChangeInfo: true, PostMessages: true, EditMessages: true, DeleteMessages: true, BanUsers: true,
		InviteUsers: true, PinMessages: true, AddAdmins: true, ManageCall: true, Other: true,
		ManageTopics: true, PostStories: true, EditStories: true, DeleteStories: true, ManageDirectMessages: true,
		ManageRanks: true, ManageLinkedPeers: true,
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
		g := c.World.Groups[to.ID]
		m := g.Members[c.User.ID]
		if m == nil || g.Default.SendMessages && !m.Admin && g.Creator != c.User.ID {
			return RPCError(403, "CHAT_WRITE_FORBIDDEN")
		}
	case PeerChannel:
		ch := c.World.Channels[to.ID]
		m := ch.Members[c.User.ID]
		switch {
		case ch.Broadcast && !ch.May(c.User.ID, PostMessages):
			return RPCError(403, "CHAT_WRITE_FORBIDDEN")
		case m == nil:
			return RPCError(403, "CHAT_GUEST_SEND_FORBIDDEN")
		case m.Admin:
			return nil
		}
		if own := c.World.Restriction(m); own != nil && own.Rights.SendMessages {
			return RPCError(400, "CHAT_RESTRICTED")
		}
		if ch.Default.SendMessages {
			return RPCError(403, "CHAT_WRITE_FORBIDDEN")
		}
	}
	return nil
}
