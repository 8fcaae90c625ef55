package chats

import (
	"context"
	"strings"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// PageSize is the most members that Telegram returns at once (channels.getParticipants).
const PageSize = 200

// Filter selects members.
type Filter uint8

// The filters; their names are those of channelParticipantsFilter, but that Banned are those who are
// out and Restricted those who are in.
const (
	Recent Filter = iota
	Admins
	Bots
	Restricted
	Banned
	Contacts
	Search
)

// Query selects members. Text is part of a name, for Search, Restricted, Banned and Contacts.
type Query struct {
	Filter Filter
	Text   string
}

// Participant is somebody's place in a chat.
type Participant struct {
	// Peer is the user, or a channel that was banned as a sender.
	Peer telegram.Peer
	Role Role
	// Rank is the title beside the name.
	Rank string
	// Date is when they joined, or were banned; zero where Telegram does not say.
	Date time.Time
	// Inviter and Actor, who promoted or banned them, are users' ids, 0 where Telegram does not say.
	Inviter, Actor int64
	// Admin is what an admin may do; nil for others.
	Admin *tg.ChatAdminRights
	// Banned is what a restricted or banned member may not do; nil for others.
	Banned *tg.ChatBannedRights
	// CanEdit says that the account may change this admin's rights.
	CanEdit bool

	contact bool
}

// Role is what somebody is in a chat.
type Role uint8

// The roles.
const (
	Left Role = iota
	Member
	Admin
	Creator
	RestrictedMember
	BannedUser
)

// Page is some of a chat's members.
type Page struct {
	Participants []Participant
	// Total is how many there are, as Telegram counts them.
	Total int
	// Next is the offset of what follows; 0 at the end.
	Next int
}

// Participants reads up to limit members of a chat, 0 = one page of PageSize, passing over offset. A
// member who comes twice, because somebody joined meanwhile, is returned once.
func Participants(ctx context.Context, env telegram.Env, chat telegram.Peer, q Query, offset, limit int) (Page, error) {
	if limit <= 0 {
		limit = PageSize
	}
	var out Page
	seen := map[key]bool{}
	for {
		// Whole pages, once there is more than one: where the list moves meanwhile, small ones could
		// bring nobody new for ever.
		page, err := onePage(ctx, env, chat, q, offset, min(PageSize, limit))
		if err != nil {
			return Page{}, err
		}
		out.Total, out.Next = page.Total, page.Next
		for i, p := range page.Participants {
			if len(out.Participants) == limit {
				out.Next = offset + i
				return out, nil
			}
			out.Participants = append(out.Participants, fresh(seen, []Participant{p})...)
		}
		if offset = page.Next; offset == 0 || len(out.Participants) == limit {
			return out, nil
		}
	}
}

// Walk reads all members of a chat page by page until f returns an error, which it returns. No
// member comes twice.
func Walk(ctx context.Context, env telegram.Env, chat telegram.Peer, q Query, f func(Page) error) error {
	seen := map[key]bool{}
	for offset, first := 0, true; first || offset > 0; first = false {
		page, err := onePage(ctx, env, chat, q, offset, PageSize)
		if err != nil {
			return err
		}
		offset = page.Next
		page.Participants = fresh(seen, page.Participants)
		if err := f(page); err != nil {
			return err
		}
	}
	return nil
}

type key struct {
	kind telegram.PeerKind
	id   int64
}

// fresh leaves out who was seen before.
func fresh(seen map[key]bool, list []Participant) []Participant {
	var out []Participant
	for _, p := range list {
		if k := (key{p.Peer.Kind, p.Peer.ID}); !seen[k] {
			seen[k] = true
			out = append(out, p)
		}
	}
	return out
}

// onePage reads one page. A short page is not the end, an empty one is: Telegram leaves out those who
// deleted their account.
func onePage(ctx context.Context, env telegram.Env, chat telegram.Peer, q Query, offset, limit int) (Page, error) {
	if chat.Kind == telegram.PeerChat {
		return groupPage(ctx, env, chat, q, offset, limit)
	}
	channel, err := channelOf(chat)
	if err != nil {
		return Page{}, err
	}
	req := &tg.ChannelsGetParticipantsRequest{Channel: channel, Filter: q.tl(), Offset: offset, Limit: limit}
	var res tg.ChannelsChannelParticipantsBox
	if err := telegram.Invoke(ctx, env, req, &res); err != nil {
		return Page{}, err
	}
	list, ok := res.ChannelParticipants.(*tg.ChannelsChannelParticipants)
	if !ok {
		return Page{}, telegram.Unexpected(req, res.ChannelParticipants)
	}
	page, peers := Page{Total: list.Count}, peersOf(list)
	for _, p := range list.Participants {
		page.Participants = append(page.Participants, channelParticipant(p, peers))
	}
	if n := len(list.Participants); n > 0 && offset+n < list.Count {
		page.Next = offset + n
	}
	return page, nil
}

func (q Query) tl() tg.ChannelParticipantsFilterClass {
	switch q.Filter {
	case Admins:
		return &tg.ChannelParticipantsAdmins{}
	case Bots:
		return &tg.ChannelParticipantsBots{}
	case Restricted:
		return &tg.ChannelParticipantsBanned{Q: q.Text}
	case Banned:
		return &tg.ChannelParticipantsKicked{Q: q.Text}
	case Contacts:
		return &tg.ChannelParticipantsContacts{Q: q.Text}
	case Search:
		return &tg.ChannelParticipantsSearch{Q: q.Text}
	}
	return &tg.ChannelParticipantsRecent{}
}

// peersOf are the users and chats of an answer.
func peersOf(answer any) map[key]telegram.Peer {
	out := map[key]telegram.Peer{}
	for _, p := range telegram.CollectPeers(answer) {
		out[key{p.Kind, p.ID}] = p
	}
	return out
}

func member(peers map[key]telegram.Peer, kind telegram.PeerKind, id int64) telegram.Peer {
	if p, ok := peers[key{kind, id}]; ok {
		return p
	}
	return telegram.Peer{Kind: kind, ID: id, Min: true}
}

// channelParticipant reads a participant of a channel or supergroup.
func channelParticipant(p tg.ChannelParticipantClass, peers map[key]telegram.Peer) Participant {
	out := Participant{}
	user := func(id int64) telegram.Peer { return member(peers, telegram.PeerUser, id) }
	switch p := p.(type) {
	case *tg.ChannelParticipant:
		out.Peer, out.Role, out.Date, out.Rank = user(p.UserID), Member, unix(p.Date), p.Rank
	case *tg.ChannelParticipantSelf:
		out.Peer, out.Role, out.Date, out.Rank, out.Inviter = user(p.UserID), Member, unix(p.Date), p.Rank, p.InviterID
	case *tg.ChannelParticipantCreator:
		out.Peer, out.Role, out.Rank, out.Admin = user(p.UserID), Creator, p.Rank, &p.AdminRights
	case *tg.ChannelParticipantAdmin:
		out.Peer, out.Role, out.Date, out.Rank = user(p.UserID), Admin, unix(p.Date), p.Rank
		out.Inviter, out.Actor, out.Admin, out.CanEdit = p.InviterID, p.PromotedBy, &p.AdminRights, p.CanEdit
	case *tg.ChannelParticipantBanned:
		kind, id, _ := telegram.PeerRef(p.Peer)
		out.Peer, out.Role, out.Date, out.Rank = member(peers, kind, id), RestrictedMember, unix(p.Date), p.Rank
		out.Actor, out.Banned = p.KickedBy, &p.BannedRights
		if p.BannedRights.ViewMessages {
			out.Role = BannedUser
		}
	case *tg.ChannelParticipantLeft:
		kind, id, _ := telegram.PeerRef(p.Peer)
		out.Peer, out.Role = member(peers, kind, id), Left
	}
	return out
}

// groupPage reads the members of a basic group, which come all at once and without a filter.
func groupPage(ctx context.Context, env telegram.Env, chat telegram.Peer, q Query, offset, limit int) (Page, error) {
	if q.Filter == Banned || q.Filter == Restricted {
		return Page{}, unsupported("filter", "leave the filter out", "a basic group keeps no list of bans")
	}
	all, _, err := groupMembers(ctx, env, chat)
	if err != nil {
		return Page{}, err
	}
	var chosen []Participant
	for _, p := range all {
		if q.matches(p) {
			chosen = append(chosen, p)
		}
	}
	page := Page{Total: len(chosen)}
	if offset < len(chosen) {
		page.Participants = chosen[offset:min(len(chosen), offset+limit)]
	}
	if next := offset + len(page.Participants); len(page.Participants) > 0 && next < len(chosen) {
		page.Next = next
	}
	return page, nil
}

func (q Query) matches(p Participant) bool {
	switch q.Filter {
	case Admins:
		return p.Role == Admin || p.Role == Creator
	case Bots:
		return p.Peer.Bot
	case Contacts:
		if !p.contact {
			return false
		}
	}
	text := strings.ToLower(q.Text)
	return strings.Contains(strings.ToLower(p.Peer.Title), text) || strings.Contains(strings.ToLower(p.Peer.Username), text)
}

// groupMembers reads all members of a basic group, and the group.
func groupMembers(ctx context.Context, env telegram.Env, chat telegram.Peer) ([]Participant, *tg.Chat, error) {
	res, full, err := fullChat(ctx, env, chat.ID)
	if err != nil {
		return nil, nil, err
	}
	group, err := groupIn(res.Chats, chat.ID)
	if err != nil {
		return nil, nil, err
	}
	list, ok := full.Participants.(*tg.ChatParticipants)
	if !ok {
		return nil, nil, fleet.Errorf(fleet.CodePermissionDenied, "CHAT_FORBIDDEN", "peer: Telegram does not show the members of group %d to the account", chat.ID).
			WithRemedy("the account is no member: join it first")
	}
	peers, contacts := peersOf(res), map[int64]bool{}
	for _, u := range res.Users {
		if u, ok := u.(*tg.User); ok {
			contacts[u.ID] = u.Contact
		}
	}
	var out []Participant
	for _, p := range list.Participants {
		one := Participant{Peer: member(peers, telegram.PeerUser, p.GetUserID()), contact: contacts[p.GetUserID()]}
		switch p := p.(type) {
		case *tg.ChatParticipantCreator:
			one.Role, one.Rank = Creator, p.Rank
		case *tg.ChatParticipantAdmin:
			one.Role, one.Rank, one.Inviter, one.Date = Admin, p.Rank, p.InviterID, unix(p.Date)
		case *tg.ChatParticipant:
			one.Role, one.Rank, one.Inviter, one.Date = Member, p.Rank, p.InviterID, unix(p.Date)
		}
		out = append(out, one)
	}
	return out, group, nil
}

func unix(date int) time.Time {
	if date == 0 {
		return time.Time{}
	}
	return time.Unix(int64(date), 0)
}
