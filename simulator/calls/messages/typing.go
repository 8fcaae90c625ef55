package messages

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// setTyping is passed on to those who are online, and kept nowhere.
func setTyping(c *model.Call, q *tg.MessagesSetTypingRequest) (bin.Encoder, error) {
	p, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if err := c.MayWrite(p); err != nil {
		return nil, err
	}
	var update tg.UpdateClass
	var to []int64
	from := &tg.PeerUser{UserID: c.User.ID}
	switch p.Kind {
	case model.PeerUser:
		update, to = &tg.UpdateUserTyping{UserID: c.User.ID, Action: q.Action}, []int64{p.ID}
	case model.PeerGroup:
		update, to = &tg.UpdateChatUserTyping{ChatID: p.ID, FromID: from, Action: q.Action}, c.World.Groups[p.ID].Order
	case model.PeerChannel:
		update, to = &tg.UpdateChannelUserTyping{ChannelID: p.ID, FromID: from, Action: q.Action}, c.World.Channels[p.ID].Order
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
