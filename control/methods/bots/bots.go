// Package bots holds the RPCs by which bots answer, one function each.
//
// # Usage
//
// All lists them; package control serves them. What is done at Telegram is in telegram/bots.
//
// # Concurrency
//
// Functions keep no state.
//
// # Errors
//
// Errors that callers can act on are *fleet.Error.
package bots

import (
	"context"
	"fmt"

	"github.com/gotd/td/tg"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/control/methods/attachments"
	"github.com/telefleet/orchestrator/control/methods/messages"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/bots"
	"github.com/telefleet/orchestrator/telegram/media"
)

// All lists the methods.
func All() []methods.Method {
	return []methods.Method{methods.Routed(answerCallbackQuery), methods.Routed(answerInlineQuery), methods.Routed(editInlineMessage)}
}

func answerCallbackQuery(ctx context.Context, env telegram.Env, req *v1.AnswerCallbackQueryRequest) (*v1.AnswerCallbackQueryReply, error) {
	err := bots.AnswerCallback(ctx, env, bots.CallbackAnswer{
		QueryID: req.GetQueryId(), Text: req.GetText(), Alert: req.GetAlert(), URL: req.GetUrl(), CacheTime: req.GetCacheTime().AsDuration(),
	})
	if err != nil {
		return nil, err
	}
	return &v1.AnswerCallbackQueryReply{}, nil
}

func answerInlineQuery(ctx context.Context, env telegram.Env, req *v1.AnswerInlineQueryRequest) (*v1.AnswerInlineQueryReply, error) {
	answer := bots.InlineAnswer{
		QueryID: req.GetQueryId(), Personal: req.GetPersonal(), NextOffset: req.GetNextOffset(), Gallery: req.GetGallery(),
	}
	if req.GetCacheTime() != nil {
		cache := req.GetCacheTime().AsDuration()
		answer.CacheTime = &cache
	}
	if pm := req.GetSwitchPm(); pm != nil {
		answer.SwitchPM = &tg.InlineBotSwitchPM{Text: pm.GetText(), StartParam: pm.GetStartParam()}
	}
	if app := req.GetSwitchWebApp(); app != nil {
		answer.SwitchWebApp = &tg.InlineBotWebView{Text: app.GetText(), URL: app.GetUrl()}
	}
	for i, r := range req.GetResults() {
		result, err := resultOf(ctx, env, fmt.Sprintf("results[%d]", i), r)
		if err != nil {
			return nil, err
		}
		answer.Results = append(answer.Results, result)
	}
	if err := bots.AnswerInline(ctx, env, answer); err != nil {
		return nil, err
	}
	return &v1.AnswerInlineQueryReply{}, nil
}

func resultOf(ctx context.Context, env telegram.Env, field string, r *v1.InlineResult) (out bots.InlineResult, err error) {
	out = bots.InlineResult{
		ID: r.GetId(), Type: r.GetType(), Title: r.GetTitle(), Description: r.GetDescription(), URL: r.GetUrl(), ThumbURL: r.GetThumbUrl(),
		Instead: r.GetInstead(),
	}
	if out.Content, err = contentOf(ctx, env, field+".content", r.GetContent()); err != nil {
		return out, err
	}
	out.File, err = fileOf(env, field+".media", r.GetMedia())
	return out, err
}

// fileOf is a file that may be left out; nil then.
func fileOf(env telegram.Env, field string, in *v1.InputMedia) (*media.Attachment, error) {
	if in == nil {
		return nil, nil
	}
	file, err := attachments.Of(env, field, in)
	return &file, err
}

func editInlineMessage(ctx context.Context, env telegram.Env, req *v1.EditInlineMessageRequest) (*v1.EditInlineMessageReply, error) {
	content, err := contentOf(ctx, env, "content", req.GetContent())
	if err != nil {
		return nil, err
	}
	file, err := fileOf(env, "media", req.GetMedia())
	if err != nil {
		return nil, err
	}
	changed, err := bots.EditInline(ctx, env, req.GetInlineMessageId(), content, file)
	if err != nil {
		return nil, err
	}
	return &v1.EditInlineMessageReply{Changed: changed}, nil
}

func fillPoint(field string, point *v1.GeoPoint, place *bots.Place) error {
	if point == nil {
		return convert.Invalid(field+".point", "give latitude and longitude", "is missing")
	}
	place.Latitude, place.Longitude = point.GetLatitude(), point.GetLongitude()
	return nil
}

func contentOf(ctx context.Context, env telegram.Env, field string, c *v1.InlineContent) (out bots.Content, err error) {
	out = bots.Content{NoWebpage: c.GetNoWebpage(), InvertMedia: c.GetInvertMedia()}
	if out.Text, out.Entities, err = convert.InputText(field, c, env.Peers()); err != nil {
		return out, err
	}
	switch in := c.GetInstead().(type) {
	case *v1.InlineContent_Location:
		out.Place = &bots.Place{Live: int(in.Location.GetLiveSeconds())}
		err = fillPoint(field+".location", in.Location.GetPoint(), out.Place)
	case *v1.InlineContent_Venue:
		out.Place = &bots.Place{Venue: true, Title: in.Venue.GetTitle(), Address: in.Venue.GetAddress()}
		err = fillPoint(field+".venue", in.Venue.GetPoint(), out.Place)
	case *v1.InlineContent_Contact:
		who := in.Contact
		out.Contact = &bots.Contact{Phone: who.GetPhone(), FirstName: who.GetFirstName(), LastName: who.GetLastName(), VCard: who.GetVcard()}
	}
	if err != nil || c.GetKeyboard() == nil {
		return out, err
	}
	inline := &v1.InputKeyboard{Kind: &v1.InputKeyboard_Inline{Inline: c.GetKeyboard()}}
	out.Keyboard, err = messages.Keyboard(ctx, env, field+".keyboard", inline)
	return out, err
}
