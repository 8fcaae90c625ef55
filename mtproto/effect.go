package mtproto

import "time"

// Effect is what an Engine wants done.
type Effect interface{ effect() }

// Write sends one transport packet with this payload. The frame belongs to the receiver.
type Write struct{ Frame []byte }

// SetTimer asks for TimerFired at a time; it replaces the former one. Zero: no timer.
type SetTimer struct{ At time.Time }

// CallDone ends a call, exactly once.
type CallDone struct {
	ID CallID
	// Result is the TL object that the server answered, unpacked; nil if Err is not nil.
	Result []byte
	Err    error
}

// UpdatesReceived is an object that the server sent of its own accord and that is no
// service message. It is acknowledged only after Processed with this MsgID, and comes once
// per engine, however often the server repeats it.
type UpdatesReceived struct {
	MsgID int64
	Body  []byte
}

// SessionCreated says that the server's side of the session is new: updates may be
// missing, so they must be caught up by difference.
type SessionCreated struct{}

// Persist says that these values have changed and are worth keeping for the next engine.
type Persist struct {
	Salts      []Salt
	TimeOffset time.Duration
}

// Refused says that the server has refused a message of ours, by the code of bad_msg_notification.
// It asks for nothing: what repairs it has been done.
type Refused struct{ Code int }

// Closed says that the socket must be closed; the engine ignores it from now on. Reason is
// always a *CloseError. SocketDown is still expected.
type Closed struct{ Reason error }

func (Write) effect()           {}
func (SetTimer) effect()        {}
func (CallDone) effect()        {}
func (UpdatesReceived) effect() {}
func (SessionCreated) effect()  {}
func (Persist) effect()         {}
func (Refused) effect()         {}
func (Closed) effect()          {}
