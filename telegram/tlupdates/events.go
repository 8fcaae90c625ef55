package tlupdates

import (
	"fmt"
	"strconv"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/updates"
)

// The kinds of events; updates.KindGap is one more.
const (
	KindMessageNew       = "message_new"
	KindMessageEdited    = "message_edited"
	KindMessageDeleted   = "message_deleted"
	KindCallbackQuery    = "callback_query"
	KindInlineQuery      = "inline_query"
	KindInlineSend       = "inline_send"
	KindShippingQuery    = "shipping_query"
	KindPreCheckoutQuery = "pre_checkout_query"
	KindTyping           = "typing"
	KindUserStatus       = "user_status"
	KindRead             = "read"
	KindReaction         = "reaction"
	KindParticipant      = "participant"
	KindJoinRequest      = "join_request"
	KindPoll             = "poll"
	KindRaw              = "raw"
)

func event(box updates.Box, kind, key string, u tg.UpdateClass) updates.Event {
	return updates.Event{ID: box.String() + ":" + kind + ":" + key, Kind: kind, Payload: Payload{Update: u}}
}

// newMessage is the event of a new message; of a messageEmpty only the counter matters. The payload
// is the message, in one form or another.
func newMessage(box updates.Box, m tg.MessageClass, payload any) []updates.Event {
	if m == nil || m.TypeID() == tg.MessageEmptyTypeID {
		return nil
	}
	var room [48]byte // on the stack: the id is the one string that is made
	id := append(box.Append(room[:0]), ":"+KindMessageNew+":"...)
	e := updates.Event{ID: string(strconv.AppendInt(id, int64(m.GetID()), 10)), Kind: KindMessageNew, Payload: payload}
	if edited, ok := m.(*tg.Message); ok && edited.EditDate != 0 {
		again := editEvent(box, m, payload)
		e.IfSeen = &again
	}
	return []updates.Event{e}
}

func editedMessage(box updates.Box, m tg.MessageClass, payload any) []updates.Event {
	if m == nil || m.TypeID() == tg.MessageEmptyTypeID {
		return nil
	}
	return []updates.Event{editEvent(box, m, payload)}
}

func editEvent(box updates.Box, m tg.MessageClass, payload any) updates.Event {
	date := 0
	if edited, ok := m.(*tg.Message); ok {
		date = edited.EditDate
	}
	id := fmt.Sprintf("%s:%s:%d:%d:%s", box, KindMessageEdited, m.GetID(), date, messageHash(m))
	return updates.Event{ID: id, Kind: KindMessageEdited, Payload: payload}
}

// eachMessage makes one event for each id of an update that names several.
func eachMessage(box updates.Box, kind, prefix string, ids []int, one func(id int) tg.UpdateClass) []updates.Event {
	out := make([]updates.Event, 0, len(ids))
	for _, id := range ids {
		out = append(out, event(box, kind, prefix+strconv.Itoa(id), one(id)))
	}
	return out
}

func qtsEvent(u tg.UpdateClass, kind string, qts int) updates.Event {
	key := strconv.Itoa(qts)
	if m, ok := u.(*tg.UpdateNewEncryptedMessage); ok {
		key = encryptedKey(m.Message)
	}
	return event(updates.Box{Kind: updates.BoxQts}, kind, key, u)
}

func encryptedKey(m tg.EncryptedMessageClass) string {
	if m == nil {
		return "encrypted"
	}
	return fmt.Sprintf("encrypted:%d:%d", m.GetChatID(), m.GetRandomID())
}

// plainEvent is the event of an update without counter.
func plainEvent(u tg.UpdateClass, key func() string) updates.Event {
	none := updates.Box{}
	switch u := u.(type) {
	case *tg.UpdateBotCallbackQuery:
		return event(none, KindCallbackQuery, strconv.FormatInt(u.QueryID, 10), u)
	case *tg.UpdateInlineBotCallbackQuery:
		return event(none, KindCallbackQuery, strconv.FormatInt(u.QueryID, 10), u)
	case *tg.UpdateBusinessBotCallbackQuery:
		return event(none, KindCallbackQuery, strconv.FormatInt(u.QueryID, 10), u)
	case *tg.UpdateBotInlineQuery:
		return event(none, KindInlineQuery, strconv.FormatInt(u.QueryID, 10), u)
	case *tg.UpdateBotShippingQuery:
		return event(none, KindShippingQuery, strconv.FormatInt(u.QueryID, 10), u)
	case *tg.UpdateBotPrecheckoutQuery:
		return event(none, KindPreCheckoutQuery, strconv.FormatInt(u.QueryID, 10), u)
	case *tg.UpdateReadChannelInbox: // its pts is the channel's at that time, it moves nothing
		return event(updates.ChannelBox(u.ChannelID), KindRead, "in:"+strconv.Itoa(u.MaxID), u)
	case *tg.UpdateReadChannelOutbox:
		return event(updates.ChannelBox(u.ChannelID), KindRead, "out:"+strconv.Itoa(u.MaxID), u)
	}
	kind, live := plainKind(u)
	e := updates.Event{Kind: kind, Live: live, Payload: Payload{Update: u}}
	if !live {
		e.ID = none.String() + ":" + kind + ":" + key()
	}
	return e
}

// plainKind is the kind of an update without counter and without a key of its own.
func plainKind(u tg.UpdateClass) (kind string, live bool) {
	switch u.(type) {
	case *tg.UpdateUserTyping, *tg.UpdateChatUserTyping, *tg.UpdateChannelUserTyping, *tg.UpdateEncryptedChatTyping:
		return KindTyping, true
	case *tg.UpdateUserStatus:
		return KindUserStatus, true
	case *tg.UpdateBotInlineSend:
		return KindInlineSend, false
	case *tg.UpdateMessageReactions:
		return KindReaction, false
	case *tg.UpdateMessagePoll:
		return KindPoll, false
	case *tg.UpdatePendingJoinRequests:
		return KindJoinRequest, false
	case *tg.UpdateChatParticipants, *tg.UpdateChatParticipantAdd, *tg.UpdateChatParticipantDelete,
		*tg.UpdateChatParticipantAdmin, *tg.UpdateChatParticipantRank:
		return KindParticipant, false
	case *tg.UpdateChannelReadMessagesContents, *tg.UpdateReadChannelDiscussionInbox, *tg.UpdateReadChannelDiscussionOutbox,
		*tg.UpdateReadMonoForumInbox, *tg.UpdateReadMonoForumOutbox:
		return KindRead, false
	}
	return KindRaw, false
}

// channelOf is the channel that a message is in; 0 if it is in none.
func channelOf(m tg.MessageClass) int64 {
	var peer tg.PeerClass
	switch m := m.(type) {
	case *tg.Message:
		peer = m.PeerID
	case *tg.MessageService:
		peer = m.PeerID
	case *tg.MessageEmpty:
		peer = m.PeerID
	}
	if c, ok := peer.(*tg.PeerChannel); ok {
		return c.ChannelID
	}
	return 0
}

func peerKey(p tg.PeerClass) string {
	switch p := p.(type) {
	case *tg.PeerUser:
		return "user" + strconv.FormatInt(p.UserID, 10)
	case *tg.PeerChat:
		return "chat" + strconv.FormatInt(p.ChatID, 10)
	case *tg.PeerChannel:
		return "channel" + strconv.FormatInt(p.ChannelID, 10)
	}
	return "none"
}
