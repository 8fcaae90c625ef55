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
	for tries := 0; ; tries++ {
		media, kind, err := a.input(ctx)
		if err != nil {
			return nil, err
		}
		if err := a.checkEdit(kind); err != nil {
			return nil, err
		}
		e.Media = media
		edited, err := telegram.EditMessage(ctx, env, chat, e)
		if !expired(err) || a.Find == nil || tries >= maxRefreshes {
			return edited, partsGone(err)
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
