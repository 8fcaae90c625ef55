package actors

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/peerview"
	"github.com/telefleet/orchestrator/internal/sockets"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/sessionstore/peers"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// EventWriter and EventLog are the event log as accounts use it; *eventlog.Writer and
// *eventlog.Log, where Claim returns the interface.
type (
	EventWriter = updatelog.Writer
	EventLog    = updatelog.Log
)

// Ping is the profile's ping_delay_disconnect: a ping each Interval, and the server closes the
// connection Disconnect after the last one.
type Ping struct{ Interval, Disconnect time.Duration }

// Deps is what the actors need from the rest of the house. All functions may be called by any
// goroutine.
type Deps struct {
	Sessions sessionstore.Store
	Events   EventLog
	Peers    peers.Store
	// Report stores an account's status; it is called at most once a second per account.
	Report func(ctx context.Context, fence fleet.Fence, s Status) error

	DCs       dcs.List
	DefaultDC int
	App       telegram.AppProfile
	Transport transport.Options // Check and DC are set by the actors
	Ping      Ping
	// Pace waits until a connection to a DC may be dialled.
	Pace func(ctx context.Context, dc int) error
	// Redial is the wait between failed connections.
	Redial backoff.Policy
	// FloodWait is the longest wait asked by Telegram that is waited out; longer ones go to the caller.
	FloodWait time.Duration

	Rand io.Reader
	Now  func() time.Time
	Log  hclog.Logger
}

// Limits of ours.
const (
	maxQueued       = 4096             // calls that wait in an account
	restartBudget   = 5                // panics of an account's children in restartWindow before quarantine
	restartWindow   = 10 * time.Minute //
	healthyAfter    = 30 * time.Second // a connection that lived so long resets the backoff
	maxAttempts     = 5                // of an idempotent call after 500 and -503
	checkpointEvery = 30 * time.Second
	callRetryBase   = time.Second
)

// shared is what the actors of one account have in common.
type shared struct {
	deps     *Deps
	id       fleet.AccountID
	grant    Grant
	sockets  *sockets.Set
	initBody []byte
	log      hclog.Logger
	running  atomic.Int64 // calls of users that have no answer yet
	// desired outlives restarts of the account; the node changes it.
	desired atomic.Pointer[Desired]
	// reader is closed when the reader of the last home socket has ended: it survives restarts
	// of the account, so that two home sockets never overlap.
	reader atomic.Pointer[chan struct{}]
	// panics of the account's children count over its restarts; only the account uses it.
	panics []time.Time
	// peers is what the account knows of users and chats.
	peers peerview.View
}

// dial opens a socket to a DC. It waits for the reader of the previous socket, for the former
// owner's sockets to die, for the pacer, and for a lease renewal sent after that.
func (s *shared) dial(ctx context.Context, dc int, side bool) (*transport.Conn, error) {
	if previous := s.reader.Load(); previous != nil && !side {
		select {
		case <-*previous:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := dcdial.SleepUntil(ctx, s.deps.Now, s.grant.NotBefore); err != nil {
		return nil, err
	}
	if err := s.deps.Pace(ctx, dc); err != nil {
		return nil, fmt.Errorf("wait for the pacer: %w", err)
	}
	if !side {
		if err := s.grant.Renewed(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", errFenced, err)
		}
	}
	o := s.deps.Transport
	o.Check = s.check
	return dcdial.Dial(ctx, s.deps.DCs, dc, side, o)
}

// check is the fence, asked directly before each socket write.
func (s *shared) check() error {
	if err := s.grant.Check(); err != nil {
		return fmt.Errorf("%w: %w", errFenced, err)
	}
	return nil
}
