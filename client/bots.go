package client

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/keyboard"
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

// InlineResult is one result of an inline query: InlineArticle, InlineFile, InlinePlace or InlineContact. The ID
// of each, 1 to 64 bytes, tells it from the others of the answer; events name the chosen one by it. Thumb is the
// link of a JPEG that is shown with it, Keyboard the inline keyboard of its message; empty = none.
type InlineResult interface {
	// result is what is sent for it, and the file that goes with it, if there is one.
	result() (*v1.InlineResult, *OutgoingFile)
}

// InlineArticle becomes a message with its content.
type InlineArticle struct {
	ID, Title string
	Content   Content
	// Description, URL and Thumb are shown with the title; empty = none.
	Description, URL, Thumb string
	// NoWebpage sends the message without a preview of links.
	NoWebpage bool
	Keyboard  keyboard.Inline
}

func (r InlineArticle) result() (*v1.InlineResult, *OutgoingFile) {
	out := &v1.InlineResult{Id: r.ID, Title: r.Title, Description: r.Description, Url: r.URL, ThumbUrl: r.Thumb, Content: inlineContent(r.Content, r.Keyboard)}
	out.Content.NoWebpage = r.NoWebpage
	return out, nil
}

// InlineFile becomes a message with a photo or document. Of FromURL, As says what it is, and Named its MIME
// type, which only photos, GIFs and voice messages need not have.
type InlineFile struct {
	ID   string
	File OutgoingFile
	// Title and Description are shown with a document; an empty title is the file's name.
	Title, Description, Thumb string
	// Caption is that of the message; nil = none. Instead is sent in place of the file.
	Caption, Instead Content
	Keyboard         keyboard.Inline
}

func (r InlineFile) result() (*v1.InlineResult, *OutgoingFile) {
	out := &v1.InlineResult{Id: r.ID, Title: r.Title, Description: r.Description, ThumbUrl: r.Thumb, Content: inlineContent(r.Caption, r.Keyboard)}
	if r.Instead != nil {
		out.Content, out.Instead = inlineContent(r.Instead, r.Keyboard), true
	}
	return out, &r.File
}

// InlinePlace becomes a message with a place, in degrees; with an address, with a venue of this title.
type InlinePlace struct {
	ID, Title, Address  string
	Latitude, Longitude float64
	// Live is how long the place moves, 60 s to a day; 0 = it does not, nor does a venue.
	Live     time.Duration
	Thumb    string
	Keyboard keyboard.Inline
}

func (r InlinePlace) result() (*v1.InlineResult, *OutgoingFile) {
	out := &v1.InlineResult{Id: r.ID, Title: r.Title, Description: r.Address, ThumbUrl: r.Thumb, Content: inlineContent(nil, r.Keyboard)}
	point := &v1.GeoPoint{Latitude: r.Latitude, Longitude: r.Longitude}
	if r.Address != "" {
		out.Content.Instead = &v1.InlineContent_Venue{Venue: &v1.InlineVenue{Point: point, Title: r.Title, Address: r.Address}}
		return out, nil
	}
	out.Content.Instead = &v1.InlineContent_Location{Location: &v1.InlineLocation{Point: point, LiveSeconds: int32(r.Live / time.Second)}}
	return out, nil
}

// InlineContact becomes a message with a contact.
type InlineContact struct {
	ID, Phone, FirstName string
	// LastName and VCard, at most 2048 bytes, may be empty.
	LastName, VCard, Thumb string
	Keyboard               keyboard.Inline
}

func (r InlineContact) result() (*v1.InlineResult, *OutgoingFile) {
	out := &v1.InlineResult{Id: r.ID, Title: strings.TrimSpace(r.FirstName + " " + r.LastName), ThumbUrl: r.Thumb, Content: inlineContent(nil, r.Keyboard)}
	out.Content.Instead = &v1.InlineContent_Contact{Contact: &v1.InlineContact{Phone: r.Phone, FirstName: r.FirstName, LastName: r.LastName, Vcard: r.VCard}}
	return out, nil
}

