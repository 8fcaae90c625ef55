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
	}
	return nil, model.RPCError(400, "INPUT_FILTER_INVALID")
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
	var all []int
	if in.Kind == model.PeerChannel {
		all = c.World.Channels[in.ID].IDs
	} else if d := c.User.Dialogs[in]; d != nil {
		all = d.IDs
	}
	all = slices.DeleteFunc(slices.Clone(all), func(id int) bool {
		p := c.Find(in, id)
		return !fits(id, p) || !strings.Contains(model.Fold(p.Text), model.Fold(q.Q)) || q.TopMsgID != 0 && p.TopicID != q.TopMsgID
	})
	page := window(all, &tg.MessagesGetHistoryRequest{
		OffsetID: q.OffsetID, AddOffset: q.AddOffset, Limit: q.Limit, MaxID: q.MaxID, MinID: q.MinID,
	}, func(id int) int { return c.Find(in, id).Date })
	if in.Kind == model.PeerChannel {
		return c.ChannelMessages(c.World.Channels[in.ID], page, len(all)), nil
	}
	out, r := &tg.MessagesMessagesSlice{Count: len(all)}, model.NewRefs(c.World, c.User)
	r.Peer(in)
	for _, id := range page {
		m := c.User.Box.Messages[id]
		out.Messages = append(out.Messages, c.World.RenderLetter(c.User, m))
		r.Post(m.Post, m.Dialog)
	}
	out.Chats, out.Users = r.TLChats(), r.TLUsers()
	return out, nil
}
