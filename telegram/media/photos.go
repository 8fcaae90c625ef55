package media

import (
	"context"
	"fmt"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// photosPage is the most that the server returns at once.
const photosPage = 100

// Photos are profile photos, newest first.
type Photos struct {
	List []*tg.Photo
	// Total is how many there are, as the server counts them.
	Total int
}

// ProfilePhotos reads photos of a user (photos.getUserPhotos) or of a chat (its present one by
// channels.getFullChannel or messages.getFullChat, former ones by messages.search): limit of them, 0 =
// all, behind the offset newest.
func ProfilePhotos(ctx context.Context, env telegram.Env, peer telegram.Peer, offset, limit int) (Photos, error) {
	read := chatPhotos
	if peer.Kind == telegram.PeerUser || peer.Self {
		read = userPhotos
	}
	var out Photos
	for {
		page := photosPage
		if limit > 0 {
			page = min(page, limit-len(out.List))
		}
		list, total, err := read(ctx, env, peer, offset+len(out.List), page)
		if err != nil {
			return Photos{}, err
		}
		out.List, out.Total = append(out.List, list...), total
		switch {
		case limit > 0 && len(out.List) >= limit:
			out.List = out.List[:limit]
			return out, nil
		case len(list) == 0 || offset+len(out.List) >= total:
			return out, nil
		}
	}
}

func userPhotos(ctx context.Context, env telegram.Env, peer telegram.Peer, offset, limit int) ([]*tg.Photo, int, error) {
	user, err := inputUser(peer)
	if err != nil {
		return nil, 0, err
	}
	req := &tg.PhotosGetUserPhotosRequest{UserID: user, Offset: offset, Limit: limit}
	var res tg.PhotosPhotosBox
	if err := telegram.Invoke(ctx, env, req, &res); err != nil {
		return nil, 0, err
	}
	switch res := res.Photos.(type) {
	case *tg.PhotosPhotos:
		return whole(res.Photos), offset + len(res.Photos), nil
	case *tg.PhotosPhotosSlice:
		return whole(res.Photos), res.Count, nil
	}
	return nil, 0, fmt.Errorf("%s: unexpected %T", req.TypeName(), res.Photos)
}

func inputUser(peer telegram.Peer) (tg.InputUserClass, error) {
	input, err := peer.Input()
	if err != nil {
		return nil, err
	}
	switch in := input.(type) {
	case *tg.InputPeerSelf:
		return &tg.InputUserSelf{}, nil
	case *tg.InputPeerUser:
		return &tg.InputUser{UserID: in.UserID, AccessHash: in.AccessHash}, nil
	}
	return nil, fmt.Errorf("peer: is no user (got %s)", peer.Kind)
}

// whole leaves out photos that are empty.
func whole(list []tg.PhotoClass) []*tg.Photo {
	var out []*tg.Photo
	for _, p := range list {
		if p, ok := p.(*tg.Photo); ok {
			out = append(out, p)
		}
	}
	return out
}

// chatPhotos gives the present photo first; the messages that set photos tell the rest.
func chatPhotos(ctx context.Context, env telegram.Env, peer telegram.Peer, offset, limit int) ([]*tg.Photo, int, error) {
	present, err := chatPhoto(ctx, env, peer)
	if err != nil {
		return nil, 0, err
	}
	input, err := peer.Input()
	if err != nil {
		return nil, 0, err
	}
	req := &tg.MessagesSearchRequest{Peer: input, Filter: &tg.InputMessagesFilterChatPhotos{}, AddOffset: offset, Limit: limit}
	var res tg.MessagesMessagesBox
	if err := telegram.Invoke(ctx, env, req, &res); err != nil {
		return nil, 0, err
	}
	var out []*tg.Photo
	if present != nil && offset == 0 {
		out = append(out, present)
	}
	list, ok := res.Messages.(interface{ GetMessages() []tg.MessageClass })
	if !ok {
		return nil, 0, fmt.Errorf("%s: unexpected %T", req.TypeName(), res.Messages)
	}
	total := len(list.GetMessages())
	if sliced, ok := res.Messages.(interface{ GetCount() int }); ok {
		total = sliced.GetCount()
	}
	for _, m := range list.GetMessages() {
		m, _ := m.(*tg.MessageService)
		if m == nil {
			continue
		}
		if set, ok := m.Action.(*tg.MessageActionChatEditPhoto); ok {
			if p, ok := set.Photo.(*tg.Photo); ok && (present == nil || p.ID != present.ID) {
				out = append(out, p)
			}
		}
	}
	if present != nil && total == 0 {
		total = 1
	}
	return out, total, nil
}

// chatPhoto is a chat's present photo; nil when it has none.
func chatPhoto(ctx context.Context, env telegram.Env, peer telegram.Peer) (*tg.Photo, error) {
	var res tg.MessagesChatFull
	if peer.Kind == telegram.PeerChat {
		req := &tg.MessagesGetFullChatRequest{ChatID: peer.ID}
		if err := telegram.Invoke(ctx, env, req, &res); err != nil {
			return nil, err
		}
	} else {
		req := &tg.ChannelsGetFullChannelRequest{Channel: &tg.InputChannel{ChannelID: peer.ID, AccessHash: peer.AccessHash}}
		if err := telegram.Invoke(ctx, env, req, &res); err != nil {
			return nil, err
		}
	}
	switch full := res.FullChat.(type) {
	case *tg.ChatFull:
		p, _ := full.ChatPhoto.(*tg.Photo)
		return p, nil
	case *tg.ChannelFull:
		p, _ := full.ChatPhoto.(*tg.Photo)
		return p, nil
	}
	return nil, nil
}

// OfProfile finds a profile photo of a user or chat, the newest when id is 0; see OfMessage.
func OfProfile(ctx context.Context, env telegram.Env, peer telegram.Peer, id int64, thumb string) (Stored, error) {
	limit := 1
	if id != 0 {
		limit = 0
	}
	photos, err := ProfilePhotos(ctx, env, peer, 0, limit)
	if err != nil {
		return Stored{}, err
	}
	for _, p := range photos.List {
		if id == 0 || p.ID == id {
			return OfPhoto(p, thumb)
		}
	}
	return Stored{}, fleet.Errorf(fleet.CodeNotFound, "PHOTO_NOT_FOUND", "photo: %s has no profile photo of that id (got %d)", peer.Kind, id).
		WithRemedy("list its photos: a photo may have been removed")
}
