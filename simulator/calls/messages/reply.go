package messages

import (
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// answerTo finds the message that a new one answers, and the topic that it is in.
func answerTo(c *model.Call, p *model.Post, in tg.InputReplyToClass) error {
	forum := p.To.Kind == model.PeerChannel && c.World.Channels[p.To.ID].Forum
	if forum {
		p.TopicID = model.GeneralTopic
	}
	if in == nil {
		return nil
	}
	r, ok := in.(*tg.InputReplyToMessage)
	if !ok {
		return model.RPCError(400, "REPLY_TO_INVALID")
	}
	chat := p.To
	if r.ReplyToPeerID != nil {
		var err error
		if chat, err = c.InputPeer(r.ReplyToPeerID); err != nil {
			return err
		}
	}
	if forum && chat == p.To {
		ch := c.World.Channels[p.To.ID]
		if r.TopMsgID != 0 {
			p.TopicID = r.TopMsgID
		}
		if ch.Topics[r.ReplyToMsgID] != nil { // the topic itself, and no message in it
			p.TopicID = r.ReplyToMsgID
			return nil
		}
	}
	of := c.Find(chat, r.ReplyToMsgID)
	if of == nil {
		return model.RPCError(400, "REPLY_MESSAGE_ID_INVALID")
	}
	if !strings.Contains(of.Text, r.QuoteText) {
		return model.RPCError(400, "QUOTE_TEXT_INVALID")
	}
	p.Reply = &model.Reply{Post: of, Quote: r.QuoteText, QuoteEntities: r.QuoteEntities, QuoteOffset: r.QuoteOffset}
	switch {
	case chat != p.To:
		p.Reply.Elsewhere = chat
		if r.TopMsgID != 0 {
			p.TopicID = r.TopMsgID
		}
	case forum && r.TopMsgID == 0:
		p.TopicID = of.TopicID
	}
	return nil
}

func mayWriteInTopic(c *model.Call, p *model.Post) error {
	if p.TopicID <= model.GeneralTopic {
		return nil
	}
	ch := c.World.Channels[p.To.ID]
	if ch == nil || !ch.Forum || ch.Topics[p.TopicID] == nil {
		return model.RPCError(400, "TOPIC_DELETED")
	}
	if m := ch.Members[c.User.ID]; ch.Topics[p.TopicID].Closed && !m.Admin {
		return model.RPCError(400, "TOPIC_CLOSED")
	}
	return nil
}

// sendAs is in whose name the caller may write into a chat: core.telegram.org/method/channels.getSendAs.
func sendAs(c *model.Call, to model.Peer, in tg.InputPeerClass) (model.Peer, error) {
	if in == nil {
		return model.Peer{}, nil
	}
	as, err := c.InputPeer(in)
	if err != nil {
		return model.Peer{}, model.RPCError(400, "SEND_AS_PEER_INVALID")
	}
	if as == c.User.Peer() {
		return model.Peer{}, nil
	}
	for _, p := range mayBe(c, to) {
		if p == as && c.World.BanOf(c.World.Channels[to.ID], as) == nil {
			return as, nil
		}
	}
	return model.Peer{}, model.RPCError(400, "SEND_AS_PEER_INVALID")
}

// mayBe lists the channels in whose name the caller may write into a supergroup.
func mayBe(c *model.Call, to model.Peer) []model.Peer {
	if to.Kind != model.PeerChannel || c.World.Channels[to.ID].Broadcast {
		return nil
	}
	var out []model.Peer
	if m := c.World.Channels[to.ID].Members[c.User.ID]; m != nil && m.Admin {
		out = append(out, to) // as an anonymous administrator
	}
	for _, id := range model.SortedKeys(c.User.Channels) {
		if ch := c.World.Channels[id]; ch.Broadcast && ch.Creator == c.User.ID {
			out = append(out, ch.Peer())
		}
	}
	return out
}

// getSendAs says in whose name the caller may write into a chat.
func getSendAs(c *model.Call, q *tg.ChannelsGetSendAsRequest) (bin.Encoder, error) {
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	out, r := &tg.ChannelsSendAsPeers{}, model.NewRefs(c.World, c.User)
	for _, p := range append([]model.Peer{c.User.Peer()}, mayBe(c, in)...) {
		out.Peers = append(out.Peers, tg.SendAsPeer{Peer: p.TL()})
		r.Peer(p)
	}
	out.Chats, out.Users = r.TLChats(), r.TLUsers()
	return out, nil
}
