package files

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/files"
	"github.com/telefleet/orchestrator/simulator/model"
)

// picture is the photo of a chat, as model.Picture.
type picture struct {
	file  *files.File
	store *files.Store
}

// Photo implements model.Picture.
func (p picture) Photo(viewer int64) *tg.Photo { return p.store.Photo(p.file, viewer) }

// chatPhoto makes the photo that a caller describes; nil for none.
func (r *Room) chatPhoto(c *model.Call, in tg.InputChatPhotoClass) (model.Picture, tg.MessageActionClass, error) {
	var f *files.File
	var err error
	switch in := in.(type) {
	case *tg.InputChatPhotoEmpty:
		return nil, &tg.MessageActionChatDeletePhoto{}, nil
	case *tg.InputChatUploadedPhoto:
		if in.File == nil || in.Video != nil || in.VideoEmojiMarkup != nil {
			return nil, nil, model.RPCError(400, "PHOTO_INVALID") // videos are not modelled
		}
		f, err = r.Store.Photograph(r.who(c), in.File)
	case *tg.InputChatPhoto:
		f, err = r.Store.Known(r.who(c), in.ID)
	default:
		err = model.RPCError(400, "PHOTO_INVALID")
	}
	if err != nil {
		return nil, nil, err
	}
	// The message is one for all who see it.
	return picture{f, r.Store}, &tg.MessageActionChatEditPhoto{Photo: r.Store.Photo(f, files.Anybody)}, nil
}

func (r *Room) editChatPhoto(c *model.Call, q *tg.MessagesEditChatPhotoRequest) (bin.Encoder, error) {
	g, err := c.InputGroup(q.ChatID)
	if err != nil {
		return nil, err
	}
	if m := g.Members[c.User.ID]; m == nil || !m.Admin && g.Creator != c.User.ID {
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	}
	photo, action, err := r.chatPhoto(c, q.Photo)
	if err != nil {
		return nil, err
	}
	g.Photo = photo
	b, _ := c.World.Deliver(&model.Post{From: c.User.ID, To: g.Peer(), Date: c.World.Now(), Action: action, Copies: map[int64]int{}}, c.Key)
	return c.World.Answer(b), nil
}

func (r *Room) editChannelPhoto(c *model.Call, q *tg.ChannelsEditPhotoRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	if !ch.May(c.User.ID, func(rights tg.ChatAdminRights) bool { return rights.ChangeInfo }) {
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	}
	photo, action, err := r.chatPhoto(c, q.Photo)
	if err != nil {
		return nil, err
	}
	ch.Photo = photo
	b := c.World.Publish(ch, &model.Post{From: c.User.ID, To: ch.Peer(), Date: c.World.Now(), Action: action}, c.User, c.Key)
	return c.World.Answer(b), nil
}
