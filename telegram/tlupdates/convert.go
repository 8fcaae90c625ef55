package tlupdates

import (
	"errors"
	"fmt"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/updates"
)

// Lookup is what a conversion needs to know of the account's peers.
type Lookup interface {
	// KnowsUser and KnowsChat (basic groups and channels) report whether the peer is known:
	// short forms carry no users and chats, so an unknown one asks for the difference.
	KnowsUser(id int64) bool
	KnowsChat(id int64) bool
	// InputChannel is the channel with its access hash; false if unknown.
	InputChannel(id int64) (tg.InputChannelClass, bool)
}

// Source says where updates came from.
type Source struct {
	Self  int64  // the account's own user id
	MsgID int64  // MTProto message of a push; 0 for results of RPCs
	Token string // makes the ids of updates without a natural key unique: the fencing token
}

// ErrNeedsRequest is returned for updateShortSentMessage: FromSentMessage converts it.
var ErrNeedsRequest = errors.New("updateShortSentMessage cannot be read without its request")

// FromUpdates converts one push or one RPC result into updates.Received or updates.TooLong.
func FromUpdates(u tg.UpdatesClass, src Source, peers Lookup) (updates.Input, error) {
	switch u := u.(type) {
	case *tg.Updates:
		return received(u.Updates, src, u.Date, u.Seq, u.Seq), nil
	case *tg.UpdatesCombined:
		return received(u.Updates, src, u.Date, u.SeqStart, u.Seq), nil
	case *tg.UpdateShort:
		return received([]tg.UpdateClass{u.Update}, src, u.Date, 0, 0), nil
	case *tg.UpdateShortMessage:
		return shortMessage(u, src, peers), nil
	case *tg.UpdateShortChatMessage:
		return shortChatMessage(u, src, peers), nil
	case *tg.UpdateShortSentMessage:
		return nil, fmt.Errorf("convert updates: %w", ErrNeedsRequest)
	default: // updatesTooLong, or none at all
		return updates.TooLong{MsgID: src.MsgID}, nil
	}
}

func received(list []tg.UpdateClass, src Source, date, start, seq int) updates.Received {
	keys := func(i int, u tg.UpdateClass) string {
		if src.MsgID == 0 { // the result of an RPC: it comes once, unless it is recovered
			return fmt.Sprintf("%s/%d/%d/%s", src.Token, date, i, contentHash(u))
		}
		return src.key(i)
	}
	return updates.Received{
		MsgID: src.MsgID, Date: date, SeqStart: start, Seq: seq,
		Updates: convertAll(list, keys),
	}
}

// key is the key of last resort of a push's update.
func (s Source) key(i int) string { return fmt.Sprintf("%s/%d/%d", s.Token, s.MsgID, i) }

// keyFunc gives the update at index i of its list a key of last resort.
type keyFunc func(i int, u tg.UpdateClass) string

func convertAll(list []tg.UpdateClass, key keyFunc) []updates.Update {
	if len(list) == 0 {
		return nil
	}
	out := make([]updates.Update, 0, len(list))
	for i, u := range list {
		if u == nil {
			continue
		}
		out = append(out, convert(u, func() string { return key(i, u) }))
	}
	return out
}

// convert finds the counter of an update and the events in it.
func convert(u tg.UpdateClass, key func() string) updates.Update {
	if out, ok := fromPts(u); ok {
		return out
	}
	if out, ok := fromChannel(u); ok {
		return out
	}
	if kind, qts, ok := qtsOf(u); ok {
		return updates.Update{
			Box: updates.Box{Kind: updates.BoxQts}, Pts: qts, Count: 1,
			Events: []updates.Event{qtsEvent(u, kind, qts)},
		}
	}
	if _, ok := u.(*tg.UpdateMessageID); ok { // tells the sender of a request which id it got
		return updates.Update{}
	}
	return updates.Update{Events: []updates.Event{plainEvent(u, key)}}
}

