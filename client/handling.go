package client

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/action"
)

// EditMessage changes a message (messages.editMessage) and returns it; nil when it was so already. A nil
// content leaves the text as it is. Of the options Entities, NoWebpage, InvertMedia and WithKeyboard
// apply. A bot's message loses its keyboard where none is given.
func (a *Account) EditMessage(ctx context.Context, peer string, id int32, content Content, opts ...SendOption) (*Message, error) {
	return a.edit(ctx, &v1.EditMessageRequest{Account: a.id, Peer: peer, MessageId: id}, content, opts)
}

// EditScheduledMessage changes a message that waits for its time, id being that as a scheduled one. Beside
// the options of EditMessage it needs Schedule or WhenOnline.
func (a *Account) EditScheduledMessage(ctx context.Context, peer string, id int32, content Content, opts ...SendOption) (*Message, error) {
	return a.edit(ctx, &v1.EditMessageRequest{Account: a.id, Peer: peer, MessageId: id, Scheduled: true}, content, opts)
}

// EditFile puts a file into a message, in place of the one that it carries or beside its text, and returns the
// message (messages.editMessage); nil when it was so already. The caption takes the place of the former text;
// a nil one is none. Of the options those of EditMessage apply. Telegram puts photos, videos, animations,
// music and documents into messages that have such or nothing: reasons MEDIA_NEW_INVALID,
// MEDIA_PREV_INVALID, and MEDIA_GROUPED_INVALID for what does not fit into the message's album.
func (a *Account) EditFile(ctx context.Context, peer string, id int32, file OutgoingFile, caption Content, opts ...SendOption) (*Message, error) {
	return a.editFile(ctx, &v1.EditMessageRequest{Account: a.id, Peer: peer, MessageId: id}, file, caption, opts)
}

// EditScheduledFile is EditFile for a message that waits for its time; see EditScheduledMessage.
func (a *Account) EditScheduledFile(ctx context.Context, peer string, id int32, file OutgoingFile, caption Content, opts ...SendOption) (*Message, error) {
	return a.editFile(ctx, &v1.EditMessageRequest{Account: a.id, Peer: peer, MessageId: id, Scheduled: true}, file, caption, opts)
}

func (a *Account) edit(ctx context.Context, req *v1.EditMessageRequest, content Content, opts []SendOption) (*Message, error) {
	req.Message = captioned(content, opts)
	reply, err := call(ctx, a.client, repeatable, on(messageService.EditMessage), req)
	return reply.GetMessage(), err
}

func (a *Account) editFile(ctx context.Context, req *v1.EditMessageRequest, file OutgoingFile, caption Content, opts []SendOption) (m *Message, err error) {
	err = file.give(ctx, a, func(media *v1.InputMedia) error {
		req.Media = media
		m, err = a.edit(ctx, req, caption, opts)
		return err
	})
	return m, err
}

// ForwardOptions change how messages are forwarded.
type ForwardOptions struct {
	// DropAuthor does not tell who wrote the messages, DropCaptions leaves captions of media out.
	DropAuthor, DropCaptions bool
	// Silent sends without notification, Background as background messages; Noforwards forbids forwarding
	// and saving of the copies.
	Silent, Background, Noforwards bool
	// Schedule lets Telegram send the copies later, at most 365 days ahead; zero = now. WhenOnline does
	// once the user is online.
	Schedule   time.Time
	WhenOnline bool
	// Topic is the forum topic to forward to, by its top message; 0 = none.
	Topic int32
	// SendAs is in whose name to forward, see SendAs; empty = the account.
	SendAs string
}

// Forwarded is what became of one forwarded message.
type Forwarded struct {
	// OriginalID is that of the original.
	OriginalID int32
	// Message is the copy; nil when there is none, or when it is not known which one it is.
	Message *Message
	// Sent is false when the original is not there or cannot be forwarded.
	Sent bool
}

