package telegram

import (
	"context"
	"fmt"
	"math"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// Limits of answers to users (core.telegram.org/method/messages.setBotCallbackAnswer,
// messages.setInlineBotResults).
const (
	maxCallbackText  = 200 // characters
	maxInlineResults = 50
	maxResultID      = 64 // bytes, as of an offset
	defaultCache     = 300 * time.Second
)

// CallbackAnswer answers the press of a button.
type CallbackAnswer struct {
	QueryID int64
	// Text is at most 200 characters long; Alert shows it in a window.
	Text  string
	Alert bool
	// URL is opened; empty for none.
	URL string
	// CacheTime is how long the user's client keeps the answer.
	CacheTime time.Duration
}

// AnswerCallback answers the press of a button (messages.setBotCallbackAnswer).
func AnswerCallback(ctx context.Context, env Env, a CallbackAnswer) error {
	if n := utf8.RuneCountInString(a.Text); n > maxCallbackText {
		return badAnswer("text", "shorten it", "must have at most %d characters (got %d)", maxCallbackText, n)
	}
	seconds, err := cacheSeconds(a.CacheTime)
	if err != nil {
		return err
	}
	req := &tg.MessagesSetBotCallbackAnswerRequest{QueryID: a.QueryID, Alert: a.Alert, CacheTime: seconds}
	if a.Text != "" {
		req.SetMessage(a.Text)
	}
	if a.URL != "" {
		req.SetURL(a.URL)
	}
	return Invoke(ctx, env, req, &tg.BoolBox{})
}

// InlineContent is the message that an inline result becomes.
type InlineContent struct {
	Text        string
	Entities    []tg.MessageEntityClass
	NoWebpage   bool
	InvertMedia bool
}

// check refuses texts that cannot be sent; field is that which holds the content.
func (c InlineContent) check(field string) error {
	if field != "" {
		field += "."
	}
	if n := len(utf16.Encode([]rune(c.Text))); n == 0 || n > maxText {
		return badAnswer(field+"content.text", "give a text", "must have 1 to %d UTF-16 code units (got %d)", maxText, n)
	}
	return nil
}

// InlineResult is one result of an inline query.
type InlineResult struct {
	ID, Type, Title, Description, URL, ThumbURL string
	Content                                     InlineContent
}

// InlineAnswer answers an inline query.
type InlineAnswer struct {
	QueryID    int64
	Results    []InlineResult
	CacheTime  *time.Duration // nil = 300 s
	Personal   bool
	NextOffset string
	Gallery    bool
	SwitchPM   *tg.InlineBotSwitchPM
}

// AnswerInline answers an inline query (messages.setInlineBotResults).
func AnswerInline(ctx context.Context, env Env, a InlineAnswer) error {
	if n := len(a.Results); n > maxInlineResults {
		return badAnswer("results", "answer further ones by next_offset", "must be at most %d (got %d)", maxInlineResults, n)
	}
	if n := len(a.NextOffset); n > maxResultID {
		return badAnswer("next_offset", "shorten it", "must have at most %d bytes (got %d)", maxResultID, n)
	}
	cache := defaultCache
	if a.CacheTime != nil {
		cache = *a.CacheTime
	}
	seconds, err := cacheSeconds(cache)
	if err != nil {
		return err
	}
	req := &tg.MessagesSetInlineBotResultsRequest{QueryID: a.QueryID, CacheTime: seconds, Private: a.Personal, Gallery: a.Gallery}
	seen := map[string]int{}
	for i, r := range a.Results {
		field := fmt.Sprintf("results[%d]", i)
		if n := len(r.ID); n == 0 || n > maxResultID {
			return badAnswer(field+".id", "give each result an id of its own", "must have 1 to %d bytes (got %d)", maxResultID, n)
		}
		if first, ok := seen[r.ID]; ok {
			return badAnswer(field+".id", "give each result an id of its own", "is that of results[%d], too", first)
		}
		seen[r.ID] = i
		result, err := r.input(field)
		if err != nil {
			return err
		}
		req.Results = append(req.Results, result)
	}
	if a.NextOffset != "" {
		req.SetNextOffset(a.NextOffset)
	}
	if a.SwitchPM != nil {
		req.SetSwitchPm(*a.SwitchPM)
	}
	return Invoke(ctx, env, req, &tg.BoolBox{})
}

func (r InlineResult) input(field string) (tg.InputBotInlineResultClass, error) {
	if err := r.Content.check(field); err != nil {
		return nil, err
	}
	message := &tg.InputBotInlineMessageText{Message: r.Content.Text, NoWebpage: r.Content.NoWebpage, InvertMedia: r.Content.InvertMedia}
	if len(r.Content.Entities) > 0 {
		message.SetEntities(r.Content.Entities)
	}
	out := &tg.InputBotInlineResult{ID: r.ID, Type: r.Type, SendMessage: message}
	if out.Type == "" {
		out.Type = "article"
	}
	for _, f := range []struct {
		value string
		set   func(string)
	}{{r.Title, out.SetTitle}, {r.Description, out.SetDescription}, {r.URL, out.SetURL}} {
		if f.value != "" {
			f.set(f.value)
		}
	}
	if r.ThumbURL != "" {
		out.SetThumb(tg.InputWebDocument{URL: r.ThumbURL, MimeType: "image/jpeg"})
	}
	return out, nil
}

// EditInline changes a message that came from an inline query (messages.editInlineBotMessage), at the
// DC that its id names. It reports whether the message was another one before.
func EditInline(ctx context.Context, env Env, id []byte, content InlineContent) (changed bool, err error) {
	var box tg.InputBotInlineMessageIDBox
	buf := &bin.Buffer{Buf: id}
	if err := box.Decode(buf); err != nil || buf.Len() > 0 {
		return false, badAnswer("inline_message_id", "give that of the event, unchanged", "is no id of an inline message (%d bytes)", len(id))
	}
	dc := 0
	switch id := box.InputBotInlineMessageID.(type) {
	case *tg.InputBotInlineMessageID:
		dc = id.DCID
	case *tg.InputBotInlineMessageID64:
		dc = id.DCID
	}
	if err := content.check(""); err != nil {
		return false, err
	}
	req := &tg.MessagesEditInlineBotMessageRequest{ID: box.InputBotInlineMessageID, NoWebpage: content.NoWebpage, InvertMedia: content.InvertMedia}
	req.SetMessage(content.Text)
	if len(content.Entities) > 0 {
		req.SetEntities(content.Entities)
	}
	err = TypedError(req.TypeName(), env.InvokeOn(ctx, dc, req, &tg.BoolBox{}))
	if isRPC(err, "MESSAGE_NOT_MODIFIED") {
		return false, nil
	}
	return err == nil, err
}

// cacheSeconds is a time for which an answer is kept, in whole seconds.
func cacheSeconds(d time.Duration) (int, error) {
	if d < 0 || d%time.Second != 0 || d > math.MaxInt32*time.Second {
		return 0, badAnswer("cache_time", "for example 300s", "must be whole seconds, not negative (got %s)", d)
	}
	return int(d / time.Second), nil
}

func badAnswer(field, remedy, format string, args ...any) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", field+": "+format, args...).WithRemedy(remedy)
}
