package requests

import (
	"context"
	"errors"

	"github.com/telefleet/orchestrator/fleet"
)

// Store keeps values by account and request id, each with a revision that grows with every
// write. It forgets a value TTL after its last write.
type Store interface {
	// Get reads a value; ErrNotFound when there is none.
	Get(ctx context.Context, key Key) (value []byte, revision uint64, err error)
	// Create writes a value where there is none, else ErrConflict.
	Create(ctx context.Context, key Key, value []byte) (revision uint64, err error)
	// Update replaces the value of that revision; ErrConflict when there is another or none.
	Update(ctx context.Context, key Key, value []byte, revision uint64) (uint64, error)
	// Delete removes the value of that revision; ErrConflict when there is another or none.
	Delete(ctx context.Context, key Key, revision uint64) error
	// Purge removes all values of an account.
	Purge(ctx context.Context, account fleet.AccountID) error
}

// Key names one command or note of one account.
type Key struct {
	// Account is that of the command, or fleet.Fleetwide.
	Account fleet.AccountID
	// ID is a command's request id; those of notes have a form that request ids cannot have.
	ID string
}

// The decisions that the ledger takes on errors of a Store.
var (
	// ErrNotFound: there is no value.
	ErrNotFound = errors.New("requests: not found")
	// ErrConflict: the value changed meanwhile.
	ErrConflict = errors.New("requests: the value changed meanwhile")
)

// maxID is the longest request id.
const maxID = 64

// validate says what is wrong with a key.
func (k Key) validate() error {
	if err := k.Account.Validate(); err != nil && k.Account != fleet.Fleetwide {
		return err
	}
	ok := len(k.ID) >= 1 && len(k.ID) <= maxID
	for _, r := range k.ID {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			ok = false
		}
	}
	if !ok {
		return fleet.Errorf(fleet.CodeInvalidArgument, "REQUEST_ID_INVALID",
			"request_id: must be 1 to %d of A-Z, a-z, 0-9, _ and - (got %.80q)", maxID, k.ID).
			WithRemedy("draw a random id for each command, such as a UUID")
	}
	return nil
}
