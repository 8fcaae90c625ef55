package sessionstore

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// AuthKey is the 2048-bit secret shared with one DC. It prints as its key id only.
type AuthKey [256]byte

// ID is MTProto's auth_key_id: the lower 64 bits of the key's SHA-1.
func (k AuthKey) ID() KeyID {
	sum := sha1.Sum(k[:])
	return KeyID(binary.LittleEndian.Uint64(sum[12:]))
}

// Zero reports whether the key is unset.
func (k AuthKey) Zero() bool { return k == AuthKey{} }

// redacted is how a key prints.
func (k AuthKey) redacted() string {
	if k.Zero() {
		return "auth key unset"
	}
	return "auth key " + k.ID().String() + " (redacted)"
}

// String implements fmt.Stringer without the secret.
func (k AuthKey) String() string { return k.redacted() }

// GoString implements fmt.GoStringer without the secret.
func (k AuthKey) GoString() string { return k.redacted() }

// Format implements fmt.Formatter: no verb prints the secret.
func (k AuthKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.redacted()) }

// LogValue implements slog.LogValuer without the secret.
func (k AuthKey) LogValue() slog.Value { return slog.StringValue(k.redacted()) }

// MarshalText keeps the secret out of JSON and other text encodings.
func (k AuthKey) MarshalText() ([]byte, error) { return []byte(k.redacted()), nil }

// KeyID is MTProto's auth_key_id.
type KeyID uint64

// String is the id as 16 hexadecimal digits.
func (id KeyID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// Salt is one server salt of a key.
type Salt = fleet.Salt

// DCKey is what an account shares with one DC.
type DCKey struct {
	Key AuthKey
	// Salts known for the key, oldest first; a few dozen at most.
	Salts []Salt
	// TimeOffset is server time minus ours.
	TimeOffset time.Duration
	// CreatedAt is when the key was negotiated or imported.
	CreatedAt time.Time
	// DoubtedSince is when the server first refused to bind a temporary key to it, since it last knew it; zero while it
	// is not doubted.
	DoubtedSince time.Time
}

// Wait is a time before which Telegram does not want to see a call: of a method, or of a method
// in one chat.
type Wait struct {
	// Method is its TL name.
	Method string
	// Peer is the chat, in a form of the writer's choice; empty for all.
	Peer string
	// Reason is Telegram's name for it, such as FLOOD_WAIT.
	Reason string
	Until  time.Time
}

// Restriction is a limit that Telegram has put on an account.
type Restriction struct {
	// Reason is ours, such as PEER_FLOOD.
	Reason string
	// Message is Telegram's, for a person.
	Message string
	// Until is when it is no longer worth showing; zero: until Telegram says that it is over.
	Until time.Time
}

// Record is the session of one account.
type Record struct {
	// Account is the owner of the record; sealing binds it.
	Account fleet.AccountID
	// HomeDC is the id of the DC that the account lives on, 0 before the first exchange.
	HomeDC int
	// Keys by DC id.
	Keys map[int]DCKey
	// UserID is Telegram's number, 0 before login.
	UserID int64
	// Bot says that the account is a bot.
	Bot bool
	// Unverified says that the home key came from elsewhere and that Telegram has not been asked
	// yet whose it is: UserID is 0 although somebody may be signed in.
	Unverified bool
	// UpdatesOf is the user whose update state the checkpoint and the event log hold, 0 for
	// nobody. It outlives a logout, so that the same user goes on where it stopped and another
	// one does not.
	UpdatesOf int64
	// Checkpoint is the update stream's state and log position, opaque here; at most
	// MaxCheckpoint bytes. Stores keep it apart from the rest and write it when it has changed.
	Checkpoint []byte `json:"-"`
	// FutureAuthToken lets a later login skip the code (auth.loggedOut). A secret.
	FutureAuthToken []byte `json:"-"`
	// Waits are the calls that Telegram has put off, at most MaxWaits.
	Waits []Wait
	// Restriction is what Telegram has told of it that a person should see; zero for nothing.
	Restriction Restriction
	// Leaving says that it is being signed out: Telegram has ended the login, or is not asked, and
	// what is stored of it is still to be erased. Nobody may connect with its keys any more.
	Leaving bool
	// UpdatedAt is when the record was last saved, by the writer's wall clock. Save sets it.
	UpdatedAt time.Time
}

// Authorised reports whether the record belongs to an account that is logged in, or may be.
func (r Record) Authorised() bool { return r.UserID != 0 || r.Unverified }

// String names the account and counts the rest; no secrets.
func (r Record) String() string {
	return fmt.Sprintf("session of %s: home DC %d, %d keys, authorised %t", r.Account, r.HomeDC, len(r.Keys), r.Authorised())
}

// GoString is String.
func (r Record) GoString() string { return r.String() }

// Format implements fmt.Formatter: no verb prints checkpoint or tokens.
func (r Record) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, r.String()) }

// LogValue implements slog.LogValuer without secrets.
func (r Record) LogValue() slog.Value { return slog.StringValue(r.String()) }
