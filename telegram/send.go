package telegram

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// maxText is the longest text of a message, in UTF-16 code units (message_length_max).
const maxText = 4096

// How many recent messages are searched for one that was sent already: those of one call where
// nobody knows when it was sent, else all since then, as long as they are not too many.
const (
	duplicateSearch      = 50
	duplicateSearchSince = 1000
)

// clockSkew is how far this machine's clock and Telegram's are believed to be apart at most.
// Where it is more, a message is not found, but no other one is taken for it.
const clockSkew = time.Minute

// Outgoing is a message to send.
type Outgoing struct {
	// Text is 1 to 4096 UTF-16 code units long; a caption, which may be empty, if there is Media.
	Text     string
	Entities []tg.MessageEntityClass
	// ReplyTo is the message to answer; 0 = none. Quote is a part of it.
	ReplyTo int
	Quote   string
	// TopID is the top message of a forum topic; 0 = that of ReplyTo.
	TopID       int
	Silent      bool
	Background  bool
	ClearDraft  bool
	NoWebpage   bool
	InvertMedia bool
	Noforwards  bool
	// Schedule is when to send; zero = now.
	Schedule time.Time
	// RandomID makes repetitions of one command one message; 0 = drawn.
	RandomID int64
	// Media is what the message carries; nil = nothing.
	Media tg.InputMediaClass
	// Since is when the command was first tried: what is older is not its message. Zero = unknown.
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
	req, err := sendRequest(to, m)
	if err != nil {
		return nil, err
	}
	var call request = req
	if m.Media != nil {
		call = mediaRequest(req, m.Media)
	}
	var res tg.UpdatesBox
	err = invoke(ctx, env, call, &res)
	if isRPC(err, "RANDOM_ID_DUPLICATE") {
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
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "MESSAGE_TOO_LONG",
			"message.text: must have at most %d UTF-16 code units (got %d)", maxText, n).
			WithRemedy(verdicts["MESSAGE_TOO_LONG"].remedy)
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
	if m.ReplyTo != 0 || m.TopID != 0 {
		req.SetReplyTo(inputReply(m))
	}
	if !m.Schedule.IsZero() {
		req.SetScheduleDate(int(m.Schedule.Unix()))
	}
	return req, nil
}

// len16 is how many UTF-16 code units a text has.
func len16(text string) int { return len(utf16.Encode([]rune(text))) }

func inputReply(m Outgoing) *tg.InputReplyToMessage {
	reply := &tg.InputReplyToMessage{ReplyToMsgID: m.ReplyTo}
	if m.ReplyTo == 0 { // a topic is addressed by its top message
		reply.ReplyToMsgID = m.TopID
	}
	if m.TopID != 0 {
		reply.SetTopMsgID(m.TopID)
	}
	if m.Quote != "" {
		reply.SetQuoteText(m.Quote)
	}
	return reply
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

// sentMessage finds the message of a random id among the updates of an answer.
func sentMessage(u tg.UpdatesClass, random int64) *tg.Message {
	list := updatesIn(u)
	id, known := 0, false
	for _, u := range list {
		if u, ok := u.(*tg.UpdateMessageID); ok && u.RandomID == random {
			id, known = u.ID, true
		}
	}
	for _, u := range list {
		var m tg.MessageClass
		switch u := u.(type) {
		case *tg.UpdateNewMessage:
			m = u.Message
		case *tg.UpdateNewChannelMessage:
			m = u.Message
		case *tg.UpdateNewScheduledMessage:
			m = u.Message
		}
		if msg, ok := m.(*tg.Message); ok && (msg.ID == id || !known && msg.Out) {
			return msg
		}
	}
	return nil
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

// findSent finds the message of a repeated command, which the server has sent before: the only
// own message with this text among the latest. Of several, nobody can tell which one it is.
func findSent(ctx context.Context, env Env, to Peer, req *tg.MessagesSendMessageRequest, since time.Time) (*tg.Message, error) {
	if req.ScheduleDate != 0 {
		return nil, messageUnknown("it is scheduled, and not in the history yet")
	}
	oldest, limit, page := 0, duplicateSearch, duplicateSearch
	if !since.IsZero() {
		oldest, limit, page = int(since.Add(-clockSkew).Unix()), duplicateSearchSince, historyPage
	}
	var found *tg.Message
	offset, searched, complete := 0, 0, since.IsZero()
	for searched < limit {
		h, err := GetHistory(ctx, env, to, HistoryOptions{Limit: page, OffsetID: offset})
		if err != nil {
			if refusedForGood(err) { // bots, for example, may not read the history
				return nil, messageUnknown("the chat cannot be searched: %w", err)
			}
			return nil, err
		}
		older := false
		for _, m := range h.Messages {
			offset = m.GetID()
			m, ok := m.(*tg.Message)
			older = older || ok && m.Date < oldest
			if !ok || !m.Out || m.Date < oldest || strings.TrimSpace(m.Message) != strings.TrimSpace(req.Message) {
				continue
			}
			if found != nil {
				return nil, messageUnknown("several of the latest messages have its text")
			}
			found = m
		}
		searched += len(h.Messages)
		if older || len(h.Messages) < page {
			complete = true
			break
		}
	}
	if found == nil || !complete {
		return nil, messageUnknown("the latest %d do not tell", searched)
	}
	return found, nil
}

func messageUnknown(format string, args ...any) error {
	e := *ErrMessageUnknown
	return fleet.Errorf(e.Code, e.Reason, "message: was sent; which one it is, is not known: "+format, args...).WithRemedy(e.Remedy)
}

// refusedForGood tells answers of the server that another try will not change.
func refusedForGood(err error) bool {
	var own *fleet.Error
	if !errors.As(err, &own) {
		return false
	}
	switch own.Code {
	case fleet.CodeInvalidArgument, fleet.CodePermissionDenied, fleet.CodeNotFound:
		return true
	}
	return false
}
