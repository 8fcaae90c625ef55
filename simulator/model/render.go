package model

import (
	"slices"

	"github.com/gotd/td/tg"
)

// view is a message as somebody looks at it.
type view struct {
	id     int
	dialog Peer
	viewer int64
	reply  int // the viewer's id of the message that is answered in the same chat; 0: none
	pinned bool
}

// RenderLetter renders an account's copy of a message.
func (w *World) RenderLetter(u *User, m *Letter) tg.MessageClass {
	return w.render(m.Post, view{m.ID, m.Dialog, u.ID, m.replyID(u), m.Pinned})
}

// RenderPost renders a post of a channel for a viewer.
func (w *World) RenderPost(ch *Channel, p *Post, viewer int64) tg.MessageClass {
	reply := 0
	if p.Reply != nil && p.Reply.Post != nil && p.Reply.Elsewhere == (Peer{}) {
		reply = p.Reply.Post.ID
	}
	return w.render(p, view{p.ID, ch.Peer(), viewer, reply, p.Pinned})
}

// RenderScheduled renders a message that waits for its time, for its writer.
func (w *World) RenderScheduled(p *Post) tg.MessageClass {
	reply := 0
	if p.Reply != nil && p.Reply.Elsewhere == (Peer{}) {
		if reply = p.Reply.Post.ID; p.To.Kind != PeerChannel {
			reply = p.Reply.Post.Copies[p.From]
		}
	}
	return w.render(p, view{id: p.ID, dialog: p.To, viewer: p.From, reply: reply})
}

// replyID is the owner's id of the message that this one answers; 0 if it has none.
func (m *Letter) replyID(u *User) int {
	if r := m.Post.Reply; r != nil && r.Elsewhere == (Peer{}) {
		return r.Post.Copies[u.ID]
	}
	return 0
}

// replyHeader says what a message answers, and in which topic it is; nil if neither.
func replyHeader(p *Post, id int) tg.MessageReplyHeaderClass {
	h := &tg.MessageReplyHeader{}
	elsewhere := p.Reply != nil && p.Reply.Elsewhere != Peer{}
	switch {
	case elsewhere && p.Reply.Elsewhere.Kind == PeerChannel:
		h.SetReplyToPeerID(p.Reply.Elsewhere.TL())
		h.SetReplyToMsgID(p.Reply.Post.ID)
		h.SetReplyFrom(originOf(p.Reply.Post))
	case elsewhere: // the recipients cannot look there
		h.SetReplyFrom(originOf(p.Reply.Post))
	case id != 0:
		h.SetReplyToMsgID(id)
		if p.TopicID > GeneralTopic {
			h.SetReplyToTopID(p.TopicID)
		}
	case p.TopicID > GeneralTopic && p.Action == nil:
		h.SetReplyToMsgID(p.TopicID)
	default:
		return nil
	}
	h.ForumTopic = p.TopicID > GeneralTopic
	if p.Reply != nil && p.Reply.Quote != "" {
		h.Quote = true
		h.SetQuoteText(p.Reply.Quote)
		h.SetQuoteOffset(p.Reply.QuoteOffset)
		if len(p.Reply.QuoteEntities) > 0 {
			h.SetQuoteEntities(p.Reply.QuoteEntities)
		}
	}
	return h
}

func originOf(p *Post) tg.MessageFwdHeader {
	h := tg.MessageFwdHeader{Date: p.Date}
	h.SetFromID(p.Author().TL())
	return h
}

func (f *Forward) tl() tg.MessageFwdHeader {
	h := tg.MessageFwdHeader{Date: f.Date}
	h.SetFromID(f.From.TL())
	if f.ChannelPost != 0 {
		h.SetChannelPost(f.ChannelPost)
	}
	if f.SavedFrom != (Peer{}) {
		h.SetSavedFromPeer(f.SavedFrom.TL())
		h.SetSavedFromMsgID(f.SavedID)
	}
	return h
}

func (w *World) render(p *Post, v view) tg.MessageClass {
	if p.Action != nil {
		return w.renderAction(p, v)
	}
	m := &tg.Message{
		ID: v.id, Out: p.From == v.viewer && p.From != 0, PeerID: v.dialog.TL(), Date: p.Date, Message: p.Text, Pinned: v.pinned,
		Mentioned: p.Pings(v.viewer), Entities: p.Entities, Silent: p.Silent, ReplyMarkup: p.Markup, EditDate: p.EditDate,
		Noforwards: p.Noforwards || w.Protected(p.To), InvertMedia: p.InvertMedia, FromScheduled: p.Scheduled,
	}
	switch {
	case p.From == 0:
		m.Post = true
		m.SetViews(1)
		m.SetForwards(0)
	case v.dialog.Kind != PeerUser:
		m.SetFromID(p.Author().TL())
	}
	if h := replyHeader(p, v.reply); h != nil {
		m.SetReplyTo(h)
	}
	if p.Forward != nil {
		m.SetFwdFrom(p.Forward.tl())
	}
	if p.Media != nil {
		m.SetMedia(p.Media.Render(v.viewer))
	}
	if p.ViaBot != 0 {
		m.SetViaBotID(p.ViaBot)
	}
	if p.GroupedID != 0 {
		m.SetGroupedID(p.GroupedID)
	}
	if p.Effect != 0 {
		m.SetEffect(p.Effect)
	}
	if len(p.Reactions) > 0 {
		m.SetReactions(p.RenderReactions(v.viewer))
	}
	return m
}

func (w *World) renderAction(p *Post, v view) tg.MessageClass {
	s := &tg.MessageService{
		ID: v.id, Out: p.From == v.viewer && p.From != 0, PeerID: v.dialog.TL(), Date: p.Date, Action: p.Action, Silent: p.Silent,
	}
	if p.From != 0 && v.dialog.Kind != PeerUser {
		s.SetFromID(p.Author().TL())
	}
	s.Post = p.From == 0
	if h := replyHeader(p, v.reply); h != nil {
		s.SetReplyTo(h)
	}
	return s
}

// shownReactors is how many reactions a message shows with their authors.
const shownReactors = 3

// RenderReactions sums the reactions to a message up for a viewer.
func (p *Post) RenderReactions(viewer int64) tg.MessageReactions {
	out := tg.MessageReactions{CanSeeList: p.From != 0}
	at, chosen := map[string]int{}, 0
	for _, r := range p.Reactions {
		key := Encoded(r.What)
		i, ok := at[key]
		if !ok {
			i = len(out.Results)
			at[key] = i
			out.Results = append(out.Results, tg.ReactionCount{Reaction: r.What})
		}
		out.Results[i].Count++
		if r.By == UserPeer(viewer) {
			out.Results[i].SetChosenOrder(chosen)
			chosen++
		}
	}
	if p.From == 0 {
		return out
	}
	for _, r := range slices.Backward(p.Reactions[max(0, len(p.Reactions)-shownReactors):]) {
		out.RecentReactions = append(out.RecentReactions, tg.MessagePeerReaction{
			PeerID: r.By.TL(), Date: r.Date, Reaction: r.What, Big: r.Big, My: r.By == UserPeer(viewer),
		})
	}
	return out
}
