package messages

import (
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
)

// Limits of reactions: reactions_user_max_default, reactions_user_max_premium and reactions_uniq_max.
const (
	maxReactions        = 1
	maxReactionsPremium = 3
	maxReactionKinds    = 11
	maxRecentReactions  = 50
)

// emoji are those that everybody may react with; custom ones are for Premium users.
var emoji = map[string]bool{
	"👍": true, "👎": true, "❤": true, "🔥": true, "🥰": true, "👏": true, "😁": true, "🤔": true, "🤯": true, "😱": true, "🎉": true,
	"🤩": true, "🙏": true, "👌": true, "💯": true, "🤣": true, "⚡": true, "🏆": true, "💔": true, "😢": true, "😍": true, "🐳": true,
}

// sendReaction replaces the caller's reactions to a message; none takes them back.
func sendReaction(c *model.Call, q *tg.MessagesSendReactionRequest) (bin.Encoder, error) {
	in, err := c.InputPeer(q.Peer)
	if err != nil {
		return nil, err
	}
	p := c.Find(in, q.MsgID)
	if p == nil || p.Action != nil {
		return nil, model.RPCError(400, "MESSAGE_ID_INVALID")
	}
	if err := mayReact(c, p, q.Reaction); err != nil {
		return nil, err
	}
	me := c.User.Peer()
	before := p.Reacted(me)
	if slices.EqualFunc(before, q.Reaction, func(a, b tg.ReactionClass) bool { return model.Encoded(a) == model.Encoded(b) }) {
		return nil, model.RPCError(400, "MESSAGE_NOT_MODIFIED")
	}
	p.Reactions = slices.DeleteFunc(p.Reactions, func(r model.Reaction) bool { return r.By == me })
	for _, r := range q.Reaction {
		p.Reactions = append(p.Reactions, model.Reaction{By: me, What: r, Date: c.World.Now(), Big: q.Big})
		if q.AddToRecent {
			addRecent(c.User, r)
		}
	}
	return c.World.Answer(tellReactions(c, in, p, before)), nil
}

func mayReact(c *model.Call, p *model.Post, reactions []tg.ReactionClass) error {
	limit := maxReactions
	if c.User.Premium {
		limit = maxReactionsPremium
	}
	kinds := map[string]bool{}
	for _, r := range p.Reactions {
		if r.By != c.User.Peer() {
			kinds[model.Encoded(r.What)] = true
		}
	}
	seen := map[string]bool{}
	for _, r := range reactions {
		key := model.Encoded(r)
		switch r := r.(type) {
		case *tg.ReactionEmoji:
			if !emoji[r.Emoticon] {
				return model.RPCError(400, "REACTION_INVALID")
			}
		case *tg.ReactionCustomEmoji:
			if !c.User.Premium {
				return model.RPCError(403, "PREMIUM_ACCOUNT_REQUIRED")
			}
		default:
			return model.RPCError(400, "REACTION_INVALID")
		}
		if seen[key] {
			return model.RPCError(400, "REACTION_INVALID")
		}
		seen[key], kinds[key] = true, true
	}
	if len(reactions) > limit || len(kinds) > maxReactionKinds {
		return model.RPCError(400, "REACTIONS_TOO_MANY")
	}
	return nil
}

func addRecent(u *model.User, r tg.ReactionClass) {
	u.Recent = slices.DeleteFunc(u.Recent, func(x tg.ReactionClass) bool { return model.Encoded(x) == model.Encoded(r) })
	u.Recent = slices.Insert(u.Recent, 0, r)
	u.Recent = u.Recent[:min(len(u.Recent), maxRecentReactions)]
}

// tellReactions tells everybody who sees a message of its reactions, and returns the caller's updates.
// They have no counters, but for bots.
func tellReactions(c *model.Call, in model.Peer, p *model.Post, before []tg.ReactionClass) *model.Bundle {
	bundle := func(u *model.User, dialog model.Peer, id int) *model.Bundle {
		update := &tg.UpdateMessageReactions{Peer: dialog.TL(), MsgID: id, Reactions: p.RenderReactions(u.ID)}
		if p.TopicID > model.GeneralTopic {
			update.SetTopMsgID(p.TopicID)
		}
		b := c.World.Bundle(u, update)
		b.Refs.Post(p, dialog)
		b.Seq = true
		return b
	}
	if in.Kind == model.PeerChannel {
		ch := c.World.Channels[in.ID]
		for _, id := range ch.Order {
			if u := c.World.Users[id]; u.Bot && ch.Members[id].Admin {
				tellBot(c, u, in, p.ID, p, before)
			}
		}
		return c.World.ToMembers(ch, c.User, c.Key, func(u *model.User) *model.Bundle { return bundle(u, in, p.ID) })
	}
	var own *model.Bundle
	for _, id := range model.Owners(p) {
		u := c.World.Users[id]
		m := u.Box.Messages[p.Copies[id]]
		if u.Bot && u != c.User && m.Dialog.Kind == model.PeerUser {
			tellBot(c, u, m.Dialog, m.ID, p, before)
			continue
		}
		b := bundle(u, m.Dialog, m.ID)
		if u == c.User {
			own = b
			c.World.SendTo(u, b, c.Key)
			continue
		}
		c.World.SendTo(u, b, nil)
	}
	return own
}

func tellBot(c *model.Call, bot *model.User, dialog model.Peer, id int, p *model.Post, before []tg.ReactionClass) {
	c.World.AddQts(bot, model.KindReaction, dialog, func(qts int) tg.UpdateClass {
		return &tg.UpdateBotMessageReaction{
			Peer: dialog.TL(), MsgID: id, Date: c.World.Now(), Actor: c.User.Peer().TL(),
			OldReactions: before, NewReactions: p.Reacted(c.User.Peer()), Qts: qts,
		}
	}, c.User.ID)
}

func getRecentReactions(c *model.Call, q *tg.MessagesGetRecentReactionsRequest) (bin.Encoder, error) {
	return &tg.MessagesReactions{Reactions: c.User.Recent[:min(len(c.User.Recent), max(q.Limit, 0))]}, nil
}
