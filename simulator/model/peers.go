package model

import (
	"cmp"
	"slices"

	"github.com/gotd/td/tg"
)

// PeerKind says what a Peer names.
type PeerKind uint8

const (
	PeerUser PeerKind = iota + 1
	PeerGroup
	PeerChannel
)

func (k PeerKind) String() string {
	switch k {
	case PeerUser:
		return "user"
	case PeerGroup:
		return "chat"
	default:
		return "channel"
	}
}

// Peer names a user, a basic group or a channel.
type Peer struct {
	Kind PeerKind
	ID   int64
}

// UserPeer names a user.
func UserPeer(id int64) Peer { return Peer{PeerUser, id} }

// GroupPeer names a basic group.
func GroupPeer(id int64) Peer { return Peer{PeerGroup, id} }

// ChannelPeer names a channel or a supergroup.
func ChannelPeer(id int64) Peer { return Peer{PeerChannel, id} }

// TL renders a peer.
func (p Peer) TL() tg.PeerClass {
	switch p.Kind {
	case PeerUser:
		return &tg.PeerUser{UserID: p.ID}
	case PeerGroup:
		return &tg.PeerChat{ChatID: p.ID}
	default:
		return &tg.PeerChannel{ChannelID: p.ID}
	}
}

// InputPeer checks an input peer: its access hash, and that the caller may know it.
func (c *Call) InputPeer(in tg.InputPeerClass) (Peer, error) {
	invalid := RPCError(400, "PEER_ID_INVALID")
	switch in := in.(type) {
	case *tg.InputPeerSelf:
		return c.User.Peer(), nil
	case *tg.InputPeerUser:
		u, err := c.userByHash(in.UserID, in.AccessHash, "PEER_ID_INVALID")
		if err != nil {
			return Peer{}, err
		}
		return u.Peer(), nil
	case *tg.InputPeerUserFromMessage:
		u, err := c.userFromMessage(in.Peer, in.MsgID, in.UserID, "PEER_ID_INVALID")
		if err != nil {
			return Peer{}, err
		}
		return u.Peer(), nil
	case *tg.InputPeerChat:
		if g := c.World.Groups[in.ChatID]; g == nil || !g.Known[c.User.ID] {
			return Peer{}, invalid
		}
		return GroupPeer(in.ChatID), nil
	case *tg.InputPeerChannel:
		ch, err := c.InputChannel(&tg.InputChannel{ChannelID: in.ChannelID, AccessHash: in.AccessHash})
		if err != nil {
			return Peer{}, err
		}
		return ChannelPeer(ch.ID), nil
	}
	return Peer{}, invalid
}

func (c *Call) userByHash(id, hash int64, name string) (*User, error) {
	u := c.World.Users[id]
	if u == nil || hash != c.World.AccessHash(c.User.ID, UserPeer(id)) {
		return nil, RPCError(400, name)
	}
	return u, nil
}

// userFromMessage finds a user whom the caller knows only by a message: its sender.
func (c *Call) userFromMessage(in tg.InputPeerClass, msgID int, id int64, name string) (*User, error) {
	if c.User.Bot {
		return nil, RPCError(400, "FROM_MESSAGE_BOT_DISABLED")
	}
	p, err := c.InputPeer(in)
	if err != nil {
		return nil, err
	}
	var by *Post
	if p.Kind == PeerChannel {
		by = c.World.Channels[p.ID].Posts[msgID]
	} else if m := c.User.Box.Messages[msgID]; m != nil && m.Dialog == p {
		by = m.Post
	}
	if u := c.World.Users[id]; u != nil && by != nil && by.Mentions(id) {
		return u, nil
	}
	return nil, RPCError(400, name)
}

