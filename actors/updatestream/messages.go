package updatestream

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/eventlog"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/updatelog"
	"github.com/telefleet/orchestrator/telegram"
	"github.com/telefleet/orchestrator/updates"
)

// Config is what all streams of a process have in common.
type Config struct {
	Events updatelog.Log
	// Go runs an append to Events and does not wait for it.
	Go    func(func())
	Now   func() time.Time
	Clock *system.Clock
	Log   hclog.Logger
	// Quiet and Patience are those of the watchdog, 0 for the defaults; FloodWait is the longest wait
	// that a call may take unseen.
	Quiet, Patience, FloodWait time.Duration

	bound bound
}

// Account is what a stream needs of its account.
type Account struct {
	*Config
	ID    fleet.AccountID
	Token fleet.FencingToken
}

// log is made when there is something to say.
func (a *Account) log() hclog.Logger { return a.Log.With("account", string(a.ID)) }

// Commands to the stream.
type (
	// Sync asks it to catch up by difference; Done is called when it is even. With Skipped set it
	// takes over the server's state instead, and says there what it left out. With Poll set it asks
	// one channel, and goes on asking it.
	Sync struct {
		Done    func(error)
		Skipped *[]updates.Gap
		Poll    *updates.Poll
	}
	// HomeUp tells it whether the home connection is ready.
	HomeUp struct{ Up bool }
	// StateEvent gives it an event to append.
	StateEvent struct{ Record eventlog.Record }
	// Drain asks it to append what it has, and end.
	Drain struct{}
)

// Events of the stream.
type (
	// Level says whether it is even with the server, and whether the log takes nothing.
	Level struct{ Even, Stuck bool }
	// Unwell is its wish for another connection: this one lives and brings no updates.
	Unwell struct {
		End    connection.End
		Reason string
	}
	// Noticed says what the account is to ask for again.
	Noticed struct{ telegram.Notices }
	// ResultObserved says that an answer's updates have entered the stream.
	ResultObserved struct{ Call *connection.Call }
	// CheckpointDue is a state that the log has surely synced, or the account's first one.
	CheckpointDue struct{ Data []byte }
	// Ended says that it has stopped working: asked to, or by an error. Checkpoint may be nil.
	Ended struct {
		Checkpoint []byte
		Err        error
	}
)

const (
	// CheckpointEvery is the time between two checkpoints at least.
	CheckpointEvery = 30 * time.Second
	checkpointRate  = 2 << 10 // bytes a second: those of thousands of channels are stored less often
)
