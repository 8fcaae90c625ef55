package model

import (
	"slices"

	"github.com/gotd/td/tg"
)

// Channel is a channel (broadcast) or a supergroup.
type Channel struct {
	ID, Creator  int64
	Title, About string
	Photo        Picture // nil: none
	Username     string
	Broadcast    bool
	Forum        bool
	Noforwards   bool
	Topics       map[int]*Topic // of a forum
	Date         int
	Members      map[int64]*Member
	Order        []int64 // members in order of joining
	Pts          int
	LastID       int
	Posts        map[int]*Post
	IDs          []int // of posts that still exist, ascending
	events       []Event
	changed      int           // date of the last change
	ReadOut      map[int64]int // by writer: last own post that somebody has read
	Default      tg.ChatBannedRights
	Bans         map[Peer]*Ban // of those who are out, and of channels as senders
	Door
}

// Peer names the channel.
func (ch *Channel) Peer() Peer { return ChannelPeer(ch.ID) }

// ViewChannel is the channel as the viewer sees it.
func (w *World) ViewChannel(viewer *User, ch *Channel, min bool) tg.ChatClass {
	m := ch.Members[viewer.ID]
	c := &tg.Channel{
		ID: ch.ID, Title: ch.Title, Username: ch.Username, Photo: chatPhoto(ch.Photo), Date: ch.Date,
		Broadcast: ch.Broadcast, Megagroup: !ch.Broadcast, Forum: ch.Forum, Noforwards: ch.Noforwards,
	}
	if min {
		c.Min = true
		c.SetAccessHash(w.minHash(viewer.ID, ch.Peer()))
		return c
	}
	ban := w.BanOf(ch, viewer.Peer())
	if m == nil && (ch.Username == "" || ban != nil) {
		f := &tg.ChannelForbidden{
			Broadcast: ch.Broadcast, Megagroup: !ch.Broadcast, ID: ch.ID,
			AccessHash: w.AccessHash(viewer.ID, ch.Peer()), Title: ch.Title,
		}
		if ban != nil && ban.Rights.UntilDate != Unlimited {
			f.SetUntilDate(ban.Rights.UntilDate)
		}
		return f
	}
	c.Creator, c.Left = ch.Creator == viewer.ID, m == nil
	c.SetAccessHash(w.AccessHash(viewer.ID, ch.Peer()))
	if m != nil && m.Admin {
		c.SetAdminRights(m.Rights)
	}
	if restricted := w.Restriction(m); restricted != nil {
		c.SetBannedRights(restricted.Rights)
	}
	if !ch.Broadcast {
		c.SetDefaultBannedRights(shownDefault(ch.Default))
	}
	c.SetParticipantsCount(len(ch.Members))
	return c
}

// NewChannel makes a channel whose creator is its first member and administrator.
func (w *World) NewChannel(creator *User, title string, broadcast bool) *Channel {
	w.lastChannel += 1 + w.Rand.Int64N(1000)
	ch := &Channel{
		ID: w.lastChannel, Creator: creator.ID, Title: title, Broadcast: broadcast, Date: w.Now(), Pts: 1,
		Members: map[int64]*Member{}, Posts: map[int]*Post{}, ReadOut: map[int64]int{}, Bans: map[Peer]*Ban{},
	}
	w.Channels[ch.ID] = ch
	w.Enter(ch, creator, creator.ID)
	ch.Members[creator.ID].Promote(AllRights(), creator.ID, "")
	return ch
}

// Enter makes a user a member.
func (w *World) Enter(ch *Channel, u *User, inviter int64) {
	ch.Members[u.ID] = &Member{Inviter: inviter, Date: w.Now(), ReadIn: ch.LastID}
	ch.Order = append(ch.Order, u.ID)
	u.Channels[ch.ID] = ch
	w.Dialog(u, ch.Peer()).Since = w.Now()
}

// Leave ends a membership.
func (w *World) Leave(ch *Channel, u *User) {
	delete(ch.Members, u.ID)
	delete(u.Channels, ch.ID)
	delete(u.Dialogs, ch.Peer())
	ch.Order = slices.DeleteFunc(ch.Order, func(id int64) bool { return id == u.ID })
}
