package bots

import (
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/calls/messages"
	"github.com/telefleet/orchestrator/simulator/model"
)

// answer is what a bot answered to inline queries.
type answer struct {
	request *tg.MessagesSetInlineBotResultsRequest
	results []*result
	until   time.Time // for equal queries
}

// render is the answer as who asked sees it.
func (a *answer) render(one *query) *tg.MessagesBotResults {
	out := &tg.MessagesBotResults{QueryID: one.id, CacheTime: a.request.CacheTime, Gallery: a.request.Gallery}
	for _, r := range a.results {
		out.Results = append(out.Results, r.render(one.user))
	}
	if a.request.NextOffset != "" {
		out.SetNextOffset(a.request.NextOffset)
	}
	if pm, ok := a.request.GetSwitchPm(); ok {
		out.SetSwitchPm(pm)
	}
	if app, ok := a.request.GetSwitchWebview(); ok {
		out.SetSwitchWebview(app)
	}
	return out
}

// result is one result, and the message that it becomes.
type result struct {
	id       string
	in       tg.InputBotInlineResultClass
	file     model.Media // that it shows; nil: none
	message  tg.BotInlineMessageClass
	text     string
	entities []tg.MessageEntityClass
	markup   tg.ReplyMarkupClass
	media    model.Media // of the message; nil: none
	fetched  bool        // the message's media would have to be fetched

	noWebpage, invert bool
}

// fixed is media that is the same for all.
type fixed struct{ media tg.MessageMediaClass }

// Render implements model.Media.
func (f fixed) Render(int64) tg.MessageMediaClass { return f.media }

// resultOf checks a result.
func (r *room) resultOf(c *model.Call, in tg.InputBotInlineResultClass) (*result, error) {
	out := &result{id: in.GetID(), in: in}
	if out.id == "" || len(out.id) > 64 {
		return nil, model.RPCError(400, "RESULT_ID_INVALID")
	}
	var err error
	web := false
	switch in := in.(type) {
	case *tg.InputBotInlineResult:
		web = in.Flags.Has(5)
	case *tg.InputBotInlineResultPhoto:
		out.file, err = r.attach(c, &tg.InputMediaPhoto{ID: in.Photo})
	case *tg.InputBotInlineResultDocument:
		out.file, err = r.attach(c, &tg.InputMediaDocument{ID: in.Document})
	default:
		err = model.RPCError(400, "RESULT_TYPE_INVALID")
	}
	if err != nil {
		return nil, err
	}
	if err := out.become(in, web); err != nil {
		return nil, err
	}
	if _, inline := out.markup.(*tg.ReplyInlineMarkup); out.markup != nil && !inline {
		return nil, model.RPCError(400, "REPLY_MARKUP_INVALID")
	}
	return out, messages.CheckMarkup(out.markup)
}

// become reads the message that a result becomes.
func (r *result) become(in tg.InputBotInlineResultClass, web bool) error {
	var send tg.InputBotInlineMessageClass
	switch in := in.(type) {
	case *tg.InputBotInlineResult:
		send = in.SendMessage
	case *tg.InputBotInlineResultPhoto:
		send = in.SendMessage
	case *tg.InputBotInlineResultDocument:
		send = in.SendMessage
	}
	switch m := send.(type) {
	case *tg.InputBotInlineMessageText:
		if m.Message == "" {
			return model.RPCError(400, "SEND_MESSAGE_TYPE_INVALID")
		}
		r.text, r.entities, r.markup, r.noWebpage, r.invert = m.Message, m.Entities, m.ReplyMarkup, m.NoWebpage, m.InvertMedia
		r.message = &tg.BotInlineMessageText{Message: m.Message, Entities: m.Entities, NoWebpage: m.NoWebpage, InvertMedia: m.InvertMedia, ReplyMarkup: m.ReplyMarkup}
	case *tg.InputBotInlineMessageMediaAuto:
		if r.file == nil && !web {
			return model.RPCError(400, "MEDIA_EMPTY")
		}
		r.text, r.entities, r.markup, r.invert, r.media, r.fetched = m.Message, m.Entities, m.ReplyMarkup, m.InvertMedia, r.file, web
		r.message = &tg.BotInlineMessageMediaAuto{Message: m.Message, Entities: m.Entities, InvertMedia: m.InvertMedia, ReplyMarkup: m.ReplyMarkup}
	case *tg.InputBotInlineMessageMediaGeo, *tg.InputBotInlineMessageMediaVenue, *tg.InputBotInlineMessageMediaContact:
		return r.becomePlace(m)
	default:
		return model.RPCError(400, "SEND_MESSAGE_TYPE_INVALID")
	}
	return nil
}

