package telegram

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"
	"unicode/utf16"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// maxText is the longest text of a message, in UTF-16 code units (message_length_max).
const maxText = 4096

// Outgoing is a message to send.
type Outgoing struct {
	// Text is 1 to 4096 UTF-16 code units long; a caption, which may be empty, if there is Media.
	Text     string
	Entities []tg.MessageEntityClass
	// ReplyTo is the message to answer; 0 = none. ReplyPeer is its chat; nil = the same. Quote is a part
	// of it, QuoteOffset where about that begins, in UTF-16 code units.
	ReplyTo       int
	ReplyPeer     *Peer
	Quote         string
	QuoteEntities []tg.MessageEntityClass
	QuoteOffset   int
	// TopID is the top message of a forum topic; 0 = that of ReplyTo.
	TopID       int
	Silent      bool
	Background  bool
	ClearDraft  bool
	NoWebpage   bool
	InvertMedia bool
	Noforwards  bool
	// Schedule is when to send; zero = now. WhenOnline sends once the user is online instead.
	Schedule   time.Time
	WhenOnline bool
	// SendAs is in whose name to write; nil = the account or the chat's default.
	SendAs *Peer
	// Effect is an animation that the recipient sees; 0 = none.
	Effect int64
	// Keyboard is the keyboard under the message; nil = none. Bots only.
	Keyboard tg.ReplyMarkupClass
	// RandomID makes repetitions of one command one message; 0 = drawn.
	RandomID int64
	// Media is what the message carries; nil = nothing.
	Media tg.InputMediaClass
	// Since is when the command was first tried: what is older is not its message. Zero = now where
	// RandomID is drawn, else unknown.
	Since time.Time
}

// ErrMessageUnknown says that a message was sent, but not which one it is.
var ErrMessageUnknown = &fleet.Error{
	Code: fleet.CodeAlreadyExists, Reason: "MESSAGE_UNKNOWN", Message: "message: was sent, and cannot be told from others",
	Remedy: "nothing to do: the message was sent once",
}

// SendMessage sends a message (messages.sendMessage, messages.sendMedia) and returns it as the server numbered
// it. random_id is drawn once, so however often the call travels, one message is sent.
// ErrMessageUnknown when it was sent and cannot be found.
func SendMessage(ctx context.Context, env Env, to Peer, m Outgoing) (*tg.Message, error) {
	if m.RandomID == 0 && m.Since.IsZero() {
		m.Since = time.Now()
	}
	req, err := sendRequest(to, m)
	if err != nil {
		return nil, err
	}
	var call Request = req
	if m.Media != nil {
		call = mediaRequest(req, m.Media)
	}
	var res tg.UpdatesBox
	err = Invoke(ctx, env, call, &res)
	if IsRPC(err, "RANDOM_ID_DUPLICATE") {
		return findSent(ctx, env, to, req, m.Since)
	}
	if err != nil {
		return nil, err
	}
	if short, ok := res.Updates.(*tg.UpdateShortSentMessage); ok {
		return fromShort(env, to, req, short), nil
	}
	if msg := sentMessage(res.Updates, req.RandomID); msg != nil {
		return msg, nil
	}
	return nil, messageUnknown("the answer is a %T without it", res.Updates)
}

func sendRequest(to Peer, m Outgoing) (*tg.MessagesSendMessageRequest, error) {
	input, err := to.Input()
	if err != nil {
		return nil, err
	}
	switch n := len16(m.Text); {
	case m.Media != nil:
		if err := checkCaption(m.Text); err != nil {
			return nil, err
		}
	case n == 0:
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "MESSAGE_EMPTY", "message.text: is empty").
			WithRemedy(verdicts["MESSAGE_EMPTY"].remedy)
	case n > maxText:
		return nil, tooLong(n)
	}
	if m.RandomID == 0 {
		if m.RandomID, err = randomID(); err != nil {
			return nil, err
		}
	}
	req := &tg.MessagesSendMessageRequest{
		Peer: input, Message: m.Text, RandomID: m.RandomID, Silent: m.Silent, Background: m.Background,
		ClearDraft: m.ClearDraft, NoWebpage: m.NoWebpage, InvertMedia: m.InvertMedia, Noforwards: m.Noforwards,
	}
	if len(m.Entities) > 0 {
		req.SetEntities(m.Entities)
	}
	if err := fillSend(req, m); err != nil {
		return nil, err
	}
	return req, nil
}

// len16 is how many UTF-16 code units a text has.
func len16(text string) int { return len(utf16.Encode([]rune(text))) }

// fillSend sets the fields that are left out when they are empty.
func fillSend(req *tg.MessagesSendMessageRequest, m Outgoing) error {
	if m.ReplyTo != 0 || m.TopID != 0 {
		reply, err := inputReply(m)
		if err != nil {
			return err
		}
		req.SetReplyTo(reply)
	}
	if date := scheduleDate(m.Schedule, m.WhenOnline); date != 0 {
		req.SetScheduleDate(date)
	}
	if m.SendAs != nil {
		as, err := m.SendAs.Input()
		if err != nil {
			return err
		}
		req.SetSendAs(as)
	}
	if m.Effect != 0 {
		req.SetEffect(m.Effect)
	}
	if m.Keyboard != nil {
		req.SetReplyMarkup(m.Keyboard)
	}
	return nil
}

