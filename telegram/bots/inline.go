package bots

import (
	"context"
	"fmt"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/media"
)

// Limits of answers to inline queries (messages.setInlineBotResults).
const (
	maxResults   = 50
	maxResultID  = 64 // bytes, as of an offset
	defaultCache = 300 * time.Second
)

// InlineResult is one result of an inline query.
type InlineResult struct {
	// ID, 1 to 64 bytes, is its own within the answer.
	ID string
	// Type is what is shown of it; empty = by File and Content.
	Type string
	// Title may be empty for files, which show their names then.
	Title, Description, URL, ThumbURL string
	Content                           Content
	// File is the photo or document that it is; nil = none. Instead sends Content in its place.
	File    *media.Attachment
	Instead bool
}

// InlineAnswer answers an inline query.
type InlineAnswer struct {
	QueryID    int64
	Results    []InlineResult
	CacheTime  *time.Duration // nil = 300 s
	Personal   bool
	NextOffset string
	Gallery    bool
	// SwitchPM or SwitchWebApp is a button above the results; nil = none.
	SwitchPM     *tg.InlineBotSwitchPM
	SwitchWebApp *tg.InlineBotWebView
}

// AnswerInline answers an inline query (messages.setInlineBotResults). Uploaded files become files that
// Telegram has (messages.uploadMedia) before; file references that have expired are found again.
func AnswerInline(ctx context.Context, env telegram.Env, a InlineAnswer) error {
	req, err := a.request()
	if err != nil {
		return err
	}
	if err := checkIDs(a.Results); err != nil {
		return err
	}
	files, err := prepare(ctx, env, a.Results)
	if err != nil {
		return err
	}
	return media.Refreshing(len(files) > 0, func() error {
		req.Results = nil
		for i, r := range a.Results {
			result, err := r.input(ctx, fieldOf(i), files[i])
			if err != nil {
				return err
			}
			req.Results = append(req.Results, result)
		}
		return telegram.Invoke(ctx, env, req, &tg.BoolBox{})
	})
}

// request is the answer without results.
func (a InlineAnswer) request() (*tg.MessagesSetInlineBotResultsRequest, error) {
	if n := len(a.Results); n > maxResults {
		return nil, invalid("results", "answer further ones by next_offset", "must be at most %d (got %d)", maxResults, n)
	}
	if n := len(a.NextOffset); n > maxResultID {
		return nil, invalid("next_offset", "shorten it", "must have at most %d bytes (got %d)", maxResultID, n)
	}
	if a.SwitchPM != nil && a.SwitchWebApp != nil {
		return nil, invalid("switch_web_app", "give one of them", "cannot be given with switch_pm")
	}
	cache := defaultCache
	if a.CacheTime != nil {
		cache = *a.CacheTime
	}
	seconds, err := cacheSeconds(cache)
	if err != nil {
		return nil, err
	}
	req := &tg.MessagesSetInlineBotResultsRequest{QueryID: a.QueryID, CacheTime: seconds, Private: a.Personal, Gallery: a.Gallery}
	if a.NextOffset != "" {
		req.SetNextOffset(a.NextOffset)
	}
	if a.SwitchPM != nil {
		req.SetSwitchPm(*a.SwitchPM)
	}
	if a.SwitchWebApp != nil {
		req.SetSwitchWebview(*a.SwitchWebApp)
	}
	return req, nil
}

func fieldOf(i int) string { return fmt.Sprintf("results[%d]", i) }

func checkIDs(results []InlineResult) error {
	seen := map[string]int{}
	for i, r := range results {
		field := fieldOf(i)
		if n := len(r.ID); n == 0 || n > maxResultID {
			return invalid(field+".id", "give each result an id of its own", "must have 1 to %d bytes (got %d)", maxResultID, n)
		}
		if first, ok := seen[r.ID]; ok {
			return invalid(field+".id", "give each result an id of its own", "is that of results[%d], too", first)
		}
		seen[r.ID] = i
		if _, err := r.Content.message(field+".content", r.File != nil && !r.Instead); err != nil {
			return err
		}
	}
	return nil
}

// finder finds a file that Telegram has.
type finder func(context.Context) (media.Stored, error)

