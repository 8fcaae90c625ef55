package telegram

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
)

const peerForms = "give me, @name, +phone, a numeric id in Bot API form, t.me/name or tg://resolve?domain=name"

// ResolvePeer finds the peer that a text names: `me` or `self`, `@name` or bare `name`, `+phone`
// (contacts.resolvePhone), a numeric id in Bot API form, `t.me/name`, `tg://resolve?domain=`.
// Names come from the peer cache when it knows them, else from contacts.resolveUsername.
func ResolvePeer(ctx context.Context, env Env, text string) (Peer, error) {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "":
		return Peer{}, invalidPeer(text, "is empty")
	case "me", "self":
		p, _ := env.Peers().Get(PeerUser, 0)
		p.Kind, p.Self = PeerUser, true
		return p, nil
	}
	if rest, ok := linkTarget(text); ok {
		return resolveLink(ctx, env, text, rest)
	}
	if phone, ok := strings.CutPrefix(text, "+"); ok {
		return resolvePhone(ctx, env, phone)
	}
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return knownPeer(env, id)
	}
	return ResolveUsername(ctx, env, text)
}

// ResolveUsername finds the owner of a user name, with or without @ (contacts.resolveUsername). Where
// the account's peers are a NameKeeper, the answer is remembered, also that there is none: later the
// former owner is asked whether it still has the name (users.getUsers, channels.getChannels), which
// Telegram limits far less than to look a name up.
func ResolveUsername(ctx context.Context, env Env, name string) (Peer, error) {
	name = strings.TrimPrefix(name, "@")
	if !validUsername(name) {
		return Peer{}, invalidPeer(name, "is no user name: 4 to 32 of a-z, 0-9 and _, beginning with a letter")
	}
	if p, ok := env.Peers().ByUsername(name); ok && p.Usable() {
		return p, nil
	}
	names, keeps := env.Peers().(NameKeeper)
	req := &tg.ContactsResolveUsernameRequest{Username: name}
	if keeps && names.Vacant(name) {
		return Peer{}, TypedError(req.TypeName(), tgerr.New(400, "USERNAME_NOT_OCCUPIED"))
	}
	if keeps {
		p, ok, err := stillNamed(ctx, env, names, name)
		if ok || err != nil {
			return p, err
		}
	}
	var res tg.ContactsResolvedPeer
	err := Invoke(ctx, env, req, &res)
	if keeps && IsRPC(err, "USERNAME_NOT_OCCUPIED") {
		names.Learn(name, Peer{})
	}
	if err != nil {
		return Peer{}, err
	}
	p, err := resolved(&res, "@"+name)
	if keeps && err == nil {
		names.Learn(name, p)
	}
	return p, err
}

// stillNamed asks whether who had a name when it was looked up still has it. It does not where Telegram
// refuses to say.
func stillNamed(ctx context.Context, env Env, names NameKeeper, name string) (Peer, bool, error) {
	p, ok := names.Recall(name)
	if !ok || !p.Usable() {
		return Peer{}, false, nil
	}
	var answer any
	var err error
	switch {
	case p.Kind == PeerChannel:
		res := &tg.MessagesChatsBox{}
		input := &tg.InputChannel{ChannelID: p.ID, AccessHash: p.AccessHash}
		err, answer = Invoke(ctx, env, &tg.ChannelsGetChannelsRequest{ID: []tg.InputChannelClass{input}}, res), res
	case p.Kind == PeerUser:
		res := &tg.UserClassVector{}
		var input tg.InputUserClass = &tg.InputUser{UserID: p.ID, AccessHash: p.AccessHash}
		if p.Self {
			input = &tg.InputUserSelf{}
		}
		err, answer = Invoke(ctx, env, &tg.UsersGetUsersRequest{ID: []tg.InputUserClass{input}}, res), res
	default:
		return Peer{}, false, nil
	}
	if refusedForGood(err) {
		return Peer{}, false, nil
	}
	if err != nil {
		return Peer{}, false, err
	}
	for _, now := range CollectPeers(answer) {
		if now.Kind == p.Kind && now.ID == p.ID && now.Named(name) && now.Usable() {
			names.Learn(name, now)
			return now, true, nil
		}
	}
	return Peer{}, false, nil
}

