package files

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// maxPhotos are returned at once.
const maxPhotos = 100

func (r *Room) uploadProfilePhoto(c *model.Call, q *tg.PhotosUploadProfilePhotoRequest) (bin.Encoder, error) {
	if q.File == nil || q.Video != nil || q.VideoEmojiMarkup != nil || q.Bot != nil || q.Fallback {
		return nil, model.RPCError(400, "INPUT_METHOD_INVALID_photos.uploadProfilePhoto: only photos of the caller are modelled")
	}
	f, err := r.Store.SetProfilePhoto(r.who(c), q.File)
	if err != nil {
		return nil, err
	}
	c.User.Photo = &tg.UserProfilePhoto{PhotoID: f.ID, DCID: f.DC}
	refs := model.NewRefs(c.World, c.User)
	refs.User(c.User.ID)
	return &tg.PhotosPhoto{Photo: r.Store.Photo(f, c.User.ID), Users: refs.TLUsers()}, nil
}

// getUserPhotos pages by offset; max_id names one photo with offset -1.
func (r *Room) getUserPhotos(c *model.Call, q *tg.PhotosGetUserPhotosRequest) (bin.Encoder, error) {
	u, err := c.InputUser(q.UserID)
	if err != nil {
		return nil, err
	}
	if q.Limit < 0 {
		return nil, model.RPCError(400, "LIMIT_INVALID")
	}
	limit := maxPhotos
	if q.Limit > 0 {
		limit = min(q.Limit, maxPhotos)
	}
	all := r.Store.ProfilePhotos(u.ID)
	from := max(0, q.Offset)
	if q.MaxID != 0 {
		for i, f := range all {
			if f.ID == q.MaxID {
				from = max(0, i+1+q.Offset)
			}
		}
	}
	from = min(from, len(all))
	var photos []tg.PhotoClass
	for _, f := range all[from:min(len(all), from+limit)] {
		photos = append(photos, r.Store.Photo(f, c.User.ID))
	}
	refs := model.NewRefs(c.World, c.User)
	refs.User(u.ID)
	if len(photos) == len(all) {
		return &tg.PhotosPhotos{Photos: photos, Users: refs.TLUsers()}, nil
	}
	return &tg.PhotosPhotosSlice{Count: len(all), Photos: photos, Users: refs.TLUsers()}, nil
}
