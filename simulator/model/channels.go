package model

import (
	"slices"

	"github.com/gotd/td/tg"
)

// Channel is a channel (broadcast) or a supergroup.
type Channel struct {
	ID, Creator  int64
	Title, About string
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
}

// Peer names the channel.
func (ch *Channel) Peer() Peer { return ChannelPeer(ch.ID) }

// ViewChannel is the channel as the viewer sees it.
func (w *World) ViewChannel(viewer *User, ch *Channel, min bool) tg.ChatClass {
	m := ch.Members[viewer.ID]
	c := &tg.Channel{
		ID: ch.ID, Title: ch.Title, Username: ch.Username, Photo: &tg.ChatPhotoEmpty{}, Date: ch.Date,
		Broadcast: ch.Broadcast, Megagroup: !ch.Broadcast, Forum: ch.Forum, Noforwards: ch.Noforwards,
	}
	if min {
		c.Min = true
		c.SetAccessHash(w.minHash(viewer.ID, ch.Peer()))
		return c
	}
	if m == nil && ch.Username == "" {
		return &tg.ChannelForbidden{
			Broadcast: ch.Broadcast, Megagroup: !ch.Broadcast, ID: ch.ID,
			AccessHash: w.AccessHash(viewer.ID, ch.Peer()), Title: ch.Title,
		}
	}
	c.Creator, c.Left = ch.Creator == viewer.ID, m == nil
	c.SetAccessHash(w.AccessHash(viewer.ID, ch.Peer()))
	if m != nil && m.Admin {
		c.SetAdminRights(AllRights())
	}
	if !ch.Broadcast {
		c.SetDefaultBannedRights(tg.ChatBannedRights{UntilDate: Unlimited})
	}
	c.SetParticipantsCount(len(ch.Members))
	return c
}

// NewChannel makes a channel whose creator is its first member and administrator.
func (w *World) NewChannel(creator *User, title string, broadcast bool) *Channel {
	w.lastChannel += 1 + w.Rand.Int64N(1000)
	ch := &Channel{
		ID: w.lastChannel, Creator: creator.ID, Title: title, Broadcast: broadcast, Date: w.Now(), Pts: 1,
		Members: map[int64]*Member{}, Posts: map[int]*Post{}, ReadOut: map[int64]int{},
	}
	w.Channels[ch.ID] = ch
	w.Enter(ch, creator, creator.ID)
	ch.Members[creator.ID].Admin = true
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

// Participant renders a member as the viewer sees it; nil if there is none.
func (ch *Channel) Participant(id, viewer int64) tg.ChannelParticipantClass {
	m := ch.Members[id]
	switch {
	case m == nil:
		return nil
	case id == ch.Creator:
		return &tg.ChannelParticipantCreator{UserID: id, AdminRights: AllRights()}
	case m.Admin:
		return &tg.ChannelParticipantAdmin{
			Self: id == viewer, UserID: id, PromotedBy: ch.Creator, Date: m.Date, AdminRights: AllRights(),
		}
	case id == viewer:
		return &tg.ChannelParticipantSelf{UserID: id, InviterID: m.Inviter, Date: m.Date}
	default:
		return &tg.ChannelParticipant{UserID: id, Date: m.Date}
	}
}