// InlineAnswer answers an inline query.
type InlineAnswer struct {
	// Results are at most 50; none is an answer, too. Gallery shows them side by side.
	Results []InlineResult
	Gallery bool
	// CacheTime is how long Telegram keeps the answer for equal queries, in whole seconds; 0 = 300 s,
	// less = not at all. Personal keeps it for this user only.
	CacheTime time.Duration
	Personal  bool
	// NextOffset is the offset of the query for further results, at most 64 bytes.
	NextOffset string
	// SwitchText is the text of a button above the results that opens the private chat with the bot, where /start
	// is given SwitchParam: 1 to 64 of A-Z, a-z, 0-9, _ and -.
	SwitchText, SwitchParam string
	// SwitchApp opens a Mini App by its https link instead.
	SwitchApp string
}

// inlineContent is what is sent for a content.
func inlineContent(c Content, k keyboard.Inline) *v1.InlineContent {
	m := captioned(c, nil)
	out := &v1.InlineContent{Text: m.GetText(), Entities: m.GetEntities(), ParseMode: m.GetParseMode()}
	if k != nil {
		out.Keyboard = k.Input().GetInline()
	}
	return out
}

// AnswerInlineQuery answers an inline query, InlineQuery.query_id of the event (messages.setInlineBotResults).
// Local files are uploaded first. Reason QUERY_ID_INVALID: it was answered before or is too old.
func (a *Account) AnswerInlineQuery(ctx context.Context, queryID int64, answer InlineAnswer) error {
	req := &v1.AnswerInlineQueryRequest{
		Account: a.id, QueryId: queryID, Gallery: answer.Gallery, Personal: answer.Personal, NextOffset: answer.NextOffset,
	}
	if answer.CacheTime != 0 {
		req.CacheTime = durationpb.New(max(answer.CacheTime, 0))
	}
	switch {
	case answer.SwitchText != "" && answer.SwitchApp != "":
		req.SwitchWebApp = &v1.SwitchWebApp{Text: answer.SwitchText, Url: answer.SwitchApp}
	case answer.SwitchText != "":
		req.SwitchPm = &v1.SwitchPm{Text: answer.SwitchText, StartParam: answer.SwitchParam}
	}
	for i, r := range answer.Results {
		one, file := r.result()
		if file != nil {
			ready, err := file.upload(ctx, a, i)
			if err != nil {
				return err
			}
			one.Media = ready.in
		}
		req.Results = append(req.Results, one)
	}
	_, err := call(ctx, a.client, once, on(botService.AnswerInlineQuery), req)
	return err
}

// EditInlineMessage changes a message that came from an inline query, named by inline_message_id of an
// event, at the DC that the id names (messages.editInlineBotMessage). A nil content leaves the text as it is.
// Of the options Entities, NoWebpage, InvertMedia and WithKeyboard apply; a keyboard that is not given is taken
// away. changed is false when it was like this before.
func (a *Account) EditInlineMessage(ctx context.Context, id []byte, content Content, opts ...SendOption) (changed bool, err error) {
	return a.editInline(ctx, id, nil, content, opts)
}

// EditInlineFile puts a file into a message that came from an inline query, in place of the one that it carries
// or beside its text. The caption takes the place of the former text; a nil one is none. Otherwise it is as
// EditInlineMessage.
func (a *Account) EditInlineFile(ctx context.Context, id []byte, file OutgoingFile, caption Content, opts ...SendOption) (changed bool, err error) {
	err = file.give(ctx, a, func(media *v1.InputMedia) error {
		changed, err = a.editInline(ctx, id, media, caption, opts)
		return err
	})
	return changed, err
}

func (a *Account) editInline(ctx context.Context, id []byte, media *v1.InputMedia, content Content, opts []SendOption) (bool, error) {
	m := captioned(content, opts)
	if m.GetKeyboard() != nil && m.GetKeyboard().GetInline() == nil {
		return false, invalid("give a keyboard.Inline", "keyboard: is no inline keyboard")
	}
	reply, err := call(ctx, a.client, repeatable, on(botService.EditInlineMessage), &v1.EditInlineMessageRequest{
		Account: a.id, InlineMessageId: id, Media: media, Content: &v1.InlineContent{
			Text: m.GetText(), Entities: m.GetEntities(), ParseMode: m.GetParseMode(), NoWebpage: m.GetNoWebpage(), InvertMedia: m.GetInvertMedia(),
			Keyboard: m.GetKeyboard().GetInline(),
		},
	})
	return reply.GetChanged(), err
}
