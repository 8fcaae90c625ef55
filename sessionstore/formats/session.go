package formats

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strconv"
	"time"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

// Session is what strings and files carry; each format carries a part of it.
type Session struct {
	// HomeDC is the DC the account lives on, 0 in a fresh session.
	HomeDC int
	// Keys by DC id; an importer finds at least the home key.
	Keys map[int]sessionstore.DCKey
	// UserID is Telegram's number of the account, 0 when the format does not carry it.
	UserID int64
	// Bot says that the account is a bot; false when the format does not carry it.
	Bot bool
	// Test says that the session belongs to Telegram's test DCs.
	Test bool
	// Addr is host:port of the home DC as the session has it, empty when it has none. It is a
	// hint: help.getConfig knows better.
	Addr string
	// APIID is the application that the session was made for, 0 when unknown.
	APIID int32
	// Checkpoint is sessionstore.Record's; only our own format carries it.
	Checkpoint []byte `json:"-"`
	// FutureAuthToken is sessionstore.Record's; only our own format carries it.
	FutureAuthToken []byte `json:"-"`
	// Peers that the account knows; only our own format carries them.
	Peers []Peer `json:"-"`
}

// Kind is the kind of a peer.
type Kind uint8

// The kinds, numbered like those of sessionstore/peers.
const (
	User    Kind = 1
	Chat    Kind = 2
	Channel Kind = 3
)

// Peer is what must be known to address a user, chat or channel.
type Peer struct {
	ID         int64
	Kind       Kind
	AccessHash int64 // 0 for chats
	Username   string
	Min        bool // the access hash is of a min constructor
}

// String names the peer without its access hash.
func (p Peer) String() string { return fmt.Sprintf("peer %d of kind %d", p.ID, p.Kind) }

// Format implements fmt.Formatter: no verb prints the access hash.
func (p Peer) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, p.String()) }

// Note says that a format does not carry a field, and what follows from that.
type Note struct {
	Field string
	Text  string
}

// String is the note on one line.
func (n Note) String() string { return n.Field + ": " + n.Text }

// Imported is one session as it was read.
type Imported struct {
	Session
	// From is the format that it was in; the result of Detect for Auto.
	From Format
	// Notes on what the format did not carry.
	Notes []Note
}

// Exported is one session as it was written.
type Exported struct {
	To Format
	// Data is the secret: text without a line end, or a zip for TData.
	Data []byte `json:"-"`
	// Notes on what the format cannot carry.
	Notes []Note
}

// Fresh reports whether there is no session in it: the account has yet to log in.
func (s Session) Fresh() bool { return s.HomeDC == 0 && len(s.Keys) == 0 }

// HomeKey is the auth key of the home DC, zero in a fresh session.
func (s Session) HomeKey() sessionstore.AuthKey { return s.Keys[s.HomeDC].Key }

// FromRecord gives the session of a stored record. Peers and address are added by the caller,
// who may also drop the checkpoint: its place in the event log means nothing to another fleet.
func FromRecord(rec *sessionstore.Record) Session {
	return Session{
		HomeDC: rec.HomeDC, Keys: maps.Clone(rec.Keys), UserID: rec.UserID, Bot: rec.Bot,
		Checkpoint: rec.Checkpoint, FutureAuthToken: rec.FutureAuthToken,
	}
}

// Record gives the session as a record to be stored. Keys whose time of birth is unknown count
// as created now. With UserID 0 the record is not authorised yet although its key may be:
// users.getUsers(self) on the first connection tells.
func (s Session) Record(account fleet.AccountID, now time.Time) *sessionstore.Record {
	keys := maps.Clone(s.Keys)
	for dc, k := range keys {
		if k.CreatedAt.IsZero() {
			k.CreatedAt = now
			keys[dc] = k
		}
	}
	return &sessionstore.Record{
		Account: account, HomeDC: s.HomeDC, Keys: keys, UserID: s.UserID, Bot: s.Bot,
		Checkpoint: s.Checkpoint, FutureAuthToken: s.FutureAuthToken,
	}
}

