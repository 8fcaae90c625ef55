package chats

import (
	"context"
	"net/url"
	"strings"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Outcome is what became of an attempt to join.
type Outcome uint8

// The outcomes.
const (
	Joined Outcome = iota + 1
	AlreadyParticipant
	RequestSent
	TooManyChannels
	ChatFull
	InviteExpired
	InviteInvalid
	PaymentNeeded
	VerificationNeeded
)

// outcomes are the answers that callers expect to get.
var outcomes = map[string]Outcome{
	"USER_ALREADY_PARTICIPANT": AlreadyParticipant,
	"INVITE_REQUEST_SENT":      RequestSent,
	"CHANNELS_TOO_MUCH":        TooManyChannels,
	"USER_CHANNELS_TOO_MUCH":   TooManyChannels,
	"USERS_TOO_MUCH":           ChatFull,
	"INVITE_HASH_EXPIRED":      InviteExpired,
	"INVITE_HASH_INVALID":      InviteInvalid,
	"INVITE_HASH_EMPTY":        InviteInvalid,
}

// outcomeOf turns an expected error into its outcome; others stay errors.
func outcomeOf(err error) (Outcome, error) {
	for name, o := range outcomes {
		if answered(err, name) {
			return o, nil
		}
	}
	return 0, err
}

// Result is what became of an attempt to join.
type Result struct {
	Outcome Outcome
	// Chat is the chat, where Telegram showed it.
	Chat telegram.Peer
	// Title is the chat's, also where the chat itself is not shown.
	Title string
}

// Join joins a public group or channel (channels.joinChannel). A basic group lets in only those whom
// it knows (messages.addChatUser with oneself).
func Join(ctx context.Context, env telegram.Env, chat telegram.Peer) (Result, error) {
	out := Result{Chat: chat, Title: chat.Title}
	if chat.Kind == telegram.PeerChat {
		var res tg.MessagesInvitedUsers
		err := telegram.Invoke(ctx, env, &tg.MessagesAddChatUserRequest{ChatID: chat.ID, UserID: &tg.InputUserSelf{}}, &res)
		if out.Outcome, err = outcomeOf(err); out.Outcome == 0 {
			out.Outcome = Joined
		}
		return out, err
	}
	channel, err := channelOf(chat)
	if err != nil {
		return Result{}, err
	}
	var shown tg.MessagesChatsBox
	if err := telegram.Invoke(ctx, env, &tg.ChannelsGetChannelsRequest{ID: []tg.InputChannelClass{channel}}, &shown); err != nil {
		return Result{}, err
	}
	out = out.shown(&shown)
	if c, err := channelIn(shown.Chats.GetChats(), chat.ID); err == nil && (!c.Left || c.Creator) {
		out.Outcome = AlreadyParticipant // Telegram answers a second joining as the first
		return out, nil
	}
	var res tg.MessagesChatInviteJoinResultBox
	err = telegram.Invoke(ctx, env, &tg.ChannelsJoinChannelRequest{Channel: channel}, &res)
	return out.joined(res.ChatInviteJoinResult, err)
}

// joined fills in what Telegram answered.
func (r Result) joined(answer tg.MessagesChatInviteJoinResultClass, err error) (Result, error) {
	if r.Outcome, err = outcomeOf(err); err != nil || r.Outcome != 0 {
		return r, err
	}
	ok, is := answer.(*tg.MessagesChatInviteJoinResultOk)
	if !is {
		r.Outcome = VerificationNeeded
		return r, nil
	}
	r.Outcome = Joined
	return r.shown(ok.Updates), nil
}

// shown fills in the chat as an answer shows it; peers that are known have no title.
func (r Result) shown(answer any) Result {
	for _, p := range telegram.CollectPeers(answer) {
		if p.Kind != telegram.PeerUser && (r.Chat.ID == 0 || r.Chat.Kind == p.Kind && r.Chat.ID == p.ID) {
			r.Chat, r.Title = p, p.Title
		}
	}
	return r
}

// Invite is what an invite link leads to.
type Invite struct {
	// Chat is the chat where Telegram shows it: to members, and to those who may look into it.
	Chat               telegram.Peer
	AlreadyParticipant bool
	Title, About       string
	Broadcast          bool
	Megagroup          bool
	Participants       int
	RequestNeeded      bool
	PaymentNeeded      bool
}

// Check tells what an invite link leads to (messages.checkChatInvite). A link that has expired or
// never was is an error.
func Check(ctx context.Context, env telegram.Env, link string) (Invite, error) {
	hash, err := InviteHash(link)
	if err != nil {
		return Invite{}, err
	}
	return check(ctx, env, hash)
}

func check(ctx context.Context, env telegram.Env, hash string) (Invite, error) {
	req := &tg.MessagesCheckChatInviteRequest{Hash: hash}
	var res tg.ChatInviteBox
	if err := telegram.Invoke(ctx, env, req, &res); err != nil {
		return Invite{}, err
	}
	var shown tg.ChatClass
	out := Invite{}
	switch i := res.ChatInvite.(type) {
	case *tg.ChatInviteAlready:
		shown, out.AlreadyParticipant = i.Chat, true
	case *tg.ChatInvitePeek:
		shown = i.Chat
	case *tg.ChatInvite:
		out.Title, out.About, out.Broadcast, out.Megagroup = i.Title, i.About, i.Broadcast, i.Megagroup
		out.Participants, out.RequestNeeded = i.ParticipantsCount, i.RequestNeeded
		_, out.PaymentNeeded = i.GetSubscriptionPricing()
		return out, nil
	default:
		return Invite{}, telegram.Unexpected(req, res.ChatInvite)
	}
	out.Chat, _ = telegram.PeerOfChat(shown)
	out.Title, out.Megagroup = out.Chat.Title, out.Chat.Megagroup
	switch c := shown.(type) {
	case *tg.Channel:
		out.Broadcast, out.Participants = c.Broadcast, c.ParticipantsCount
	case *tg.Chat:
		out.Participants = c.ParticipantsCount
	}
	return out, nil
}

// Accept joins by an invite link (messages.checkChatInvite, then messages.importChatInvite unless the
// account is in the chat already, or would have to pay).
func Accept(ctx context.Context, env telegram.Env, link string) (Result, error) {
	hash, err := InviteHash(link)
	if err != nil {
		return Result{}, err
	}
	invite, err := check(ctx, env, hash)
	if o, err := outcomeOf(err); err != nil || o != 0 {
		return Result{Outcome: o}, err
	}
	out := Result{Chat: invite.Chat, Title: invite.Title}
	switch {
	case invite.AlreadyParticipant:
		out.Outcome = AlreadyParticipant
		return out, nil
	case invite.PaymentNeeded:
		out.Outcome = PaymentNeeded
		return out, nil
	}
	var res tg.MessagesChatInviteJoinResultBox
	err = telegram.Invoke(ctx, env, &tg.MessagesImportChatInviteRequest{Hash: hash}, &res)
	return out.joined(res.ChatInviteJoinResult, err)
}

const inviteForms = "give t.me/+hash, t.me/joinchat/hash, tg://join?invite=hash, or the hash alone"

// InviteHash takes the hash out of an invite link: t.me/+hash, t.me/joinchat/hash,
// tg://join?invite=hash, or the hash alone. Query strings and slashes around it are dropped. A link
// with a phone number looks alike and is none.
func InviteHash(link string) (string, error) {
	hash := strings.TrimSpace(link)
	if rest, ok := cutPrefixFold(hash, "tg:"); ok {
		u, err := url.Parse("tg://" + strings.TrimLeft(rest, "/"))
		if err != nil || !strings.EqualFold(u.Host, "join") {
			return "", invalidInvite("is no invite link")
		}
		return checkHash(u.Query().Get("invite"))
	}
	for _, scheme := range []string{"https://", "http://"} {
		hash, _ = cutPrefixFold(hash, scheme)
	}
	hash, _ = cutPrefixFold(hash, "www.")
	hash, _, _ = strings.Cut(hash, "#")
	hash, _, _ = strings.Cut(hash, "?")
	hash = strings.Trim(hash, "/")
	for _, host := range []string{"t.me/", "telegram.me/", "telegram.dog/"} {
		rest, ok := cutPrefixFold(hash, host)
		if !ok {
			continue
		}
		rest = strings.Trim(rest, "/")
		joined, old := cutPrefixFold(rest, "joinchat/")
		if !old && !strings.HasPrefix(rest, "+") && !strings.HasPrefix(strings.ToUpper(rest), "%2B") {
			return "", invalidInvite("is a link of Telegram, but no invite link")
		}
		hash = joined
	}
	for _, plus := range []string{"+", "%2B", "%2b"} {
		hash = strings.TrimPrefix(hash, plus)
	}
	return checkHash(strings.Trim(hash, "/"))
}

// checkHash knows the alphabet of hashes, and tells phone numbers: all digits.
func checkHash(hash string) (string, error) {
	digits := true
	for _, r := range hash {
		digit := r >= '0' && r <= '9'
		if !digit && r != '-' && r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return "", invalidInvite("is no invite link: a hash has letters, digits, - and _")
		}
		digits = digits && digit
	}
	switch {
	case hash == "":
		return "", invalidInvite("has no hash")
	case digits:
		return "", invalidInvite("is the link of a phone number, not an invite")
	case len(hash) > maxHash:
		return "", invalidInvite("is too long to be an invite link")
	}
	return hash, nil
}

// maxHash is longer than any hash that Telegram makes, in bytes; theirs have 16 to 24.
const maxHash = 64

// invalidInvite does not repeat the link: it opens private chats.
func invalidInvite(problem string) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "FIELD_INVALID", "link: %s", problem).WithRemedy(inviteForms)
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}
