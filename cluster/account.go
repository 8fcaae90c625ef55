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
)

// Spec is what an operator asks of one account.
type Spec struct {
	// Account is the name; it never changes.
	Account fleet.AccountID `json:"account"`
	// Labels select accounts; at most MaxLabels.
	Labels map[string]string `json:"labels,omitempty"`
	// Desired is DesiredRunning or DesiredPaused; empty means running.
	Desired string `json:"desired"`
	// App names the app profile (api_id, device fields); empty is the default one.
	App string `json:"app,omitempty"`
	// CreatedAt is set when the spec is created.
	CreatedAt time.Time `json:"created_at"`
	// Generation counts changes of the spec, from 1.
	Generation int64 `json:"generation"`
	// ResourceVersion is the store's revision of this value. An update must name the one
	// it was made from. Not stored in the value itself.
	ResourceVersion int64 `json:"-"`
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
	case "", DesiredRunning, DesiredPaused:
	default:
		return fleet.Errorf(fleet.CodeInvalidArgument, "DESIRED_STATE_INVALID",
			"desired: must be %s or %s (got %q)", DesiredRunning, DesiredPaused, s.Desired)
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
	// UpdatedAt is the writer's wall clock.
	UpdatedAt time.Time `json:"updated_at"`
	// ResourceVersion is the store's revision of this value. Not stored in the value itself.
	ResourceVersion int64 `json:"-"`
}

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

// LostReason says why a node must hand an account over.
type LostReason string

// The reasons of Handler.Lost.
const (
	// LostMoved: placement wants the account elsewhere.
	LostMoved LostReason = "moved"
	// LostDeleted: the spec was deleted; the owner deletes what it stored, then releases.
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
