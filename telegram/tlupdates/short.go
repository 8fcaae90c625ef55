package tlupdates

import (
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/updates"
)

// shortMessage rebuilds the message of a private chat (core.telegram.org/constructor/updateShortMessage).
func shortMessage(u *tg.UpdateShortMessage, src Source, peers Lookup) updates.Input {
	m := &tg.Message{
		Out: u.Out, Mentioned: u.Mentioned, MediaUnread: u.MediaUnread, Silent: u.Silent,
		ID: u.ID, PeerID: &tg.PeerUser{UserID: u.UserID}, FromID: &tg.PeerUser{UserID: u.UserID},
		Date: u.Date, Message: u.Message, FwdFrom: u.FwdFrom, ViaBotID: u.ViaBotID, ReplyTo: u.ReplyTo,
		Entities: u.Entities, TTLPeriod: u.TTLPeriod,
	}
	if u.Out {
		m.FromID = &tg.PeerUser{UserID: src.Self}
	}
	return short(m, u.Pts, u.PtsCount, src, peers)
}

// shortChatMessage rebuilds the message of a basic group.
func shortChatMessage(u *tg.UpdateShortChatMessage, src Source, peers Lookup) updates.Input {
	return short(&tg.Message{
		Out: u.Out, Mentioned: u.Mentioned, MediaUnread: u.MediaUnread, Silent: u.Silent,
		ID: u.ID, PeerID: &tg.PeerChat{ChatID: u.ChatID}, FromID: &tg.PeerUser{UserID: u.FromID},
		Date: u.Date, Message: u.Message, FwdFrom: u.FwdFrom, ViaBotID: u.ViaBotID, ReplyTo: u.ReplyTo,
		Entities: u.Entities, TTLPeriod: u.TTLPeriod,
	}, u.Pts, u.PtsCount, src, peers)
}

// short wraps a rebuilt message as the update that it stands for; date and seq of a short form
// order nothing.
func short(m *tg.Message, pts, count int, src Source, peers Lookup) updates.Input {
	if !knowsAll(m, src, peers) {
		return updates.TooLong{MsgID: src.MsgID}
	}
	m.SetFlags()
	return received([]tg.UpdateClass{messageUpdate(m, pts, count)}, src, m.Date, 0, 0)
}

func messageUpdate(m *tg.Message, pts, count int) tg.UpdateClass {
	if channelOf(m) != 0 {
		return &tg.UpdateNewChannelMessage{Message: m, Pts: pts, PtsCount: count}
	}
	return &tg.UpdateNewMessage{Message: m, Pts: pts, PtsCount: count}
}

// knowsAll reports whether every peer that the message names is known.
func knowsAll(m *tg.Message, src Source, peers Lookup) bool {
	named := []tg.PeerClass{m.PeerID, m.FromID, m.FwdFrom.FromID, m.FwdFrom.SavedFromPeer}
	if m.ViaBotID != 0 {
		named = append(named, &tg.PeerUser{UserID: m.ViaBotID})
	}
	if header, ok := m.ReplyTo.(*tg.MessageReplyHeader); ok {
		named = append(named, header.ReplyToPeerID)
	}
	for _, e := range m.Entities {
		if mention, ok := e.(*tg.MessageEntityMentionName); ok {
			named = append(named, &tg.PeerUser{UserID: mention.UserID})
		}
	}
	for _, p := range named {
		switch p := p.(type) {
		case *tg.PeerUser:
			if p.UserID != src.Self && !peers.KnowsUser(p.UserID) {
				return false
			}
		case *tg.PeerChat:
			if !peers.KnowsChat(p.ChatID) {
				return false
			}
		case *tg.PeerChannel:
			if !peers.KnowsChat(p.ChannelID) {
				return false
			}
		}
	}
	return true
}

// FromSentMessage rebuilds the message that a short answer to messages.sendMessage stands for.
// Where the request does not say enough, the result is updates.TooLong.
func FromSentMessage(req *tg.MessagesSendMessageRequest, res *tg.UpdateShortSentMessage, src Source) updates.Input {
	peer := peerOf(req.Peer, src)
	if peer == nil {
		return updates.TooLong{MsgID: src.MsgID}
	}
	m := &tg.Message{
		Out: res.Out, Silent: req.Silent, Noforwards: req.Noforwards, InvertMedia: req.InvertMedia,
		ID: res.ID, PeerID: peer, FromID: &tg.PeerUser{UserID: src.Self},
		Date: res.Date, Message: req.Message, Media: res.Media, Entities: res.Entities,
		TTLPeriod: res.TTLPeriod, Effect: req.Effect,
	}
	if as := peerOf(req.SendAs, src); as != nil {
		m.FromID = as
	}
	if markup, ok := req.ReplyMarkup.(*tg.ReplyInlineMarkup); ok {
		m.ReplyMarkup = markup
	}
	if to, ok := req.ReplyTo.(*tg.InputReplyToMessage); ok {
		m.ReplyTo = replyHeader(to, src)
	}
	m.SetFlags()
	return received([]tg.UpdateClass{messageUpdate(m, res.Pts, res.PtsCount)}, src, res.Date, 0, 0)
}

func replyHeader(to *tg.InputReplyToMessage, src Source) *tg.MessageReplyHeader {
	h := &tg.MessageReplyHeader{
		Quote: to.QuoteText != "", ReplyToMsgID: to.ReplyToMsgID, ReplyToPeerID: peerOf(to.ReplyToPeerID, src),
		ReplyToTopID: to.TopMsgID, QuoteText: to.QuoteText, QuoteEntities: to.QuoteEntities, QuoteOffset: to.QuoteOffset,
		TodoItemID: to.TodoItemID, PollOption: to.PollOption,
	}
	h.SetFlags()
	return h
}

// peerOf is the peer that an input peer addresses; nil if it addresses none.
func peerOf(p tg.InputPeerClass, src Source) tg.PeerClass {
	switch p := p.(type) {
	case *tg.InputPeerSelf:
		return &tg.PeerUser{UserID: src.Self}
	case *tg.InputPeerUser:
		return &tg.PeerUser{UserID: p.UserID}
	case *tg.InputPeerUserFromMessage:
		return &tg.PeerUser{UserID: p.UserID}
	case *tg.InputPeerChat:
		return &tg.PeerChat{ChatID: p.ChatID}
	case *tg.InputPeerChannel:
		return &tg.PeerChannel{ChannelID: p.ChannelID}
	case *tg.InputPeerChannelFromMessage:
		return &tg.PeerChannel{ChannelID: p.ChannelID}
	}
	return nil
}
