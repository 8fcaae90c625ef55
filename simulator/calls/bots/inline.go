package bots

import (
	"slices"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/calls/messages"
	"github.com/telefleet/orchestrator/simulator/model"
)

// asked is for whom answers to inline queries are equal.
type asked struct {
	bot          int64
	text, offset string
	user         int64 // of answers for one user only; 0: for all
}

// query is an inline query: it waits for the bot, then for the user's choice.
type query struct {
	id, user  int64
	asked     asked
	responder model.Responder // nil once the user's query was answered
	waits     time.Time       // until then for the answer to the user
	lives     time.Time       // until then a result may be chosen
	answer    *answer         // nil: none yet
}

const (
	maxResults = 50
	queryLife  = time.Hour // as long as results may be chosen
)

func (r *room) getInlineBotResults(c *model.Call, q *tg.MessagesGetInlineBotResultsRequest) (bin.Encoder, error) {
	bot, err := c.InputUser(q.Bot)
	if err != nil || !bot.Bot {
		return nil, model.RPCError(400, "BOT_INVALID")
	}
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	now := c.World.Config.Now()
	one := &query{
		id: c.World.Rand.Int64(), user: c.User.ID, asked: asked{bot: bot.ID, text: q.Query, offset: q.Offset}, responder: c.Responder,
		waits: now.Add(c.World.Config.CallbackTimeout), lives: now.Add(queryLife),
	}
	r.queries[one.id] = one
	if one.answer = r.kept(one, now); one.answer != nil {
		one.responder = nil
		return one.answer.render(one), nil
	}
	update := &tg.UpdateBotInlineQuery{QueryID: one.id, UserID: c.User.ID, Query: q.Query, Offset: q.Offset}
	update.SetPeerType(peerType(c, in, bot))
	b := c.World.Bundle(bot, update)
	b.Refs.User(c.User.ID)
	c.World.SendTo(bot, b, nil)
	return nil, model.ErrLater
}

// kept is an answer to an equal query that is still good; nil for none.
func (r *room) kept(one *query, now time.Time) *answer {
	own := one.asked
	own.user = one.user
	for _, key := range []asked{own, one.asked} {
		if a := r.answers[key]; a != nil && now.Before(a.until) {
			return a
		}
	}
	return nil
}

// peerType says where an inline query was written.
func peerType(c *model.Call, in model.Peer, bot *model.User) tg.InlineQueryPeerTypeClass {
	switch {
	case in == bot.Peer():
		return &tg.InlineQueryPeerTypeSameBotPM{}
	case in.Kind == model.PeerUser:
		return &tg.InlineQueryPeerTypePM{}
	case in.Kind == model.PeerGroup:
		return &tg.InlineQueryPeerTypeChat{}
	case c.World.Channels[in.ID].Broadcast:
		return &tg.InlineQueryPeerTypeBroadcast{}
	}
	return &tg.InlineQueryPeerTypeMegagroup{}
}

func (r *room) setInlineBotResults(c *model.Call, q *tg.MessagesSetInlineBotResultsRequest) (bin.Encoder, error) {
	one := r.queries[q.QueryID]
	switch {
	case one == nil || one.asked.bot != c.User.ID || one.answer != nil || one.responder == nil:
		return nil, model.RPCError(400, "QUERY_ID_INVALID")
	case len(q.Results) > maxResults:
		return nil, model.RPCError(400, "RESULTS_TOO_MUCH")
	case len(q.NextOffset) > 64:
		return nil, model.RPCError(400, "NEXT_OFFSET_INVALID")
	}
	a := &answer{request: q, until: c.World.Config.Now().Add(time.Duration(q.CacheTime) * time.Second)}
	seen := map[string]bool{}
	for _, in := range q.Results {
		found, err := r.resultOf(c, in)
		if err != nil {
			return nil, err
		}
		if seen[found.id] {
			return nil, model.RPCError(400, "RESULT_ID_DUPLICATE")
		}
		seen[found.id], a.results = true, append(a.results, found)
	}
	one.answer = a
	if q.CacheTime > 0 {
		key := one.asked
		if q.Private {
			key.user = one.user
		}
		r.answers[key] = a
	}
	model.Respond(c.World, one.responder, a.render(one), nil)
	one.responder = nil
	return &tg.BoolTrue{}, nil
}

