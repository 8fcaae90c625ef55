// Package topics makes the topics of forums, and says which there are.
//
// # Usage
//
//	topics.Register(world)
//
// # Concurrency
//
// Handlers run under the world's lock.
//
// # Errors
//
// Refusals have Telegram's codes and names.
package topics

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// defaultColor is that of a topic without an icon of its own.
const defaultColor = 0x6FB9F0

// Register registers the methods of forums.
func Register(w *model.World) {
	model.On(w, 0, create)
	model.On(w, 0, edit)
	model.On(w, model.UserOnly, byID)
	model.On(w, model.UserOnly, list)
}

// forum finds a forum by a peer.
func forum(c *model.Call, in tg.InputPeerClass) (*model.Channel, error) {
	p, err := c.InputPeer(in)
	if err != nil {
		return nil, err
	}
	if p.Kind != model.PeerChannel || !c.World.Channels[p.ID].Forum {
		return nil, model.RPCError(400, "CHANNEL_FORUM_MISSING")
	}
	return c.World.Channels[p.ID], nil
}

func create(c *model.Call, q *tg.MessagesCreateForumTopicRequest) (bin.Encoder, error) {
	ch, err := forum(c, q.Peer)
	if err != nil {
		return nil, err
	}
	if err := c.MayWrite(ch.Peer()); err != nil {
		return nil, err
	}
	switch {
	case q.Title == "":
		return nil, model.RPCError(400, "TOPIC_TITLE_EMPTY")
	case c.User.Used(q.RandomID):
		return nil, model.RPCError(500, "RANDOM_ID_DUPLICATE")
	}
	c.User.Remember(q.RandomID)
	p := &model.Post{
		From: c.User.ID, To: ch.Peer(), Date: c.World.Now(), Action: &tg.MessageActionTopicCreate{Title: q.Title, IconColor: defaultColor},
	}
	b, id := c.World.Send(p, c.Key)
	p.TopicID = id
	ch.Topics[id] = &model.Topic{ID: id, Title: q.Title, Creator: c.User.ID, Date: p.Date}
	b.Updates = slices.Insert(b.Updates, 0, tg.UpdateClass(&tg.UpdateMessageID{ID: id, RandomID: q.RandomID}))
	return c.World.Answer(b), nil
}

func edit(c *model.Call, q *tg.MessagesEditForumTopicRequest) (bin.Encoder, error) {
	ch, err := forum(c, q.Peer)
	if err != nil {
		return nil, err
	}
	t, m := ch.Topics[q.TopicID], ch.Members[c.User.ID]
	switch {
	case t == nil:
		return nil, model.RPCError(400, "TOPIC_ID_INVALID")
	case m == nil || !m.Admin && t.Creator != c.User.ID:
		return nil, model.RPCError(400, "CHAT_ADMIN_REQUIRED")
	}
	action := &tg.MessageActionTopicEdit{}
	if title, ok := q.GetTitle(); ok && title != t.Title {
		t.Title = title
		action.SetTitle(title)
	}
	if closed, ok := q.GetClosed(); ok && closed != t.Closed {
		t.Closed = closed
		action.SetClosed(closed)
	}
	if action.Title == "" && !action.Flags.Has(2) {
		return nil, model.RPCError(400, "TOPIC_NOT_MODIFIED")
	}
	b, _ := c.World.Send(&model.Post{From: c.User.ID, To: ch.Peer(), Date: c.World.Now(), Action: action, TopicID: t.ID}, c.Key)
	return c.World.Answer(b), nil
}

func byID(c *model.Call, q *tg.MessagesGetForumTopicsByIDRequest) (bin.Encoder, error) {
	ch, err := forum(c, q.Peer)
	if err != nil {
		return nil, err
	}
	return render(c, ch, q.Topics), nil
}

// list returns all topics at once, the newest first.
func list(c *model.Call, q *tg.MessagesGetForumTopicsRequest) (bin.Encoder, error) {
	ch, err := forum(c, q.Peer)
	if err != nil {
		return nil, err
	}
	ids := model.SortedKeys(ch.Topics)
	slices.Reverse(ids)
	return render(c, ch, ids), nil
}

func render(c *model.Call, ch *model.Channel, ids []int) *tg.MessagesForumTopics {
	out, r := &tg.MessagesForumTopics{Pts: ch.Pts, Count: len(ids), OrderByCreateDate: true}, model.NewRefs(c.World, c.User)
	r.Peer(ch.Peer())
	for _, id := range ids {
		t := ch.Topics[id]
		if t == nil {
			out.Topics = append(out.Topics, &tg.ForumTopicDeleted{ID: id})
			continue
		}
		topic := &tg.ForumTopic{
			ID: id, Date: t.Date, Peer: ch.Peer().TL(), Title: t.Title, IconColor: defaultColor, My: t.Creator == c.User.ID,
			Closed: t.Closed, FromID: model.UserPeer(t.Creator).TL(),
		}
		for _, post := range slices.Backward(ch.IDs) {
			if p := ch.Posts[post]; p.TopicID == id {
				topic.TopMessage = post
				out.Messages = append(out.Messages, c.World.RenderPost(ch, p, c.User.ID))
				r.Post(p, ch.Peer())
				break
			}
		}
		r.User(t.Creator)
		out.Topics = append(out.Topics, topic)
	}
	out.Chats, out.Users = r.TLChats(), r.TLUsers()
	return out
}
