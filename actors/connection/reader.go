package connection

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/mtproto/exchange"
	"github.com/telefleet/orchestrator/mtproto/transport"
)

// maxFramesAhead bounds the frames that a reader has read and the actor not yet taken.
const maxFramesAhead = 64

// reader reads a socket to its end, and tells the actor once of all frames that it has not taken. Nothing of it but this is there while nothing arrives: it
// sleeps in the transport's poller, or, where there is none, in one goroutine without a buffer.
type reader struct {
	conn *transport.Conn
	root *actor.RootContext
	self *actor.PID
	gen  uint64
	news framesRead

	mu     sync.Mutex
	frames [][]byte // that the actor has not taken; with the first of them news is sent
	// ahead has one element for each frame that the actor has not taken; it is closed when the
	// reader has ended.
	ahead    chan struct{}
	wake     func()      // read, kept so that no closure is made per sleep
	unwanted atomic.Bool // frames are read on to the end of the socket and dropped
}

// read reads until there is nothing to read.
func (r *reader) read() {
	for {
		data, err := r.conn.ReadFrame()
		if err != nil {
			r.root.Send(r.self, &readerEnded{gen: r.gen, err: err})
			close(r.ahead)
			return
		}
		if r.unwanted.Load() {
			transport.Recycle(data)
		} else {
			r.ahead <- struct{}{}
			r.give(data)
		}
		if r.conn.Sleep(r.wake) {
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

// stop lets the reader run to the end of its socket without delivering.
func (r *reader) stop() {
	r.unwanted.Store(true)
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
	c.reader = &reader{
		conn: c.conn.Conn, root: ctx.ActorSystem().Root, self: ctx.Self(), gen: c.gen,
		ahead: make(chan struct{}, maxFramesAhead),
	}
	c.reader.news.reader = c.reader
	c.reader.wake = c.reader.read
	if !c.link.side {
		c.acc.reader.Store(c.reader)
	}
	c.acc.Workers.Go(c.reader.wake)
}

func (c *connection) stopReader() {
	if c.reader != nil {
		c.reader.stop()
	}
}

func (c *connection) framesRead(ctx actor.Context, m *framesRead) {
	frames := m.reader.take()
	if m.reader != c.reader {
		return // of an incarnation that was abandoned
	}
	for _, frame := range frames {
		switch c.phase {
		case phaseExchanging:
			c.exchange(ctx, exchange.Frame{Data: frame})
		case phaseBinding, phaseOpening, phaseReady:
			c.step(ctx, mtproto.FrameReceived{Data: frame})
			c.link.known = c.link.known || c.phase != phaseClosing && c.phase != phaseBinding
		}
		transport.Recycle(frame)
	}
	c.deliver(ctx)
	if c.phase == phaseBinding || c.phase == phaseOpening || c.phase == phaseReady {
		c.flushSoon(ctx)
	}
}
