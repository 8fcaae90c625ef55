package client

import (
	"context"
	"iter"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/client/internal/retry"
)

// Messages of the contract under short names.
type (
	// Participant is somebody's place in a group or channel.
	Participant = v1.Participant
	// AdminRights is what an admin may do.
	AdminRights = v1.AdminRights
	// BannedRights is what is forbidden: true forbids.
	BannedRights = v1.BannedRights
	// Permissions is what somebody may do in a chat.
	Permissions = v1.GetPermissionsReply
	// Invite is what an invite link leads to.
	Invite = v1.CheckInviteReply
	// JoinOutcome is what became of an attempt to join.
	JoinOutcome = v1.JoinOutcome
)

// The outcomes of joining; see the contract for the others.
const (
	JoinedChat         = v1.JoinOutcome_JOIN_OUTCOME_JOINED
	AlreadyParticipant = v1.JoinOutcome_JOIN_OUTCOME_ALREADY_PARTICIPANT
	JoinRequestSent    = v1.JoinOutcome_JOIN_OUTCOME_REQUEST_SENT
	TooManyChannels    = v1.JoinOutcome_JOIN_OUTCOME_TOO_MANY_CHANNELS
)

// ParticipantOption selects members of a chat.
type ParticipantOption func(*v1.IterateParticipantsRequest)

func filter(f v1.ParticipantFilter, query string) ParticipantOption {
	return func(r *v1.IterateParticipantsRequest) { r.Filter, r.Query = f, query }
}

// Admins selects the creator and the admins.
func Admins() ParticipantOption { return filter(v1.ParticipantFilter_PARTICIPANT_FILTER_ADMINS, "") }

// Bots selects bots.
func Bots() ParticipantOption { return filter(v1.ParticipantFilter_PARTICIPANT_FILTER_BOTS, "") }

// Named selects members whose name contains a text.
func Named(text string) ParticipantOption {
	return filter(v1.ParticipantFilter_PARTICIPANT_FILTER_SEARCH, text)
}

// ContactsOnly selects members who are contacts of the account.
func ContactsOnly() ParticipantOption {
	return filter(v1.ParticipantFilter_PARTICIPANT_FILTER_CONTACTS, "")
}

// RestrictedOnly selects members with restrictions.
func RestrictedOnly() ParticipantOption {
	return filter(v1.ParticipantFilter_PARTICIPANT_FILTER_RESTRICTED, "")
}

// BannedOnly selects those who were banned and are out.
func BannedOnly() ParticipantOption {
	return filter(v1.ParticipantFilter_PARTICIPANT_FILTER_BANNED, "")
}

// Participants yields the members of a group or channel, each once, and reads them page by page as
// the loop goes on (channels.getParticipants, messages.getFullChat). total is how many there are as
// Telegram counts them. It goes on after a break without repeating anybody.
func (a *Account) Participants(ctx context.Context, peer string, opts ...ParticipantOption) iter.Seq2[Counted[*Participant], error] {
	req := &v1.IterateParticipantsRequest{Account: a.id, Peer: peer}
	for _, opt := range opts {
		opt(req)
	}
	return walk(ctx, a.client, func(ctx context.Context, n *node) (*connect.ServerStreamForClient[v1.IterateParticipantsReply], error) {
		return n.Chats.IterateParticipants(ctx, req)
	}, (*v1.IterateParticipantsReply).GetParticipants)
}

// Counted is an item of a list whose length Telegram tells.
type Counted[T any] struct {
	Item T
	// Total is how many items there are, as Telegram counts them; may change as the loop goes on.
	Total int
}

// page is a part of a list of those who have a peer each.
type page[T any] interface {
	*T
	GetTotal() int32
}

// walk yields the items of a streamed list, each peer's once, also when the stream breaks and begins anew.
func walk[T any, P page[T], Item interface{ GetPeer() *Peer }](
	ctx context.Context, c *Client, open func(context.Context, *node) (*connect.ServerStreamForClient[T], error), items func(P) []Item,
) iter.Seq2[Counted[Item], error] {
	return func(yield func(Counted[Item], error) bool) {
		seen := map[int64]bool{} // ids in Bot API form tell the kinds apart
		f := &retry.Feed[T]{Caller: c.calls, Ends: true, Open: open, Take: func(reply *T) bool {
			for _, item := range items(reply) {
				id := item.GetPeer().GetId()
				if seen[id] {
					continue
				}
				seen[id] = true
				if !yield(Counted[Item]{item, int(P(reply).GetTotal())}, nil) {
					return false
				}
			}
			return true
		}}
		if err := f.Run(ctx); err != nil {
			yield(Counted[Item]{}, err)
		}
	}
}

// ParticipantsPage is some members of a chat.
type ParticipantsPage struct {
	Participants []*Participant
	// Total is how many there are, as Telegram counts them.
	Total int
	// Next is the offset of those that follow; 0 at the end.
	Next int
}

