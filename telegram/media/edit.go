package media

import (
	"context"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Edit puts a file into a message that is there (messages.editMessage) and returns the message; nil when it
// was so already. Of e, text and entities are the caption. A file reference that has expired is found again
// and the call repeated. What Telegram puts into no message that is there is refused before anything is sent.
func Edit(ctx context.Context, env telegram.Env, chat telegram.Peer, e telegram.Edit, a Attachment) (*tg.Message, error) {
	var edited *tg.Message
	err := Refreshing(a.Find != nil, func() (err error) {
		if e.Media, err = a.replacement(ctx); err == nil {
			edited, err = telegram.EditMessage(ctx, env, chat, e)
		}
		return err
	})
	return edited, partsGone(err)
}

// replacement is the file as what takes the place of other media.
func (a Attachment) replacement(ctx context.Context) (tg.InputMediaClass, error) {
	media, kind, err := a.input(ctx)
	if err != nil {
		return nil, err
	}
	return media, a.checkEdit(kind)
}

// InlineReplacement is the file as what takes the place of the media of a message that came from an inline
// query (messages.editInlineBotMessage). Such messages take no uploads: one is made a file that Telegram has.
func (a Attachment) InlineReplacement(ctx context.Context, env telegram.Env) (tg.InputMediaClass, error) {
	if a.Uploaded == nil {
		return a.replacement(ctx)
	}
	if err := a.checkEdit(a.kind()); err != nil {
		return nil, err
	}
	stored, err := a.Known(ctx, env)
	return a.marked(stored.Media), err
}

// Known is the file as one that Telegram has: that which Find finds, or an uploaded one, which is kept in
// nobody's chat (messages.uploadMedia).
func (a Attachment) Known(ctx context.Context, env telegram.Env) (Stored, error) {
	if a.Find != nil {
		return a.Find(ctx)
	}
	media, _, err := a.input(ctx)
	if err != nil {
		return Stored{}, err
	}
	m, err := keep(ctx, env, &tg.InputPeerSelf{}, media)
	if err != nil {
		return Stored{}, partsGone(err)
	}
	return OfMedia(m, "")
}

// Refreshing makes a call, and again as long as that helps where it says that a file reference has expired;
// call finds the files anew, which can says that it does.
func Refreshing(can bool, call func() error) error {
	for tries := 0; ; tries++ {
		if err := call(); !expired(err) || !can || tries >= maxRefreshes {
			return err
		}
	}
}

// checkEdit refuses what cannot take the place of other media.
func (a Attachment) checkEdit(kind Kind) error {
	switch {
	case kind == Voice || kind == VideoNote || kind == Sticker:
		return fleet.Errorf(fleet.CodeInvalidArgument, "MEDIA_NEW_INVALID", "media: voice messages, video messages and stickers cannot be put into a message").
			WithRemedy("send it as a message of its own")
	case a.TTL != 0:
		return fleet.Errorf(fleet.CodeInvalidArgument, "MEDIA_TTL_INVALID", "media.ttl_seconds: cannot be given to a message that is there (got %d)", a.TTL).
			WithRemedy("leave ttl_seconds out, or send a message of its own")
	}
	return nil
}
