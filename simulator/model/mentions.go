package model

import (
	"regexp"
	"slices"

	"github.com/gotd/td/tg"
)

var atName = regexp.MustCompile(`(?:^|[^\w])@([A-Za-z]\w{3,31})`)

// ping notes whom a message to a group mentions: by @name, by a mention without a name, or by
// answering them. In private chats and in channels for posts nobody is mentioned.
func (w *World) ping(p *Post) {
	p.pinged = nil
	if p.Action != nil || p.To.Kind == PeerUser || p.To.Kind == PeerChannel && w.Channels[p.To.ID].Broadcast {
		return
	}
	add := func(id int64) {
		if id != 0 && id != p.From && !slices.Contains(p.pinged, id) {
			p.pinged = append(p.pinged, id)
		}
	}
	for _, m := range atName.FindAllStringSubmatch(p.Text, -1) {
		if named := w.Usernames[Fold(m[1])]; named.Kind == PeerUser {
			add(named.ID)
		}
	}
	for _, e := range p.Entities {
		if m, ok := e.(*tg.MessageEntityMentionName); ok {
			add(m.UserID)
		}
	}
	if p.Reply != nil && p.Reply.Post != nil && p.Reply.Elsewhere == (Peer{}) {
		add(p.Reply.Post.From)
	}
}

// Pings says whether the message mentions somebody.
func (p *Post) Pings(id int64) bool { return slices.Contains(p.pinged, id) }

// ReadContents marks messages of a dialog of the caller as looked at, and tells the caller's other
// sessions. It returns the change; in a channel, which counts none, its counter.
func (c *Call) ReadContents(d *Dialog, ids []int) Event {
	d.Mentions = slices.DeleteFunc(d.Mentions, func(id int) bool { return slices.Contains(ids, id) })
	if d.Peer.Kind == PeerChannel {
		ch := c.World.Channels[d.Peer.ID]
		b := c.World.Bundle(c.User, &tg.UpdateChannelReadMessagesContents{ChannelID: ch.ID, Messages: ids})
		b.Refs.Peer(ch.Peer())
		c.World.SendTo(c.User, b, c.Key)
		return Event{Pts: ch.Pts}
	}
	e := c.World.Record(c.User, Event{Count: len(ids), Kind: KindContents, IDs: ids, Dialog: d.Peer}, c.User.ID, true)
	c.World.SendTo(c.User, c.World.Bundle(c.User, pinUpdate(e)), c.Key)
	return e
}
