package dialogs

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

func readChannelHistory(c *model.Call, q *tg.ChannelsReadHistoryRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	m := ch.Members[c.User.ID]
	if m == nil {
		return nil, model.RPCError(406, "CHANNEL_PRIVATE")
	}
	top := ch.LastID
	if q.MaxID > 0 {
		top = min(top, q.MaxID)
	}
	if top <= m.ReadIn {
		return &tg.BoolFalse{}, nil
	}
	before := m.ReadIn
	m.ReadIn = top
	b := c.World.Bundle(c.User, &tg.UpdateReadChannelInbox{
		ChannelID: ch.ID, MaxID: top, StillUnreadCount: ch.Unread(c.User.ID, m), Pts: ch.Pts,
	})
	b.Refs.Peer(ch.Peer())
	c.World.SendTo(c.User, b, c.Key)
	if !ch.Broadcast {
		readByMember(c, ch, before, top)
	}
	return &tg.BoolTrue{}, nil
}

// readByMember tells the writers of the posts in (from, to] that somebody has read them.
func readByMember(c *model.Call, ch *model.Channel, from, to int) {
	last := map[int64]int{}
	for _, id := range ch.IDs {
		if by := ch.Posts[id].From; id > from && id <= to && by != c.User.ID && ch.Members[by] != nil {
			last[by] = id
		}
	}
	for _, by := range model.SortedKeys(last) {
		if last[by] <= ch.ReadOut[by] {
			continue
		}
		ch.ReadOut[by] = last[by]
		u := c.World.Users[by]
		b := c.World.Bundle(u, &tg.UpdateReadChannelOutbox{ChannelID: ch.ID, MaxID: last[by]})
		b.Refs.Peer(ch.Peer())
		c.World.SendTo(u, b, nil)
	}
}

// readHistory marks a private chat or a basic group as read, and tells the writers.
func readHistory(c *model.Call, q *tg.MessagesReadHistoryRequest) (bin.Encoder, error) {
	p, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if p.Kind == model.PeerChannel {
		return nil, model.RPCError(400, "PEER_ID_INVALID")
	}
	affected := &tg.MessagesAffectedMessages{Pts: c.User.Box.Pts}
	d := c.User.Dialogs[p]
	if d == nil || len(d.IDs) == 0 {
		return affected, nil
	}
	top := d.IDs[len(d.IDs)-1]
	if q.MaxID > 0 {
		top = min(top, q.MaxID)
	}
	if top <= d.ReadIn {
		return affected, nil
	}
	writers := map[int64]int{} // last message of each writer that is now read, by the writer's id of it
	for _, id := range d.IDs {
		by := c.User.Box.Messages[id].Post
		if id > d.ReadIn && id <= top && by.From != c.User.ID && by.Copies[by.From] != 0 {
			writers[by.From] = by.Copies[by.From]
		}
	}
	d.ReadIn = top
	e := c.World.Record(c.User, model.Event{Count: 1, Kind: model.KindReadInbox, IDs: []int{top}, Dialog: p}, c.User.ID, true)
	c.World.SendTo(c.User, c.World.ReadBundle(c.User, e), c.Key)
	affected.Pts, affected.PtsCount = e.Pts, e.Count
	for _, id := range model.SortedKeys(writers) {
		readByOther(c.World, c.World.Users[id], c.User, p, writers[id])
	}
	return affected, nil
}

// readByOther tells a writer that somebody has read up to this message.
func readByOther(w *model.World, writer, reader *model.User, in model.Peer, id int) {
	if in.Kind == model.PeerUser {
		in = reader.Peer()
	}
	d := w.Dialog(writer, in)
	if writer.ID == model.ServiceUserID || id <= d.ReadOut {
		return
	}
	d.ReadOut = id
	e := w.Record(writer, model.Event{Count: 1, Kind: model.KindReadOutbox, IDs: []int{id}, Dialog: in}, reader.ID, false)
	w.SendTo(writer, w.ReadBundle(writer, e), nil)
}
