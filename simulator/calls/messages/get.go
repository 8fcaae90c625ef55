package messages

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// messageIDs are those of the messages that are asked for; 0 for those that are not there. pinned is
// the newest pinned message.
func messageIDs(in []tg.InputMessageClass, pinned int) ([]int, error) {
	if len(in) > model.MaxRequestIDs {
		return nil, model.RPCError(400, "MSG_ID_INVALID")
	}
	ids := make([]int, len(in))
	for i, m := range in {
		switch m := m.(type) {
		case *tg.InputMessageID:
			ids[i] = m.ID
		case *tg.InputMessagePinned:
			ids[i] = pinned
		}
	}
	return ids, nil
}

func getMessages(c *model.Call, q *tg.MessagesGetMessagesRequest) (bin.Encoder, error) {
	ids, err := messageIDs(q.ID, 0)
	if err != nil {
		return nil, err
	}
	out := &tg.MessagesMessages{}
	r := model.NewRefs(c.World, c.User)
	for _, id := range ids {
		m := c.User.Box.Messages[id]
		if m == nil {
			out.Messages = append(out.Messages, &tg.MessageEmpty{ID: id})
			continue
		}
		out.Messages = append(out.Messages, c.World.RenderLetter(c.User, m))
		r.Post(m.Post, m.Dialog)
	}
	out.Chats, out.Users = r.TLChats(), r.TLUsers()
	return out, nil
}

func getChannelMessages(c *model.Call, q *tg.ChannelsGetMessagesRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	pinned := 0
	if all := c.PinnedIn(ch.Peer()); len(all) > 0 {
		pinned = all[len(all)-1]
	}
	ids, err := messageIDs(q.ID, pinned)
	if err != nil {
		return nil, err
	}
	return c.ChannelMessages(ch, ids, len(ids)), nil
}