// ParticipantsPage reads up to limit members of a chat after the first offset ones; 0 = as many as
// Telegram gives at once, at most 10,000.
func (a *Account) ParticipantsPage(ctx context.Context, peer string, offset, limit int, opts ...ParticipantOption) (*ParticipantsPage, error) {
	var chosen v1.IterateParticipantsRequest
	for _, opt := range opts {
		opt(&chosen)
	}
	reply, err := call(ctx, a.client, repeatable, on(chatService.GetParticipants), &v1.GetParticipantsRequest{Account: a.id, Peer: peer, Filter: chosen.Filter, Query: chosen.Query, Offset: int32(offset), Limit: int32(limit)})
	if err != nil {
		return nil, err
	}
	return &ParticipantsPage{reply.GetParticipants(), int(reply.GetTotal()), int(reply.GetNextOffset())}, nil
}

// Permissions tells what a user may do in a chat, empty = the account itself: role, own restrictions
// and the chat's defaults together.
func (a *Account) Permissions(ctx context.Context, peer, user string) (*Permissions, error) {
	return call(ctx, a.client, repeatable, on(chatService.GetPermissions), &v1.GetPermissionsRequest{Account: a.id, Peer: peer, User: user})
}

// SetAdminRights makes a user an admin with these rights and a title of at most 16 characters, empty =
// none; nil rights end it. See FullAdmin.
func (a *Account) SetAdminRights(ctx context.Context, peer, user string, rights *AdminRights, rank string) error {
	_, err := call(ctx, a.client, repeatable, on(chatService.SetAdminRights), &v1.SetAdminRightsRequest{Account: a.id, Peer: peer, User: user, Rights: rights, Rank: rank})
	return err
}

// FullAdmin is every right but to be anonymous.
func FullAdmin() *AdminRights {
	r := &AdminRights{}
	m := r.ProtoReflect()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		m.Set(fields.Get(i), protoreflect.ValueOfBool(true))
	}
	r.Anonymous = false
	return r
}

// SetBannedRights forbids a member things, in place of what was forbidden before; nil takes all back.
// See Ban, Unban and Until. The user may be a channel that sends in a group. A basic group knows only
// the full ban, which removes the user.
func (a *Account) SetBannedRights(ctx context.Context, peer, user string, rights *BannedRights) error {
	_, err := call(ctx, a.client, repeatable, on(chatService.SetBannedRights), &v1.SetBannedRightsRequest{Account: a.id, Peer: peer, User: user, Rights: rights})
	return err
}

// Ban removes a user from a chat and keeps them out until a time, zero = for ever. Telegram takes less
// than 30 s and more than 366 days for ever.
func (a *Account) Ban(ctx context.Context, peer, user string, until time.Time) error {
	return a.SetBannedRights(ctx, peer, user, Until(&BannedRights{ViewMessages: true}, until))
}

// Unban takes a ban and all restrictions back.
func (a *Account) Unban(ctx context.Context, peer, user string) error {
	return a.SetBannedRights(ctx, peer, user, nil)
}

// Until ends restrictions at a time; zero = never.
func Until(rights *BannedRights, at time.Time) *BannedRights {
	if !at.IsZero() {
		rights.Until = timestamppb.New(at)
	}
	return rights
}

// JoinResult is what became of an attempt to join.
type JoinResult struct {
	Outcome JoinOutcome
	// Chat is the chat; nil where Telegram does not show it before one is in it.
	Chat *Peer
	// Title is the chat's.
	Title string
}

// JoinChat joins a public group or channel (channels.joinChannel). That the account is in it already,
// that an admin has to approve and that it is in too many channels are outcomes.
func (a *Account) JoinChat(ctx context.Context, peer string) (*JoinResult, error) {
	reply, err := call(ctx, a.client, repeatable, on(chatService.JoinChat), &v1.JoinChatRequest{Account: a.id, Peer: peer})
	if err != nil {
		return nil, err
	}
	return &JoinResult{reply.GetOutcome(), reply.GetChat(), reply.GetChat().GetTitle()}, nil
}

// CheckInvite tells what an invite link leads to: t.me/+hash, t.me/joinchat/hash,
// tg://join?invite=hash, or the hash alone. Reasons: INVITE_HASH_EXPIRED, INVITE_HASH_INVALID.
func (a *Account) CheckInvite(ctx context.Context, link string) (*Invite, error) {
	return call(ctx, a.client, repeatable, on(chatService.CheckInvite), &v1.CheckInviteRequest{Account: a.id, Link: link})
}

// AcceptInvite joins by an invite link (messages.importChatInvite). What may come of it is an outcome.
func (a *Account) AcceptInvite(ctx context.Context, link string) (*JoinResult, error) {
	reply, err := call(ctx, a.client, repeatable, on(chatService.AcceptInvite), &v1.AcceptInviteRequest{Account: a.id, Link: link})
	if err != nil {
		return nil, err
	}
	return &JoinResult{reply.GetOutcome(), reply.GetChat(), reply.GetTitle()}, nil
}
