package telegram

import (
	"context"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// AlbumItem is one message of an album.
type AlbumItem struct {
	// Media is a photo or document that Telegram has: inputMediaPhoto or inputMediaDocument.
	Media tg.InputMediaClass
	// Text is its caption, formatted by Entities.
	Text     string
	Entities []tg.MessageEntityClass
	// RandomID makes repetitions of one command one message; 0 = drawn.
	RandomID int64
}

// mediaRequest is a message as one that carries media (messages.sendMedia).
func mediaRequest(r *tg.MessagesSendMessageRequest, media tg.InputMediaClass) *tg.MessagesSendMediaRequest {
	return &tg.MessagesSendMediaRequest{
		Silent: r.Silent, Background: r.Background, ClearDraft: r.ClearDraft, Noforwards: r.Noforwards,
		UpdateStickersetsOrder: r.UpdateStickersetsOrder, InvertMedia: r.InvertMedia, AllowPaidFloodskip: r.AllowPaidFloodskip,
		Peer: r.Peer, ReplyTo: r.ReplyTo, Media: media, Message: r.Message, RandomID: r.RandomID, ReplyMarkup: r.ReplyMarkup,
		Entities: r.Entities, ScheduleDate: r.ScheduleDate, ScheduleRepeatPeriod: r.ScheduleRepeatPeriod, SendAs: r.SendAs,
		QuickReplyShortcut: r.QuickReplyShortcut, Effect: r.Effect, AllowPaidStars: r.AllowPaidStars,
	}
}

// albumRequest is the options of a message as those of an album (messages.sendMultiMedia).
func albumRequest(r *tg.MessagesSendMessageRequest) *tg.MessagesSendMultiMediaRequest {
	return &tg.MessagesSendMultiMediaRequest{
		Silent: r.Silent, Background: r.Background, ClearDraft: r.ClearDraft, Noforwards: r.Noforwards,
		UpdateStickersetsOrder: r.UpdateStickersetsOrder, InvertMedia: r.InvertMedia, AllowPaidFloodskip: r.AllowPaidFloodskip,
		Peer: r.Peer, ReplyTo: r.ReplyTo, ScheduleDate: r.ScheduleDate, SendAs: r.SendAs,
		QuickReplyShortcut: r.QuickReplyShortcut, Effect: r.Effect, AllowPaidStars: r.AllowPaidStars,
	}
}

// SendAlbum sends items as one album and returns their messages in order. Of m, the options count,
// and neither text nor media. ErrMessageUnknown when it was sent and cannot be found.
func SendAlbum(ctx context.Context, env Env, to Peer, m Outgoing, items []AlbumItem) ([]*tg.Message, error) {
	m.Text, m.Entities, m.Media = "", nil, items[0].Media
	options, err := sendRequest(to, m)
	if err != nil {
		return nil, err
	}
	req := albumRequest(options)
	for i, item := range items {
		if err := checkCaption(item.Text); err != nil {
			return nil, err
		}
		one := tg.InputSingleMedia{Media: item.Media, Message: item.Text, RandomID: item.RandomID}
		if one.RandomID == 0 {
			if one.RandomID, err = randomID(); err != nil {
				return nil, err
			}
			items[i].RandomID = one.RandomID
		}
		if len(item.Entities) > 0 {
			one.SetEntities(item.Entities)
		}
		req.MultiMedia = append(req.MultiMedia, one)
	}
	var res tg.UpdatesBox
	if err = Invoke(ctx, env, req, &res); IsRPC(err, "RANDOM_ID_DUPLICATE") {
		return findAlbum(ctx, env, to, req, m.Since)
	}
	if err != nil {
		return nil, err
	}
	var sent []*tg.Message
	for _, one := range req.MultiMedia {
		msg := sentMessage(res.Updates, one.RandomID)
		if msg == nil {
			return nil, messageUnknown("the answer is a %T without it", res.Updates)
		}
		sent = append(sent, msg)
	}
	return sent, nil
}

// maxCaption is the longest caption, of accounts with Premium; Telegram refuses others' beyond 1024.
const maxCaption = maxText

func checkCaption(text string) error {
	if n := len16(text); n > maxCaption {
		return fleet.Errorf(fleet.CodeInvalidArgument, "MEDIA_CAPTION_TOO_LONG", "caption: must have at most 1024 UTF-16 code units, %d with Premium (got %d)", maxCaption, n).
			WithRemedy("shorten it, or send it as a message of its own")
	}
	return nil
}
