package messages

import (
	"slices"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// Limits of scheduled messages: core.telegram.org/api/scheduled-messages.
const (
	maxScheduled   = 100                // in one chat
	maxScheduleIn  = 365 * 24 * 60 * 60 // seconds
	minScheduleIn  = 10                 // seconds; what is nearer is sent at once
	scheduleLeeway = 60                 // seconds by which clocks may differ
)

// later checks the date of new messages; true if they are to wait.
func later(c *model.Call, out Outgoing, posts []*model.Post) (bool, error) {
	if out.ScheduleDate == 0 {
		return false, nil
	}
	in := out.ScheduleDate - c.World.Now()
	to := posts[0].To
	switch {
	case c.User.Bot:
		return false, model.RPCError(400, "SCHEDULE_BOT_NOT_ALLOWED")
	case out.ScheduleDate == model.WhenOnline:
		if to.Kind != model.PeerUser || to == c.User.Peer() || c.World.Users[to.ID].Bot {
			return false, model.RPCError(400, "SCHEDULE_STATUS_INVALID")
		}
	case in > maxScheduleIn+scheduleLeeway:
		return false, model.RPCError(400, "SCHEDULE_DATE_TOO_LATE")
	case in < minScheduleIn:
		return false, nil
	}
	if len(c.World.Waiting(c.ScheduleKey(to)))+len(posts) > maxScheduled {
		return false, model.RPCError(400, "SCHEDULE_TOO_MUCH")
	}
	for _, p := range posts {
		p.Date = out.ScheduleDate
	}
	return true, nil
}

// wait puts a message among those that wait, and tells the writer's sessions.
func wait(c *model.Call, p *model.Post, randomID int64) *model.Bundle {
	c.World.Schedule(c.ScheduleKey(p.To), p)
	b := scheduled(c, p)
	b.Updates = append([]tg.UpdateClass{&tg.UpdateMessageID{ID: p.ID, RandomID: randomID}}, b.Updates...)
	return b
}

// scheduled tells the writer's sessions of a new or changed waiting message.
func scheduled(c *model.Call, p *model.Post) *model.Bundle {
	b := c.World.Bundle(c.World.Users[p.From], &tg.UpdateNewScheduledMessage{Message: c.World.RenderScheduled(p)})
	b.Refs.Post(p, p.To)
	b.Seq = true
	c.World.SendTo(c.World.Users[p.From], b, c.Key)
	return b
}

// fire sends waiting messages and returns the updates of who wrote them.
func fire(w *model.World, k model.ScheduleKey, posts []*model.Post, cause *model.Key) *model.Bundle {
	var whole *model.Bundle
	var sent []int
	for _, p := range posts {
		out := *p
		out.ID, out.Date = 0, w.Now()
		b, id := w.Send(&out, cause)
		whole, sent = whole.And(b), append(sent, id)
	}
	return whole.And(w.Unschedule(k, posts, sent, cause))
}

// fireDue sends what has waited long enough. Of a chat that its writer may no longer write to,
// nothing is sent any more.
func fireDue(w *model.World, now time.Time) {
	for k := range w.Scheduled {
		var due []*model.Post
		for _, p := range w.Waiting(k) {
			ready := int64(p.Date) <= now.Unix()
			if p.Date == model.WhenOnline {
				ready = w.Users[k.Chat.ID].Online
			}
			if ready && (&model.Call{World: w, User: w.Users[p.From]}).MayWrite(p.To) == nil {
				due = append(due, p)
			}
		}
		if len(due) > 0 {
			fire(w, k, due, nil)
		}
	}
}

// waiting finds waiting messages of a chat by their ids; all of them must be there.
func waiting(c *model.Call, peer tg.InputPeerClass, ids []int) (model.ScheduleKey, []*model.Post, error) {
	chat, err := c.InputPeer(peer)
	if err != nil {
		return model.ScheduleKey{}, nil, err
	}
	k := c.ScheduleKey(chat)
	var posts []*model.Post
	for _, id := range ids {
		p := c.World.Scheduled[k].Find(id)
		if p == nil {
			return k, nil, model.RPCError(400, "MESSAGE_ID_INVALID")
		}
		posts = append(posts, p)
	}
	if len(posts) == 0 {
		return k, nil, model.RPCError(400, "MESSAGE_ID_INVALID")
	}
	return k, posts, nil
}

func sendScheduledMessages(c *model.Call, q *tg.MessagesSendScheduledMessagesRequest) (bin.Encoder, error) {
	k, posts, err := waiting(c, q.Peer, q.ID)
	if err != nil {
		return nil, err
	}
	return c.World.Answer(fire(c.World, k, posts, c.Key)), nil
}

func deleteScheduledMessages(c *model.Call, q *tg.MessagesDeleteScheduledMessagesRequest) (bin.Encoder, error) {
	k, posts, err := waiting(c, q.Peer, q.ID)
	if err != nil {
		return nil, err
	}
	return c.World.Answer(c.World.Unschedule(k, posts, nil, c.Key)), nil
}

// getScheduledHistory returns all, the one that is sent last first.
func getScheduledHistory(c *model.Call, q *tg.MessagesGetScheduledHistoryRequest) (bin.Encoder, error) {
	chat, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	return renderWaiting(c, c.World.Waiting(c.ScheduleKey(chat))), nil
}

func getScheduledMessages(c *model.Call, q *tg.MessagesGetScheduledMessagesRequest) (bin.Encoder, error) {
	_, posts, err := waiting(c, q.Peer, q.ID)
	if err != nil {
		return nil, err
	}
	return renderWaiting(c, posts), nil
}

func renderWaiting(c *model.Call, posts []*model.Post) *tg.MessagesMessages {
	out, r := &tg.MessagesMessages{}, model.NewRefs(c.World, c.User)
	for _, p := range slices.SortedStableFunc(slices.Values(posts), func(a, b *model.Post) int { return b.Date - a.Date }) {
		out.Messages = append(out.Messages, c.World.RenderScheduled(p))
		r.Post(p, p.To)
	}
	out.Chats, out.Users = r.TLChats(), r.TLUsers()
	return out
}
