package messages

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// setTyping is passed on to those who are online. What the caller does is known until the caller
// does something else.
func setTyping(c *model.Call, q *tg.MessagesSetTypingRequest) (bin.Encoder, error) {
	p, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if err := c.MayWrite(p); err != nil {
		return nil, err
	}
	actor := model.Actor{User: c.User.ID, Chat: p, Topic: q.TopMsgID}
	if _, cancel := q.Action.(*tg.SendMessageCancelAction); cancel {
		delete(c.World.Acting, actor)
	} else {
		c.World.Acting[actor] = q.Action
	}
	var update tg.UpdateClass
	var to []int64
	from := c.User.Peer().TL()
	switch p.Kind {
	case model.PeerUser:
		u := &tg.UpdateUserTyping{UserID: c.User.ID, Action: q.Action}
		if q.TopMsgID != 0 {
			u.SetTopMsgID(q.TopMsgID)
		}
		update, to = u, []int64{p.ID}
	case model.PeerGroup:
		if q.TopMsgID != 0 {
			return nil, model.RPCError(400, "TOPIC_ID_INVALID")
		}
		update, to = &tg.UpdateChatUserTyping{ChatID: p.ID, FromID: from, Action: q.Action}, c.World.Groups[p.ID].Order
	case model.PeerChannel:
		u := &tg.UpdateChannelUserTyping{ChannelID: p.ID, FromID: from, Action: q.Action}
		if q.TopMsgID != 0 {
			u.SetTopMsgID(q.TopMsgID)
		}
		update, to = u, c.World.Channels[p.ID].Order
	}
	for _, id := range to {
		u := c.World.Users[id]
		if u == c.User || u.Bot {
			continue
		}
		for _, k := range u.Logins {
			c.World.PushTo(k, &tg.UpdateShort{Update: update, Date: c.World.Now()})
		}
	}
	return &tg.BoolTrue{}, nil
}
