// Package peers stores the peers that an account has met: id, kind, access hash, username.
// Without the access hash an account cannot address a user or channel again.
//
// # Usage
//
// NewKV keeps them in a JetStream key-value bucket, NewMemory in memory. Peers lie in pages by
// hash of their id, each at most MaxPageBytes, sealed with the account's data key. Cache is
// what an account works with: it answers from memory and writes behind. The owner calls
// Cache.Flush when Cache.Due says so and before it releases the account.
//
// A page is bound to its account and its place; put anywhere else it is ErrCorrupt. An old page that
// is put back in its own place is not found out, unlike an old session record: access hashes do not
// change, so it knows less and nothing wrong, and what is seen again is merged into it.
//
// # Concurrency
//
// Stores and Cache are safe for concurrent use and start no goroutine. Two writers of one
// account merge: a page is written by revision, and read and merged again on conflict.
//
// # Errors
//
// ErrCorrupt, ErrInvalid, ErrNoKey, and the store's own.
package peers

import (
	"context"
	"errors"

	"github.com/telefleet/orchestrator/fleet"
)

var (
	// ErrCorrupt: a stored page does not decode or its seal does not open.
	ErrCorrupt = errors.New("peers: corrupt page")
	// ErrInvalid: a peer has no kind or a username that cannot be one.
	ErrInvalid = errors.New("peers: invalid peer")
	// ErrNoKey: the account's data key no longer exists; Config.Keys returns it.
	ErrNoKey = errors.New("peers: no data key")
)

// Kind is what a peer is. Its values are stored; never renumber them.
type Kind uint8

// The kinds. Telegram numbers users, chats and channels apart, so Kind belongs to the identity.
const (
	User    Kind = 1
	Chat    Kind = 2
	Channel Kind = 3
)

// String is the kind's lower-case name.
func (k Kind) String() string {
	switch k {
	case User:
		return "user"
	case Chat:
		return "chat"
	case Channel:
		return "channel"
	}
	return "unknown"
}

// Key identifies a peer of an account.
type Key struct {
	Kind Kind
	ID   int64
}

// Peer is what must be known to address a user, chat or channel. It holds no phone number.
type Peer struct {
	ID   int64
	Kind Kind
	// AccessHash belongs to the account that saw it; 0 for chats.
	AccessHash int64
	// Username is without @, empty when there is none.
	Username string
	// Min: the access hash came with a min constructor and only works in the context it was
	// seen in. It never replaces a full one.
	Min bool
}

// Key gives the peer's identity.
func (p Peer) Key() Key { return Key{Kind: p.Kind, ID: p.ID} }

// Store keeps the peers of accounts.
type Store interface {
	// Load gives all peers of an account, in no order; none is not an error.
	Load(ctx context.Context, account fleet.AccountID) ([]Peer, error)
	// Put merges peers into what is stored (see Merge).
	Put(ctx context.Context, account fleet.AccountID, ps []Peer) error
	// Delete forgets all peers of an account.
	Delete(ctx context.Context, account fleet.AccountID) error
}

// Merge joins what is known of a peer with a newer sighting of the same peer. A min sighting
// fills gaps only: it never replaces a full access hash, and keeps the username of a full one.
// A full sighting replaces everything but a hash it does not carry.
func Merge(old, seen Peer) Peer {
	switch {
	case seen.Min && !old.Min:
		if old.AccessHash == 0 && old.Kind != Chat {
			old.AccessHash, old.Min = seen.AccessHash, seen.AccessHash != 0
		}
		if old.Username == "" {
			old.Username = seen.Username
		}
		return old
	case seen.AccessHash == 0 && old.AccessHash != 0:
		seen.AccessHash, seen.Min = old.AccessHash, old.Min
	}
	return seen
}
