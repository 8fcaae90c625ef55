package files

import (
	"fmt"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/simulator/calls/messages"
	"github.com/telefleet/orchestrator/simulator/files"
	"github.com/telefleet/orchestrator/simulator/model"
)

// maxAlbum is how many messages an album has at most.
const maxAlbum = 10

// attached is what a message carries, as model.Media.
type attached struct {
	files.Media
	store *files.Store
}

// Render implements model.Media.
func (a attached) Render(viewer int64) tg.MessageMediaClass { return a.Media.Render(a.store, viewer) }

// Attach makes what a message carries of what a caller describes: uploaded just now, or known.
func (r *Room) Attach(c *model.Call, in tg.InputMediaClass) (model.Media, error) {
	m, err := r.Store.Media(r.who(c), in)
	return attached{m, r.Store}, err
}

func (r *Room) uploadMedia(c *model.Call, q *tg.MessagesUploadMediaRequest) (bin.Encoder, error) {
	if _, err := c.InputPeer(q.Peer); err != nil {
		return nil, err
	}
	m, err := r.Attach(c, q.Media)
	if err != nil {
		return nil, err
	}
	return m.Render(c.User.ID), nil
}

func (r *Room) sendMedia(c *model.Call, q *tg.MessagesSendMediaRequest) (bin.Encoder, error) {
	if q.ScheduleRepeatPeriod != 0 || q.QuickReplyShortcut != nil {
		return nil, model.RPCError(400, "INPUT_METHOD_INVALID_messages.sendMedia: repetition and quick replies are not modelled")
	}
	if c.User.Used(q.RandomID) { // before a file is made of its parts again
		return nil, model.RPCError(500, "RANDOM_ID_DUPLICATE")
	}
	m, err := r.Attach(c, q.Media)
	if err != nil {
		return nil, err
	}
	return messages.Write(c, messages.Outgoing{
		Peer: q.Peer, ReplyTo: q.ReplyTo, Text: q.Message, Entities: q.Entities, Markup: q.ReplyMarkup,
		RandomID: q.RandomID, Media: m, SendAs: q.SendAs, ScheduleDate: q.ScheduleDate, ClearDraft: q.ClearDraft,
		Options: model.Options{
			Silent: q.Silent, Background: q.Background, Noforwards: q.Noforwards, InvertMedia: q.InvertMedia, Effect: q.Effect,
		},
	})
}

func (r *Room) sendMultiMedia(c *model.Call, q *tg.MessagesSendMultiMediaRequest) (bin.Encoder, error) {
	switch n := len(q.MultiMedia); {
	case q.QuickReplyShortcut != nil:
		return nil, model.RPCError(400, "INPUT_METHOD_INVALID_messages.sendMultiMedia: quick replies are not modelled")
	case n == 0:
		return nil, model.RPCError(400, "MULTI_MEDIA_EMPTY")
	case n > maxAlbum:
		return nil, model.RPCError(400, "MULTI_MEDIA_TOO_LONG")
	}
	album := c.World.Rand.Int64() | 1
	all := make([]messages.Outgoing, len(q.MultiMedia))
	kind := ""
	for i, one := range q.MultiMedia {
		switch one.Media.(type) {
		case *tg.InputMediaPhoto, *tg.InputMediaDocument:
		default: // messages.uploadMedia comes first
			return nil, model.RPCError(400, "MEDIA_INVALID")
		}
		m, err := r.Attach(c, one.Media)
		if tgerr.Is(err, "FILE_REFERENCE_EXPIRED") {
			err = model.RPCError(400, fmt.Sprintf("FILE_REFERENCE_%d_EXPIRED", i))
		}
		if err != nil {
			return nil, err
		}
		if kind == "" {
			kind = messages.AlbumKind(m.Render(c.User.ID))
		}
		if messages.AlbumKind(m.Render(c.User.ID)) != kind {
			return nil, model.RPCError(400, "MEDIA_GROUPED_INVALID")
		}
		all[i] = messages.Outgoing{
			Peer: q.Peer, ReplyTo: q.ReplyTo, Text: one.Message, Entities: one.Entities, RandomID: one.RandomID,
			Media: m, GroupedID: album, SendAs: q.SendAs, ScheduleDate: q.ScheduleDate, ClearDraft: q.ClearDraft,
			Options: model.Options{
				Silent: q.Silent, Background: q.Background, Noforwards: q.Noforwards, InvertMedia: q.InvertMedia, Effect: q.Effect,
			},
		}
	}
	return messages.Write(c, all...)
}