func (r *result) becomePlace(send tg.InputBotInlineMessageClass) error {
	switch m := send.(type) {
	case *tg.InputBotInlineMessageMediaGeo:
		geo, err := pointOf(m.GeoPoint)
		if err != nil {
			return err
		}
		r.markup, r.media = m.ReplyMarkup, fixed{&tg.MessageMediaGeo{Geo: geo}}
		if m.Period != 0 {
			r.media = fixed{&tg.MessageMediaGeoLive{Geo: geo, Period: m.Period}}
		}
		r.message = &tg.BotInlineMessageMediaGeo{Geo: geo, Period: m.Period, ReplyMarkup: m.ReplyMarkup}
	case *tg.InputBotInlineMessageMediaVenue:
		geo, err := pointOf(m.GeoPoint)
		if err != nil {
			return err
		}
		r.markup = m.ReplyMarkup
		r.media = fixed{&tg.MessageMediaVenue{Geo: geo, Title: m.Title, Address: m.Address, Provider: m.Provider, VenueID: m.VenueID, VenueType: m.VenueType}}
		r.message = &tg.BotInlineMessageMediaVenue{
			Geo: geo, Title: m.Title, Address: m.Address, Provider: m.Provider, VenueID: m.VenueID, VenueType: m.VenueType, ReplyMarkup: m.ReplyMarkup,
		}
	case *tg.InputBotInlineMessageMediaContact:
		r.markup, r.media = m.ReplyMarkup, fixed{&tg.MessageMediaContact{PhoneNumber: m.PhoneNumber, FirstName: m.FirstName, LastName: m.LastName, Vcard: m.Vcard}}
		r.message = &tg.BotInlineMessageMediaContact{PhoneNumber: m.PhoneNumber, FirstName: m.FirstName, LastName: m.LastName, Vcard: m.Vcard, ReplyMarkup: m.ReplyMarkup}
	}
	return nil
}

func pointOf(in tg.InputGeoPointClass) (*tg.GeoPoint, error) {
	p, ok := in.(*tg.InputGeoPoint)
	if !ok {
		return nil, model.RPCError(400, "GEO_POINT_INVALID")
	}
	return &tg.GeoPoint{Lat: p.Lat, Long: p.Long, AccessHash: 1}, nil
}

// render is the result as a viewer sees it.
func (r *result) render(viewer int64) tg.BotInlineResultClass {
	switch in := r.in.(type) {
	case *tg.InputBotInlineResult:
		out := &tg.BotInlineResult{ID: in.ID, Type: in.Type, Title: in.Title, Description: in.Description, URL: in.URL, SendMessage: r.message}
		if in.Flags.Has(4) {
			out.SetThumb(webDocument(in.Thumb))
		}
		if in.Flags.Has(5) {
			out.SetContent(webDocument(in.Content))
		}
		return out
	case *tg.InputBotInlineResultDocument:
		out := &tg.BotInlineMediaResult{ID: in.ID, Type: in.Type, Title: in.Title, Description: in.Description, SendMessage: r.message}
		shown, _ := r.file.Render(viewer).(*tg.MessageMediaDocument)
		out.SetDocument(shown.Document)
		return out
	case *tg.InputBotInlineResultPhoto:
		out := &tg.BotInlineMediaResult{ID: in.ID, Type: in.Type, SendMessage: r.message}
		shown, _ := r.file.Render(viewer).(*tg.MessageMediaPhoto)
		out.SetPhoto(shown.Photo)
		return out
	}
	return nil
}

func webDocument(in tg.InputWebDocument) tg.WebDocumentClass {
	return &tg.WebDocumentNoProxy{URL: in.URL, Size: in.Size, MimeType: in.MimeType, Attributes: in.Attributes}
}
