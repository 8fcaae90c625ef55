package client

import (
	"context"
	"fmt"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
)

// Messages about sessions under short names.
type (
	// SessionInfo describes a session without its secrets.
	SessionInfo = v1.SessionInfo
	// SessionNote says what a format does not carry.
	SessionNote = v1.SessionNote
)

// The formats of sessions. Auto finds out which one a session is in.
const (
	Auto        = "auto"
	Own         = "own"
	Telethon    = "telethon"
	Pyrogram    = "pyrogram"
	PyrogramOld = "pyrogram-old"
	GramJS      = "gramjs"
	Mtcute      = "mtcute"
	Gotd        = "gotd"
	TData       = "tdata"
)

// Session is a session of some client: a string, or the zip of a tdata folder. It is a secret.
type Session struct {
	// Data of the session; empty for a fresh one.
	Data []byte
	// Format of Data; empty is Auto.
	Format string
	// Passcode is the local passcode of a tdata folder, empty for none.
	Passcode string
	// Number picks one account of a tdata folder, from 1; 0 is the only one.
	Number int
}

// String names format and size, without the secret.
func (s Session) String() string {
	return fmt.Sprintf("%s session of %d bytes (redacted)", s.Format, len(s.Data))
}

// GoString is String.
func (s Session) GoString() string { return s.String() }

// InspectSession says what is in a session, and which account has it already; nothing is stored
// and Telegram is not asked. A tdata folder may hold several. Reasons: SESSION_INVALID,
// SESSION_FORMAT_UNKNOWN, TDATA_PASSCODE_WRONG.
func (c *Client) InspectSession(ctx context.Context, s Session) ([]*SessionInfo, error) {
	reply, err := call(ctx, c, repeatable, on(sessionService.InspectSession), &v1.InspectSessionRequest{Session: s.Data, Format: s.Format, Passcode: s.Passcode})
	return reply.GetSessions(), err
}

// ImportSession makes a session the account's own; the account connects with it, unless it is
// paused. The same session once more is no error. Reasons: those of InspectSession,
// SESSION_EXISTS when the account is signed in by another session, AUTH_KEY_IN_USE when another
// account has this one, SESSION_NETWORK.
func (a *Account) ImportSession(ctx context.Context, s Session) (*SessionInfo, error) {
	reply, err := call(ctx, a.client, repeatable, on(sessionService.ImportSession), &v1.ImportSessionRequest{Account: a.id, Session: s.Data, Format: s.Format, Passcode: s.Passcode, Number: int32(s.Number)})
	return reply.GetSession(), err
}

// ExportOptions says how a session is exported.
type ExportOptions struct {
	// Format; empty is Own, which alone carries peers and update state.
	Format string
	// WhileOnline exports the session of an account that is not paused. Never let two clients
	// connect with one session: Telegram ends it for both (406 AUTH_KEY_DUPLICATED).
	WhileOnline bool
	// Passcode that a tdata folder is to get, empty for none.
	Passcode string
}

// ExportSession gives the account's session out, with notes on what its format does not carry.
// Reasons: ACCOUNT_ONLINE, SESSION_NOT_EXPORTABLE, SESSION_FORMAT_UNKNOWN.
func (a *Account) ExportSession(ctx context.Context, o ExportOptions) (Session, []*SessionNote, error) {
	reply, err := call(ctx, a.client, repeatable, on(sessionService.ExportSession), &v1.ExportSessionRequest{Account: a.id, Format: o.Format, WhileOnline: o.WhileOnline, Passcode: o.Passcode})
	return Session{Data: reply.GetSession(), Format: reply.GetFormat(), Passcode: o.Passcode}, reply.GetNotes(), err
}

// SaveSession stores the account's session and peers at once; they save themselves within half a
// minute otherwise.
func (a *Account) SaveSession(ctx context.Context) error {
	_, err := call(ctx, a.client, repeatable, on(sessionService.SaveSession), &v1.SaveSessionRequest{Account: a.id})
	return err
}

// RotateMasterKey lets the node that this client reaches read its master keys again, and makes the
// new one current once every live node has it: WaitingFor names those that do not. Use a client of
// one node for each of them, one after the other. Reasons: MASTER_KEY_WRONG, CONFLICT.
func (c *Client) RotateMasterKey(ctx context.Context) (*v1.RotateMasterKeyReply, error) {
	return call(ctx, c, repeatable, on(securityService.RotateMasterKey), &v1.RotateMasterKeyRequest{})
}
