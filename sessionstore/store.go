package sessionstore

import (
	"context"
	"crypto/cipher"

	"github.com/telefleet/orchestrator/fleet"
)

// Sizes in bytes. One write is one transaction of the store and holds both at most.
const (
	// MaxSealed is the largest sealed record without its checkpoint.
	MaxSealed = 16 << 10
	// MaxCheckpoint is the largest checkpoint: some 50,000 channels.
	MaxCheckpoint = 512 << 10
)

// Store keeps records. Every write is one transaction that compares the fence.
type Store interface {
	// Load reads a record. ErrNotFound when there is none, ErrCorrupt when what is there
	// cannot be trusted.
	Load(ctx context.Context, id fleet.AccountID) (*Record, error)
	// Save writes the whole record. ErrFenced when fence is not the account's current one,
	// ErrKeyInUse when another account has one of its auth keys, ErrKeyReplaced when it
	// would change home DC or home key of an authorised record, ErrTooLarge.
	Save(ctx context.Context, fence fleet.Fence, rec *Record) error
	// ReplaceKey is Save for those who mean to change the home key of an authorised record:
	// a new login or an import that the operator asked for. Never called because of a -404.
	ReplaceKey(ctx context.Context, fence fleet.Fence, rec *Record) error
	// Renew is ReplaceKey under a new data key, which takes the place of the account's former one
	// in the same transaction: whatever was sealed under that is unreadable from then on.
	Renew(ctx context.Context, fence fleet.Fence, rec *Record) error
	// Delete removes the record and frees its auth keys. Deleting nothing is no error.
	Delete(ctx context.Context, fence fleet.Fence, id fleet.AccountID) error
}

// Holders tells whose auth keys are; every Store does.
type Holders interface {
	// Holder names the account that has an auth key, empty for none.
	Holder(ctx context.Context, key KeyID) (fleet.AccountID, error)
}

// Keyring gives each account its data key, with which sessions and events are sealed.
type Keyring interface {
	// DataKey returns XChaCha20-Poly1305 under the account's data key, creating the key at
	// first use. The caller draws a random nonce for each message and binds its own context
	// as associated data.
	DataKey(ctx context.Context, id fleet.AccountID) (cipher.AEAD, error)
	// Shred destroys the account's data key: whatever was sealed under it is unreadable
	// from then on. Shredding nothing is no error.
	Shred(ctx context.Context, id fleet.AccountID) error
}

// The decisions a caller takes with errors.Is. Returned errors have the same reason and
// name the account.
var (
	// ErrNotFound: the account has no session.
	ErrNotFound = &fleet.Error{Code: fleet.CodeNotFound, Reason: "SESSION_NOT_FOUND", Message: "no session is stored"}
	// ErrCorrupt: the stored bytes are not what this fleet sealed for this account.
	ErrCorrupt = &fleet.Error{Code: fleet.CodeDataLoss, Reason: "SESSION_CORRUPT", Message: "the stored session is damaged"}
	// ErrFenced: the writer no longer owns the account.
	ErrFenced = &fleet.Error{Code: fleet.CodeAborted, Reason: "FENCED", Message: "ownership was lost"}
	// ErrKeyInUse: another account has the same auth key.
	ErrKeyInUse = &fleet.Error{Code: fleet.CodeAlreadyExists, Reason: "AUTH_KEY_IN_USE", Message: "another account has this auth key"}
	// ErrKeyReplaced: the write would replace the key of an authorised account.
	ErrKeyReplaced = &fleet.Error{Code: fleet.CodeFailedPrecondition, Reason: "AUTH_KEY_REPLACED", Message: "the auth key of an authorised account is kept"}
	// ErrTooLarge: the record exceeds MaxSealed or its checkpoint MaxCheckpoint.
	ErrTooLarge = &fleet.Error{Code: fleet.CodeResourceExhausted, Reason: "SESSION_TOO_LARGE", Message: "the session record is too large"}
	// ErrMasterKey: the data key was wrapped under another master key.
	ErrMasterKey = &fleet.Error{Code: fleet.CodeFailedPrecondition, Reason: "MASTER_KEY_WRONG", Message: "the master key does not fit"}
)
