// Package mtproto is one MTProto 2.0 session as a pure machine.
//
// # Usage
//
// An Engine belongs to one account and one auth key. It does nothing by itself: its
// user hands it inputs (a frame that arrived, a call to send, a timer that fired, the
// socket came up or went down) and carries out the effects that come back, in order.
//
//	e, err := mtproto.New(mtproto.Config{Key: key, Salts: salts, Rand: rand.Reader})
//	...
//	for _, effect := range e.Step(time.Now(), mtproto.FrameReceived{Data: frame}) {
//		switch effect := effect.(type) {
//		case mtproto.Write:
//			queue(effect.Frame)
//		case mtproto.CallDone:
//			...
//		}
//	}
//
// Inputs only queue; Flush (and TimerFired) write. After every run of inputs, send one
// Flush: what the run queued then leaves in one container and one write.
//
// An Engine outlives sockets. SocketDown keeps the calls that wait for an answer, and the
// next SocketUp asks the server what became of them. After a Closed whose action is
// NewSession the engine has ended: its successor is built from SuccessorConfig and takes
// Unanswered over with Adopt.
//
// # Concurrency
//
// An Engine has no lock and no goroutine, and reads no clock: one goroutine at a time may
// use it. Bytes in effects belong to the receiver; bytes of a FrameReceived are overwritten
// but not kept; the body of a call is kept, and must not change, until its CallDone.
//
// # Errors
//
// Calls end with *RPCError (the server said so), or with ErrUnknownOutcome, ErrCancelled,
// ErrTooLarge, ErrMalformed, ErrTooManyCalls, *BadMsgError or a *ResultError (we say so). A
// socket ends with *CloseError, whose Action says what to do next.
package mtproto
