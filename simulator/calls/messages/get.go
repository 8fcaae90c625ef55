package messages

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// ids of the messages that are asked for; 0 for those that are not modelled.
func messageIDs(in []tg.InputMessageClass) ([]int, error) {
	if len(in) > model.MaxRequestIDs {
		return nil, model.RPCError(400, "MSG_ID_INVALID")
	}
	ids := make([]int, len(in))
	for i, m := range in {
		if id, ok := m.(*tg.InputMessageID); ok {
			ids[i] = id.ID
		}
	}
	return ids, nil
}

func getMessages(c *model.Call, q *tg.MessagesGetMessagesRequest) (bin.Encoder, error) {
	ids, err := messageIDs(q.ID)
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
	ids, err := messageIDs(q.ID)
	if err != nil {
		return nil, err
	}
	return c.ChannelMessages(ch, ids, len(ids)), nil
}
