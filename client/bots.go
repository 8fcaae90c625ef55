package client

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// CallbackAnswer answers the press of a button.
type CallbackAnswer struct {
	// Text is what the user sees, at most 200 characters; empty = nothing.
	Text string
	// Alert shows the text in a window that the user has to close.
	Alert bool
	// URL is opened: of a game, or t.me/BOT?start=…; empty = none.
	URL string
	// CacheTime is how long the user's client keeps the answer, in whole seconds; 0 = not at all.
	CacheTime time.Duration
}

// AnswerCallbackQuery answers the press of a button, CallbackQuery.query_id of the event
// (messages.setBotCallbackAnswer). Reason QUERY_ID_INVALID: it was answered before, or is older than
// about a minute.
func (a *Account) AnswerCallbackQuery(ctx context.Context, queryID int64, answer CallbackAnswer) error {
	req := &v1.AnswerCallbackQueryRequest{Account: a.id, QueryId: queryID, Text: answer.Text, Alert: answer.Alert, Url: answer.URL}
	if answer.CacheTime != 0 {
		req.CacheTime = durationpb.New(answer.CacheTime)
	}
	_, err := call(ctx, a.client, once, on(botService.AnswerCallbackQuery), req)
	return err
}

// InlineArticle is a result of an inline query that becomes a message with its content.
type InlineArticle struct {
	// ID, 1 to 64 bytes, tells it from the others of the answer.
	ID, Title string
	Content   Content
	// Description, URL and Thumb, the link of a JPEG, are shown with the title; empty = none.
	Description, URL, Thumb string
	// NoWebpage sends the message without a preview of links.
	NoWebpage bool
}

// InlineAnswer answers an inline query.
type InlineAnswer struct {
	// Results are at most 50; none is an answer, too. Gallery shows them side by side.
	Results []InlineArticle
	Gallery bool
	// CacheTime is how long Telegram keeps the answer for equal queries, in whole seconds; 0 = 300 s,
	// less = not at all. Personal keeps it for this user only.
	CacheTime time.Duration
	Personal  bool
	// NextOffset is the offset of the query for further results, at most 64 bytes.
	NextOffset string
	// SwitchText is a button above the results that opens the private chat with the bot, where /start
	// is given SwitchParam: 1 to 64 of A-Z, a-z, 0-9, _ and -.
	SwitchText, SwitchParam string
}

// inlineContent is what is sent for a content.
func inlineContent(c Content) *v1.InlineContent {
	m := &v1.InputMessage{}
	if c != nil {
		c.fill(m)
	}
	return &v1.InlineContent{Text: m.GetText(), Entities: m.GetEntities(), ParseMode: m.GetParseMode()}
}

// AnswerInlineQuery answers an inline query, InlineQuery.query_id of the event
// (messages.setInlineBotResults). Reason QUERY_ID_INVALID: it was answered before or is too old.
func (a *Account) AnswerInlineQuery(ctx context.Context, queryID int64, answer InlineAnswer) error {
	req := &v1.AnswerInlineQueryRequest{
		Account: a.id, QueryId: queryID, Gallery: answer.Gallery, Personal: answer.Personal, NextOffset: answer.NextOffset,
	}
	if answer.CacheTime != 0 {
		req.CacheTime = durationpb.New(max(answer.CacheTime, 0))
	}
	if answer.SwitchText != "" {
		req.SwitchPm = &v1.SwitchPm{Text: answer.SwitchText, StartParam: answer.SwitchParam}
	}
	for _, r := range answer.Results {
		one := &v1.InlineResult{Id: r.ID, Title: r.Title, Description: r.Description, Url: r.URL, ThumbUrl: r.Thumb, Content: inlineContent(r.Content)}
		one.Content.NoWebpage = r.NoWebpage
		req.Results = append(req.Results, one)
	}
	_, err := call(ctx, a.client, once, on(botService.AnswerInlineQuery), req)
	return err
}

// EditInlineMessage changes a message that came from an inline query, named by inline_message_id of an
// event, at the DC that the id names (messages.editInlineBotMessage). changed is false when it was
// like this before.
func (a *Account) EditInlineMessage(ctx context.Context, id []byte, content Content) (changed bool, err error) {
	reply, err := call(ctx, a.client, repeatable, on(botService.EditInlineMessage), &v1.EditInlineMessageRequest{Account: a.id, InlineMessageId: id, Content: inlineContent(content)})
	return reply.GetChanged(), err
}