// String counts what is there, without secrets.
func (s Session) String() string {
	return fmt.Sprintf("session: home DC %d, %d keys, user known %t, test %t, %d peers",
		s.HomeDC, len(s.Keys), s.UserID != 0, s.Test, len(s.Peers))
}

// GoString is String.
func (s Session) GoString() string { return s.String() }

// Format implements fmt.Formatter: no verb prints a secret.
func (s Session) Format(st fmt.State, _ rune) { _, _ = io.WriteString(st, s.String()) }

// LogValue implements slog.LogValuer without secrets.
func (s Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

// String is the session's and the format.
func (im Imported) String() string { return string(im.From) + " " + im.Session.String() }

// GoString is String.
func (im Imported) GoString() string { return im.String() }

// Format implements fmt.Formatter: no verb prints a secret.
func (im Imported) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, im.String()) }

// LogValue implements slog.LogValuer without secrets.
func (im Imported) LogValue() slog.Value { return slog.StringValue(im.String()) }

// String names format and size, without the secret.
func (e Exported) String() string {
	return fmt.Sprintf("%s session of %d bytes (redacted), %d notes", e.To, len(e.Data), len(e.Notes))
}

// GoString is String.
func (e Exported) GoString() string { return e.String() }

// Format implements fmt.Formatter: no verb prints the secret.
func (e Exported) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, e.String()) }

// LogValue implements slog.LogValuer without the secret.
func (e Exported) LogValue() slog.Value { return slog.StringValue(e.String()) }

// oneKey is the map of a session that carries its home key only.
func oneKey(dc int, key []byte) map[int]sessionstore.DCKey {
	return map[int]sessionstore.DCKey{dc: {Key: sessionstore.AuthKey(key)}}
}

// check refuses what no format may say. Our own may be without any key.
func (s Session) check(f Format) error {
	if f == Own && s.Fresh() && s.UserID == 0 {
		return nil
	}
	if s.HomeDC < 1 || s.HomeDC > maxDC {
		return invalid(f, "dc", "1 to %d (got %d)", maxDC, s.HomeDC)
	}
	if s.UserID < 0 || s.UserID > maxUserID {
		return invalid(f, "user id", "0 to %d (got %d)", int64(maxUserID), s.UserID)
	}
	for dc, k := range s.Keys {
		if k.Key.Zero() {
			return invalid(f, "auth key", "the key of DC %d is all zeros", dc).
				WithRemedy("log in with the other client first, then export again")
		}
	}
	if _, ok := s.Keys[s.HomeDC]; !ok {
		return invalid(f, "auth key", "there is none for the home DC %d", s.HomeDC)
	}
	return nil
}

// exportable refuses what no client could use.
func (s Session) exportable(f Format) error {
	if s.Fresh() || s.HomeKey().Zero() {
		return notExportable(f, "auth key", "there is none for the home DC: nobody is signed in", "sign the account in first: `orchestrator login`")
	}
	if err := s.check(f); err != nil {
		return notExportable(f, "session", "it is damaged: "+err.Error(), "log the account in again")
	}
	return nil
}

// leftBehind says what a foreign format drops of the session.
func (s Session) leftBehind(f Format) []Note {
	var notes []Note
	if n := len(s.Keys); n > 1 && f != TData {
		notes = append(notes, Note{"keys", "only the home DC's key is written; the other client makes new ones for " + strconv.Itoa(n-1) + " more DCs"})
	}
	if len(s.Peers) > 0 {
		notes = append(notes, Note{"peers", "access hashes are not written: the other client has to meet its peers again"})
	}
	if len(s.Checkpoint) > 0 {
		notes = append(notes, Note{"updates", "the update state is not written: the other client starts from the server's"})
	}
	return notes
}
