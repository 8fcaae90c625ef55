package updates

import "time"

// Effect is what to do now: a value of one of the types below, to be carried out in order.
type Effect interface{ effect() }

// Emit is one durable append: Events in order, and the Positions that hold after the last of
// them. Only the boxes that moved are listed. Where the log stores each event in a record of
// its own, the positions belong to the last record (to a record without event if there is
// none): a crash between the records then repeats the rest under the same ids.
type Emit struct {
	Events    []Event
	Positions []Position
	// MsgIDs may be acknowledged to Telegram once the append is durable.
	MsgIDs []int64
	// Live events may skip the log; such an Emit has no positions.
	Live bool

	sealed bool // what follows belongs to the next Emit
}

// Durable reports whether the Emit needs an append at all.
func (e Emit) Durable() bool { return !e.Live && (len(e.Events) > 0 || len(e.Positions) > 0) }

// GetState asks for updates.getState.
type GetState struct{}

// GetDifference asks for updates.getDifference.
type GetDifference struct{ Pts, Qts, Date int }

// GetChannelDifference asks for updates.getChannelDifference.
type GetChannelDifference struct {
	Channel int64
	Pts     int
	Limit   int
}

// SetTimer asks for TimerFired at At; it replaces the former one.
type SetTimer struct{ At time.Time }

func (Emit) effect()                 {}
func (GetState) effect()             {}
func (GetDifference) effect()        {}
func (GetChannelDifference) effect() {}
func (SetTimer) effect()             {}

// KindGap is the kind of the events by which the machine itself reports a loss.
const KindGap = "gap"

// GapReason says why updates were lost.
type GapReason string

// The reasons.
const (
	GapTooLong    GapReason = "too_long"    // the server will not send so many updates
	GapReset      GapReason = "reset"       // the server refused or replaced our position
	GapAccessLost GapReason = "access_lost" // the channel cannot be read any more
)

// Gap is the payload of a gap event: updates of Box after From up to To will not come.
// To is 0 where the server did not say. With BoxDate it is the time between two states: channels that are
// not known here begin with what comes next of them, and what came before may be missing.
type Gap struct {
	Box      Box
	From, To int
	Reason   GapReason
}
