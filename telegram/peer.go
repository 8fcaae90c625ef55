package telegram

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/fleet"
)

// PeerKind is the kind of a peer.
type PeerKind uint8

// The kinds of peers.
const (
	PeerUser PeerKind = iota + 1
	PeerChat
	PeerChannel
)

// String names the kind.
func (k PeerKind) String() string {
	switch k {
	case PeerUser:
		return "user"
	case PeerChat:
		return "chat"
	case PeerChannel:
		return "channel"
	}
	return "peer"
}

// Peer is a user, basic group, channel or supergroup as an account knows it.
type Peer struct {
	Kind PeerKind
	// ID is Telegram's bare id, always positive; 0 with Self.
	ID int64
	// AccessHash belongs to the account and must be known for users and channels, unless Self.
	AccessHash int64
	// Username is the main user name without @, or empty; Usernames are all, where it has several and
	// Telegram told them.
	Username  string
	Usernames []string
	// Title is a user's full name or a chat's title.
	Title string
	// Phone is a user's phone number without +, or empty.
	Phone string
	// Self marks the account's own user.
	Self bool
	// Bot marks users that are bots.
	Bot bool
	// Megagroup marks channels that are supergroups.
	Megagroup bool
	// Min marks what Telegram sent in reduced form: its access hash cannot be used.
	Min bool
	// Renamed marks what updateUserName told: of the user nothing but ID and Username is known.
	Renamed bool
	// Changed marks what updateChannel told: of the channel nothing but ID is known, and its user name
	// may be another one.
	Changed bool
	// Restricted says that Telegram restricts the account's own user, and Restriction why; of others
	// it is not told here.
	Restricted  bool
	Restriction string
}

// Named reports whether the peer has a user name, in any case.
func (p Peer) Named(name string) bool {
	return p.Username != "" && strings.EqualFold(p.Username, name) ||
		slices.ContainsFunc(p.Usernames, func(other string) bool { return strings.EqualFold(other, name) })
}

// Bot API ids of channels are this minus the channel's id.
const channelIDBase = -1_000_000_000_000

// BotAPIID is the id in Bot API form: users positive, basic groups -id, channels
// -1000000000000-id.
func (p Peer) BotAPIID() int64 {
	switch p.Kind {
	case PeerChat:
		return -p.ID
	case PeerChannel:
		return channelIDBase - p.ID
	}
	return p.ID
}

// FromBotAPIID splits an id in Bot API form.
func FromBotAPIID(id int64) (PeerKind, int64) {
	switch {
	case id > 0:
		return PeerUser, id
	case id > channelIDBase:
		return PeerChat, -id
	}
	return PeerChannel, channelIDBase - id
}

// Usable reports whether calls can name the peer.
func (p Peer) Usable() bool {
	return p.Self || p.Kind == PeerChat || (!p.Min && p.AccessHash != 0)
}

// Input is the peer as an argument of calls, or a PEER_UNKNOWN error when the account does not
// know its access hash.
func (p Peer) Input() (tg.InputPeerClass, error) {
	switch {
	case p.Self:
		return &tg.InputPeerSelf{}, nil
	case p.Kind == PeerChat:
		return &tg.InputPeerChat{ChatID: p.ID}, nil
	case !p.Usable():
		return nil, unknownPeer(p.Kind, strconv.FormatInt(p.BotAPIID(), 10))
	case p.Kind == PeerUser:
		return &tg.InputPeerUser{UserID: p.ID, AccessHash: p.AccessHash}, nil
	}
	return &tg.InputPeerChannel{ChannelID: p.ID, AccessHash: p.AccessHash}, nil
}

func unknownPeer(kind PeerKind, name string) *fleet.Error {
	return fleet.Errorf(fleet.CodeNotFound, "PEER_UNKNOWN",
		"peer: the account has not met %s %s and knows no access hash", kind, name).
		WithRemedy("name it by @username or +phone, or let the account read its dialogs or a chat with it first")
}

// Peers is an account's memory of peers. It is safe for concurrent use.
type Peers interface {
	// Get finds a peer by kind and bare id.
	Get(kind PeerKind, id int64) (Peer, bool)
	// ByUsername finds a peer by user name, without @, in any case.
	ByUsername(name string) (Peer, bool)
	// Put learns peers. What is known in full is never overwritten by a min one.
	Put(peers ...Peer)
}

// NameKeeper is a Peers that remembers which names were looked up. ByUsername finds a peer only by a name
// that was learnt a moment ago and has not changed hands since, as far as anybody told.
type NameKeeper interface {
	// Learn remembers who has a name, without @; the zero Peer for nobody.
	Learn(name string, owner Peer)
	// Recall finds who had a name when it was learnt, however long ago: it may have another owner now.
	Recall(name string) (Peer, bool)
	// Vacant reports whether nobody had the name a moment ago.
	Vacant(name string) bool
}
