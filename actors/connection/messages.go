package connection

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/routes"
	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/sessionstore"
)

// Call is one RPC on its way through an account; sent to an account or to a connection, it asks
// to be carried out. It is answered exactly once, by Done, which must not block.
type Call struct {
	Method     string // TL name, for errors and logs
	TypeID     uint32 // constructor of the query
	Body       []byte // TL of the query
	Idempotent bool
	Low        bool // after all others: parts of files
	Done       func(result []byte, err error)

	// What follows is the account's; a connection does not look at it.

	Internal  bool // made by the account itself: overtakes the queue
	DC        int  // 0 is the home DC
	Side      int  // where it was sent; see actors/sides
	Plain     bool // not by addresses for files: they have failed it
	Attempts  int
	Order     uint64 // of its arrival; calls that waited leave by it
	Cancelled bool   // its caller has gone

	id mtproto.CallID // in its link, while it is there
}

// Commands to a connection, besides *Call.
type (
	// Cancel gives a call up: its caller has gone.
	Cancel struct{ Call *Call }
	// Processed returns credit for taken updates, and allows to acknowledge messages.
	Processed struct {
		Taken  int
		MsgIDs []int64
	}
	// RenewInit announces the application again before the next call.
	RenewInit struct{}
	// Replace ends it as if it had failed in this way; without effect unless it is ready.
	Replace struct {
		End End
		Err error
	}
	// Redial ends its socket in good order and dials again at once: the way there has changed. Calls
	// are kept. With Announce the application is announced again; with Quiet running calls are waited
	// for, because they would not outlive the change of keys.
	Redial struct{ Announce, Quiet bool }
	// Close ends it for good; the answer is Closed. With Now nothing is written any more and the
	// server's end is not awaited.
	Close struct{ Now bool }
)

// Events from a connection to its parent. DC is Link.Number, but for KeyMade.
type (
	// KeyMade is an auth key that must be stored: the server may forget an unused one.
	KeyMade struct{ Key Key }
	// Ready says that calls flow.
	Ready struct{ DC int }
	// Closed says that nothing of the socket is left; the parent stops the actor.
	Closed struct{ DC int }
	// SaltsChanged is what should be stored with the key.
	SaltsChanged struct {
		DC         int
		Salts      []sessionstore.Salt
		TimeOffset time.Duration
	}
	// SessionCreated says that updates may be missing: the server began a new session, or the
	// socket is not the first.
	SessionCreated struct{ DC int }
	// CallRefused is an RPC error. The parent answers the call, or repeats it; a refused
	// initConnection has no call.
	CallRefused struct {
		DC   int
		Call *Call
		Err  *mtproto.RPCError
	}
	// ResultReceived is an answer that carries updates: the parent answers the call once they
	// have passed the update stream. Stream has got it too; nil: nobody has.
	ResultReceived struct {
		Call   *Call
		Result []byte
		Stream *actor.PID
	}
	// UpdatesArrived is what the server has pushed, in order, to Account.SetStream or to the parent.
	// Processed to From returns its credit and lets it be acknowledged. Whoever has read it may Recycle it.
	UpdatesArrived struct {
		From   *actor.PID
		Pushes []mtproto.UpdatesReceived
	}
	// UpdatesDropped says that updates were discarded for want of credit.
	UpdatesDropped struct{}
)

// Events from goroutines of a connection; gen names the incarnation they were made for.
type (
	dialled struct {
		gen   uint64
		conn  *dcdial.Conn
		route routes.Route
		err   error
	}
	readable    struct{ reader *reader } // something has arrived
	framesRead  struct{ reader *reader } // its goroutine has frames
	readerEnded struct {
		gen uint64
		err error
	}
	framesWritten struct {
		gen    uint64
		err    error
		frames [][]byte // to be written
	}
	timerFired   struct{ gen uint64 }
	flushDue     struct{ gen uint64 }
	leaveTimeout struct{ gen uint64 }
)
