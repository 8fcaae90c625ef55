package connection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/routes"
	"github.com/telefleet/orchestrator/internal/sockets"
	"github.com/telefleet/orchestrator/internal/tally"
	"github.com/telefleet/orchestrator/internal/tlcall"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// Ping is the profile's ping_delay_disconnect: a ping each Interval, and the server closes the
// connection Disconnect after the last one.
type Ping struct{ Interval, Disconnect time.Duration }

// Config is what all connections of a process have in common. Its functions may be called by
// any goroutine.
type Config struct {
	DCs *dcs.Directory
	// IPv6 says what becomes of IPv6 addresses.
	IPv6      dcs.IPv6
	Transport transport.Options // Check, DC and Proxy are set here
	Routes    Routes
	Ping      Ping
	// Pace waits until a connection to a DC may be dialled, through the named proxy or directly.
	Pace func(ctx context.Context, dc int, proxy string) error
	// TempKeyLife is how long temporary auth keys live; 0: a day.
	TempKeyLife time.Duration
	Sockets     *sockets.Set
	// Workers run the actors, their readers and writers.
	Workers *mailbox.Workers
	// Clock wakes the actors.
	Clock *system.Clock
	// Actors spawns them.
	Actors *system.Actors
	// Tally counts what the connections meet.
	Tally *tally.Connections
	Rand  io.Reader // keys are made of it
	// Chance is what MTProto needs else: padding, session and ping ids.
	Chance io.Reader
	Now    func() time.Time
	Log    hclog.Logger
}

// Routes decides how an account reaches Telegram.
type Routes interface {
	// Route is the way of the account's next connection. With an error nothing is dialled.
	Route(id fleet.AccountID) (routes.Route, error)
	// Report tells how a connection by it went: nil once Telegram has answered.
	Report(id fleet.AccountID, r routes.Route, err error)
}

// Profile is the application that an account announces.
type Profile struct {
	App telegram.AppProfile
	// init is invokeWithLayer(initConnection(help.getConfig)), anonymous the same for CDN DCs, which
	// must not learn of the account's device.
	init, anonymous []byte
}

// NewProfile encodes an application.
func NewProfile(app telegram.AppProfile) (*Profile, error) {
	p := &Profile{App: app}
	var err error
	if p.init, err = tlcall.InitConnection(app); err != nil {
		return nil, err
	}
	p.anonymous, err = tlcall.InitConnection(app.Anonymous())
	return p, err
}

// Account is what the connections of one account have in common: the right to run it. It must
// outlive restarts of the account's actor, so that two home sockets never overlap.
type Account struct {
	*Config
	ID fleet.AccountID
	// Check fails as soon as the right is lost; it is asked directly before each socket write.
	Check func() error
	// NotBefore is the earliest first dial.
	NotBefore time.Time
	// Renewed returns once a lease renewal sent after the call was acknowledged.
	Renewed func(ctx context.Context) error

	pfs     atomic.Bool
	profile atomic.Pointer[Profile]
	reader  atomic.Pointer[reader] // of the last home socket
	stream  atomic.Pointer[actor.PID]
}

// SetStream says who gets the updates of the home connection; nil: its parent.
func (a *Account) SetStream(stream *actor.PID) { a.stream.Store(stream) }

// SetProfile changes what further connections announce.
func (a *Account) SetProfile(p *Profile) { a.profile.Store(p) }

// SetPFS says whether further connections use temporary keys (perfect forward secrecy).
func (a *Account) SetPFS(on bool) { a.pfs.Store(on) }

// PFS reports whether further connections use temporary keys.
func (a *Account) PFS() bool { return a.pfs.Load() }

// Profile is what connections announce now.
func (a *Account) Profile() *Profile { return a.profile.Load() }

// dial opens a socket to a DC, by the account's route and by nothing else. It waits for the reader of the previous socket, for the former
// owner's sockets to die, for the pacer, and for a lease renewal sent after that.
func (a *Account) dial(ctx context.Context, dc int, side, files bool) (*dcdial.Conn, routes.Route, error) {
	var none routes.Route
	if previous := a.reader.Load(); previous != nil && !side {
		if err := previous.ended(ctx); err != nil {
			return nil, none, err
		}
	}
	if err := dcdial.SleepUntil(ctx, a.Now, a.NotBefore); err != nil {
		return nil, none, err
	}
	route, err := a.Routes.Route(a.ID)
	if err != nil {
		return nil, none, err
	}
	if route.Proxy == nil && !route.Direct {
		return nil, none, errNoRoute
	}
	if err := a.Pace(ctx, dc, route.Name()); err != nil {
		return nil, none, fmt.Errorf("wait for the pacer: %w", err)
	}
	if !side {
		if err := a.Renewed(ctx); err != nil {
			return nil, none, fmt.Errorf("%w: %w", ErrFenced, err)
		}
	}
	if files && route.Proxy != nil {
		return nil, route, errFilesByProxy
	}
	o := a.Transport
	o.Check, o.Proxy = a.check, route.Proxy
	conn, err := dcdial.Dial(ctx, a.DCs.Known(), dcdial.Target{DC: dc, Files: files, IPv6: a.IPv6}, o)
	a.dialled(err)
	return conn, route, err
}

// errNoRoute means that routes broke their word: neither a proxy nor a direct way.
var errNoRoute = errors.New("no route")

// errFilesByProxy means that the route has become a proxy, which leads to no addresses for files.
var errFilesByProxy = errors.New("addresses for files are not used through a proxy")

// check is the fence, asked directly before each socket write.
func (a *Account) check() error {
	if err := a.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrFenced, err)
	}
	return nil
}
