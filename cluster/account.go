package cluster

import (
	"fmt"
	"maps"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// The desired states of an account.
const (
	// DesiredRunning asks for an account that is connected.
	DesiredRunning = "running"
	// DesiredPaused asks for an account that is owned but holds no socket.
	DesiredPaused = "paused"
	// DesiredDisconnected is DesiredPaused at once: running calls are not waited for.
	DesiredDisconnected = "disconnected"
)

// Spec is what an operator asks of one account.
type Spec struct {
	// Account is the name; it never changes.
	Account fleet.AccountID `json:"account"`
	// Labels select accounts; at most MaxLabels.
	Labels map[string]string `json:"labels,omitempty"`
	// Desired is DesiredRunning, DesiredPaused or DesiredDisconnected; empty means running.
	Desired string `json:"desired"`
	// App names the app profile (api_id, device fields); empty is the default one.
	App string `json:"app,omitempty"`
	// Device replaces fields of the app profile.
	Device Device `json:"device,omitzero"`
	// Proxy is the only way to Telegram when it is set.
	Proxy ProxySpec `json:"proxy,omitzero"`
	// DC is where fresh keys are made; 0 is the node's default.
	DC int `json:"dc,omitempty"`
	// PFS asks for temporary keys.
	PFS bool `json:"pfs,omitempty"`
	// CreatedAt is set when the spec is created.
	CreatedAt time.Time `json:"created_at"`
	// DeletedAt is when the deletion was asked for, zero while the account is to live. Its
	// owner cleans up, and then the spec goes.
	DeletedAt time.Time `json:"deleted_at,omitzero"`
	// Generation counts changes of the spec, from 1.
	Generation int64 `json:"generation"`
	// ResourceVersion is the store's revision of this value. An update must name the one
	// it was made from. Not stored in the value itself.
	ResourceVersion int64 `json:"-"`
}

// Device is what an account shows of its device; empty fields are those of its app profile.
type Device struct {
	DeviceModel    string `json:"device_model,omitempty"`
	SystemVersion  string `json:"system_version,omitempty"`
	AppVersion     string `json:"app_version,omitempty"`
	SystemLangCode string `json:"system_lang_code,omitempty"`
	LangPack       string `json:"lang_pack,omitempty"`
	LangCode       string `json:"lang_code,omitempty"`
}

// Limits of a spec.
const (
	MaxLabels      = 32
	MaxLabelLength = 128
)

// Validate reports the first problem of a spec as an *fleet.Error with CodeInvalidArgument.
func (s Spec) Validate() error {
	if err := s.Account.Validate(); err != nil {
		return err
	}
	switch s.Desired {
	case "", DesiredRunning, DesiredPaused, DesiredDisconnected:
	default:
		return fleet.Errorf(fleet.CodeInvalidArgument, "DESIRED_STATE_INVALID",
			"desired: must be %s, %s or %s (got %q)", DesiredRunning, DesiredPaused, DesiredDisconnected, s.Desired)
	}
	if len(s.Labels) > MaxLabels {
		return fleet.Errorf(fleet.CodeInvalidArgument, "LABELS_INVALID",
			"labels: at most %d (got %d)", MaxLabels, len(s.Labels))
	}
	for k, v := range s.Labels {
		if k == "" || len(k) > MaxLabelLength || len(v) > MaxLabelLength {
			return fleet.Errorf(fleet.CodeInvalidArgument, "LABELS_INVALID",
				"labels: keys and values have up to %d bytes, keys at least 1 (got key %q)", MaxLabelLength, k)
		}
	}
	return nil
}

// Clone returns a copy that shares no map.
func (s Spec) Clone() Spec {
	s.Labels = maps.Clone(s.Labels)
	return s
}

// Status is what the owner of an account last observed.
type Status struct {
	Account fleet.AccountID `json:"account"`
	// Node is the node that wrote the status.
	Node fleet.NodeID `json:"node,omitempty"`
	// State is the account's state machine state (docs/states).
	State string `json:"state"`
	// Reason is a stable upper-case name of why, empty when all is well.
	Reason string `json:"reason,omitempty"`
	// Message explains the reason to an operator. No secrets, no phone numbers.
	Message string `json:"message,omitempty"`
	// UserID is Telegram's number, 0 before the first login.
	UserID int64 `json:"user_id,omitempty"`
	// Bot says that the account is a bot.
	Bot bool `json:"bot,omitempty"`
	// HomeDC is the account's home data centre, 0 when unknown.
	HomeDC int `json:"home_dc,omitempty"`
	// Generation is that of the spec that the owner acts upon.
	Generation int64 `json:"generation,omitempty"`
	// Conditions are those that the owner judges.
	Conditions []fleet.Condition `json:"conditions,omitempty"`
	// UpdatedAt is the writer's wall clock.
	UpdatedAt time.Time `json:"updated_at"`
	// ResourceVersion is the store's revision of this value. Not stored in the value itself.
	ResourceVersion int64 `json:"-"`
}

// Account is everything that is known of one account at one moment.
type Account struct {
	Spec Spec
	// Status is the zero value until an owner has reported.
	Status Status
	// Owner is the node that runs it, empty when none does. Status.Node may be a former one.
	Owner fleet.NodeID
}

// AccountChange is one step of a watch.
type AccountChange struct {
	Kind ChangeKind
	// Account is set unless the kind is Synced or Bookmark. It is shared: do not change it.
	Account Account
	// Revision is set for Synced and Bookmark: everything up to it has been told.
	Revision int64
}

// ChangeKind says what a watch tells.
type ChangeKind uint8

// The kinds of changes.
const (
	// Added: the account exists, was created, or has come to match.
	Added ChangeKind = iota + 1
	// Modified: spec, status or owner changed.
	Modified
	// Deleted: it is gone or no longer matches; the account is as last seen.
	Deleted
	// Synced: all accounts of the beginning have been told.
	Synced
	// Bookmark: a place to go on from.
	Bookmark
)

// Owner says which node runs an account.
type Owner struct {
	Account fleet.AccountID
	Node    fleet.NodeID
	// Address is where the node's API is reached by other nodes; empty when it offers none
	// or has just gone.
	Address string
	// Fence is the ownership key and its create revision.
	Fence fleet.Fence
}

// Node is one running process of the fleet.
type Node struct {
	ID fleet.NodeID `json:"id"`
	// Name is for people: the host's name unless configured.
	Name string `json:"name,omitempty"`
	// Address is where other nodes reach this one's API.
	Address string `json:"address,omitempty"`
	// Weight is the node's share relative to others; 0 means 1.
	Weight int `json:"weight,omitempty"`
	// Cordoned nodes keep their accounts but get no new ones.
	Cordoned bool `json:"cordoned,omitempty"`
	// Draining nodes are to lose all their accounts.
	Draining bool `json:"draining,omitempty"`
	// StartedAt is when the node joined, by its wall clock.
	StartedAt time.Time `json:"started_at"`
}

// NodeInfo is a node as people see it.
type NodeInfo struct {
	Node
	// Accounts is how many it owns.
	Accounts int
	// Leader says that it assigns accounts.
	Leader bool
}

// LostReason says why a node must hand an account over.
type LostReason string

// The reasons of Handler.Lost.
const (
	// LostMoved: placement wants the account elsewhere.
	LostMoved LostReason = "moved"
	// LostDeleted: the account is to be deleted; the owner deletes what it stored, then the
	// spec (Accounts.CompleteDelete), then releases.
	LostDeleted LostReason = "deleted"
	// LostLeaving: this node leaves the cluster.
	LostLeaving LostReason = "leaving"
	// LostFenced: ownership could not be renewed in time; Guard already refuses everything
	// and Handler.Fenced was called. Nothing of the account can be stored any more.
	LostFenced LostReason = "fenced"
)

// Grant is the right to run one account, until its Guard refuses.
type Grant struct {
	Account fleet.AccountID
	// Spec is the account's spec at the time of the grant.
	Spec Spec
	// Fence is compared by every durable write of the account.
	Fence fleet.Fence
	// NotBefore is the earliest first dial: the former owner was lost uncleanly and its
	// socket may live until then. Zero when there is no need to wait. It carries a
	// monotonic reading.
	NotBefore time.Time
	// Guard is checked directly before each socket write.
	Guard *Guard
}

// Token is the fencing token of the grant.
func (g Grant) Token() fleet.FencingToken { return g.Fence.Token() }

// String names the account and the token.
func (g Grant) String() string { return fmt.Sprintf("%s@%d", g.Account, g.Fence.CreateRevision) }
