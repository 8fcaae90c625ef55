package messages

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// mayPin checks that the caller may pin in a chat. In supergroups members may not, by default.
func mayPin(c *model.Call, in model.Peer) error {
	may := true
	switch in.Kind {
	case model.PeerGroup:
		g := c.World.Groups[in.ID]
		m := g.Members[c.User.ID]
		may = m != nil && (!g.Default.PinMessages || m.Admin || g.Creator == c.User.ID)
	case model.PeerChannel:
		right, ch := model.PinMessages, c.World.Channels[in.ID]
		if ch.Broadcast {
			right = model.EditMessages
		}
		may = ch.May(c.User.ID, right)
	}
	if !may {
		return model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	}
	return nil
}

// updatePinnedMessage pins a message for everybody, or for the caller alone, and says so in the chat.
func updatePinnedMessage(c *model.Call, q *tg.MessagesUpdatePinnedMessageRequest) (bin.Encoder, error) {
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if err := mayPin(c, in); err != nil {
		return nil, err
	}
	p := c.Find(in, q.ID)
	if p == nil || p.Action != nil {
		return nil, model.RPCError(400, "MESSAGE_ID_INVALID")
	}
	if slices.Contains(c.PinnedIn(in), q.ID) != q.Unpin {
		return nil, model.RPCError(400, "CHAT_NOT_MODIFIED")
	}
	own := setPinned(c, in, []*model.Post{p}, !q.Unpin, q.PmOneside)
	if q.Unpin || q.PmOneside {
		return c.World.Answer(own), nil
	}
	note := &model.Post{
		From: c.User.ID, To: in, Date: c.World.Now(), Action: &tg.MessageActionPinMessage{}, TopicID: p.TopicID,
		Reply: &model.Reply{Post: p}, Options: model.Options{Silent: q.Silent}, Copies: map[int64]int{},
	}
	b, _ := c.World.Send(note, c.Key)
	return c.World.Answer(own.And(b)), nil
}

// setPinned pins or unpins messages of one dialog and returns the caller's updates.
func setPinned(c *model.Call, in model.Peer, posts []*model.Post, pinned, oneSide bool) *model.Bundle {
	if in.Kind == model.PeerChannel {
		var ids []int
		for _, p := range posts {
			ids = append(ids, p.ID)
		}
		own, _ := c.World.PinPosts(c.World.Channels[in.ID], ids, pinned, c.User, c.Key)
		return own
	}
	copies := map[int64][]int{}
	for _, p := range posts {
		for _, id := range model.Owners(p) {
			u := c.World.Users[id]
			if m := u.Box.Messages[p.Copies[id]]; m.Pinned != pinned && (u == c.User || !oneSide) {
				copies[id] = append(copies[id], m.ID)
			}
		}
	}
	var own *model.Bundle
	for _, id := range model.SortedKeys(copies) {
		u := c.World.Users[id]
		dialog := u.Box.Messages[copies[id][0]].Dialog
		if u != c.User {
			c.World.PinLetters(u, dialog, copies[id], pinned, c.User.ID, nil)
			continue
		}
		own, _ = c.World.PinLetters(u, dialog, copies[id], pinned, c.User.ID, c.Key)
	}
	return own
}

// unpinAllMessages unpins so many messages at once, and says how many are left.
func unpinAllMessages(c *model.Call, q *tg.MessagesUnpinAllMessagesRequest) (bin.Encoder, error) {
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	if err := mayPin(c, in); err != nil {
		return nil, err
	}
	var posts []*model.Post
	for _, id := range c.PinnedIn(in) {
		if p := c.Find(in, id); q.TopMsgID == 0 || p.TopicID == q.TopMsgID {
			posts = append(posts, p)
		}
	}
	out := &tg.MessagesAffectedHistory{Pts: c.User.Box.Pts}
	if in.Kind == model.PeerChannel {
		out.Pts = c.World.Channels[in.ID].Pts
	}
	if len(posts) == 0 {
		return out, nil
	}
	n := min(len(posts), c.World.Config.AffectedSlice)
	setPinned(c, in, posts[:n], false, false)
	out.Pts, out.PtsCount, out.Offset = c.User.Box.Pts, n, len(posts)-n
	if in.Kind == model.PeerChannel {
		out.Pts = c.World.Channels[in.ID].Pts
	}
	return out, nil
}
