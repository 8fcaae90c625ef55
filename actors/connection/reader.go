package connection

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/mailbox"
	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/mtproto/exchange"
	"github.com/telefleet/orchestrator/mtproto/transport"
)

// maxFramesAhead bounds the frames that a reader's goroutine has read and the actor not yet taken.
const maxFramesAhead = 64

// turn says who reads a socket.
//
//	         woken           readable              the beginning of a packet
//	asleep ────────> called ─────────> actor ────────────────────────────────> goroutine
//	  ▲  ▲                               │                                       │ ▲
//	  │  └────────── all read ───────────┘                                       │ │ stop, from called and actor,
//	  └───────────────────────────── all read ───────────────────────────────────┘ │ and woken after it
//
// An end of the socket leads from actor and goroutine to over.
type turn uint8

const (
	asleep    turn = iota
	called         // readable is in the actor's mailbox
	byActor        // in its Receive
	byRoutine      // it may wait
	over
)

// reader reads a socket to its end. While nothing arrives it sleeps in the transport's poller, and nothing of it but this is
// there. What has arrived is read by the actor itself; a goroutine reads what must be waited for: the rest of a packet,
// where there is no poller, and the end of a socket that the actor has given up.
type reader struct {
	conn    *transport.Conn
	workers *mailbox.Workers
	root    *actor.RootContext
	self    *actor.PID
	gen     uint64
	news    framesRead
	call    readable

	mu       sync.Mutex
	turn     turn
	unwanted atomic.Bool // frames are read on to the end of the socket and dropped
	frames   [][]byte    // that the goroutine has read and the actor not taken; with the first of them news is sent
	// ahead has one element for each frame that the actor has not taken; it is closed when the
	// reader has ended.
	ahead chan struct{}
	wake  func() // woken, kept so that no closure is made per sleep
}

// woken lets the actor read on. It is called by the poller.
func (r *reader) woken() {
	r.mu.Lock()
	abandoned := r.unwanted.Load()
	r.turn = called
	if abandoned {
		r.turn = byRoutine
	}
	r.mu.Unlock()
	if abandoned {
		r.workers.Go(r.read)
		return
	}
	r.root.Send(r.self, &r.call)
}

// begin takes the actor's turn, unless stop has given it away.
func (r *reader) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.turn != called {
		return false
	}
	r.turn = byActor
	return true
}

func (r *reader) is(t turn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.turn == t
}

func (r *reader) set(t turn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn = t
}

// sleep gives the turn to the poller. False: the goroutine has it.
func (r *reader) sleep() bool {
	r.set(asleep)
	if r.conn.Sleep(r.wake) {
		return true // and it may be somebody's turn again
	}
	r.set(byRoutine)
	return false
}

// rest ends the actor's turn: nobody's follows, or the goroutine's.
func (r *reader) rest() {
	if r.is(byActor) && !r.sleep() {
		r.workers.Go(r.read)
	}
}

// pull gives what has arrived to the actor, packet by packet, if it is its turn. After an error nothing is read any more.
func (r *reader) pull(frame func([]byte)) error {
	if !r.begin() {
		return nil
	}
	err := r.conn.Pull()
	for err == nil && r.is(byActor) { // a packet may make the actor stop the reader
		var data []byte
		if data, err = r.conn.Buffered(); data == nil {
			break
		}
		frame(data)
	}
	if err != nil {
		r.end()
	}
	return err
}

// end says that nothing is read any more.
func (r *reader) end() {
	r.set(over)
	close(r.ahead)
}

// read is the goroutine: it reads until there is nothing to read.
func (r *reader) read() {
	for {
		data, err := r.conn.ReadFrame()
		if err != nil {
			r.root.Send(r.self, &readerEnded{gen: r.gen, err: err})
			r.end()
			return
		}
		if r.unwanted.Load() {
			transport.Recycle(data)
		} else {
			r.ahead <- struct{}{}
			r.give(data)
		}
		if r.sleep() {
			return
		}
	}
}

func (r *reader) give(frame []byte) {
	r.mu.Lock()
	first := len(r.frames) == 0
	r.frames = append(r.frames, frame)
	r.mu.Unlock()
	if first {
		r.root.Send(r.self, &r.news)
	}
}

// take returns the frames that have been read, in order, and makes room for others.
func (r *reader) take() [][]byte {
	r.mu.Lock()
	frames := r.frames
	r.frames = nil
	r.mu.Unlock()
	for range frames {
		r.release()
	}
	return frames
}

// release makes room for another frame.
func (r *reader) release() {
	select {
	case <-r.ahead:
	default: // stop has made it
	}
}

// stop lets the reader run to the end of its socket without the actor, and without delivering.
func (r *reader) stop() {
	r.mu.Lock()
	r.unwanted.Store(true)
	take := r.turn == called || r.turn == byActor
	if take {
		r.turn = byRoutine
	}
	r.mu.Unlock()
	if take {
		r.workers.Go(r.read)
	}
	for range maxFramesAhead { // the one send that may still come does not wait
		r.release()
	}
}

// ended waits for the end of a reader that was stopped.
func (r *reader) ended(ctx context.Context) error {
	for {
		select {
		case _, open := <-r.ahead:
			if !open {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *connection) startReader(ctx actor.Context) {
	c.reading = true
	r := &reader{
		conn: c.conn.Conn, workers: c.acc.Workers, root: ctx.ActorSystem().Root, self: ctx.Self(), gen: c.gen,
		ahead: make(chan struct{}, maxFramesAhead),
	}
	r.news.reader, r.call.reader = r, r
	r.wake, r.turn = r.woken, byActor
	c.reader = r
	if !c.link.side {
		c.acc.reader.Store(r)
	}
	r.rest()
}

func (c *connection) stopReader() {
	if c.reader != nil {
		c.reader.stop()
	}
}

// readable reads what has arrived.
func (c *connection) readable(ctx actor.Context, r *reader) {
	err := r.pull(func(data []byte) { c.frame(ctx, data) })
	c.framesDone(ctx)
	if err != nil {
		c.readEnded(ctx, err)
		return
	}
	r.rest()
}

// readEnded is called once nothing is read any more.
func (c *connection) readEnded(ctx actor.Context, err error) {
	c.reading = false
	c.close(ctx, &EndError{c.link.dc, Reconnect, err})
}

func (c *connection) framesRead(ctx actor.Context, m *framesRead) {
	frames := m.reader.take()
	if m.reader != c.reader {
		return // of an incarnation that was abandoned
	}
	for _, frame := range frames {
		c.frame(ctx, frame)
	}
	c.framesDone(ctx)
}

// frame takes one packet in.
func (c *connection) frame(ctx actor.Context, frame []byte) {
	switch c.phase {
	case phaseExchanging:
		c.exchange(ctx, exchange.Frame{Data: frame})
	case phaseBinding, phaseOpening, phaseReady:
		c.step(ctx, mtproto.FrameReceived{Data: frame})
		c.link.known = c.link.known || c.phase != phaseClosing && c.phase != phaseBinding
	}
	transport.Recycle(frame)
}

// framesDone passes on what came of the packets that arrived together.
func (c *connection) framesDone(ctx actor.Context) {
	c.deliver(ctx)
	if c.phase == phaseBinding || c.phase == phaseOpening || c.phase == phaseReady {
		c.flushSoon(ctx)
	}
}