func (r *room) sendInlineBotResult(c *model.Call, q *tg.MessagesSendInlineBotResultRequest) (bin.Encoder, error) {
	one := r.queries[q.QueryID]
	if one == nil || one.user != c.User.ID || one.answer == nil {
		return nil, model.RPCError(400, "QUERY_ID_INVALID")
	}
	i := slices.IndexFunc(one.answer.results, func(r *result) bool { return r.id == q.ID })
	if i < 0 {
		return nil, model.RPCError(400, "RESULT_ID_EMPTY")
	}
	chosen := one.answer.results[i]
	if chosen.fetched {
		return nil, model.RPCError(400, "WEBPAGE_CURL_FAILED") // a local Telegram fetches nothing
	}
	out := messages.Outgoing{
		Peer: q.Peer, ReplyTo: q.ReplyTo, SendAs: q.SendAs, Text: chosen.text, Entities: chosen.entities, Markup: chosen.markup, RandomID: q.RandomID,
		ClearDraft: q.ClearDraft, NoWebpage: chosen.noWebpage, ScheduleDate: q.ScheduleDate, Media: chosen.media, ViaBot: one.asked.bot,
		Options: model.Options{Silent: q.Silent, Background: q.Background, InvertMedia: chosen.invert},
	}
	answer, err := messages.Write(c, out)
	if err != nil {
		return nil, err
	}
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	post := written(c, in, answer)
	if post == nil {
		return answer, nil
	}
	id := c.World.Rand.Int64N(1<<31 - 1)
	r.sent[id] = post
	r.ids[post] = &tg.InputBotInlineMessageID64{DCID: c.User.Home, OwnerID: c.User.ID, ID: int(id), AccessHash: one.asked.bot ^ id}
	update := &tg.UpdateBotInlineSend{UserID: c.User.ID, Query: one.asked.text, ID: q.ID}
	update.SetMsgID(r.ids[post])
	bot := c.World.Users[one.asked.bot]
	b := c.World.Bundle(bot, update)
	b.Refs.User(c.User.ID)
	c.World.SendTo(bot, b, nil)
	return answer, nil
}

// written is the post that an answer tells of; nil for one that waits for its time.
func written(c *model.Call, in model.Peer, answer *tg.Updates) *model.Post {
	for _, u := range answer.Updates {
		if id, ok := u.(*tg.UpdateMessageID); ok {
			return c.Find(in, id.ID)
		}
	}
	return nil
}

// editInlineBotMessage is served at the DC of the user who sent the message only.
func (r *room) editInlineBotMessage(c *model.Call, q *tg.MessagesEditInlineBotMessageRequest) (bin.Encoder, error) {
	id, ok := q.ID.(*tg.InputBotInlineMessageID64)
	if !ok || id.DCID != c.DC || id.AccessHash != c.User.ID^int64(id.ID) {
		return nil, model.RPCError(400, "MESSAGE_ID_INVALID")
	}
	post := r.sent[int64(id.ID)]
	if post == nil {
		return nil, model.RPCError(400, "MESSAGE_ID_INVALID")
	}
	switch q.Media.(type) {
	case *tg.InputMediaUploadedPhoto, *tg.InputMediaUploadedDocument:
		return nil, model.RPCError(400, "MEDIA_INVALID") // messages.uploadMedia comes first
	}
	err := r.attach.Apply(c, post, messages.Edit{
		Text: q.Message, Retext: q.Flags.Has(11), Entities: q.Entities, Markup: q.ReplyMarkup, Media: q.Media, NoWebpage: q.NoWebpage, InvertMedia: q.InvertMedia,
	})
	if err != nil {
		return nil, err
	}
	post.EditDate = max(c.World.Now(), post.EditDate)
	by := c.World.Users[post.From]
	if post.To.Kind == model.PeerChannel {
		c.World.EditPost(c.World.Channels[post.To.ID], post, by, nil)
	} else {
		c.World.EditLetters(post, by, nil)
	}
	return &tg.BoolTrue{}, nil
}

// expireQueries answers inline queries that have waited too long, and forgets answers that are too old.
func (r *room) expireQueries(now time.Time) {
	for key, a := range r.answers {
		if !now.Before(a.until) {
			delete(r.answers, key)
		}
	}
	for id, one := range r.queries {
		if one.responder != nil && !now.Before(one.waits) {
			model.Respond(r.world, one.responder, nil, model.RPCError(400, "BOT_RESPONSE_TIMEOUT"))
			one.responder = nil
		}
		if !now.Before(one.lives) {
			delete(r.queries, id)
		}
	}
}