// ForwardMessages writes copies of messages into another chat (messages.forwardMessages) and tells of
// each, in the order of ids, 1 to 10,000. Without an id by WithRequestID a random one is drawn, as for
// SendMessage.
func (a *Account) ForwardMessages(ctx context.Context, from, to string, ids []int32, o ForwardOptions) ([]Forwarded, error) {
	req := &v1.ForwardMessagesRequest{
		Account: a.id, FromPeer: from, ToPeer: to, MessageIds: ids, DropAuthor: o.DropAuthor, DropCaptions: o.DropCaptions,
		Silent: o.Silent, Background: o.Background, Noforwards: o.Noforwards, WhenOnline: o.WhenOnline, TopId: o.Topic, SendAs: o.SendAs,
	}
	if !o.Schedule.IsZero() {
		req.ScheduleDate = timestamppb.New(o.Schedule)
	}
	reply, _, _, err := command(ctx, a.client, on(messageService.ForwardMessages), req)
	var out []Forwarded
	for _, m := range reply.GetMessages() {
		sent := m.GetOutcome() != v1.SendOutcome_SEND_OUTCOME_UNSPECIFIED
		out = append(out, Forwarded{OriginalID: m.GetOriginalId(), Message: m.GetMessage(), Sent: sent})
	}
	return out, err
}

// DeleteMessages deletes messages (messages.deleteMessages, channels.deleteMessages), for all if revoke is
// true, and returns how many are gone. In channels and supergroups, and by bots, they always are deleted
// for all. peer may be empty for messages of private chats and basic groups; an id that is not known to be
// one of them is refused then, with reason MESSAGE_ID_AMBIGUOUS.
func (a *Account) DeleteMessages(ctx context.Context, peer string, ids []int32, revoke bool) (int, error) {
	reply, err := call(ctx, a.client, repeatable, on(messageService.DeleteMessages), &v1.DeleteMessagesRequest{Account: a.id, Peer: peer, MessageIds: ids, Revoke: revoke})
	return int(reply.GetDeleted()), err
}

// Messages reads messages of a chat by their ids (messages.getMessages, channels.getMessages). The answer
// has one for each id, in their order; nil where the chat has no message of this id.
func (a *Account) Messages(ctx context.Context, peer string, ids ...int32) ([]*Message, error) {
	reply, err := call(ctx, a.client, repeatable, on(messageService.GetMessages), &v1.GetMessagesRequest{Account: a.id, Peer: peer, MessageIds: ids, Markup: markup(ctx)})
	var out []*Message
	for _, m := range reply.GetMessages() {
		out = append(out, m.GetMessage())
	}
	return out, err
}

// PinOptions change how a message is pinned.
type PinOptions struct {
	// Silent does not notify the members.
	Silent bool
	// ForSelf pins for the account alone, in a private chat.
	ForSelf bool
}

// PinMessage pins a message (messages.updatePinnedMessage); false when it was pinned already.
func (a *Account) PinMessage(ctx context.Context, peer string, id int32, o PinOptions) (bool, error) {
	req := &v1.PinMessageRequest{Account: a.id, Peer: peer, MessageId: id, Silent: o.Silent, OneSide: o.ForSelf}
	reply, err := call(ctx, a.client, repeatable, on(messageService.PinMessage), req)
	return reply.GetChanged(), err
}

// UnpinMessage unpins a message (messages.updatePinnedMessage); false when it was not pinned.
func (a *Account) UnpinMessage(ctx context.Context, peer string, id int32) (bool, error) {
	reply, err := call(ctx, a.client, repeatable, on(messageService.UnpinMessage), &v1.UnpinMessageRequest{Account: a.id, Peer: peer, MessageId: id})
	return reply.GetChanged(), err
}

// UnpinAllMessages unpins all messages of a chat, or of a forum topic if topic is not 0
// (messages.unpinAllMessages), and returns how many.
func (a *Account) UnpinAllMessages(ctx context.Context, peer string, topic int32) (int, error) {
	reply, err := call(ctx, a.client, repeatable, on(messageService.UnpinAllMessages), &v1.UnpinAllMessagesRequest{Account: a.id, Peer: peer, TopId: topic})
	return int(reply.GetUnpinned()), err
}

// PinnedMessage reads the newest pinned message of a chat, or of a forum topic if topic is not 0; nil when
// there is none (messages.search).
func (a *Account) PinnedMessage(ctx context.Context, peer string, topic int32) (*Message, error) {
	reply, err := call(ctx, a.client, repeatable, on(messageService.GetPinnedMessage), &v1.GetPinnedMessageRequest{Account: a.id, Peer: peer, TopId: topic})
	return reply.GetMessage(), err
}

