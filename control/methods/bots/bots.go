// Package bots holds the RPCs by which bots answer, one function each.
//
// # Usage
//
// All lists them; package control serves them. What is done at Telegram is in package telegram.
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
	"github.com/telefleet/orchestrator/telegram"
)

// All lists the methods.
func All() []methods.Method {
	return []methods.Method{methods.Routed(answerCallbackQuery), methods.Routed(answerInlineQuery), methods.Routed(editInlineMessage)}
}

func answerCallbackQuery(ctx context.Context, env telegram.Env, req *v1.AnswerCallbackQueryRequest) (*v1.AnswerCallbackQueryReply, error) {
	err := telegram.AnswerCallback(ctx, env, telegram.CallbackAnswer{
		QueryID: req.GetQueryId(), Text: req.GetText(), Alert: req.GetAlert(), URL: req.GetUrl(), CacheTime: req.GetCacheTime().AsDuration(),
	})
	if err != nil {
		return nil, err
	}
	return &v1.AnswerCallbackQueryReply{}, nil
}

func answerInlineQuery(ctx context.Context, env telegram.Env, req *v1.AnswerInlineQueryRequest) (*v1.AnswerInlineQueryReply, error) {
	answer := telegram.InlineAnswer{
		QueryID: req.GetQueryId(), Personal: req.GetPersonal(), NextOffset: req.GetNextOffset(), Gallery: req.GetGallery(),
	}
	if req.GetCacheTime() != nil {
		cache := req.GetCacheTime().AsDuration()
		answer.CacheTime = &cache
	}
	if pm := req.GetSwitchPm(); pm != nil {
		answer.SwitchPM = &tg.InlineBotSwitchPM{Text: pm.GetText(), StartParam: pm.GetStartParam()}
	}
	for i, r := range req.GetResults() {
		content, err := contentOf(fmt.Sprintf("results[%d].content", i), r.GetContent(), env)
		if err != nil {
			return nil, err
		}
		answer.Results = append(answer.Results, telegram.InlineResult{
			ID: r.GetId(), Type: r.GetType(), Title: r.GetTitle(), Description: r.GetDescription(), URL: r.GetUrl(), ThumbURL: r.GetThumbUrl(),
			Content: content,
		})
	}
	if err := telegram.AnswerInline(ctx, env, answer); err != nil {
		return nil, err
	}
	return &v1.AnswerInlineQueryReply{}, nil
}

func editInlineMessage(ctx context.Context, env telegram.Env, req *v1.EditInlineMessageRequest) (*v1.EditInlineMessageReply, error) {
	content, err := contentOf("content", req.GetContent(), env)
	if err != nil {
		return nil, err
	}
	changed, err := telegram.EditInline(ctx, env, req.GetInlineMessageId(), content)
	if err != nil {
		return nil, err
	}
	return &v1.EditInlineMessageReply{Changed: changed}, nil
}

func contentOf(field string, c *v1.InlineContent, env telegram.Env) (telegram.InlineContent, error) {
	text, entities, err := convert.InputText(field, c, env.Peers())
	return telegram.InlineContent{Text: text, Entities: entities, NoWebpage: c.GetNoWebpage(), InvertMedia: c.GetInvertMedia()}, err
}
