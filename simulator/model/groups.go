package model

import "github.com/gotd/td/tg"

// Group is a basic group.
type Group struct {
	ID, Creator int64
	Title       string
	Photo       Picture // nil: none
	Noforwards  bool
	Date        int
	Version     int
	Members     map[int64]*Member
	Order       []int64        // members in order of joining
	Known       map[int64]bool // who may name the group: present and former members
	Default     tg.ChatBannedRights
	Door
}

// NewGroup makes a group without members.
func (w *World) NewGroup(creator *User, title string) *Group {
	w.lastGroup += 1 + w.Rand.Int64N(1000)
	g := &Group{
		ID: w.lastGroup, Creator: creator.ID, Title: title, Date: w.Now(),
		Members: map[int64]*Member{}, Known: map[int64]bool{},
	}
	w.Groups[g.ID] = g
	return g
}

// Peer names the group.
func (g *Group) Peer() Peer { return GroupPeer(g.ID) }

// ViewGroup is the group as the viewer sees it.
func (w *World) ViewGroup(viewer *User, g *Group) tg.ChatClass {
	c := &tg.Chat{
		ID: g.ID, Title: g.Title, Photo: chatPhoto(g.Photo), ParticipantsCount: len(g.Members),
		Date: g.Date, Version: g.Version, Creator: g.Creator == viewer.ID, Noforwards: g.Noforwards,
		Left: g.Members[viewer.ID] == nil,
	}
	if m := g.Members[viewer.ID]; m != nil && m.Admin {
		c.SetAdminRights(GroupAdminRights())
	}
	c.SetDefaultBannedRights(shownDefault(g.Default))
	return c
}

// Participant renders a member; nil if there is none.
func (g *Group) Participant(id int64) tg.ChatParticipantClass {
	m := g.Members[id]
	switch {
	case m == nil:
		return nil
	case id == g.Creator:
		p := &tg.ChatParticipantCreator{UserID: id}
		ranked(p.SetRank, m.Rank)
		return p
	case m.Admin:
		p := &tg.ChatParticipantAdmin{UserID: id, InviterID: m.Inviter, Date: m.Date}
		ranked(p.SetRank, m.Rank)
		return p
	default:
		p := &tg.ChatParticipant{UserID: id, InviterID: m.Inviter, Date: m.Date}
		ranked(p.SetRank, m.Rank)
		return p
	}
}

// Participants are the members in order of joining.
func (g *Group) Participants() *tg.ChatParticipants {
	out := &tg.ChatParticipants{ChatID: g.ID, Version: g.Version}
	for _, id := range g.Order {
		out.Participants = append(out.Participants, g.Participant(id))
	}
	return out
}

// Add makes a user a member.
func (g *Group) Add(id, inviter int64, date int) {
	g.Members[id] = &Member{Inviter: inviter, Date: date}
	g.Order = append(g.Order, id)
	g.Known[id] = true
	g.Version++
}

// InputGroup checks that the caller may name this group.
func (c *Call) InputGroup(id int64) (*Group, error) {
	g := c.World.Groups[id]
	if g == nil || !g.Known[c.User.ID] {
		return nil, RPCError(400, "CHAT_ID_INVALID")
	}
	return g, nil
}

// Picture is the photo of a group or channel. Its file reference differs from viewer to viewer.
type Picture interface {
	Photo(viewer int64) *tg.Photo
}

func chatPhoto(p Picture) tg.ChatPhotoClass {
	if p == nil {
		return &tg.ChatPhotoEmpty{}
	}
	photo := p.Photo(0)
	return &tg.ChatPhoto{PhotoID: photo.ID, DCID: photo.DCID}
}

// FullPhoto is a chat's photo as its full form has it.
func FullPhoto(p Picture, viewer int64) tg.PhotoClass {
	if p == nil {
		return &tg.PhotoEmpty{}
	}
	return p.Photo(viewer)
}
