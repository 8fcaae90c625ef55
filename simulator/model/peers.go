package model

import (
	"cmp"
	"slices"

	"github.com/gotd/td/tg"
)

type peerKind uint8

const (
	kindUser peerKind = iota + 1
	kindGroup
	kindChannel
)

func (k peerKind) String() string {
	switch k {
	case kindUser:
		return "user"
	case kindGroup:
		return "chat"
	default:
		return "channel"
	}
}

// peer names a user, a basic group or a channel.
type peer struct {
	kind peerKind
	id   int64
}

func (p peer) tl() tg.PeerClass {
	switch p.kind {
	case kindUser:
		return &tg.PeerUser{UserID: p.id}
	case kindGroup:
		return &tg.PeerChat{ChatID: p.id}
	default:
		return &tg.PeerChannel{ChannelID: p.id}
	}
}

// peer checks an input peer: its access hash, and that the caller may know it.
func (c *call) peer(in tg.InputPeerClass) (peer, error) {
	invalid := rpcError(400, "PEER_ID_INVALID")
	switch in := in.(type) {
	case *tg.InputPeerSelf:
		return c.user.peer(), nil
	case *tg.InputPeerUser:
		u, err := c.userByHash(in.UserID, in.AccessHash, "PEER_ID_INVALID")
		if err != nil {
			return peer{}, err
		}
		return u.peer(), nil
	case *tg.InputPeerUserFromMessage:
		u, err := c.userFromMessage(in.Peer, in.MsgID, in.UserID, "PEER_ID_INVALID")
		if err != nil {
			return peer{}, err
		}
		return u.peer(), nil
	case *tg.InputPeerChat:
		if g := c.w.groups[in.ChatID]; g == nil || !g.known[c.user.id] {
			return peer{}, invalid
		}
		return peer{kindGroup, in.ChatID}, nil
	case *tg.InputPeerChannel:
		ch, err := c.inputChannel(&tg.InputChannel{ChannelID: in.ChannelID, AccessHash: in.AccessHash})
		if err != nil {
			return peer{}, err
		}
		return peer{kindChannel, ch.id}, nil
	}
	return peer{}, invalid
}

func (c *call) userByHash(id, hash int64, name string) (*user, error) {
	u := c.w.users[id]
	if u == nil || hash != c.w.accessHash(c.user.id, peer{kindUser, id}) {
		return nil, rpcError(400, name)
	}
	return u, nil
}

// userFromMessage finds a user whom the caller knows only by a message: its sender.
func (c *call) userFromMessage(in tg.InputPeerClass, msgID int, id int64, name string) (*user, error) {
	if c.user.bot {
		return nil, rpcError(400, "FROM_MESSAGE_BOT_DISABLED")
	}
	p, err := c.peer(in)
	if err != nil {
		return nil, err
	}
	var by *post
	if p.kind == kindChannel {
		by = c.w.channels[p.id].posts[msgID]
	} else if m := c.user.box.messages[msgID]; m != nil && m.dialog == p {
		by = m.post
	}
	if u := c.w.users[id]; u != nil && by != nil && by.mentions(id) {
		return u, nil
	}
	return nil, rpcError(400, name)
}

func (c *call) inputUser(in tg.InputUserClass) (*user, error) {
	switch in := in.(type) {
	case *tg.InputUserSelf:
		return c.user, nil
	case *tg.InputUser:
		return c.userByHash(in.UserID, in.AccessHash, "USER_ID_INVALID")
	case *tg.InputUserFromMessage:
		return c.userFromMessage(in.Peer, in.MsgID, in.UserID, "USER_ID_INVALID")
	}
	return nil, rpcError(400, "USER_ID_INVALID")
}

// inputChannel checks the access hash, and that a channel without a username is the
// caller's own.
func (c *call) inputChannel(in tg.InputChannelClass) (*channel, error) {
	switch in := in.(type) {
	case *tg.InputChannel:
		ch := c.w.channels[in.ChannelID]
		if ch == nil || in.AccessHash != c.w.accessHash(c.user.id, peer{kindChannel, in.ChannelID}) {
			return nil, rpcError(400, "CHANNEL_INVALID")
		}
		if ch.username == "" && ch.members[c.user.id] == nil {
			return nil, rpcError(406, "CHANNEL_PRIVATE")
		}
		return ch, nil
	}
	return nil, rpcError(400, "CHANNEL_INVALID")
}

// refs gathers the users and chats that an answer names, for one viewer.
type refs struct {
	w      *World
	viewer *user
	users  map[int64]bool // value: the min form will do
	chats  map[peer]bool  // value: the min form will do
}

func newRefs(w *World, viewer *user) *refs {
	return &refs{w: w, viewer: viewer, users: map[int64]bool{}, chats: map[peer]bool{}}
}

func (r *refs) user(id int64) { r.users[id] = false }

// minUser adds a user for whom a min constructor is enough.
func (r *refs) minUser(id int64) {
	if _, ok := r.users[id]; !ok {
		r.users[id] = true
	}
}

func (r *refs) peer(p peer) {
	switch p.kind {
	case kindUser:
		r.user(p.id)
	case kindGroup, kindChannel:
		r.chats[p] = false
	}
}

// post adds everybody whom a message names.
func (r *refs) post(p *post, dialog peer) {
	r.peer(dialog)
	if p.from != 0 {
		r.user(p.from)
	}
	for _, id := range p.named {
		r.user(id)
	}
}

func (r *refs) tlUsers() []tg.UserClass {
	out := make([]tg.UserClass, 0, len(r.users))
	for _, id := range sortedKeys(r.users) {
		out = append(out, r.w.viewUser(r.viewer, id, r.users[id]))
	}
	return out
}

func (r *refs) tlChats() []tg.ChatClass {
	peers := make([]peer, 0, len(r.chats))
	for p := range r.chats {
		peers = append(peers, p)
	}
	slices.SortFunc(peers, func(a, b peer) int { return cmp.Compare(a.id, b.id) })
	out := make([]tg.ChatClass, 0, len(peers))
	for _, p := range peers {
		if p.kind == kindGroup {
			out = append(out, r.w.viewGroup(r.viewer, r.w.groups[p.id]))
		} else {
			out = append(out, r.w.viewChannel(r.viewer, r.w.channels[p.id], r.chats[p]))
		}
	}
	return out
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