// fromPts converts the updates of users and basic groups.
func fromPts(u tg.UpdateClass) (updates.Update, bool) {
	box := updates.Box{Kind: updates.BoxPts}
	at := func(pts, count int, events ...updates.Event) (updates.Update, bool) {
		return updates.Update{Box: box, Pts: pts, Count: count, Events: events}, true
	}
	switch u := u.(type) {
	case *tg.UpdateNewMessage:
		return at(u.Pts, u.PtsCount, newMessage(box, u.Message, Payload{Message: u.Message})...)
	case *tg.UpdateEditMessage:
		return at(u.Pts, u.PtsCount, editedMessage(box, u.Message, Payload{Message: u.Message})...)
	case *tg.UpdateDeleteMessages:
		return at(u.Pts, u.PtsCount, eachMessage(box, KindMessageDeleted, "", u.Messages, func(id int) tg.UpdateClass {
			return &tg.UpdateDeleteMessages{Messages: []int{id}, Pts: u.Pts, PtsCount: u.PtsCount}
		})...)
	case *tg.UpdateReadHistoryInbox:
		return at(u.Pts, u.PtsCount, event(box, KindRead, fmt.Sprintf("in:%s:%d:%d", peerKey(u.Peer), u.TopMsgID, u.MaxID), u))
	case *tg.UpdateReadHistoryOutbox:
		return at(u.Pts, u.PtsCount, event(box, KindRead, fmt.Sprintf("out:%s:%d", peerKey(u.Peer), u.MaxID), u))
	case *tg.UpdateReadMessagesContents:
		return at(u.Pts, u.PtsCount, eachMessage(box, KindRead, "content:", u.Messages, func(id int) tg.UpdateClass {
			one := *u
			one.Messages = []int{id}
			return &one
		})...)
	case *tg.UpdateWebPage:
		return at(u.Pts, u.PtsCount, event(box, KindRaw, "webpage:"+contentHash(u), u))
	case *tg.UpdateFolderPeers:
		return at(u.Pts, u.PtsCount, event(box, KindRaw, fmt.Sprintf("folders:%d:%s", u.Pts, contentHash(u)), u))
	case *tg.UpdatePinnedMessages:
		return at(u.Pts, u.PtsCount, event(box, KindRaw, fmt.Sprintf("pinned:%d:%s", u.Pts, contentHash(u)), u))
	case *tg.UpdatePtsChanged:
		return updates.Update{Box: box, TooLong: true}, true
	}
	return updates.Update{}, false
}

// fromChannel converts the updates that count in a channel's own pts.
func fromChannel(u tg.UpdateClass) (updates.Update, bool) {
	at := func(channel int64, pts, count int, events ...updates.Event) (updates.Update, bool) {
		return updates.Update{Box: updates.ChannelBox(channel), Pts: pts, Count: count, Events: events}, channel != 0
	}
	switch u := u.(type) {
	case *tg.UpdateNewChannelMessage:
		id := channelOf(u.Message)
		return at(id, u.Pts, u.PtsCount, newMessage(updates.ChannelBox(id), u.Message, Payload{Message: u.Message})...)
	case *tg.UpdateEditChannelMessage:
		id := channelOf(u.Message)
		return at(id, u.Pts, u.PtsCount, editedMessage(updates.ChannelBox(id), u.Message, Payload{Message: u.Message})...)
	case *tg.UpdateDeleteChannelMessages:
		return at(u.ChannelID, u.Pts, u.PtsCount, eachMessage(updates.ChannelBox(u.ChannelID), KindMessageDeleted, "", u.Messages, func(id int) tg.UpdateClass {
			return &tg.UpdateDeleteChannelMessages{ChannelID: u.ChannelID, Messages: []int{id}, Pts: u.Pts, PtsCount: u.PtsCount}
		})...)
	case *tg.UpdateChannelWebPage:
		return at(u.ChannelID, u.Pts, u.PtsCount, event(updates.ChannelBox(u.ChannelID), KindRaw, "webpage:"+contentHash(u), u))
	case *tg.UpdatePinnedChannelMessages:
		return at(u.ChannelID, u.Pts, u.PtsCount,
			event(updates.ChannelBox(u.ChannelID), KindRaw, fmt.Sprintf("pinned:%d:%s", u.Pts, contentHash(u)), u))
	case *tg.UpdateChannelTooLong:
		return updates.Update{Box: updates.ChannelBox(u.ChannelID), Pts: u.Pts, TooLong: true}, u.ChannelID > 0
	}
	return updates.Update{}, false
}