func resolvePhone(ctx context.Context, env Env, phone string) (Peer, error) {
	digits, err := phoneDigits(phone)
	if err != nil {
		return Peer{}, err
	}
	var res tg.ContactsResolvedPeer
	if err := Invoke(ctx, env, &tg.ContactsResolvePhoneRequest{Phone: digits}, &res); err != nil {
		return Peer{}, err
	}
	return resolved(&res, "of this phone number")
}

// resolved picks the named peer out of the users and chats of an answer.
func resolved(res *tg.ContactsResolvedPeer, name string) (Peer, error) {
	kind, id, ok := PeerRef(res.Peer)
	if ok {
		for _, p := range CollectPeers(res) {
			if p.Kind == kind && p.ID == id {
				return p, nil
			}
		}
	}
	return Peer{}, unknownPeer(kind, name)
}

func knownPeer(env Env, id int64) (Peer, error) {
	if id == 0 {
		return Peer{}, invalidPeer("0", "is no id")
	}
	kind, bare := FromBotAPIID(id)
	if p, ok := env.Peers().Get(kind, bare); ok && p.Usable() {
		return p, nil
	}
	if kind == PeerChat {
		return Peer{Kind: PeerChat, ID: bare}, nil
	}
	return Peer{}, unknownPeer(kind, strconv.FormatInt(id, 10))
}

// linkTarget gives what follows the host of a t.me link, or the query of a tg:// link with its
// action in front.
func linkTarget(text string) (string, bool) {
	if rest, ok := strings.CutPrefix(text, "tg://"); ok {
		return "tg:" + rest, true
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(text, "https://"), "http://")
	rest = strings.TrimPrefix(rest, "www.")
	for _, host := range []string{"t.me/", "telegram.me/", "telegram.dog/"} {
		if target, ok := strings.CutPrefix(rest, host); ok {
			return strings.TrimPrefix(target, "s/"), true
		}
	}
	return "", false
}

func resolveLink(ctx context.Context, env Env, text, target string) (Peer, error) {
	if action, ok := strings.CutPrefix(target, "tg:"); ok {
		return resolveTGLink(ctx, env, text, action)
	}
	target, _, _ = strings.Cut(target, "?")
	parts := strings.Split(strings.Trim(target, "/"), "/")
	switch first := parts[0]; {
	case first == "joinchat":
		return Peer{}, inviteLink()
	case strings.HasPrefix(first, "+"):
		if _, err := strconv.ParseInt(first[1:], 10, 64); err != nil {
			return Peer{}, inviteLink()
		}
		return resolvePhone(ctx, env, first[1:])
	case first == "c" && len(parts) > 1:
		id, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil || id <= 0 {
			return Peer{}, invalidPeer(text, "names no channel")
		}
		return knownPeer(env, channelIDBase-id)
	default:
		return ResolveUsername(ctx, env, first)
	}
}

func resolveTGLink(ctx context.Context, env Env, text, action string) (Peer, error) {
	name, query, _ := strings.Cut(action, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return Peer{}, invalidPeer(text, "is no link")
	}
	switch strings.Trim(name, "/") {
	case "resolve":
		if domain := values.Get("domain"); domain != "" {
			return ResolveUsername(ctx, env, domain)
		}
		if phone := values.Get("phone"); phone != "" {
			return resolvePhone(ctx, env, phone)
		}
	case "user":
		if id, err := strconv.ParseInt(values.Get("id"), 10, 64); err == nil && id > 0 {
			return knownPeer(env, id)
		}
	case "join":
		return Peer{}, inviteLink()
	}
	return Peer{}, invalidPeer(text, "names no peer")
}

func validUsername(name string) bool {
	if len(name) < 4 || len(name) > 32 {
		return false
	}
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '_' && (r < '0' || r > '9')) {
			return false
		}
	}
	return true
}

func invalidPeer(text, problem string) *fleet.Error {
	if strings.HasPrefix(text, "+") {
		text = "+..." // phone numbers stay out of errors
	}
	return fleet.Errorf(fleet.CodeInvalidArgument, "PEER_INVALID", "peer: %s (got %q)", problem, text).WithRemedy(peerForms)
}

func inviteLink() *fleet.Error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "PEER_INVALID", "peer: is an invite link, not a peer").
		WithRemedy("join the chat by the link first, then name it by its id")
}
