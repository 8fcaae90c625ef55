package connection

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/sockets"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram/dcs"
)

// Ping is the profile's ping_delay_disconnect: a ping each Interval, and the server closes the
// connection Disconnect after the last one.
type Ping struct{ Interval, Disconnect time.Duration }

// Config is what all connections of a process have in common. Its functions may be called by
// any goroutine.
type Config struct {
	DCs       dcs.List
	Transport transport.Options // Check and DC are set here
	Ping      Ping
	// InitBody is invokeWithLayer(initConnection(help.getConfig)).
	InitBody []byte
	// Pace waits until a connection to a DC may be dialled.
	Pace    func(ctx context.Context, dc int) error
	Sockets *sockets.Set
	// Workers run the actors, their readers and writers.
	Workers *mailbox.Workers
	Rand    io.Reader
	Now     func() time.Time
}

// Account is what the connections of one account have in common: the right to run it. It must
// outlive restarts of the account's actor, so that two home sockets never overlap.
type Account struct {
	*Config
	// Check fails as soon as the right is lost; it is asked directly before each socket write.
	Check func() error
	// NotBefore is the earliest first dial.
	NotBefore time.Time
	// Renewed returns once a lease renewal sent after the call was acknowledged.
	Renewed func(ctx context.Context) error

	reader atomic.Pointer[reader] // of the last home socket
}

// dial opens a socket to a DC. It waits for the reader of the previous socket, for the former
// owner's sockets to die, for the pacer, and for a lease renewal sent after that.
func (a *Account) dial(ctx context.Context, dc int, side bool) (*transport.Conn, error) {
	if previous := a.reader.Load(); previous != nil && !side {
		if err := previous.ended(ctx); err != nil {
			return nil, err
		}
	}
	if err := dcdial.SleepUntil(ctx, a.Now, a.NotBefore); err != nil {
		return nil, err
	}
	if err := a.Pace(ctx, dc); err != nil {
		return nil, fmt.Errorf("wait for the pacer: %w", err)
	}
	if !side {
		if err := a.Renewed(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFenced, err)
		}
	}
	o := a.Transport
	o.Check = a.check
	return dcdial.Dial(ctx, a.DCs, dc, side, o)
}

// check is the fence, asked directly before each socket write.
func (a *Account) check() error {
	if err := a.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrFenced, err)
	}
	return nil
}
