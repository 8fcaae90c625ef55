// Package control is the API server: one listener that speaks gRPC, gRPC-Web and Connect's HTTP
// JSON, a generic handler driven by the descriptors of api, and a router to the account's owner.
// The methods themselves are functions in control/methods.
//
// # Usage
//
//	srv, err := control.NewServer(control.Config{Listen: "127.0.0.1:7700", Fleet: f, Accounts: a, Events: e, Log: log})
//	addr, err := srv.Start()
//	...
//	err = srv.Shutdown(ctx)
//
// # Concurrency
//
// A Server is safe for concurrent use; so must Fleet, Accounts and Events be.
//
// # Errors
//
// A *fleet.Error becomes the Connect code of its Code with an ErrorDetail; anything else becomes
// `internal` and is logged, not returned.
package control

import (
	"context"
	"iter"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Fleet gives access to the accounts that this node owns.
type Fleet interface {
	// Env is the account's environment. It fails when the account is not owned here.
	Env(ctx context.Context, account fleet.AccountID) (telegram.Env, error)
	// Local reports whether this node owns the account now.
	Local(account fleet.AccountID) bool
}

// Accounts keeps the accounts as resources. Its errors are *fleet.Error where the caller can act:
// reason ACCOUNT_UNKNOWN with CodeNotFound, ACCOUNT_EXISTS with CodeAlreadyExists.
type Accounts interface {
	// Create stores a new account of which id, labels and spec are given, and returns it as
	// stored.
	Create(ctx context.Context, account *v1.Account) (*v1.Account, error)
	// Get reads one account.
	Get(ctx context.Context, id fleet.AccountID) (*v1.Account, error)
	// List reads accounts in the order of their ids.
	List(ctx context.Context, opts ListOptions) ([]*v1.Account, error)
}

// ListOptions selects accounts.
type ListOptions struct {
	// After is the id behind which the page begins; empty = the beginning.
	After fleet.AccountID
	// Limit is how many accounts to return at most, > 0.
	Limit int
	// Match selects accounts by their labels; nil = all.
	Match func(labels map[string]string) bool
}

// Begin is the position of the oldest retained event.
const Begin = "begin"

// Events reads the event log.
type Events interface {
	// Subscribe fixes the position before it returns; the sequence then yields events in the
	// order of the log, waits for further ones, and ends when ctx is done. It is pulled: a slow
	// consumer holds no memory. An error ends the sequence.
	Subscribe(ctx context.Context, opts SubscribeOptions) (iter.Seq2[Event, error], error)
}

// SubscribeOptions selects events.
type SubscribeOptions struct {
	// Accounts that are wanted; empty = all.
	Accounts []fleet.AccountID
	// Kinds that are wanted, with a trailing * for any rest; empty = all.
	Kinds []string
	// From is the cursor of the last event handled, Begin, or empty for what happens next.
	From string
	// UntilNow ends the sequence behind the last event that was there when Subscribe returned.
	UntilNow bool
}

// Event is one event of the log.
type Event struct {
	// Cursor is the position after the event.
	Cursor  string
	Account fleet.AccountID
	// Kind and ID are those of the log's record.
	Kind string
	ID   string
	Time time.Time
	// Payload is what tlupdates.Encode wrote; for kind "account.state" it is the JSON of a
	// StateChange; empty for none.
	Payload []byte
}

// StateChange is the payload of an event of kind KindAccountState. The states are named as in
// the contract without prefix, in lower case: new, connecting, unauthorized, online, ...
type StateChange struct {
	From    string `json:"from,omitempty"`
	To      string `json:"to"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// KindAccountState is the kind of the events that report an account's state.
const KindAccountState = "account.state"

