package messages

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

func deleteMessages(c *model.Call, q *tg.MessagesDeleteMessagesRequest) (bin.Encoder, error) {
	gone := map[int64][]int{} // ids by owner
	for _, id := range q.ID {
		m := c.User.Box.Messages[id]
		if m == nil || slices.Contains(gone[c.User.ID], id) {
			continue
		}
		gone[c.User.ID] = append(gone[c.User.ID], id)
		if !q.Revoke && !c.User.Bot {
			continue
		}
		if m.Dialog.Kind == model.PeerGroup && m.Post.From != c.User.ID && c.World.Groups[m.Dialog.ID].Creator != c.User.ID {
			return nil, model.RPCError(403, "MESSAGE_DELETE_FORBIDDEN")
		}
		for _, owner := range model.Owners(m.Post) {
			if owner != c.User.ID {
				gone[owner] = append(gone[owner], m.Post.Copies[owner])
			}
		}
	}
	affected := &tg.MessagesAffectedMessages{Pts: c.User.Box.Pts}
	for _, id := range model.SortedKeys(gone) {
		u := c.World.Users[id]
		e := c.World.Erase(u, gone[id], c.User.ID)
		var cause *model.Key
		if u == c.User {
			affected.Pts, affected.PtsCount = e.Pts, e.Count
			cause = c.Key
		}
		c.World.SendTo(u, c.World.Bundle(u, &tg.UpdateDeleteMessages{Messages: e.IDs, Pts: e.Pts, PtsCount: e.Count}), cause)
	}
	return affected, nil
}

func deleteChannelMessages(c *model.Call, q *tg.ChannelsDeleteMessagesRequest) (bin.Encoder, error) {
	ch, err := c.InputChannel(q.Channel)
	if err != nil {
		return nil, err
	}
	m := ch.Members[c.User.ID]
	var ids []int
	for _, id := range q.ID {
		p := ch.Posts[id]
		if p == nil || slices.Contains(ids, id) {
			continue
		}
		if m == nil || !ch.May(c.User.ID, model.DeleteMessages) && p.From != c.User.ID {
			return nil, model.RPCError(403, "MESSAGE_DELETE_FORBIDDEN")
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return &tg.MessagesAffectedMessages{Pts: ch.Pts}, nil
	}
	for _, id := range ids {
		delete(ch.Posts, id)
		if at, ok := slices.BinarySearch(ch.IDs, id); ok {
			ch.IDs = slices.Delete(ch.IDs, at, at+1)
		}
	}
	e := c.World.Change(ch, model.Event{Count: len(ids), Kind: model.KindMessagesDeleted, IDs: ids}, c.User.ID, c.User.ID)
	c.World.ToMembers(ch, c.User, c.Key, func(u *model.User) *model.Bundle {
		b := c.World.Bundle(u, &tg.UpdateDeleteChannelMessages{ChannelID: ch.ID, Messages: ids, Pts: e.Pts, PtsCount: e.Count})
		b.Refs.Peer(ch.Peer())
		return b
	})
	return &tg.MessagesAffectedMessages{Pts: e.Pts, PtsCount: e.Count}, nil
}
