package methods

import (
	"context"
	"iter"
	"time"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/telegram"
)

// Host is what the methods find on the node that serves a call.
type Host struct {
	// Env is an account's environment, once this node owns it; see control's router.
	Env func(ctx context.Context, account fleet.AccountID) (telegram.Env, error)
	// Peers are the peers of an account, nil when this node does not run it.
	Peers    func(ctx context.Context, account fleet.AccountID) telegram.Peers
	Accounts Accounts
	// Watcher and Nodes are nil on a server that does not offer them.
	Watcher AccountWatcher
	Nodes   Nodes
	Events  Events
	// Security is nil on a server that seals nothing.
	Security Security
	// KeyHolder names the account that has an auth key, empty for none; nil on a server that keeps
	// no sessions.
	KeyHolder func(ctx context.Context, key sessionstore.KeyID) (fleet.AccountID, error)
	// Proxies and ProxyTester are nil on a server that keeps no proxies.
	Proxies     Proxies
	ProxyTester ProxyTester
	// Requests is nil on a server that keeps no requests: a request_id is then refused.
	Requests Requests
	// Consumers, Deliveries, Webhooks, Tools and Labels are nil on a server that does not offer them.
	Consumers  Consumers
	Deliveries Deliveries
	Webhooks   Webhooks
	Tools      WebhookTools
	Labels     Labels
}

// Accounts keeps the accounts as resources. Its errors are *fleet.Error where the caller can act:
// reason ACCOUNT_UNKNOWN with CodeNotFound, ACCOUNT_EXISTS with CodeAlreadyExists, CONFLICT with
// CodeAborted, RESOURCE_VERSION_TOO_OLD with CodeOutOfRange.
type Accounts interface {
	// Create stores a new account of which id, labels and spec are given, and returns it as
	// stored.
	Create(ctx context.Context, account *v1.Account) (*v1.Account, error)
	// Get reads one account.
	Get(ctx context.Context, id fleet.AccountID) (*v1.Account, error)
	// List reads accounts in the order of their ids, and the resource version that they are of.
	List(ctx context.Context, opts ListOptions) ([]*v1.Account, string, error)
	// Update replaces labels and spec of an account that still has the resource version given.
	Update(ctx context.Context, account *v1.Account) (*v1.Account, error)
	// Delete removes an account, if it still has the resource version, when one is given. It
	// reports whether nothing of it is left; otherwise its owner goes on cleaning up.
	Delete(ctx context.Context, id fleet.AccountID, resourceVersion string) (done bool, err error)
}

// AccountWatcher tells of changes of accounts.
type AccountWatcher interface {
	// Watch yields accounts and their changes until ctx ends. An error ends the sequence.
	Watch(ctx context.Context, opts WatchOptions) iter.Seq2[*v1.WatchAccountsReply, error]
}

// WatchOptions selects what to watch.
type WatchOptions struct {
	// From is the resource version behind which to begin; empty = all accounts first.
	From string
	// Match selects accounts by their labels; nil = all.
	Match func(labels map[string]string) bool
}

// Nodes is the cluster as people see and steer it. Reason NODE_NOT_FOUND with CodeNotFound.
type Nodes interface {
	// List reads the nodes that are alive, ordered by id.
	List(ctx context.Context) ([]*v1.Node, error)
	// Watch yields the nodes and their changes until ctx ends.
	Watch(ctx context.Context) iter.Seq2[*v1.WatchNodesReply, error]
	// Set says whether a node takes accounts and whether it is to lose those that it has.
	Set(ctx context.Context, node fleet.NodeID, cordoned, draining bool) (*v1.Node, error)
	// Move pins an account to a node, or ends that with an empty node. It reports whether the
	// node owns the account; otherwise the hand-over goes on.
	Move(ctx context.Context, account fleet.AccountID, node fleet.NodeID) (done bool, err error)
	// NetworkRestored tells the accounts of the target, and how many they are.
	NetworkRestored(ctx context.Context, target NetworkTarget) (accounts int, err error)
}

// NetworkTarget says whose network works again: of accounts, of one node, or of all when both are
// empty.
type NetworkTarget struct {
	Accounts []fleet.AccountID
	Node     fleet.NodeID
}

// ListOptions selects accounts.
type ListOptions struct {
	// After is the id behind which the page begins; empty = the beginning.
	After fleet.AccountID
	// Limit is how many accounts to return at most, > 0.
	Limit int
	// Match selects accounts by their labels; nil = all.
	Match func(labels map[string]string) bool
	// Version is the resource version to read at; empty = now.
	Version string
}

// Begin is the position of the oldest retained event.
const Begin = "begin"

// Events reads the event log.
type Events interface {
	// Subscribe fixes the position before it returns.
	Subscribe(ctx context.Context, opts SubscribeOptions) (Subscription, error)
}

// Subscription is a place in the event log and what follows it.
type Subscription struct {
	// Position is where it begins: given as SubscribeOptions.From it begins there again.
	Position string
	// Events yields events in the order of the log, waits for further ones, and ends when the
	// context of Subscribe is done. It is pulled: a slow consumer holds no memory. An error ends
	// the sequence.
	Events iter.Seq2[Event, error]
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
	// Payload is what tlupdates.Encode wrote; for kind "account_state" it is the JSON of a
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
const KindAccountState = "account_state"
