package connection

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/mtproto"
)

// MaxInStream is the credit of the update stream: updates that it may have without returning
// them. Behind it they are dropped until only resumeInStream are left.
const (
	MaxInStream    = 512
	resumeInStream = 64
)

// updates keeps one push for the stream until deliver, or drops it while the stream is behind: the
// connection never stops reading, because answers, pongs and acks share the socket.
func (c *connection) updates(ctx actor.Context, e mtproto.UpdatesReceived) {
	if c.inStream >= MaxInStream {
		c.behind = true
	}
	if c.behind || c.link.side {
		c.step(ctx, mtproto.Processed{MsgIDs: []int64{e.MsgID}})
		c.flushSoon(ctx)
		return
	}
	c.inStream++
	if c.arrived == nil {
		c.arrived, _ = arrivals.Get().(*UpdatesArrived)
	}
	c.arrived.Pushes = append(c.arrived.Pushes, e)
}

// arrivals are messages whose room is used again: an idle connection has none.
var arrivals = sync.Pool{New: func() any { return new(UpdatesArrived) }}

// Recycle ends the use of a message, but not of the bodies of its pushes.
func (m *UpdatesArrived) Recycle() {
	clear(m.Pushes)
	m.From, m.Pushes = nil, m.Pushes[:0]
	arrivals.Put(m)
}

// deliver hands over what was kept: to the stream, or while there is none to the parent. A few that
// cross the start of the stream may overtake others; its machine then waits for a difference
// anyhow, and puts all of them in order.
func (c *connection) deliver(ctx actor.Context) {
	m := c.arrived
	if m == nil {
		return
	}
	c.arrived = nil
	to := c.acc.stream.Load()
	if to == nil {
		to = ctx.Parent()
	}
	m.From = ctx.Self()
	ctx.Send(to, m)
}

// result hands over an answer that carries updates, in its place among the pushes. The parent knows
// of it first, so that the caller is answered even if the stream ends.
func (c *connection) result(ctx actor.Context, call *Call, result []byte) {
	c.deliver(ctx)
	m := &ResultReceived{Call: call, Result: result, Stream: c.acc.stream.Load()}
	ctx.Send(ctx.Parent(), m)
	if m.Stream != nil {
		ctx.Send(m.Stream, m)
	}
}

func (c *connection) processed(ctx actor.Context, m *Processed) {
	c.inStream = max(0, c.inStream-m.Taken)
	if len(m.MsgIDs) > 0 {
		c.step(ctx, mtproto.Processed{MsgIDs: m.MsgIDs})
		c.flushSoon(ctx)
	}
	if c.behind && c.inStream <= resumeInStream {
		c.behind = false
		ctx.Send(ctx.Parent(), &UpdatesDropped{})
	}
	if c.renewing {
		c.flushSoon(ctx)
	}
}
