package model

import (
	"slices"

	"github.com/gotd/td/tg"
)

// Post is one message as it was written. In private chats and basic groups every
// participant has a copy under an id of their own; in a channel the post has one id.
type Post struct {
	From     int64 // writer; 0 for a post in the name of a broadcast channel
	As       Peer  // in whose name the writer wrote; zero: the writer's own
	To       Peer  // where it was written: the other user, the group or the channel
	ID       int   // in a channel, or among the scheduled messages of a chat
	Date     int
	EditDate int
	Text     string
	Entities []tg.MessageEntityClass
	Markup   tg.ReplyMarkupClass
	Options
	Action    tg.MessageActionClass // of a service message
	Named     []int64               // users that entities and action name
	pinged    []int64               // users whom it mentions
	Reply     *Reply                // nil: it answers none
	TopicID   int                   // of a forum, or the thread's first message; 0: none
	Forward   *Forward              // nil: it is no forward
	Media     Media                 // nil: none
	ViaBot    int64                 // whose inline result it was; 0: none
	GroupedID int64                 // of the album that the message is in; 0: none
	Reactions []Reaction            // in order of time
	Pinned    bool                  // in a channel; elsewhere each copy is pinned or not
	Scheduled bool                  // it waits, or has waited, for its time
	Copies    map[int64]int         // ids by owner
}

// Options are the marks that a writer may give a message.
type Options struct {
	Silent, Background, Noforwards, InvertMedia bool
	Effect                                      int64
}

// Media is what a message carries besides its text. Access hashes and file references differ
// from viewer to viewer.
type Media interface {
	Render(viewer int64) tg.MessageMediaClass
}

// Webpage is the preview of a link.
type Webpage struct{ URL string }

// Render implements Media.
func (p Webpage) Render(int64) tg.MessageMediaClass {
	return &tg.MessageMediaWebPage{Webpage: &tg.WebPage{ID: int64(len(p.URL)) + 1, URL: p.URL, DisplayURL: p.URL}}
}

// Reply says what a message answers.
type Reply struct {
	Post          *Post
	Elsewhere     Peer // where that is, if it is another chat
	Quote         string
	QuoteEntities []tg.MessageEntityClass
	QuoteOffset   int
}

// Forward says where a forwarded message was first.
type Forward struct {
	From        Peer
	Date        int
	ChannelPost int
	// SavedFrom and SavedID lead from Saved Messages to the chat it was in; zero elsewhere.
	SavedFrom Peer
	SavedID   int
}

// Reaction is one reaction of one user or channel.
type Reaction struct {
	By   Peer
	What tg.ReactionClass
	Date int
	Big  bool
}

// Mentions says whether the message makes this user known: as its writer or by name.
func (p *Post) Mentions(id int64) bool { return p.From == id || slices.Contains(p.Named, id) }

// plain says whether the short forms of updates can hold the message.
func (p *Post) plain() bool {
	return p.Action == nil && p.Markup == nil && p.Media == nil && p.Forward == nil && p.As == Peer{} && p.ViaBot == 0 &&
		p.Effect == 0 && !p.Noforwards && !p.InvertMedia && !p.Scheduled && (p.Reply == nil || p.Reply.Elsewhere == Peer{})
}

// Author is in whose name a message is: a user, or a channel.
func (p *Post) Author() Peer {
	switch {
	case p.As != Peer{}:
		return p.As
	case p.From == 0:
		return p.To
	}
	return UserPeer(p.From)
}

// Reacted are the reactions of one author, in order of time.
func (p *Post) Reacted(by Peer) []tg.ReactionClass {
	var out []tg.ReactionClass
	for _, r := range p.Reactions {
		if r.By == by {
			out = append(out, r.What)
		}
	}
	return out
}
