package convert

import (
	"strings"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/telegram"
)

// Peer describes a peer.
func Peer(p telegram.Peer) *v1.Peer {
	out := &v1.Peer{Id: p.BotAPIID(), Username: p.Username, Title: p.Title}
	switch p.Kind {
	case telegram.PeerUser:
		out.Kind = v1.PeerKind_PEER_KIND_USER
	case telegram.PeerChat:
		out.Kind = v1.PeerKind_PEER_KIND_CHAT
	case telegram.PeerChannel:
		out.Kind = v1.PeerKind_PEER_KIND_CHANNEL
	}
	return out
}

// TLPeer describes a TL peer as far as it is known; nil for none.
func TLPeer(p tg.PeerClass, peers Peers) *v1.Peer {
	kind, id, ok := telegram.PeerRef(p)
	if !ok {
		return nil
	}
	known, ok := peers.Get(kind, id)
	if !ok || known.ID != id {
		known = telegram.Peer{Kind: kind, ID: id}
	}
	return Peer(known)
}

// User converts a user; nil for none.
func User(u *tg.User) *v1.User {
	if u == nil {
		return nil
	}
	out := &v1.User{
		Id: u.ID, FirstName: u.FirstName, LastName: u.LastName, Phone: u.Phone,
		Bot: u.Bot, Self: u.Self, Contact: u.Contact, MutualContact: u.MutualContact, Premium: u.Premium,
		Verified: u.Verified, Scam: u.Scam, Fake: u.Fake, Deleted: u.Deleted, Restricted: u.Restricted,
		LanguageCode: u.LangCode,
	}
	if p, ok := telegram.PeerOfUser(u); ok {
		out.Username = p.Username
	}
	if u.Username != "" {
		out.Usernames = append(out.Usernames, u.Username)
	}
	for _, name := range u.Usernames {
		if name.Active && name.Username != u.Username {
			out.Usernames = append(out.Usernames, name.Username)
		}
	}
	return out
}

// Message converts a message or service message; nil for messageEmpty.
func Message(m tg.MessageClass, peers Peers) *v1.Message {
	switch m := m.(type) {
	case *tg.Message:
		out := &v1.Message{
			Id: int32(m.ID), Peer: TLPeer(m.PeerID, peers), Sender: senderOf(m.FromID, m.PeerID, m.Out, m.Post, peers),
			Date: Unix(m.Date), EditDate: Unix(m.EditDate), Out: m.Out, Text: m.Message, Entities: Entities(m.Entities),
			Media: Media(m.Media), Reply: replyOf(m.ReplyTo, peers), Keyboard: Keyboard(m.ReplyMarkup),
			GroupedId: m.GroupedID, ViaBotId: m.ViaBotID, PostAuthor: m.PostAuthor,
			Views: int32(m.Views), Forwards: int32(m.Forwards), Mentioned: m.Mentioned, Silent: m.Silent,
			Post: m.Post, Pinned: m.Pinned, Noforwards: m.Noforwards,
		}
		if fwd, ok := m.GetFwdFrom(); ok {
			out.Forward = forwardOf(fwd, peers)
		}
		return out
	case *tg.MessageService:
		return &v1.Message{
			Id: int32(m.ID), Peer: TLPeer(m.PeerID, peers), Sender: senderOf(m.FromID, m.PeerID, m.Out, m.Post, peers),
			Date: Unix(m.Date), Out: m.Out, Reply: replyOf(m.ReplyTo, peers), Mentioned: m.Mentioned, Silent: m.Silent,
			Post: m.Post, Service: &v1.ServiceAction{Kind: shortName(m.Action, "messageAction")},
		}
	}
	return nil
}

// Messages converts messages; what is no message is left out.
func Messages(list []tg.MessageClass, peers Peers) []*v1.Message {
	return WrittenAll(list, peers, v1.ParseMode_PARSE_MODE_UNSPECIFIED)
}

// senderOf is who sent a message: in private chats Telegram leaves it out where it is plain.
func senderOf(from, chat tg.PeerClass, out, post bool, peers Peers) *v1.Peer {
	if from != nil {
		return TLPeer(from, peers)
	}
	if post {
		return nil
	}
	if out {
		if self, ok := peers.Get(telegram.PeerUser, 0); ok {
			return Peer(self)
		}
		return nil
	}
	if _, private := chat.(*tg.PeerUser); private {
		return TLPeer(chat, peers)
	}
	return nil
}

