package actors

import (
	"context"
	"time"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/telegram"
)

// Commands to the node.
type (
	// startAccount runs an account that this node has just claimed.
	startAccount struct{ grant Grant }
	// stopAccount hands an account over: drain, save, close; released is called when it is gone.
	stopAccount struct {
		id       fleet.AccountID
		deadline time.Time
		released func()
	}
	// lookupAccount asks for a running account; the reply channel has room for one.
	lookupAccount struct {
		id    fleet.AccountID
		reply chan<- *handle
	}
	// shutdownNode drains every account; done is closed when none is left.
	shutdownNode struct {
		deadline time.Time
		done     chan<- struct{}
	}
	// desireAccount changes what an account should be; no effect when it does not run here.
	desireAccount struct {
		id      fleet.AccountID
		desired Desired
	}
	// holdAccounts keeps all accounts from connecting, or lets them again.
	holdAccounts struct{ hold *Hold }
	// tell passes a message on: to one account, or to all when id is empty.
	tell struct {
		id      fleet.AccountID
		message any
	}
)

// Commands to an account, besides *connection.Call, which asks for the call, and connection.Cancel.
type (
	// drain stops the account gracefully: new calls are refused, running ones may end until deadline.
	drain struct{ deadline time.Time }
	// desiredChanged says that shared.desired is new.
	desiredChanged struct{}
	// networkRestored ends a running backoff; no effect while healthy.
	networkRestored struct{}
	// rerouted says that the way to Telegram has changed.
	rerouted struct{}
	// signedIn records an authorization; saved is called once it is stored.
	signedIn struct {
		userID int64
		bot    bool
		saved  func(error)
	}
	// signedOut records that the session is gone by its owner's wish.
	signedOut struct {
		futureToken []byte
		saved       func(error)
	}
	// loginStep is a visible step of a running login.
	loginStep struct{ state fleet.State }
	// synced is the outcome of a Sync that the account gave to the stream.
	synced struct {
		sync *updatestream.Sync
		err  error
	}
)

// Events from goroutines of an account.
type (
	sessionLoaded struct {
		inc    uint64
		loaded *loaded
		err    error
	}
	sessionSaved struct {
		inc uint64
		err error
	}
	tick struct{}
)

// handle is how callers reach a running account.
type handle struct {
	shared *shared
	send   func(message any)
	gone   <-chan struct{} // closed when the account's actor has ended
}

// Grant is the right to run an account, as the cluster gave it.
type Grant struct {
	Account fleet.AccountID
	Fence   fleet.Fence
	// Check fails as soon as the right is lost; it is called directly before each socket write.
	Check func() error
	// NotBefore is the earliest first dial: a predecessor's sockets may live until then.
	NotBefore time.Time
	// Renewed returns once a lease renewal sent after the call was acknowledged.
	Renewed func(ctx context.Context) error
	// Desired is what the account should be to begin with; Fleet.SetDesired changes it.
	Desired Desired
}

// Desired is what the spec of an account asks for.
type Desired struct {
	// Paused accounts hold no socket.
	Paused bool
	// AtOnce closes them without waiting for running calls.
	AtOnce bool
	// Generation of the spec that says so.
	Generation int64
	// Hold, when set, keeps the account without a socket as a pause does: its spec asks for what
	// cannot be done.
	Hold *Hold
	// Profile is the application that it announces; nil: that of Deps.
	Profile *Profile
	// DC is where it makes its first key; 0: Deps.DefaultDC.
	DC int
	// PFS asks for temporary keys.
	PFS bool
	// Route names the way to Telegram that Deps.Routes gives it; empty: directly. When it changes,
	// all its connections are made anew.
	Route string
}

// Hold says why an account may not connect.
type Hold struct{ Reason, Message, Remedy string }

// held reports whether an account may hold no socket.
func (d *Desired) held() bool { return d.Paused || d.Hold != nil }

// why is why it may hold none.
func (d *Desired) why() Hold {
	if d.Hold != nil && !d.Paused {
		return *d.Hold
	}
	return Hold{"PAUSED", pausedMessage, pausedRemedy}
}

// Profile is the application that an account announces; NewProfile makes one.
type Profile = connection.Profile

// NewProfile encodes an application.
func NewProfile(app telegram.AppProfile) (*Profile, error) { return connection.NewProfile(app) }