// whenOnline as a date lets Telegram send a message once the user is online.
const whenOnline = 0x7ffffffe

// scheduleDate is the date of a message as TL has it; 0 = now.
func scheduleDate(at time.Time, online bool) int {
	switch {
	case online:
		return whenOnline
	case at.IsZero():
		return 0
	}
	return int(at.Unix())
}

func inputReply(m Outgoing) (*tg.InputReplyToMessage, error) {
	reply := &tg.InputReplyToMessage{ReplyToMsgID: m.ReplyTo}
	if m.ReplyTo == 0 { // a topic is addressed by its top message
		reply.ReplyToMsgID = m.TopID
	}
	if m.TopID != 0 {
		reply.SetTopMsgID(m.TopID)
	}
	if m.Quote != "" {
		reply.SetQuoteText(m.Quote)
		if m.QuoteOffset != 0 {
			reply.SetQuoteOffset(m.QuoteOffset)
		}
		if len(m.QuoteEntities) > 0 {
			reply.SetQuoteEntities(m.QuoteEntities)
		}
	}
	if m.ReplyPeer != nil {
		chat, err := m.ReplyPeer.Input()
		if err != nil {
			return nil, err
		}
		reply.SetReplyToPeerID(chat)
	}
	return reply, nil
}

func randomID() (int64, error) {
	var b [8]byte
	for {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, fmt.Errorf("draw random id: %w", err)
		}
		if id := int64(binary.LittleEndian.Uint64(b[:])); id != 0 {
			return id, nil
		}
	}
}

// fromShort rebuilds the message for which updateShortSentMessage stands.
func fromShort(env Env, to Peer, req *tg.MessagesSendMessageRequest, short *tg.UpdateShortSentMessage) *tg.Message {
	self, known := env.Peers().Get(PeerUser, 0)
	msg := &tg.Message{
		Out: true, ID: short.ID, Date: short.Date, Message: req.Message, Silent: req.Silent,
		Noforwards: req.Noforwards, InvertMedia: req.InvertMedia, PeerID: tlPeer(to),
	}
	if to.Self && known {
		msg.PeerID = tlPeer(self)
	}
	if known {
		msg.SetFromID(tlPeer(self))
	}
	if len(short.Entities) > 0 {
		msg.SetEntities(short.Entities)
	}
	if short.Media != nil {
		msg.SetMedia(short.Media)
	}
	if short.TTLPeriod != 0 {
		msg.SetTTLPeriod(short.TTLPeriod)
	}
	if req.Effect != 0 {
		msg.SetEffect(req.Effect)
	}
	if reply, ok := req.ReplyTo.(*tg.InputReplyToMessage); ok {
		header := &tg.MessageReplyHeader{}
		header.SetReplyToMsgID(reply.ReplyToMsgID)
		if reply.TopMsgID != 0 {
			header.SetReplyToTopID(reply.TopMsgID)
		}
		if reply.QuoteText != "" {
			header.Quote = true
			header.SetQuoteText(reply.QuoteText)
		}
		msg.SetReplyTo(header)
	}
	return msg
}

func tlPeer(p Peer) tg.PeerClass {
	switch p.Kind {
	case PeerChat:
		return &tg.PeerChat{ChatID: p.ID}
	case PeerChannel:
		return &tg.PeerChannel{ChannelID: p.ID}
	}
	return &tg.PeerUser{UserID: p.ID}
}

// sentMessage finds the message of a random id among the updates of an answer; where they do not name
// it, the account's own.
func sentMessage(u tg.UpdatesClass, random int64) *tg.Message {
	id, known := messageIDs(u)[random]
	for _, m := range messagesIn(u) {
		if m.ID == id || !known && m.Out {
			return m
		}
	}
	return nil
}

// messageIDs are the ids of sent messages by their random ids.
func messageIDs(u tg.UpdatesClass) map[int64]int {
	ids := map[int64]int{}
	for _, u := range updatesIn(u) {
		if u, ok := u.(*tg.UpdateMessageID); ok {
			ids[u.RandomID] = u.ID
		}
	}
	return ids
}

// messagesIn are the new and changed messages among the updates of an answer, service messages excepted.
func messagesIn(u tg.UpdatesClass) []*tg.Message {
	var out []*tg.Message
	for _, u := range updatesIn(u) {
		var m tg.MessageClass
		switch u := u.(type) {
		case *tg.UpdateNewMessage:
			m = u.Message
		case *tg.UpdateNewChannelMessage:
			m = u.Message
		case *tg.UpdateNewScheduledMessage:
			m = u.Message
		case *tg.UpdateEditMessage:
			m = u.Message
		case *tg.UpdateEditChannelMessage:
			m = u.Message
		}
		if msg, ok := m.(*tg.Message); ok {
			out = append(out, msg)
		}
	}
	return out
}

func updatesIn(u tg.UpdatesClass) []tg.UpdateClass {
	switch u := u.(type) {
	case *tg.Updates:
		return u.Updates
	case *tg.UpdatesCombined:
		return u.Updates
	case *tg.UpdateShort:
		return []tg.UpdateClass{u.Update}
	}
	return nil
}
