package convert

import (
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/gotd/td/tg"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/chats"
)

// Rights of the contract have the names of the schema's, so that flags are carried over by name.

// goName is the schema's Go name of a field: send_plain is SendPlain.
func goName(f protoreflect.FieldDescriptor) string {
	var b strings.Builder
	for part := range strings.SplitSeq(string(f.Name()), "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// flagsOf sets the message's flags to those of a struct of the schema.
func flagsOf(m proto.Message, rights any) {
	from, to := reflect.ValueOf(rights), m.ProtoReflect()
	fields := to.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if flag := from.FieldByName(goName(f)); f.Kind() == protoreflect.BoolKind && flag.IsValid() && flag.Bool() {
			to.Set(f, protoreflect.ValueOfBool(true))
		}
	}
}

// fillFlags is the way back; rights is a pointer.
func fillFlags(rights any, m proto.Message) {
	to := reflect.ValueOf(rights).Elem()
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if flag := to.FieldByName(goName(f)); f.Kind() == protoreflect.BoolKind && flag.IsValid() {
			flag.SetBool(v.Bool())
		}
		return true
	})
}

// AdminRights is nil for none.
func AdminRights(r *tg.ChatAdminRights) *v1.AdminRights {
	if r == nil {
		return nil
	}
	out := &v1.AdminRights{}
	flagsOf(out, *r)
	return out
}

// InputAdminRights is empty for nil.
func InputAdminRights(r *v1.AdminRights) tg.ChatAdminRights {
	var out tg.ChatAdminRights
	if r != nil {
		fillFlags(&out, r)
	}
	return out
}

// forever is the date that Telegram shows for a ban without an end.
const forever = 1<<31 - 1

// BannedRights is nil for none.
func BannedRights(r *tg.ChatBannedRights) *v1.BannedRights {
	if r == nil {
		return nil
	}
	out := &v1.BannedRights{}
	flagsOf(out, *r)
	if r.UntilDate != forever {
		out.Until = Unix(r.UntilDate)
	}
	return out
}

// InputBannedRights is empty for nil. now tells dates that have passed, which are an error.
func InputBannedRights(field string, r *v1.BannedRights, now time.Time) (tg.ChatBannedRights, error) {
	var out tg.ChatBannedRights
	if r == nil {
		return out, nil
	}
	fillFlags(&out, r)
	if r.GetUntil() != nil {
		until := r.GetUntil().AsTime()
		if !until.After(now) {
			return out, Invalid(field+".until", "give a time to come, or leave it out for ever", "is over (got %s)", until.Format(time.RFC3339))
		}
		out.UntilDate = int(min(until.Unix(), math.MaxInt32)) // which is for ever, as Telegram takes it
	}
	return out, nil
}

// Participant describes somebody's place in a chat.
func Participant(p chats.Participant, peers Peers) *v1.Participant {
	out := &v1.Participant{
		Peer: Peer(p.Peer), Membership: memberships[p.Role], Rank: p.Rank, Date: Time(p.Date),
		AdminRights: AdminRights(p.Admin), BannedRights: BannedRights(p.Banned), CanEdit: p.CanEdit, Bot: p.Peer.Bot,
	}
	if p.Inviter != 0 {
		out.Inviter = userPeer(p.Inviter, peers)
	}
	if p.Actor != 0 {
		out.Actor = userPeer(p.Actor, peers)
	}
	return out
}

var memberships = map[chats.Role]v1.Membership{
	chats.Left: v1.Membership_MEMBERSHIP_LEFT, chats.Member: v1.Membership_MEMBERSHIP_MEMBER, chats.Admin: v1.Membership_MEMBERSHIP_ADMIN,
	chats.Creator: v1.Membership_MEMBERSHIP_CREATOR, chats.RestrictedMember: v1.Membership_MEMBERSHIP_RESTRICTED, chats.BannedUser: v1.Membership_MEMBERSHIP_BANNED,
}

// OptionalPeer is nil for a peer that is not known.
func OptionalPeer(p telegram.Peer) *v1.Peer {
	if p.ID == 0 && !p.Self {
		return nil
	}
	return Peer(p)
}
