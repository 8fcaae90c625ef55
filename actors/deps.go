package actors

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/backoff"
	"github.com/telefleet/orchestrator/internal/peerview"
	"github.com/telefleet/orchestrator/internal/standing"
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

// Ping is the profile's ping_delay_disconnect.
type Ping = connection.Ping

// Deps is what the actors need from the rest of the house. All functions may be called by any
// goroutine.
type Deps struct {
	Sessions sessionstore.Store
	Events   EventLog
	Peers    peers.Store
	// Report stores an account's status; it is called at most once a second per account.
	Report func(ctx context.Context, fence fleet.Fence, s standing.Status) error

	// DCs is the list to begin with, and to stay with if Directory is nil.
	DCs dcs.List
	// Directory follows what Telegram says of its DCs.
	Directory *dcs.Directory
	// IPv6 says what becomes of IPv6 addresses.
	IPv6      dcs.IPv6
	DefaultDC int
	App       telegram.AppProfile
	Transport transport.Options // Check, DC, Proxy and Poller are set by the actors
	// Routes decides by which proxy each account goes; nil: all go directly.
	Routes connection.Routes
	Ping   Ping
	// TempKeyLife is how long the temporary auth keys of accounts with PFS live; 0: a day.
	TempKeyLife time.Duration
	// Pace waits until a connection to a DC may be dialled, through the named proxy or directly.
	Pace func(ctx context.Context, dc int, proxy string) error
	// Redial is the wait between failed connections.
	Redial backoff.Policy
	// FloodWait is the longest wait asked by Telegram that is waited out; longer ones go to the caller.
	FloodWait time.Duration
	// Watch is how updates that do not come are noticed.
	Watch Watch

	Rand io.Reader
	Now  func() time.Time
	Log  hclog.Logger

	lanes   lanes                // made by Start
	streams *updatestream.Config // made by Start
	tidy    *tidy                // made by Start
}

// Watch sets when a connection that lives and brings no updates is doubted; zero fields take the
// defaults.
type Watch struct {
	Quiet    time.Duration // without a push for so long, the server's state is asked (5 min)
	Patience time.Duration // how long the answer may take (90 s, or FloodWait and 30 s)
}

// Limits of ours.
const (
	restartBudget = 5                // panics of an account's children in restartWindow before quarantine
	restartWindow = 10 * time.Minute //
	healthyAfter  = 30 * time.Second // a connection that lived so long resets the backoff
	callRetryBase = time.Second
	laneWidth     = 64 // accounts that use one store at the same time
)

// lanes bound what a node's accounts do at the same time in each store: one that is away does not
// hold up another.
type lanes struct{ loads, saves, reports, appends *mailbox.Lane }

func newLanes(w *mailbox.Workers) lanes {
	lane := func() *mailbox.Lane { return mailbox.NewLane(w, laneWidth) }
	return lanes{lane(), lane(), lane(), lane()}
}

// shared is what the actors of one account have in common.
type shared struct {
	deps    *Deps
	id      fleet.AccountID
	fence   fleet.Fence
	conn    connection.Account
	running atomic.Int64 // calls of users that have no answer yet
	// desired outlives restarts of the account; the node changes it.
	desired atomic.Pointer[Desired]
	// panics of the account's children count over its restarts; only the account uses it.
	panics []time.Time
	// telling too.
	telling telling
	// peers is what the account knows of users and chats.
	peers peerview.View
}

// log is made when there is something to say: a logger of its own for every idle account would
// take more memory than its connection.
func (s *shared) log() hclog.Logger { return s.deps.Log.With("account", string(s.id)) }

// want takes over what the spec asks for.
func (s *shared) want(d *Desired, standard *Profile) {
	if d.Profile == nil {
		d.Profile = standard
	}
	s.conn.SetProfile(d.Profile)
	s.conn.SetPFS(d.PFS)
	s.desired.Store(d)
}
