package convert

import (
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// fillUpdate gives an event the typed form of its update; updates without one stay raw.
func fillUpdate(out *v1.Event, u tg.UpdateClass, peers Peers) {
	switch u := u.(type) {
	case *tg.UpdateDeleteMessages:
		out.Payload = &v1.Event_MessagesDeleted{MessagesDeleted: &v1.MessagesDeleted{Ids: IDs(u.Messages)}}
	case *tg.UpdateDeleteChannelMessages:
		channel := channelPeer(u.ChannelID, peers)
		out.Payload = &v1.Event_MessagesDeleted{MessagesDeleted: &v1.MessagesDeleted{Peer: channel, Ids: IDs(u.Messages)}}
	case *tg.UpdateUserStatus:
		out.Payload = &v1.Event_UserStatus{UserStatus: userStatusOf(u, peers)}
	default:
		out.Payload = &v1.Event_Update{Update: &v1.RawUpdate{Name: u.TypeName()}}
		fillQuery(out, u, peers)
		fillChatAction(out, u, peers)
		fillRead(out, u, peers)
		fillReaction(out, u, peers)
		fillPoll(out, u, peers)
		fillJoinRequest(out, u, peers)
		fillParticipant(out, u, peers)
	}
}

func userPeer(id int64, peers Peers) *v1.Peer {
	if id == 0 {
		return nil
	}
	return TLPeer(&tg.PeerUser{UserID: id}, peers)
}

func chatPeer(id int64, peers Peers) *v1.Peer { return TLPeer(&tg.PeerChat{ChatID: id}, peers) }

func channelPeer(id int64, peers Peers) *v1.Peer {
	return TLPeer(&tg.PeerChannel{ChannelID: id}, peers)
}

// inlineID is the TL form of an inline message's id; nil for none.
func inlineID(id tg.InputBotInlineMessageIDClass) []byte {
	if id == nil {
		return nil
	}
	var b bin.Buffer
	if err := id.Encode(&b); err != nil { // a decoded value encodes
		return nil
	}
	return b.Raw()
}

func geoOf(g tg.GeoPointClass) *v1.GeoPoint {
	point, ok := g.(*tg.GeoPoint)
	if !ok {
		return nil
	}
	return &v1.GeoPoint{Latitude: point.Lat, Longitude: point.Long}
}

// fillQuery: what bots are asked and must answer.
func fillQuery(out *v1.Event, u tg.UpdateClass, peers Peers) {
	callback := func(q *v1.CallbackQuery) { out.Payload = &v1.Event_CallbackQuery{CallbackQuery: q} }
	switch u := u.(type) {
	case *tg.UpdateBotCallbackQuery:
		callback(&v1.CallbackQuery{
			QueryId: u.QueryID, User: userPeer(u.UserID, peers), Peer: TLPeer(u.Peer, peers), MessageId: int32(u.MsgID),
			ChatInstance: u.ChatInstance, Data: u.Data, Game: u.GameShortName,
		})
	case *tg.UpdateInlineBotCallbackQuery:
		callback(&v1.CallbackQuery{
			QueryId: u.QueryID, User: userPeer(u.UserID, peers), InlineMessageId: inlineID(u.MsgID),
			ChatInstance: u.ChatInstance, Data: u.Data, Game: u.GameShortName,
		})
	case *tg.UpdateBusinessBotCallbackQuery:
		q := &v1.CallbackQuery{
			QueryId: u.QueryID, User: userPeer(u.UserID, peers), ChatInstance: u.ChatInstance, Data: u.Data,
			BusinessConnectionId: u.ConnectionID,
		}
		if m := Message(u.Message, peers); m != nil {
			q.Peer, q.MessageId = m.Peer, m.Id
		}
		callback(q)
	case *tg.UpdateBotInlineQuery:
		out.Payload = &v1.Event_InlineQuery{InlineQuery: &v1.InlineQuery{
			QueryId: u.QueryID, User: userPeer(u.UserID, peers), Query: u.Query, Offset: u.Offset,
			PeerType: shortName(u.PeerType, "inlineQueryPeerType"), Location: geoOf(u.Geo),
		}}
	case *tg.UpdateBotInlineSend:
		out.Payload = &v1.Event_InlineSend{InlineSend: &v1.InlineSend{
			User: userPeer(u.UserID, peers), Query: u.Query, ResultId: u.ID,
			InlineMessageId: inlineID(u.MsgID), Location: geoOf(u.Geo),
		}}
	}
}

func fillChatAction(out *v1.Event, u tg.UpdateClass, peers Peers) {
	a := &v1.ChatAction{}
	var action tg.SendMessageActionClass
	switch u := u.(type) {
	case *tg.UpdateUserTyping:
		a.Peer, a.Sender, a.TopId, action = userPeer(u.UserID, peers), userPeer(u.UserID, peers), int32(u.TopMsgID), u.Action
	case *tg.UpdateChatUserTyping:
		a.Peer, a.Sender, action = chatPeer(u.ChatID, peers), TLPeer(u.FromID, peers), u.Action
	case *tg.UpdateChannelUserTyping:
		a.Peer, a.Sender, a.TopId, action = channelPeer(u.ChannelID, peers), TLPeer(u.FromID, peers), int32(u.TopMsgID), u.Action
	default:
		return
	}
	a.Action = strings.TrimSuffix(shortName(action, "sendMessage"), "Action")
	if upload, ok := action.(interface{ GetProgress() int }); ok {
		a.Progress = int32(upload.GetProgress())
	}
	out.Payload = &v1.Event_ChatAction{ChatAction: a}
}

func userStatusOf(u *tg.UpdateUserStatus, peers Peers) *v1.UserStatus {
	s := &v1.UserStatus{User: userPeer(u.UserID, peers)}
	switch status := u.Status.(type) {
	case *tg.UserStatusOnline:
		s.Status, s.Until = v1.OnlineStatus_ONLINE_STATUS_ONLINE, Unix(status.Expires)
	case *tg.UserStatusOffline:
		s.Status, s.Until = v1.OnlineStatus_ONLINE_STATUS_OFFLINE, Unix(status.WasOnline)
	case *tg.UserStatusRecently:
		s.Status = v1.OnlineStatus_ONLINE_STATUS_RECENTLY
	case *tg.UserStatusLastWeek:
		s.Status = v1.OnlineStatus_ONLINE_STATUS_LAST_WEEK
	case *tg.UserStatusLastMonth:
		s.Status = v1.OnlineStatus_ONLINE_STATUS_LAST_MONTH
	}
	return s
}

func fillRead(out *v1.Event, u tg.UpdateClass, peers Peers) {
	r := &v1.ReadReceipt{}
	switch u := u.(type) {
	case *tg.UpdateReadHistoryInbox:
		r.Peer, r.MaxId, r.TopId, r.StillUnread = TLPeer(u.Peer, peers), int32(u.MaxID), int32(u.TopMsgID), int32(u.StillUnreadCount)
	case *tg.UpdateReadHistoryOutbox:
		r.Peer, r.MaxId, r.Outbox = TLPeer(u.Peer, peers), int32(u.MaxID), true
	case *tg.UpdateReadChannelInbox:
		r.Peer, r.MaxId, r.StillUnread = channelPeer(u.ChannelID, peers), int32(u.MaxID), int32(u.StillUnreadCount)
	case *tg.UpdateReadChannelOutbox:
		r.Peer, r.MaxId, r.Outbox = channelPeer(u.ChannelID, peers), int32(u.MaxID), true
	case *tg.UpdateReadMessagesContents:
		r.MessageIds = IDs(u.Messages)
	case *tg.UpdateChannelReadMessagesContents:
		r.Peer, r.MessageIds, r.TopId = channelPeer(u.ChannelID, peers), IDs(u.Messages), int32(u.TopMsgID)
	case *tg.UpdateReadChannelDiscussionInbox:
		r.Peer, r.MaxId, r.TopId = channelPeer(u.ChannelID, peers), int32(u.ReadMaxID), int32(u.TopMsgID)
	case *tg.UpdateReadChannelDiscussionOutbox:
		r.Peer, r.MaxId, r.TopId, r.Outbox = channelPeer(u.ChannelID, peers), int32(u.ReadMaxID), int32(u.TopMsgID), true
	default:
		return
	}
	out.Payload = &v1.Event_Read{Read: r}
}

func reactionOf(r tg.ReactionClass) *v1.Reaction {
	switch r := r.(type) {
	case *tg.ReactionEmoji:
		return &v1.Reaction{Emoji: r.Emoticon}
	case *tg.ReactionCustomEmoji:
		return &v1.Reaction{CustomEmojiId: r.DocumentID}
	case *tg.ReactionPaid:
		return &v1.Reaction{Paid: true}
	}
	return &v1.Reaction{}
}

func reactionsOf(list []tg.ReactionClass) []*v1.Reaction {
	var out []*v1.Reaction
	for _, r := range list {
		out = append(out, reactionOf(r))
	}
	return out
}

// ReactionCounts converts how many gave which reaction.
func ReactionCounts(list []tg.ReactionCount) []*v1.ReactionCount {
	var out []*v1.ReactionCount
	for _, c := range list {
		_, chosen := c.GetChosenOrder()
		out = append(out, &v1.ReactionCount{Reaction: reactionOf(c.Reaction), Count: int32(c.Count), Chosen: chosen})
	}
	return out
}

func fillReaction(out *v1.Event, u tg.UpdateClass, peers Peers) {
	r := &v1.ReactionChanged{}
	switch u := u.(type) {
	case *tg.UpdateBotMessageReaction:
		r.Peer, r.MessageId, r.Date, r.Actor = TLPeer(u.Peer, peers), int32(u.MsgID), Unix(u.Date), TLPeer(u.Actor, peers)
		r.Before, r.Now = reactionsOf(u.OldReactions), reactionsOf(u.NewReactions)
	case *tg.UpdateBotMessageReactions:
		r.Peer, r.MessageId, r.Date, r.Counts = TLPeer(u.Peer, peers), int32(u.MsgID), Unix(u.Date), ReactionCounts(u.Reactions)
	case *tg.UpdateMessageReactions:
		r.Peer, r.MessageId, r.Counts = TLPeer(u.Peer, peers), int32(u.MsgID), ReactionCounts(u.Reactions.Results)
	default:
		return
	}
	out.Payload = &v1.Event_Reaction{Reaction: r}
}

func fillPoll(out *v1.Event, u tg.UpdateClass, peers Peers) {
	p := &v1.PollChanged{}
	switch u := u.(type) {
	case *tg.UpdateMessagePollVote:
		p.PollId, p.Voter, p.Options = u.PollID, TLPeer(u.Peer, peers), u.Options
	case *tg.UpdateMessagePoll:
		p.PollId, p.TotalVoters = u.PollID, int32(u.Results.TotalVoters)
		for _, r := range u.Results.Results {
			p.Results = append(p.Results, &v1.PollResult{Option: r.Option, Voters: int32(r.Voters), Chosen: r.Chosen, Correct: r.Correct})
		}
	default:
		return
	}
	out.Payload = &v1.Event_Poll{Poll: p}
}

func fillJoinRequest(out *v1.Event, u tg.UpdateClass, peers Peers) {
	j := &v1.JoinRequest{}
	switch u := u.(type) {
	case *tg.UpdateBotChatInviteRequester:
		j.Peer, j.Date, j.About, j.InviteLink = TLPeer(u.Peer, peers), Unix(u.Date), u.About, inviteLink(u.Invite)
		j.Users = []*v1.Peer{userPeer(u.UserID, peers)}
	case *tg.UpdatePendingJoinRequests:
		j.Peer, j.Pending = TLPeer(u.Peer, peers), int32(u.RequestsPending)
		for _, id := range u.RecentRequesters {
			j.Users = append(j.Users, userPeer(id, peers))
		}
	default:
		return
	}
	out.Payload = &v1.Event_JoinRequest{JoinRequest: j}
}

func inviteLink(i tg.ExportedChatInviteClass) string {
	if link, ok := i.(*tg.ChatInviteExported); ok {
		return link.Link
	}
	return ""
}
