package mtproto

import "time"

// CallID names one call; its user chooses it, unique among the calls not done yet.
type CallID uint64

// Input is what can happen to an Engine.
type Input interface{ input() }

// SocketUp says that a new socket is connected: the transport is ready for frames.
type SocketUp struct{}

// SocketDown says that the socket is closed. Calls stay, and wait for the next SocketUp.
type SocketDown struct{}

// FrameReceived is the payload of one transport packet. Data is decrypted in place;
// nothing of it is kept.
type FrameReceived struct{ Data []byte }

// Invoke queues one RPC query.
type Invoke struct {
	ID CallID
	// Body is the serialised query, at most MaxBody bytes and divisible by 4. It is kept
	// until CallDone.
	Body []byte
	// Idempotent says that the query may be executed twice without harm: it only reads,
	// or the server recognises the repetition (random_id). Others are never sent again
	// unless the server is known not to have received them.
	Idempotent bool
	// Low puts the query behind all that are not low.
	Low bool
}

// Bind queues the query auth.bindTempAuthKey: the engine's key is a temporary one that is to serve a
// permanent one. Its CallDone brings what the server answers, a Bool; until it is true the server
// takes hardly any other query. The query belongs to this engine's session: a successor does not get
// it.
type Bind struct {
	ID CallID
	// Permanent is the permanent auth key; the engine shares it.
	Permanent *[256]byte
	// ExpiresAt is when the temporary key ends, on our clock.
	ExpiresAt time.Time
}

// String hides the key.
func (b Bind) String() string { return "mtproto.Bind(redacted)" }

// GoString hides the key.
func (b Bind) GoString() string { return b.String() }

// Cancel gives a call up: it ends with ErrCancelled. If it was sent already, the server is
// asked to drop the answer, and may have executed it.
type Cancel struct{ ID CallID }

// Processed says that these messages of UpdatesReceived are dealt with (durable, where that
// matters) and may now be acknowledged. Ids that owe no acknowledgement are ignored.
type Processed struct{ MsgIDs []int64 }

// Flush packs all that is queued into as few packets as the limits allow.
type Flush struct {
	// Last says that the socket is about to be closed: acknowledgements that wait for company leave,
	// too.
	Last bool
}

// TimerFired says that the time of the last SetTimer has come. An early one does no harm.
type TimerFired struct{}

// Adopt takes over the calls of a predecessor, in their order. Those that were sent and are
// not idempotent end with ErrUnknownOutcome at once; the others are queued.
type Adopt struct{ Calls []Pending }

func (SocketUp) input()      {}
func (SocketDown) input()    {}
func (FrameReceived) input() {}
func (Invoke) input()        {}
func (Bind) input()          {}
func (Cancel) input()        {}
func (Processed) input()     {}
func (Flush) input()         {}
func (TimerFired) input()    {}
func (Adopt) input()         {}
