package bots

import (
	"slices"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/calls/messages"
	"github.com/telefleet/orchestrator/simulator/model"
)

// query is an inline query: it waits for the bot, then for the user's choice.
type query struct {
	id        int64
	bot, user int64
	text      string
	responder model.Responder // nil once the user's query was answered
	waits     time.Time       // until then for the answer to the user
	lives     time.Time       // until then a result may be chosen
	results   []tg.InputBotInlineResultClass
	answered  bool
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
		id: c.World.Rand.Int64(), bot: bot.ID, user: c.User.ID, text: q.Query, responder: c.Responder,
		waits: now.Add(c.World.Config.CallbackTimeout), lives: now.Add(queryLife),
	}
	r.queries[one.id] = one
	update := &tg.UpdateBotInlineQuery{QueryID: one.id, UserID: c.User.ID, Query: q.Query, Offset: q.Offset}
	update.SetPeerType(peerType(c, in, bot))
	b := c.World.Bundle(bot, update)
	b.Refs.User(c.User.ID)
	c.World.SendTo(bot, b, nil)
	return nil, model.ErrLater
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
	case one == nil || one.bot != c.User.ID || one.answered || one.responder == nil:
		return nil, model.RPCError(400, "QUERY_ID_INVALID")
	case len(q.Results) > maxResults:
		return nil, model.RPCError(400, "RESULTS_TOO_MUCH")
	case len(q.NextOffset) > 64:
		return nil, model.RPCError(400, "NEXT_OFFSET_INVALID")
	}
	out := &tg.MessagesBotResults{QueryID: q.QueryID, CacheTime: q.CacheTime, Gallery: q.Gallery}
	seen := map[string]bool{}
	for _, in := range q.Results {
		result, ok := in.(*tg.InputBotInlineResult)
		if !ok {
			return nil, model.RPCError(400, "RESULT_TYPE_INVALID")
		}
		text, ok := result.SendMessage.(*tg.InputBotInlineMessageText)
		switch {
		case !ok || text.Message == "":
			return nil, model.RPCError(400, "SEND_MESSAGE_TYPE_INVALID")
		case result.ID == "" || len(result.ID) > 64:
			return nil, model.RPCError(400, "RESULT_ID_INVALID")
		case seen[result.ID]:
			return nil, model.RPCError(400, "RESULT_ID_DUPLICATE")
		}
		seen[result.ID] = true
		shown := &tg.BotInlineResult{ID: result.ID, Type: result.Type, SendMessage: &tg.BotInlineMessageText{Message: text.Message, Entities: text.Entities}}
		shown.SetTitle(result.Title)
		shown.SetDescription(result.Description)
		out.Results = append(out.Results, shown)
	}
	if q.NextOffset != "" {
		out.SetNextOffset(q.NextOffset)
	}
	if pm, ok := q.GetSwitchPm(); ok {
		out.SetSwitchPm(pm)
	}
	one.answered, one.results = true, q.Results
	model.Respond(c.World, one.responder, out, nil)
	one.responder = nil
	return &tg.BoolTrue{}, nil
}

func (r *room) sendInlineBotResult(c *model.Call, q *tg.MessagesSendInlineBotResultRequest) (bin.Encoder, error) {
	one := r.queries[q.QueryID]
	if one == nil || one.user != c.User.ID || !one.answered {
		return nil, model.RPCError(400, "QUERY_ID_INVALID")
	}
	i := slices.IndexFunc(one.results, func(in tg.InputBotInlineResultClass) bool { return in.GetID() == q.ID })
	if i < 0 {
		return nil, model.RPCError(400, "RESULT_ID_EMPTY")
	}
	text, _ := one.results[i].(*tg.InputBotInlineResult).SendMessage.(*tg.InputBotInlineMessageText)
	answer, err := messages.Write(c, messages.Outgoing{
		Peer: q.Peer, ReplyTo: q.ReplyTo, Text: text.Message, Entities: text.Entities, RandomID: q.RandomID, ClearDraft: q.ClearDraft, NoWebpage: text.NoWebpage,
	})
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
	update := &tg.UpdateBotInlineSend{UserID: c.User.ID, Query: one.text, ID: q.ID}
	update.SetMsgID(&tg.InputBotInlineMessageID64{DCID: c.User.Home, OwnerID: c.User.ID, ID: int(id), AccessHash: one.bot ^ id})
	bot := c.World.Users[one.bot]
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
	switch {
	case post == nil:
		return nil, model.RPCError(400, "MESSAGE_ID_INVALID")
	case q.Message == "":
		return nil, model.RPCError(400, "MESSAGE_EMPTY")
	case q.Message == post.Text && slices.EqualFunc(q.Entities, post.Entities, func(a, b tg.MessageEntityClass) bool { return model.Encoded(a) == model.Encoded(b) }):
		return nil, model.RPCError(400, "MESSAGE_NOT_MODIFIED")
	}
	post.Text, post.Entities, post.EditDate = q.Message, q.Entities, max(c.World.Now(), post.EditDate)
	if post.To.Kind == model.PeerChannel {
		c.World.EditPost(c.World.Channels[post.To.ID], post, nil)
	} else {
		c.World.EditLetters(post, c.World.Users[post.From], nil)
	}
	return &tg.BoolTrue{}, nil
}

// expireQueries answers inline queries that have waited too long.
func (r *room) expireQueries(now time.Time) {
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
