package updates

import "time"

// Input is what happened: a value of one of the types below.
type Input interface{ input() }

// Event is one thing that a consumer hears of.
type Event struct {
	// ID is equal for the same thing, whether it came by a push or by a difference.
	ID   string
	Kind string
	// Live events (typing, status) are neither logged nor remembered.
	Live    bool
	Payload any
	// IfSeen replaces the event when its ID was emitted before: a difference returns a new
	// message in its edited state, which is news even where the message is not.
	IfSeen *Event
}

// Update is one update of the server with the counter it moves.
type Update struct {
	Box   Box // BoxNone, BoxPts, BoxQts or BoxChannel
	Pts   int // the counter's value after the update (pts or qts)
	Count int // how far the update moves it; 1 for qts
	// TooLong says that the box has news which the server did not send: with BoxChannel it is
	// updateChannelTooLong (Pts may be 0), with BoxPts updatePtsChanged.
	TooLong bool
	// Events may be empty (only the counter moves) or many (three deleted messages).
	Events []Event
}

// Started begins the work: the difference when the state is known, else the state.
// Also sent when the machine is attached to a new connection that may have lost updates.
type Started struct{}

// Received is one push of the server, or the updates that came as the result of an RPC.
type Received struct {
	MsgID         int64 // returned in Emit.MsgIDs; 0 for results of RPCs
	Date          int
	SeqStart, Seq int // 0 = not ordered by seq
	Updates       []Update
}

// TooLong asks for a difference: updatesTooLong, undecodable updates, a short form that names
// an unknown peer.
type TooLong struct {
	MsgID int64 // as in Received
}

// SessionCreated says that the server lost the session's pending updates.
type SessionCreated struct{}

// Behind says that updates were discarded by back-pressure.
type Behind struct{}

// Skip gives up what is missing in the common boxes: the server's state replaces ours, and gap
// events say what was skipped. Channels are not concerned.
type Skip struct{}

// Poll asks for the difference of one channel now, and for the time For again whenever the
// server's timeout is over: for channels of which the server pushes nothing, because the account
// has not joined them. At most MaxPolls are polled; what comes beyond is asked once.
type Poll struct {
	Channel int64
	For     time.Duration
}

// Affected is the pts of messages.affectedMessages and its like; it has no event.
type Affected struct {
	Box        Box
	Pts, Count int
}

// ServerState is updates.state.
type ServerState struct{ Pts, Qts, Seq, Date int }

// StateReceived answers GetState.
type StateReceived struct{ State ServerState }

// Outcome is the constructor of a difference.
type Outcome uint8

// The outcomes. For channels Slice means a difference or a TooLong without the final flag.
const (
	OutcomeEmpty Outcome = iota + 1
	OutcomeSlice
	OutcomeFinal
	OutcomeTooLong
)

// Difference answers GetDifference.
//
//	OutcomeEmpty     State.Date and State.Seq only
//	OutcomeSlice     State is the intermediate state
//	OutcomeTooLong   State.Pts only
type Difference struct {
	Outcome  Outcome
	State    ServerState
	Messages []Event  // the bare new messages, oldest first
	Others   []Update // other_updates, in order
}

// ChannelDifference answers GetChannelDifference.
type ChannelDifference struct {
	Channel  int64
	Outcome  Outcome
	More     bool // the final flag is missing
	Pts      int
	Timeout  time.Duration // how long to wait before the next call of a polled channel; 0 = 1 s
	Messages []Event
	Others   []Update
}

// FailureKind says what a failed difference call means for the box.
type FailureKind uint8

// The kinds of failure.
const (
	FailureTemporary  FailureKind = iota // network, flood wait, 5xx: asked again after a while
	FailureInvalid                       // the server refuses our position (PERSISTENT_TIMESTAMP_*, DATE_EMPTY)
	FailureAccessLost                    // channels only: left, banned, deleted
	FailureUnknown                       // channels only: its access hash is not known here, but the server may tell
)

// DifferenceFailed answers GetDifference and GetState.
type DifferenceFailed struct {
	Kind       FailureKind
	RetryAfter time.Duration // the server's flood wait; 0 = own backoff
}

// ChannelDifferenceFailed answers GetChannelDifference.
type ChannelDifferenceFailed struct {
	Channel    int64
	Kind       FailureKind
	RetryAfter time.Duration
}

// TimerFired says that the time of the last SetTimer has come.
type TimerFired struct{}

func (Started) input()                 {}
func (Received) input()                {}
func (TooLong) input()                 {}
func (SessionCreated) input()          {}
func (Behind) input()                  {}
func (Skip) input()                    {}
func (Affected) input()                {}
func (StateReceived) input()           {}
func (Difference) input()              {}
func (ChannelDifference) input()       {}
func (DifferenceFailed) input()        {}
func (ChannelDifferenceFailed) input() {}
func (Poll) input()                    {}
func (TimerFired) input()              {}
