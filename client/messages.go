package client

import (
	"context"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/keyboard"
)

// Content is what a message holds: Text, Markdown, HTML.
type Content interface{ fill(*v1.InputMessage) }

// Text is a plain text, 1 to 4096 UTF-16 code units; Entities formats it.
type Text string

func (t Text) fill(m *v1.InputMessage) { m.Text = string(t) }

// Markdown is a text in Markdown: *bold*, _italic_, __underline__, ~strike~, ||spoiler||, `code`,
// ```language, newline, block```, [link](https://example.org), [mention](tg://user?id=1),
// ![👍](tg://emoji?id=2), lines that begin with >. A backslash takes its meaning from the character
// behind it. Reason MARKUP_INVALID, with line and column.
type Markdown string

func (t Markdown) fill(m *v1.InputMessage) {
	m.Text, m.ParseMode = string(t), v1.ParseMode_PARSE_MODE_MARKDOWN
}

// HTML is a text in Telegram's HTML: <b>, <i>, <u>, <s>, <code>, <pre>, <blockquote expandable>,
// <tg-spoiler>, <a href="…">, <tg-emoji emoji-id="…">; &lt; &gt; &amp; for < > &. Reason
// MARKUP_INVALID, with line and column.
type HTML string

func (t HTML) fill(m *v1.InputMessage) {
	m.Text, m.ParseMode = string(t), v1.ParseMode_PARSE_MODE_HTML
}

// SendOption changes how a message is sent.
type SendOption func(*v1.SendMessageRequest)

// Entities formats parts of the text; offsets and lengths count UTF-16 code units.
func Entities(entities ...*Entity) SendOption {
	return func(r *v1.SendMessageRequest) { r.Message.Entities = append(r.Message.Entities, entities...) }
}

// ReplyTo answers a message of the same chat.
func ReplyTo(id int32) SendOption {
	return func(r *v1.SendMessageRequest) { reply(r).MessageId = id }
}

// ReplyIn answers a message of another chat.
func ReplyIn(peer string, id int32) SendOption {
	return func(r *v1.SendMessageRequest) { reply(r).Peer, reply(r).MessageId = peer, id }
}

// Quote quotes a part of the message named by ReplyTo or ReplyIn, word for word; entities are those of
// the part.
func Quote(text string, entities ...*Entity) SendOption {
	return func(r *v1.SendMessageRequest) { reply(r).Quote, reply(r).QuoteEntities = text, entities }
}

// QuoteAt is Quote for a part that is there several times: offset is about where it begins, in UTF-16
// code units.
func QuoteAt(offset int32, text string, entities ...*Entity) SendOption {
	return func(r *v1.SendMessageRequest) {
		Quote(text, entities...)(r)
		reply(r).QuoteOffset = offset
	}
}

// Topic sends into a forum topic, named by its top message.
func Topic(id int32) SendOption {
	return func(r *v1.SendMessageRequest) { reply(r).TopId = id }
}

func reply(r *v1.SendMessageRequest) *v1.InputReply {
	if r.Message.Reply == nil {
		r.Message.Reply = &v1.InputReply{}
	}
	return r.Message.Reply
}

// Silent sends without notification.
func Silent() SendOption { return func(r *v1.SendMessageRequest) { r.Message.Silent = true } }

// Background sends as a background message.
func Background() SendOption { return func(r *v1.SendMessageRequest) { r.Message.Background = true } }

// ClearDraft clears the chat's draft.
func ClearDraft() SendOption { return func(r *v1.SendMessageRequest) { r.Message.ClearDraft = true } }

// NoWebpage sends without a preview of links.
func NoWebpage() SendOption { return func(r *v1.SendMessageRequest) { r.Message.NoWebpage = true } }

// InvertMedia puts the preview above the text.
func InvertMedia() SendOption { return func(r *v1.SendMessageRequest) { r.Message.InvertMedia = true } }

// Noforwards forbids forwarding and saving.
func Noforwards() SendOption { return func(r *v1.SendMessageRequest) { r.Message.Noforwards = true } }

// Schedule lets Telegram send the message later, at most 365 days ahead.
func Schedule(at time.Time) SendOption {
	return func(r *v1.SendMessageRequest) { r.Message.ScheduleDate = timestamppb.New(at) }
}

// WhenOnline lets Telegram send the message once the user is online.
func WhenOnline() SendOption { return func(r *v1.SendMessageRequest) { r.Message.WhenOnline = true } }

// SendAs writes in the name of a channel of the account's own, or of the supergroup itself.
func SendAs(peer string) SendOption {
	return func(r *v1.SendMessageRequest) { r.Message.SendAs = peer }
}

