package messages

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// forwardMessages writes copies of messages into another chat. Ids that are not there are left
// out; it is an error only if none is left.
func forwardMessages(c *model.Call, q *tg.MessagesForwardMessagesRequest) (bin.Encoder, error) {
	from, err := c.InputPeer(q.FromPeer)
	if err != nil {
		return nil, err
	}
	switch {
	case len(q.ID) == 0:
		return nil, model.RPCError(400, "MESSAGE_IDS_EMPTY")
	case len(q.ID) > model.MaxRequestIDs:
		return nil, model.RPCError(400, "LIMIT_INVALID")
	case len(q.RandomID) != len(q.ID):
		return nil, model.RPCError(400, "RANDOM_ID_INVALID")
	case q.QuickReplyShortcut != nil || q.ScheduleRepeatPeriod != 0 || q.Flags.Has(23):
		return nil, model.RPCError(400, "INPUT_METHOD_INVALID_messages.forwardMessages: repetition, quick replies and suggested posts are not modelled")
	}
	to, err := c.InputPeer(q.ToPeer)
	if err != nil {
		return nil, err
	}
	albums := map[int64]int64{}
	var all []Outgoing
	for i, id := range q.ID {
		p := c.Find(from, id)
		if p == nil || p.Action != nil {
			continue
		}
		if p.Noforwards || c.World.Protected(from) {
			return nil, model.RPCError(400, "CHAT_FORWARDS_RESTRICTED")
		}
		out := copied(p, q.DropAuthor, q.DropMediaCaptions)
		out.Peer, out.RandomID, out.SendAs, out.ScheduleDate = q.ToPeer, q.RandomID[i], q.SendAs, q.ScheduleDate
		out.Options = model.Options{Silent: q.Silent, Background: q.Background, Noforwards: q.Noforwards, Effect: q.Effect, InvertMedia: p.InvertMedia}
		if out.ReplyTo = q.ReplyTo; q.TopMsgID != 0 {
			out.ReplyTo = &tg.InputReplyToMessage{ReplyToMsgID: q.TopMsgID}
		}
		if out.Forward != nil && to == c.User.Peer() {
			out.Forward.SavedFrom, out.Forward.SavedID = from, id
		}
		if p.GroupedID != 0 {
			if albums[p.GroupedID] == 0 {
				albums[p.GroupedID] = c.World.Rand.Int64()
			}
			out.GroupedID = albums[p.GroupedID]
		}
		all = append(all, out)
	}
	if len(all) == 0 {
		return nil, model.RPCError(400, "MESSAGE_ID_INVALID")
	}
	return Write(c, all...)
}

// copied is a message that is to be written once more.
func copied(p *model.Post, dropAuthor, dropCaption bool) Outgoing {
	out := Outgoing{Text: p.Text, Entities: p.Entities, Named: p.Named, Media: p.Media, NoWebpage: true}
	if dropCaption && p.Media != nil {
		out.Text, out.Entities, out.Named = "", nil, nil
	}
	switch {
	case dropAuthor:
	case p.Forward != nil:
		first := *p.Forward
		first.SavedFrom, first.SavedID = model.Peer{}, 0
		out.Forward = &first
	default:
		out.Forward = &model.Forward{From: p.Author(), Date: p.Date}
		if p.From == 0 {
			out.Forward.ChannelPost = p.ID
		}
	}
	return out
}
