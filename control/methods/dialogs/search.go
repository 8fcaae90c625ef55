package dialogs

import (
	"context"
	"math"

	"github.com/gotd/td/tg"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dialogs"
)

var filters = map[v1.SearchFilter]tg.MessagesFilterClass{
	v1.SearchFilter_SEARCH_FILTER_UNSPECIFIED: nil,
	v1.SearchFilter_SEARCH_FILTER_PHOTOS:      &tg.InputMessagesFilterPhotos{},
	v1.SearchFilter_SEARCH_FILTER_VIDEO:       &tg.InputMessagesFilterVideo{},
	v1.SearchFilter_SEARCH_FILTER_PHOTO_VIDEO: &tg.InputMessagesFilterPhotoVideo{},
	v1.SearchFilter_SEARCH_FILTER_DOCUMENT:    &tg.InputMessagesFilterDocument{},
	v1.SearchFilter_SEARCH_FILTER_URL:         &tg.InputMessagesFilterURL{},
	v1.SearchFilter_SEARCH_FILTER_GIF:         &tg.InputMessagesFilterGif{},
	v1.SearchFilter_SEARCH_FILTER_VOICE:       &tg.InputMessagesFilterVoice{},
	v1.SearchFilter_SEARCH_FILTER_MUSIC:       &tg.InputMessagesFilterMusic{},
	v1.SearchFilter_SEARCH_FILTER_CHAT_PHOTOS: &tg.InputMessagesFilterChatPhotos{},
	v1.SearchFilter_SEARCH_FILTER_ROUND_VIDEO: &tg.InputMessagesFilterRoundVideo{},
	v1.SearchFilter_SEARCH_FILTER_MY_MENTIONS: &tg.InputMessagesFilterMyMentions{},
	v1.SearchFilter_SEARCH_FILTER_GEO:         &tg.InputMessagesFilterGeo{},
	v1.SearchFilter_SEARCH_FILTER_CONTACTS:    &tg.InputMessagesFilterContacts{},
	v1.SearchFilter_SEARCH_FILTER_PINNED:      &tg.InputMessagesFilterPinned{},
}

func filterOf(f v1.SearchFilter) (tg.MessagesFilterClass, error) {
	filter, ok := filters[f]
	if !ok {
		return nil, convert.Invalid("filter", "use one of the filters of this version", "is not known (got %d)", f)
	}
	return filter, nil
}

// datesOf are bounds in Unix seconds; 0 = none. Telegram counts whole seconds and leaves the bounds
// themselves out.
func datesOf(from, to *timestamppb.Timestamp) (lowest, highest int, err error) {
	if from != nil {
		lowest = int(min(from.AsTime().Unix(), math.MaxInt32)) - 1
	}
	if to != nil {
		highest = int(min(to.AsTime().Unix(), math.MaxInt32))
	}
	if from != nil && to != nil && lowest >= highest {
		return 0, 0, convert.Invalid("max_date", "give a time after min_date", "must be after min_date")
	}
	return max(lowest, 0), highest, nil
}

func searchMessages(ctx context.Context, env telegram.Env, req *v1.SearchMessagesRequest) (*v1.SearchMessagesReply, error) {
	limit, err := limitOf(req.GetLimit(), "read on with next_offset_id")
	if err != nil {
		return nil, err
	}
	if err := convert.CheckMarkup("markup", req.GetMarkup()); err != nil {
		return nil, err
	}
	q := dialogs.Query{
		Text: req.GetQuery(), MinID: int(req.GetMinId()), MaxID: int(req.GetMaxId()), Before: int(req.GetOffsetId()), Topic: int(req.GetTopicId()),
	}
	if q.Filter, err = filterOf(req.GetFilter()); err != nil {
		return nil, err
	}
	if q.MinDate, q.MaxDate, err = datesOf(req.GetMinDate(), req.GetMaxDate()); err != nil {
		return nil, err
	}
	if req.GetSender() != "" {
		sender, err := telegram.ResolvePeer(ctx, env, req.GetSender())
		if err != nil {
			return nil, err
		}
		q.Sender = &sender
	}
	chat, err := telegram.ResolvePeer(ctx, env, req.GetPeer())
	if err != nil {
		return nil, err
	}
	hits, err := dialogs.Search(ctx, env, chat, q, limit)
	if err != nil {
		return nil, err
	}
	return &v1.SearchMessagesReply{Messages: convert.WrittenAll(hits.Messages, convert.Answered(hits.Peers, env.Peers()), req.GetMarkup()), Total: int32(hits.Total), NextOffsetId: int32(hits.Next)}, nil
}

var kinds = map[v1.ChatKinds]dialogs.Kinds{
	v1.ChatKinds_CHAT_KINDS_UNSPECIFIED: dialogs.AllKinds, v1.ChatKinds_CHAT_KINDS_BROADCASTS: dialogs.Broadcasts,
	v1.ChatKinds_CHAT_KINDS_GROUPS: dialogs.Groups, v1.ChatKinds_CHAT_KINDS_USERS: dialogs.Users,
}

func searchGlobal(ctx context.Context, env telegram.Env, req *v1.SearchGlobalRequest) (*v1.SearchGlobalReply, error) {
	limit, err := limitOf(req.GetLimit(), "read on with next_page_token")
	if err != nil {
		return nil, err
	}
	if err := convert.CheckMarkup("markup", req.GetMarkup()); err != nil {
		return nil, err
	}
	q := dialogs.GlobalQuery{Query: dialogs.Query{Text: req.GetQuery()}}
	var ok bool
	if q.Kinds, ok = kinds[req.GetKinds()]; !ok {
		return nil, convert.Invalid("kinds", "use one of the kinds of this version", "is not known (got %d)", req.GetKinds())
	}
	if q.Filter, err = filterOf(req.GetFilter()); err != nil {
		return nil, err
	}
	if q.MinDate, q.MaxDate, err = datesOf(req.GetMinDate(), req.GetMaxDate()); err != nil {
		return nil, err
	}
	if req.FolderId != nil {
		folder, err := folderOf(req.GetFolderId())
		if err != nil {
			return nil, err
		}
		q.Folder = &folder
	}
	place, err := placeOf[dialogs.GlobalPlace](req.GetPageToken())
	if err != nil {
		return nil, err
	}
	hits, err := dialogs.SearchGlobal(ctx, env, q, place, limit)
	if err != nil {
		return nil, err
	}
	return &v1.SearchGlobalReply{Messages: convert.WrittenAll(hits.Messages, convert.Answered(hits.Peers, env.Peers()), req.GetMarkup()), Total: int32(hits.Total), NextPageToken: token(hits.Next)}, nil
}