func (c *Call) InputUser(in tg.InputUserClass) (*User, error) {
	switch in := in.(type) {
	case *tg.InputUserSelf:
		return c.User, nil
	case *tg.InputUser:
		return c.userByHash(in.UserID, in.AccessHash, "USER_ID_INVALID")
	case *tg.InputUserFromMessage:
		return c.userFromMessage(in.Peer, in.MsgID, in.UserID, "USER_ID_INVALID")
	}
	return nil, RPCError(400, "USER_ID_INVALID")
}

// InputChannel checks the access hash, and that a channel without a username is the
// caller's own.
func (c *Call) InputChannel(in tg.InputChannelClass) (*Channel, error) {
	switch in := in.(type) {
	case *tg.InputChannel:
		ch := c.World.Channels[in.ChannelID]
		if ch == nil || in.AccessHash != c.World.AccessHash(c.User.ID, ChannelPeer(in.ChannelID)) {
			return nil, RPCError(400, "CHANNEL_INVALID")
		}
		if ch.Members[c.User.ID] == nil && (ch.Username == "" || c.World.BanOf(ch, c.User.Peer()) != nil) {
			return nil, RPCError(406, "CHANNEL_PRIVATE")
		}
		return ch, nil
	}
	return nil, RPCError(400, "CHANNEL_INVALID")
}

// Refs gathers the users and chats that an answer names, for one viewer.
type Refs struct {
	w      *World
	viewer *User
	users  map[int64]bool // value: the min form will do
	chats  map[Peer]bool  // value: the min form will do
}

func NewRefs(w *World, viewer *User) *Refs {
	return &Refs{w: w, viewer: viewer, users: map[int64]bool{}, chats: map[Peer]bool{}}
}

func (r *Refs) User(id int64) { r.users[id] = false }

// MinUser adds a user for whom a min constructor is enough.
func (r *Refs) MinUser(id int64) {
	if _, ok := r.users[id]; !ok {
		r.users[id] = true
	}
}

func (r *Refs) Peer(p Peer) {
	switch p.Kind {
	case PeerUser:
		r.User(p.ID)
	case PeerGroup, PeerChannel:
		r.chats[p] = false
	}
}

// Post adds everybody whom a message names.
func (r *Refs) Post(p *Post, dialog Peer) {
	r.Peer(dialog)
	if p.From != 0 {
		r.User(p.From)
	}
	r.Peer(p.As)
	if p.ViaBot != 0 {
		r.User(p.ViaBot)
	}
	if p.Forward != nil {
		r.Peer(p.Forward.From)
		r.Peer(p.Forward.SavedFrom)
	}
	if p.Reply != nil && p.Reply.Elsewhere != (Peer{}) {
		r.Peer(p.Reply.Post.Author())
		if p.Reply.Elsewhere.Kind == PeerChannel {
			r.Peer(p.Reply.Elsewhere)
		}
	}
	for _, id := range p.Named {
		r.User(id)
	}
	if p.From != 0 { // else the authors are not told
		for _, by := range p.Reactions[max(0, len(p.Reactions)-shownReactors):] {
			r.Peer(by.By)
		}
	}
}

func (r *Refs) TLUsers() []tg.UserClass {
	out := make([]tg.UserClass, 0, len(r.users))
	for _, id := range SortedKeys(r.users) {
		out = append(out, r.w.ViewUser(r.viewer, id, r.users[id]))
	}
	return out
}

func (r *Refs) TLChats() []tg.ChatClass {
	peers := make([]Peer, 0, len(r.chats))
	for p := range r.chats {
		peers = append(peers, p)
	}
	slices.SortFunc(peers, func(a, b Peer) int { return cmp.Compare(a.ID, b.ID) })
	out := make([]tg.ChatClass, 0, len(peers))
	for _, p := range peers {
		if p.Kind == PeerGroup {
			out = append(out, r.w.ViewGroup(r.viewer, r.w.Groups[p.ID]))
		} else {
			out = append(out, r.w.ViewChannel(r.viewer, r.w.Channels[p.ID], r.chats[p]))
		}
	}
	return out
}

func SortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