// Effect shows the recipient an animation, one of messages.getAvailableEffects. In private chats.
func Effect(id int64) SendOption { return func(r *v1.SendMessageRequest) { r.Message.Effect = id } }

// WithKeyboard puts a keyboard under the message. Only bots have keyboards.
func WithKeyboard(k keyboard.Keyboard) SendOption {
	return func(r *v1.SendMessageRequest) { r.Message.Keyboard = k.Input() }
}

// Sent is the outcome of a sent message.
type Sent struct {
	// Message is the message as Telegram numbered it; nil when it was sent and could not be
	// found out which one it is.
	Message *Message
	// Repeated is true when the command was given before and this is the outcome of the former
	// call.
	Repeated bool
	// RequestID is the id under which the command can be repeated; empty for none.
	RequestID string
}

// SendMessage sends a message to a peer (messages.sendMessage). Without an id by WithRequestID a
// random one is drawn for each call, which makes its retries safe; choose one to be safe over
// restarts of the caller.
func (a *Account) SendMessage(ctx context.Context, peer string, content Content, opts ...SendOption) (*Sent, error) {
	req := &v1.SendMessageRequest{Account: a.id, Peer: peer, Message: &v1.InputMessage{}}
	if content != nil {
		content.fill(req.Message)
	}
	for _, opt := range opts {
		opt(req)
	}
	reply, repeated, id, err := command(ctx, a.client, sendMessage, req)
	if err != nil {
		return nil, err
	}
	return &Sent{Message: reply.GetMessage(), Repeated: repeated, RequestID: id}, nil
}

func sendMessage(n *node) func(context.Context, *v1.SendMessageRequest) (*v1.SendMessageReply, error) {
	return n.Messages.SendMessage
}

// Format is a way of writing formatted texts.
type Format = v1.ParseMode

// The ways of writing; see Markdown and HTML.
const (
	InMarkdown = v1.ParseMode_PARSE_MODE_MARKDOWN
	InHTML     = v1.ParseMode_PARSE_MODE_HTML
)

// WithMarkup has History, Messages, Search, SearchGlobal and their pages, called with the context, write the
// texts of messages in a format, too: Message.markup. Sent as Markdown or HTML, it is the same text again.
func WithMarkup(ctx context.Context, f Format) context.Context {
	return context.WithValue(ctx, markupKey{}, f)
}

type markupKey struct{}

// markup is the format in the context; unspecified for none.
func markup(ctx context.Context) Format {
	f, _ := ctx.Value(markupKey{}).(Format)
	return f
}

// HistoryOptions select messages of a chat.
type HistoryOptions struct {
	// Before selects messages older than this id; 0 = from the newest.
	Before int32
	// Limit is how many messages at most; 0 = all.
	Limit int
	// PageSize is how many are read at once, at most 10,000; 0 = 100, what Telegram gives at once.
	PageSize int
}

// History yields the messages of a chat, newest first, and reads them page by page as the loop
// goes on (messages.getHistory).
func (a *Account) History(ctx context.Context, peer string, o HistoryOptions) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		size := o.PageSize
		if size <= 0 {
			size = defaultPage
		}
		before := o.Before
		for left := o.Limit; ; {
			if o.Limit > 0 {
				size = min(size, left)
			}
			page, err := a.HistoryPage(ctx, peer, before, size)
			if err != nil {
				yield(nil, err)
				return
			}
			oldest := before
			for _, m := range page.Messages {
				if !yield(m, nil) {
					return
				}
				oldest = m.GetId()
			}
			left -= len(page.Messages)
			// A short page is not the end. One that leads no further is.
			if len(page.Messages) == 0 || oldest == before || o.Limit > 0 && left <= 0 {
				return
			}
			before = oldest
		}
	}
}

const defaultPage = 100

// HistoryPage is a part of a chat's history.
type HistoryPage struct {
	// Messages are ordered from the newest.
	Messages []*Message
	// Total is how many messages the chat has, as Telegram counts them; may be an estimate.
	Total int
}

// HistoryPage reads up to limit messages of a chat that are older than before, 0 = the newest.
func (a *Account) HistoryPage(ctx context.Context, peer string, before int32, limit int) (*HistoryPage, error) {
	reply, err := call(ctx, a.client, repeatable, on(messageService.GetHistory), &v1.GetHistoryRequest{Account: a.id, Peer: peer, OffsetId: before, Limit: int32(min(limit, 1<<30)), Markup: markup(ctx)})
	if err != nil {
		return nil, err
	}
	return &HistoryPage{Messages: reply.GetMessages(), Total: int(reply.GetTotal())}, nil
}