// qtsOf finds the updates that count in qts, and their kind.
func qtsOf(u tg.UpdateClass) (kind string, qts int, ok bool) {
	switch u := u.(type) {
	case *tg.UpdateNewEncryptedMessage:
		return KindRaw, u.Qts, true
	case *tg.UpdateMessagePollVote:
		return KindPoll, u.Qts, true
	case *tg.UpdateChatParticipant:
		return KindParticipant, u.Qts, true
	case *tg.UpdateChannelParticipant:
		return KindParticipant, u.Qts, true
	case *tg.UpdateBotStopped:
		return KindParticipant, u.Qts, true
	case *tg.UpdateBotChatInviteRequester:
		return KindJoinRequest, u.Qts, true
	case *tg.UpdateBotMessageReaction:
		return KindReaction, u.Qts, true
	case *tg.UpdateBotMessageReactions:
		return KindReaction, u.Qts, true
	case interface{ GetQts() int }: // boosts, business, paid media, and what a later layer adds
		return KindRaw, u.GetQts(), true
	}
	return "", 0, false
}

// FromAffected converts messages.affectedMessages, affectedHistory and affectedFoundMessages;
// channel is 0 for users and basic groups. False for any other result.
func FromAffected(result any, channel int64) (updates.Affected, bool) {
	box := updates.Box{Kind: updates.BoxPts}
	if channel != 0 {
		box = updates.ChannelBox(channel)
	}
	switch r := result.(type) {
	case *tg.MessagesAffectedMessages:
		return updates.Affected{Box: box, Pts: r.Pts, Count: r.PtsCount}, true
	case *tg.MessagesAffectedHistory:
		return updates.Affected{Box: box, Pts: r.Pts, Count: r.PtsCount}, true
	case *tg.MessagesAffectedFoundMessages:
		return updates.Affected{Box: box, Pts: r.Pts, Count: r.PtsCount}, true
	}
	return updates.Affected{}, false
}

// CarriesUpdates reports whether an RPC result of this constructor must be shown to FromResult
// or FromAffected.
func CarriesUpdates(id uint32) bool {
	switch id {
	case tg.UpdatesTypeID, tg.UpdatesCombinedTypeID, tg.UpdatesTooLongTypeID, tg.UpdateShortTypeID,
		tg.UpdateShortMessageTypeID, tg.UpdateShortChatMessageTypeID, tg.UpdateShortSentMessageTypeID,
		tg.MessagesInvitedUsersTypeID, tg.MessagesChatInviteJoinResultOkTypeID, tg.PaymentsPaymentResultTypeID,
		tg.MessagesAffectedMessagesTypeID, tg.MessagesAffectedHistoryTypeID, tg.MessagesAffectedFoundMessagesTypeID:
		return true
	}
	return false
}

// FromResult finds the Updates inside an RPC result; nil if it has none.
func FromResult(result any) tg.UpdatesClass {
	switch r := result.(type) {
	case tg.UpdatesClass:
		return r
	case interface{ GetUpdates() tg.UpdatesClass }:
		return r.GetUpdates()
	}
	return nil
}

// Raw is the input for an object that the schema does not know: one event with its bytes. The
// caller feeds updates.TooLong as well: what the object counted is not known.
func Raw(src Source, body []byte) updates.Received {
	e := updates.Event{
		ID:      fmt.Sprintf("none:%s:%s/%d/0", KindRaw, src.Token, src.MsgID),
		Kind:    KindRaw,
		Payload: Payload{Raw: body},
	}
	return updates.Received{MsgID: src.MsgID, Updates: []updates.Update{{Events: []updates.Event{e}}}}
}
