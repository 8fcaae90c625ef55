package connection

import (
	"context"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/mtproto/exchange"
	"github.com/telefleet/orchestrator/mtproto/transport"
)

// maxFramesAhead bounds the frames that a reader has read and the actor not yet taken.
const maxFramesAhead = 64

// reader reads a socket to its end. Nothing of it but this is there while nothing arrives: it
// sleeps in the transport's poller, or, where there is none, in one goroutine without a buffer.
type reader struct {
	conn *transport.Conn
	root *actor.RootContext
	self *actor.PID
	gen  uint64
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
			r.root.Send(r.self, &frameRead{gen: r.gen, data: data})
		}
		if r.conn.Sleep(r.wake) {
			return
		}
	}
}

// take makes room for another frame.
func (r *reader) take() {
	select {
	case <-r.ahead:
	default: // stop has made it
	}
}

// stop lets the reader run to the end of its socket without delivering.
func (r *reader) stop() {
	r.unwanted.Store(true)
	for range maxFramesAhead { // the one send that may still come does not wait
		r.take()
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

func (c *connection) frameRead(ctx actor.Context, m *frameRead) {
	if m.gen != c.gen {
		return // the reader of an incarnation that was abandoned
	}
	c.reader.take()
	switch c.phase {
	case phaseExchanging:
		c.exchange(ctx, exchange.Frame{Data: m.data})
	case phaseOpening, phaseReady:
		c.step(ctx, mtproto.FrameReceived{Data: m.data})
		c.flushSoon(ctx)
	}
	transport.Recycle(m.data)
}