// Reaction is an emoji or custom emoji by which one reacts to a message.
type Reaction = v1.Reaction

// ReactionCount is how many gave one reaction.
type ReactionCount = v1.ReactionCount

// Emoji is the reaction by an emoji.
func Emoji(emoji string) *Reaction { return &Reaction{Emoji: emoji} }

// CustomEmoji is the reaction by a custom emoji, for Premium users.
func CustomEmoji(documentID int64) *Reaction { return &Reaction{CustomEmojiId: documentID} }

// ReactOptions change how reactions are sent.
type ReactOptions struct {
	// Big shows a big animation.
	Big bool
	// AddToRecent puts the reactions among the account's recent ones.
	AddToRecent bool
}

// SendReaction sets the account's reactions to a message, in their order; none takes them back
// (messages.sendReaction). It returns all reactions of the message as far as Telegram tells, nil when the
// account had given just these.
func (a *Account) SendReaction(ctx context.Context, peer string, id int32, reactions []*Reaction, o ReactOptions) ([]*ReactionCount, error) {
	req := &v1.SendReactionRequest{Account: a.id, Peer: peer, MessageId: id, Reactions: reactions, Big: o.Big, AddToRecent: o.AddToRecent}
	reply, err := call(ctx, a.client, repeatable, on(reactionService.SendReaction), req)
	return reply.GetCounts(), err
}

// SendChatAction shows others for about 6 seconds what the account does (messages.setTyping). In basic
// groups a topic is ignored: they have none.
func (a *Account) SendChatAction(ctx context.Context, peer string, c action.Action) error {
	_, err := call(ctx, a.client, repeatable, on(reactionService.SendChatAction), &v1.SendChatActionRequest{Account: a.id, Peer: peer, Action: c.Input(), TopId: c.Topic()})
	return err
}

// How KeepTyping works: what it shows holds for 6 seconds, and the end must not wait for ever.
const (
	actionEvery  = 4 * time.Second
	actionEndsIn = 10 * time.Second
)

// KeepTyping shows what the account does, every 4 seconds until the context ends, and then ends it, always:
// also when a repetition fails, which is the error it returns.
func (a *Account) KeepTyping(ctx context.Context, peer string, c action.Action) error {
	return keepActing(ctx, c, func(ctx context.Context, c action.Action) error { return a.SendChatAction(ctx, peer, c) })
}

func keepActing(ctx context.Context, c action.Action, show func(context.Context, action.Action) error) (err error) {
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), actionEndsIn)
		defer cancel()
		if failed := show(end, action.None().InTopic(c.Topic())); err == nil {
			err = failed
		}
	}()
	ticker := time.NewTicker(actionEvery)
	defer ticker.Stop()
	for {
		if err := show(ctx, c); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// ScheduledMessages reads the messages of a chat that wait for their time, those that are sent last first
// (messages.getScheduledHistory). Their ids are not those of sent messages.
func (a *Account) ScheduledMessages(ctx context.Context, peer string) ([]*Message, error) {
	reply, err := call(ctx, a.client, repeatable, on(scheduledService.GetScheduledMessages), &v1.GetScheduledMessagesRequest{Account: a.id, Peer: peer})
	return reply.GetMessages(), err
}

// DeleteScheduledMessages drops scheduled messages unsent, 1 to 100 (messages.deleteScheduledMessages).
func (a *Account) DeleteScheduledMessages(ctx context.Context, peer string, ids ...int32) error {
	_, err := call(ctx, a.client, once, on(scheduledService.DeleteScheduledMessages), &v1.DeleteScheduledMessagesRequest{Account: a.id, Peer: peer, MessageIds: ids})
	return err
}

// SendScheduledMessages sends scheduled messages now, 1 to 100 (messages.sendScheduledMessages), and
// returns them as Telegram numbered them.
func (a *Account) SendScheduledMessages(ctx context.Context, peer string, ids ...int32) ([]*Message, error) {
	reply, err := call(ctx, a.client, once, on(scheduledService.SendScheduledMessages), &v1.SendScheduledMessagesRequest{Account: a.id, Peer: peer, MessageIds: ids})
	return reply.GetMessages(), err
}
