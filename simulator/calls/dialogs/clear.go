package dialogs

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// batch is how many messages one call works on; the answer's offset says that some are left.
const batch = 100

// readMentions marks messages that mention the caller as read.
func readMentions(c *model.Call, q *tg.MessagesReadMentionsRequest) (bin.Encoder, error) {
	p, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	d := c.World.Dialog(c.User, p)
	ids := slices.DeleteFunc(c.Mentions(d), func(id int) bool { return q.TopMsgID != 0 && c.Find(p, id).TopicID != q.TopMsgID })
	some := ids[:min(len(ids), batch)]
	out := &tg.MessagesAffectedHistory{Pts: c.User.Box.Pts, Offset: len(ids) - len(some)}
	if p.Kind == model.PeerChannel {
		out.Pts = c.World.Channels[p.ID].Pts
	}
	if len(some) > 0 {
		e := c.ReadContents(d, some)
		out.Pts, out.PtsCount = e.Pts, e.Count
	}
	return out, nil
}

// deleteHistory removes the newest messages of a private chat or a basic group, for the caller or for
// all, and the dialog with the last of them.
func deleteHistory(c *model.Call, q *tg.MessagesDeleteHistoryRequest) (bin.Encoder, error) {
	p, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if p.Kind == model.PeerChannel {
		return nil, model.RPCError(400, "PEER_ID_INVALID")
	}
	out := &tg.MessagesAffectedHistory{Pts: c.User.Box.Pts}
	d := c.User.Dialogs[p]
	if d == nil {
		return out, nil
	}
	ids := slices.DeleteFunc(slices.Clone(d.IDs), func(id int) bool {
		post := c.Find(p, id)
		return q.MaxID > 0 && id > q.MaxID || q.MinDate > 0 && post.Date < q.MinDate || q.MaxDate > 0 && post.Date > q.MaxDate
	})
	some := slices.Clone(ids[max(0, len(ids)-batch):])
	if len(some) > 0 {
		if q.Revoke {
			eraseOthers(c, some)
		}
		e := c.World.Erase(c.User, some, c.User.ID)
		c.World.SendTo(c.User, c.World.Bundle(c.User, &tg.UpdateDeleteMessages{Messages: e.IDs, Pts: e.Pts, PtsCount: e.Count}), c.Key)
		out.Pts, out.PtsCount, out.Offset = e.Pts, e.Count, len(ids)-len(some)
	}
	if len(d.IDs) == 0 && !q.JustClear {
		delete(c.User.Dialogs, p)
	}
	return out, nil
}

// eraseOthers takes the others' copies of messages of the caller away.
func eraseOthers(c *model.Call, ids []int) {
	gone := map[int64][]int{}
	for _, id := range ids {
		post := c.User.Box.Messages[id].Post
		for _, owner := range model.Owners(post) {
			if owner != c.User.ID {
				gone[owner] = append(gone[owner], post.Copies[owner])
			}
		}
	}
	for _, owner := range model.SortedKeys(gone) {
		u := c.World.Users[owner]
		e := c.World.Erase(u, gone[owner], c.User.ID)
		c.World.SendTo(u, c.World.Bundle(u, &tg.UpdateDeleteMessages{Messages: e.IDs, Pts: e.Pts, PtsCount: e.Count}), nil)
	}
}

// readDiscussion marks messages of a forum topic as read.
func readDiscussion(c *model.Call, q *tg.MessagesReadDiscussionRequest) (bin.Encoder, error) {
	p, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if p.Kind != model.PeerChannel {
		return nil, model.RPCError(400, "PEER_ID_INVALID")
	}
	ch := c.World.Channels[p.ID]
	topic := ch.Topics[q.MsgID]
	if topic == nil {
		return nil, model.RPCError(400, "MSG_ID_INVALID")
	}
	last := 0
	for _, id := range ch.IDs {
		if post := ch.Posts[id]; id <= q.ReadMaxID && (post.TopicID == topic.ID || id == topic.ID) {
			last = id
		}
	}
	if topic.ReadIn == nil {
		topic.ReadIn = map[int64]int{}
	}
	if last <= topic.ReadIn[c.User.ID] {
		return &tg.BoolFalse{}, nil
	}
	topic.ReadIn[c.User.ID] = last
	b := c.World.Bundle(c.User, &tg.UpdateReadChannelDiscussionInbox{ChannelID: ch.ID, TopMsgID: topic.ID, ReadMaxID: last})
	b.Refs.Peer(p)
	c.World.SendTo(c.User, b, c.Key)
	return &tg.BoolTrue{}, nil
}
