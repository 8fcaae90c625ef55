package model

import (
	"reflect"

	"github.com/gotd/td/tg"
)

// Member is somebody's place in a group or channel.
type Member struct {
	Inviter    int64
	Date       int
	Admin      bool               // also the creator of a channel
	Rights     tg.ChatAdminRights // of an admin of a channel
	PromotedBy int64
	Rank       string
	Restricted *Ban // what a member of a supergroup may not do; nil: nothing
	ViaRequest bool // an admin approved
	ReadIn     int  // channels only
}

// Ban is what somebody was forbidden in a channel or supergroup.
type Ban struct {
	Rights tg.ChatBannedRights // until Unlimited, or a date
	By     int64
	Date   int
}

// Promote makes the member an admin.
func (m *Member) Promote(rights tg.ChatAdminRights, by int64, rank string) {
	m.Admin, m.Rights, m.PromotedBy, m.Rank, m.Restricted = true, rights, by, rank, nil
}

// Demote takes it back.
func (m *Member) Demote() {
	m.Admin, m.Rights, m.PromotedBy, m.Rank = false, tg.ChatAdminRights{}, 0, ""
}

// Rights of admins, to ask for by May.
var (
	PostMessages   = func(r tg.ChatAdminRights) bool { return r.PostMessages }
	EditMessages   = func(r tg.ChatAdminRights) bool { return r.EditMessages }
	DeleteMessages = func(r tg.ChatAdminRights) bool { return r.DeleteMessages }
	BanUsers       = func(r tg.ChatAdminRights) bool { return r.BanUsers }
	InviteUsers    = func(r tg.ChatAdminRights) bool { return r.InviteUsers }
	PinMessages    = func(r tg.ChatAdminRights) bool { return r.PinMessages }
	AddAdmins      = func(r tg.ChatAdminRights) bool { return r.AddAdmins }
	ManageRanks    = func(r tg.ChatAdminRights) bool { return r.ManageRanks }
)

// May says whether a user is an admin of the channel with this right.
func (ch *Channel) May(id int64, right func(tg.ChatAdminRights) bool) bool {
	m := ch.Members[id]
	return m != nil && m.Admin && (id == ch.Creator || right(m.Rights))
}

// Restriction is what the member may not do at present; nil if nothing. m may be nil.
func (w *World) Restriction(m *Member) *Ban {
	if m == nil || m.Restricted == nil || w.over(m.Restricted) {
		return nil
	}
	return m.Restricted
}

// BanOf is the ban of somebody who is out of the channel, or of a channel as a sender; nil if there
// is none at present.
func (w *World) BanOf(ch *Channel, who Peer) *Ban {
	if b := ch.Bans[who]; b != nil && !w.over(b) {
		return b
	}
	return nil
}

func (w *World) over(b *Ban) bool {
	return b.Rights.UntilDate != Unlimited && b.Rights.UntilDate <= w.Now()
}

// Participant renders somebody's place as the viewer sees it; nil if they have none.
func (ch *Channel) Participant(id, viewer int64) tg.ChannelParticipantClass {
	m := ch.Members[id]
	switch {
	case m == nil:
		return ch.banned(UserPeer(id), ch.Bans[UserPeer(id)], true)
	case id == ch.Creator:
		p := &tg.ChannelParticipantCreator{UserID: id, AdminRights: m.Rights}
		ranked(p.SetRank, m.Rank)
		return p
	case m.Admin:
		p := &tg.ChannelParticipantAdmin{
			Self: id == viewer, CanEdit: viewer == ch.Creator || viewer == m.PromotedBy && ch.May(viewer, AddAdmins),
			UserID: id, PromotedBy: m.PromotedBy, Date: m.Date, AdminRights: m.Rights,
		}
		if id == viewer {
			p.SetInviterID(m.Inviter)
		}
		ranked(p.SetRank, m.Rank)
		return p
	case m.Restricted != nil:
		return ch.banned(UserPeer(id), m.Restricted, false)
	case id == viewer:
		return &tg.ChannelParticipantSelf{UserID: id, InviterID: m.Inviter, Date: m.Date, ViaRequest: m.ViaRequest}
	default:
		return &tg.ChannelParticipant{UserID: id, Date: m.Date}
	}
}

func (ch *Channel) banned(who Peer, b *Ban, left bool) tg.ChannelParticipantClass {
	if b == nil {
		return nil
	}
	return &tg.ChannelParticipantBanned{Left: left, Peer: who.TL(), KickedBy: b.By, Date: b.Date, BannedRights: b.Rights}
}

func ranked(set func(string), rank string) {
	if rank != "" {
		set(rank)
	}
}

// GroupAdminRights are those of every admin of a basic group.
func GroupAdminRights() tg.ChatAdminRights {
	return tg.ChatAdminRights{
		ChangeInfo: true, DeleteMessages: true, BanUsers: true, InviteUsers: true, PinMessages: true, ManageCall: true, Other: true,
	}
}

func shownDefault(r tg.ChatBannedRights) tg.ChatBannedRights {
	r.UntilDate = Unlimited
	return r
}

// eitherForbids has the flags of both.
func eitherForbids(a, b tg.ChatBannedRights) tg.ChatBannedRights {
	out, from := reflect.ValueOf(&a).Elem(), reflect.ValueOf(b)
	for i := range out.NumField() {
		if f := out.Field(i); f.Kind() == reflect.Bool {
			f.SetBool(f.Bool() || from.Field(i).Bool())
		}
	}
	return a
}

// Door is how others get into a chat: its invite links and who asks to be let in.
type Door struct {
	Approval bool // an admin has to approve also those who come without a link
	Links    []*Link
	Requests []*JoinRequest // oldest first
}

// Link is an invite link.
type Link struct {
	Hash          string
	By            int64
	Date, Expires int // Expires 0: never
	Limit, Used   int // Limit 0: none
	Approval      bool
	Revoked       bool
	Title         string
}

// JoinRequest is somebody who waits for an admin.
type JoinRequest struct {
	User int64
	Date int
	Link *Link
}

// Closed says whether the link lets nobody in any more.
func (w *World) Closed(l *Link) bool {
	return l.Revoked || l.Expires != 0 && l.Expires <= w.Now() || l.Limit != 0 && l.Used >= l.Limit
}

// Waits finds somebody's request; nil if there is none.
func (d *Door) Waits(id int64) *JoinRequest {
	for _, r := range d.Requests {
		if r.User == id {
			return r
		}
	}
	return nil
}