// prepare makes files that Telegram has of those that were uploaded, once, and finds the others each time.
// URLs are left out.
func prepare(ctx context.Context, env telegram.Env, results []InlineResult) (map[int]finder, error) {
	files := map[int]finder{}
	for i, r := range results {
		switch {
		case r.File == nil:
		case r.File.Spoiler || r.File.TTL != 0:
			return nil, invalid(fieldOf(i)+".media", "leave spoiler and ttl_seconds out", "cannot be hidden or seen for a time only")
		case r.File.Find != nil:
			files[i] = r.File.Find
		case r.File.Uploaded != nil:
			kept, err := r.File.Known(ctx, env)
			if err != nil {
				return nil, fmt.Errorf("%s.media: %w", fieldOf(i), err)
			}
			files[i] = func(context.Context) (media.Stored, error) { return kept, nil }
		}
	}
	return files, nil
}

// types are what is shown of files (core.telegram.org/bots/api, InlineQueryResult).
var types = map[media.Kind]string{
	media.Photo: "photo", media.Document: "file", media.Video: "video", media.Audio: "audio", media.Voice: "voice",
	media.Animation: "gif", media.Sticker: "sticker",
}

// input is the result for TL. find finds its file; nil for none, or one of the web.
func (r InlineResult) input(ctx context.Context, field string, find finder) (tg.InputBotInlineResultClass, error) {
	message, err := r.Content.message(field+".content", r.File != nil && !r.Instead)
	if err != nil {
		return nil, err
	}
	if find != nil {
		file, err := find(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s.media: %w", field, err)
		}
		return r.stored(field, file, message)
	}
	out := &tg.InputBotInlineResult{ID: r.ID, SendMessage: message}
	if out.Type, err = r.shownAs(field, media.Auto); err != nil {
		return nil, err
	}
	if r.File != nil {
		if out.Type, err = r.shownAs(field, r.File.Kind); err != nil {
			return nil, err
		}
		web, err := r.File.Web()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		out.SetContent(web)
	}
	for _, f := range []struct {
		value string
		set   func(string)
	}{{r.Title, out.SetTitle}, {r.Description, out.SetDescription}, {r.URL, out.SetURL}} {
		if f.value != "" {
			f.set(f.value)
		}
	}
	switch {
	case r.ThumbURL != "":
		out.SetThumb(tg.InputWebDocument{URL: r.ThumbURL, MimeType: "image/jpeg"})
	case r.File != nil && r.File.Kind == media.Photo: // a photo is its own thumbnail
		out.SetThumb(out.Content)
	}
	return out, nil
}

// shownAs is what is shown of a result; of one without a file by what it becomes.
func (r InlineResult) shownAs(field string, kind media.Kind) (string, error) {
	switch {
	case kind == media.VideoNote:
		return "", invalid(field+".media", "send it as a video", "is a video message, which is no result")
	case r.Type != "":
		return r.Type, nil
	case kind != media.Auto:
		return types[kind], nil
	case r.Content.Contact != nil:
		return "contact", nil
	case r.Content.Place != nil && r.Content.Place.Venue:
		return "venue", nil
	case r.Content.Place != nil:
		return "geo", nil
	}
	return "article", nil
}

// stored is the result of a file that Telegram has.
func (r InlineResult) stored(field string, file media.Stored, message tg.InputBotInlineMessageClass) (tg.InputBotInlineResultClass, error) {
	kind, err := r.shownAs(field, file.Kind)
	if err != nil {
		return nil, err
	}
	if photo, ok := file.Media.(*tg.InputMediaPhoto); ok {
		return &tg.InputBotInlineResultPhoto{ID: r.ID, Type: kind, Photo: photo.ID, SendMessage: message}, nil
	}
	document, ok := file.Media.(*tg.InputMediaDocument)
	if !ok {
		return nil, invalid(field+".media", "name a photo or a document", "is a %T", file.Media)
	}
	out := &tg.InputBotInlineResultDocument{ID: r.ID, Type: kind, Document: document.ID, SendMessage: message}
	if title := r.Title; title != "" || file.Name != "" {
		if title == "" {
			title = file.Name
		}
		out.SetTitle(title)
	}
	if r.Description != "" {
		out.SetDescription(r.Description)
	}
	return out, nil
}