func replyOf(h tg.MessageReplyHeaderClass, peers Peers) *v1.ReplyHeader {
	reply, ok := h.(*tg.MessageReplyHeader)
	if !ok {
		return nil
	}
	return &v1.ReplyHeader{
		MessageId: int32(reply.ReplyToMsgID), Peer: TLPeer(reply.ReplyToPeerID, peers),
		TopId: int32(reply.ReplyToTopID), Quote: reply.QuoteText, ForumTopic: reply.ForumTopic,
	}
}

func forwardOf(h tg.MessageFwdHeader, peers Peers) *v1.ForwardHeader {
	return &v1.ForwardHeader{
		From: TLPeer(h.FromID, peers), FromName: h.FromName, Date: Unix(h.Date),
		ChannelPost: int32(h.ChannelPost), PostAuthor: h.PostAuthor,
	}
}

// Keyboard converts a keyboard; nil for none.
func Keyboard(m tg.ReplyMarkupClass) *v1.Keyboard {
	var rows []tg.KeyboardButtonRow
	inline := false
	switch m := m.(type) {
	case *tg.ReplyInlineMarkup:
		rows, inline = m.Rows, true
	case *tg.ReplyKeyboardMarkup:
		rows = m.Rows
	case *tg.ReplyKeyboardHide:
	default:
		return nil
	}
	out := &v1.Keyboard{Inline: inline}
	for _, row := range rows {
		r := &v1.KeyboardRow{}
		for _, b := range row.Buttons {
			r.Buttons = append(r.Buttons, buttonOf(b))
		}
		out.Rows = append(out.Rows, r)
	}
	return out
}

func buttonOf(b tg.KeyboardButtonClass) *v1.Button {
	out := &v1.Button{Text: b.GetText(), Kind: shortName(b, "keyboardButton")}
	switch b := b.(type) {
	case *tg.KeyboardButton:
		out.Kind = "text"
	case *tg.KeyboardButtonCallback:
		out.Data = b.Data
	case *tg.KeyboardButtonURL:
		out.Url = b.URL
	case *tg.KeyboardButtonURLAuth:
		out.Url = b.URL
	case *tg.KeyboardButtonWebView:
		out.Url = b.URL
	case *tg.KeyboardButtonSimpleWebView:
		out.Url = b.URL
	}
	return out
}

// Media describes the media of a message; nil for none.
func Media(m tg.MessageMediaClass) *v1.Media {
	if m == nil {
		return nil
	}
	out := &v1.Media{Kind: shortName(m, "messageMedia")}
	switch m := m.(type) {
	case *tg.MessageMediaEmpty:
		return nil
	case *tg.MessageMediaPhoto:
		if photo, ok := m.Photo.(*tg.Photo); ok {
			out.FileId = photo.ID
			fillPhoto(out, photo.Sizes)
		}
	case *tg.MessageMediaDocument:
		if doc, ok := m.Document.(*tg.Document); ok {
			fillDocument(out, doc)
		}
	case *tg.MessageMediaWebPage:
		if page, ok := m.Webpage.(*tg.WebPage); ok {
			out.Url = page.URL
		}
	}
	return out
}

// fillPhoto describes the largest size of a photo.
func fillPhoto(out *v1.Media, sizes []tg.PhotoSizeClass) {
	for _, s := range sizes {
		w, h, size := 0, 0, 0
		switch s := s.(type) {
		case *tg.PhotoSize:
			w, h, size = s.W, s.H, s.Size
		case *tg.PhotoSizeProgressive:
			w, h = s.W, s.H
			for _, n := range s.Sizes {
				size = max(size, n)
			}
		}
		if int32(w) > out.Width {
			out.Width, out.Height, out.Size = int32(w), int32(h), int64(size)
		}
	}
}

func fillDocument(out *v1.Media, doc *tg.Document) {
	out.FileId, out.MimeType, out.Size = doc.ID, doc.MimeType, doc.Size
	for _, a := range doc.Attributes {
		switch a := a.(type) {
		case *tg.DocumentAttributeFilename:
			out.FileName = a.FileName
		case *tg.DocumentAttributeImageSize:
			out.Width, out.Height = int32(a.W), int32(a.H)
		case *tg.DocumentAttributeVideo:
			out.Width, out.Height, out.Duration = int32(a.W), int32(a.H), a.Duration
		case *tg.DocumentAttributeAudio:
			out.Duration = float64(a.Duration)
		}
	}
}

// shortName is a constructor's name without its class, in lower camel case.
func shortName(v interface{ TypeName() string }, class string) string {
	if v == nil {
		return ""
	}
	name := strings.TrimPrefix(v.TypeName(), class)
	if name == "" {
		return ""
	}
	return strings.ToLower(name[:1]) + name[1:]
}
