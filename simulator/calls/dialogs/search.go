package dialogs

import (
	"slices"
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// filter says which messages of a dialog fit.
func filter(c *model.Call, in model.Peer, f tg.MessagesFilterClass) (func(id int, p *model.Post) bool, error) {
	switch f.(type) {
	case *tg.InputMessagesFilterEmpty:
		return func(int, *model.Post) bool { return true }, nil
	case *tg.InputMessagesFilterPinned:
		pinned := c.PinnedIn(in)
		return func(id int, _ *model.Post) bool { return slices.Contains(pinned, id) }, nil
	case *tg.InputMessagesFilterMyMentions:
		return func(_ int, p *model.Post) bool { return p.Pings(c.User.ID) }, nil
	case *tg.InputMessagesFilterChatPhotos:
		return func(_ int, p *model.Post) bool { _, ok := p.Action.(*tg.MessageActionChatEditPhoto); return ok }, nil
	case *tg.InputMessagesFilterURL:
		return func(_ int, p *model.Post) bool { return hasLink(p) }, nil
	}
	holds, ok := mediaFilters[f.TypeID()]
	if !ok {
		return nil, model.RPCError(400, "INPUT_FILTER_INVALID")
	}
	return func(_ int, p *model.Post) bool { return p.Media != nil && holds(p.Media.Render(c.User.ID)) }, nil
}

func hasLink(p *model.Post) bool {
	for _, e := range p.Entities {
		switch e.(type) {
		case *tg.MessageEntityURL, *tg.MessageEntityTextURL:
			return true
		}
	}
	return strings.Contains(p.Text, "http://") || strings.Contains(p.Text, "https://")
}

// mediaFilters say which media fit.
var mediaFilters = map[uint32]func(tg.MessageMediaClass) bool{
	tg.InputMessagesFilterPhotosTypeID:     isPhoto,
	tg.InputMessagesFilterVideoTypeID:      isVideo,
	tg.InputMessagesFilterPhotoVideoTypeID: func(m tg.MessageMediaClass) bool { return isPhoto(m) || isVideo(m) },
	tg.InputMessagesFilterGeoTypeID:        func(m tg.MessageMediaClass) bool { _, ok := m.(*tg.MessageMediaGeo); return ok },
	tg.InputMessagesFilterContactsTypeID:   func(m tg.MessageMediaClass) bool { _, ok := m.(*tg.MessageMediaContact); return ok },
	tg.InputMessagesFilterVoiceTypeID: func(m tg.MessageMediaClass) bool {
		d, ok := m.(*tg.MessageMediaDocument)
		return ok && d.Voice
	},
	tg.InputMessagesFilterRoundVideoTypeID: func(m tg.MessageMediaClass) bool {
		d, ok := m.(*tg.MessageMediaDocument)
		return ok && d.Round
	},
	tg.InputMessagesFilterGifTypeID: func(m tg.MessageMediaClass) bool { return attribute[*tg.DocumentAttributeAnimated](m) },
	tg.InputMessagesFilterMusicTypeID: func(m tg.MessageMediaClass) bool {
		d, ok := m.(*tg.MessageMediaDocument)
		return ok && !d.Voice && attribute[*tg.DocumentAttributeAudio](m)
	},
	tg.InputMessagesFilterDocumentTypeID: func(m tg.MessageMediaClass) bool {
		d, ok := m.(*tg.MessageMediaDocument)
		return ok && !d.Voice && !d.Round && !d.Video && !attribute[*tg.DocumentAttributeAudio](m) && !attribute[*tg.DocumentAttributeAnimated](m)
	},
}

func isPhoto(m tg.MessageMediaClass) bool { _, ok := m.(*tg.MessageMediaPhoto); return ok }

func isVideo(m tg.MessageMediaClass) bool {
	d, ok := m.(*tg.MessageMediaDocument)
	return ok && (d.Video || attribute[*tg.DocumentAttributeVideo](m)) && !d.Round
}

// attribute says whether a document has an attribute of this type.
func attribute[T tg.DocumentAttributeClass](m tg.MessageMediaClass) bool {
	media, ok := m.(*tg.MessageMediaDocument)
	if !ok {
		return false
	}
	d, ok := media.Document.(*tg.Document)
	if !ok {
		return false
	}
	for _, a := range d.Attributes {
		if _, ok := a.(T); ok {
			return true
		}
	}
	return false
}

// idsIn are the messages of a dialog of the caller, ascending.
func idsIn(c *model.Call, in model.Peer) []int {
	if in.Kind == model.PeerChannel {
		return c.World.Channels[in.ID].IDs
	}
	if d := c.User.Dialogs[in]; d != nil {
		return d.IDs
	}
	return nil
}

// between says whether a date is within bounds, which are themselves outside; 0 is no bound.
func between(date, lowest, highest int) bool {
	return date > lowest && (highest == 0 || date < highest)
}

// search returns a page of the messages of a dialog that fit, newest first.
func search(c *model.Call, q *tg.MessagesSearchRequest) (bin.Encoder, error) {
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	fits, err := filter(c, in, q.Filter)
	if err != nil {
		return nil, err
	}
	var from model.Peer
	if _, anybody := q.FromID.(*tg.InputPeerEmpty); q.FromID != nil && !anybody {
		if from, err = c.InputPeer(q.FromID); err != nil {
			return nil, model.RPCError(400, "FROM_PEER_INVALID")
		}
	}
	all := slices.DeleteFunc(slices.Clone(idsIn(c, in)), func(id int) bool {
		p := c.Find(in, id)
		return !fits(id, p) || !strings.Contains(model.Fold(p.Text), model.Fold(q.Q)) || q.TopMsgID != 0 && p.TopicID != q.TopMsgID ||
			from != (model.Peer{}) && p.Author() != from || !between(p.Date, q.MinDate, q.MaxDate)
	})
	limit := q.Limit
	if limit > 1 && c.World.Chance(chanceShortPage) {
		limit -= 1 + c.World.Rand.IntN(limit/2)
	}
	page := window(all, &tg.MessagesGetHistoryRequest{
		OffsetID: q.OffsetID, AddOffset: q.AddOffset, Limit: limit, MaxID: q.MaxID, MinID: q.MinID,
	}, func(id int) int { return c.Find(in, id).Date })
	if in.Kind == model.PeerChannel {
		return c.ChannelMessages(c.World.Channels[in.ID], page, len(all)), nil
	}
	out, r := &tg.MessagesMessagesSlice{Count: len(all)}, model.NewRefs(c.World, c.User)
	r.Peer(in)
	for _, id := range page {
		out.Messages = append(out.Messages, show(c, in, id, r))
	}
	out.Chats, out.Users = r.TLChats(), r.TLUsers()
	return out, nil
}

// show renders a message of a dialog of the caller.
func show(c *model.Call, in model.Peer, id int, r *model.Refs) tg.MessageClass {
	if in.Kind == model.PeerChannel {
		ch := c.World.Channels[in.ID]
		r.Post(ch.Posts[id], in)
		return c.World.RenderPost(ch, ch.Posts[id], c.User.ID)
	}
	m := c.User.Box.Messages[id]
	r.Post(m.Post, in)
	return c.World.RenderLetter(c.User, m)
}
