package actors

import (
	"context"
	"time"

	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/fleet"
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
	// restoreNetwork ends running backoffs: of one account, or of all when id is empty.
	restoreNetwork struct{ id fleet.AccountID }
)

// Commands to an account, besides *connection.Call, which asks for the call, and connection.Cancel.
type (
	// drain stops the account gracefully: new calls are refused, running ones may end until deadline.
	drain struct{ deadline time.Time }
	// desiredChanged says that shared.desired is new.
	desiredChanged struct{}
	// networkRestored ends a running backoff; no effect while healthy.
	networkRestored struct{}
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
	loginStep struct{ state State }
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
	tick struct{ gen uint64 }
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
}
