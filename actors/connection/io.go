package connection

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/internal/tlcall"
	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/mtproto/transport"
	"github.com/telefleet/orchestrator/telegram/tlupdates"
)

// step gives one input to the engine and carries out its effects in order. An input that comes
// up while effects are carried out waits for the last of them. The engine takes inputs without
// a socket too: calls wait in it, and what was processed must not be forgotten.
func (c *connection) step(ctx actor.Context, in mtproto.Input) {
	switch {
	case c.link.engine == nil:
	case c.stepping:
		c.inputs = append(c.inputs, in)
	default:
		c.stepping = true
		c.carryOut(ctx, in)
		c.drainInputs(ctx)
	}
}

// drainInputs steps with the inputs that have come up meanwhile; stepping is set.
func (c *connection) drainInputs(ctx actor.Context) {
	for len(c.inputs) > 0 {
		next := c.inputs[0]
		c.inputs = c.inputs[1:]
		c.carryOut(ctx, next)
	}
	c.inputs, c.stepping = nil, false
}

func (c *connection) carryOut(ctx actor.Context, in mtproto.Input) {
	for _, effect := range c.link.engine.Step(c.acc.Now(), in) {
		c.effect(ctx, effect)
	}
}

// detach tells the engine that its socket is gone, before anything else.
func (c *connection) detach(ctx actor.Context) {
	if c.link.engine == nil {
		return
	}
	c.inputs = append([]mtproto.Input{mtproto.SocketDown{}}, c.inputs...)
	if !c.stepping {
		c.stepping = true
		c.drainInputs(ctx)
	}
}

func (c *connection) effect(ctx actor.Context, effect mtproto.Effect) {
	switch e := effect.(type) {
	case mtproto.Write:
		c.write(ctx, e.Frame)
	case mtproto.SetTimer:
		c.setTimer(ctx, e.At)
	case mtproto.CallDone:
		c.callDone(ctx, e)
	case mtproto.UpdatesReceived:
		c.updates(ctx, e)
	case mtproto.SessionCreated:
		if !c.link.side { // a side brings no updates
			ctx.Send(ctx.Parent(), &SessionCreated{DC: c.link.Number()})
		}
	case mtproto.Persist:
		c.remember(ctx, e)
	case mtproto.Refused:
		c.acc.Tally.Refused.Add(e.Code)
	case mtproto.Closed:
		c.link.stale = c.link.stale || staleAfter(e.Reason)
		c.ended(ctx, e.Reason)
	}
}

// ended closes the socket for the engine's reason.
func (c *connection) ended(ctx actor.Context, reason error) {
	c.noteEnd(reason)
	end := endOf(c.link.dc, reason)
	c.tempGone(end)
	c.close(ctx, end)
}

func (c *connection) callDone(ctx actor.Context, e mtproto.CallDone) {
	switch e.ID {
	case c.bindID:
		c.bindID = 0
		c.bound(ctx, e)
		return
	case c.initID:
		c.initID = 0
		c.announced(ctx, e)
		return
	}
	call := c.link.take(e.ID)
	if call == nil {
		return
	}
	var refused *mtproto.RPCError
	switch {
	case errors.As(e.Err, &refused):
		c.acc.Tally.Answers.Error(refused.Code)
		if !c.unbound(ctx, call, refused) {
			ctx.Send(ctx.Parent(), &CallRefused{DC: c.link.Number(), Call: call, Err: refused})
		}
	case e.Err != nil:
		call.Done(nil, engineError(call.Method, e.Err))
	default:
		c.acc.Tally.Answers.OK()
		c.answered(ctx, call, e.Result)
	}
}

// answered hands a result over.
func (c *connection) answered(ctx actor.Context, call *Call, result []byte) {
	if !c.link.side && tlupdates.CarriesUpdates(tlcall.Constructor(result)) {
		c.result(ctx, call, result)
		return
	}
	call.Done(result, nil)
}

// announced is the answer to initConnection(help.getConfig).
func (c *connection) announced(ctx actor.Context, e mtproto.CallDone) {
	var refused *mtproto.RPCError
	switch {
	case errors.As(e.Err, &refused) && c.unbound(ctx, nil, refused):
	case errors.As(e.Err, &refused):
		ctx.Send(ctx.Parent(), &CallRefused{DC: c.link.Number(), Err: refused})
		c.close(ctx, &EndError{c.link.dc, Reconnect, engineError("initConnection", e.Err)})
	case c.phase == phaseClosing || c.phase == phaseEnded:
	case e.Err != nil:
		c.close(ctx, &EndError{c.link.dc, Reconnect, e.Err})
	case tlcall.Constructor(e.Result) != tg.ConfigTypeID:
		c.close(ctx, &EndError{c.link.dc, Reconnect, errors.New("initConnection was not answered by a config")})
	case c.phase == phaseOpening:
		c.learn(e.Result)
		c.ready(ctx)
	}
}

// learn takes over the addresses of a config. Every connection brings one; few are looked at.
func (c *connection) learn(result []byte) {
	if c.conn.CDN || !c.acc.DCs.Due() {
		return
	}
	var config tg.Config
	if config.Decode(&bin.Buffer{Buf: result}) == nil { // one that cannot be read is no harm
		c.acc.DCs.Learn(config.DCOptions)
	}
}

// remember takes over what the engine wants to survive the process.
func (c *connection) remember(ctx actor.Context, e mtproto.Persist) {
	if c.link.temp != nil { // its salts are of no use to another
		return
	}
	ctx.Send(ctx.Parent(), &SaltsChanged{DC: c.link.Number(), Salts: e.Salts, TimeOffset: e.TimeOffset})
}

func (c *connection) setTimer(ctx actor.Context, at time.Time) {
	if at.IsZero() || c.phase == phaseClosing || c.phase == phaseEnded {
		c.stopTimer()
		return
	}
	c.acc.Clock.Set(&c.alarm, at.Sub(c.acc.Now()), ctx.Self(), &c.fired)
}

// write sends a frame. Most leave at once; for what the socket does not take there is a writer, which works only while
// bytes are queued.
func (c *connection) write(ctx actor.Context, frame []byte) {
	if c.conn == nil || c.phase == phaseClosing || c.phase == phaseEnded {
		return
	}
	if c.writing {
		c.outbox = append(c.outbox, frame)
		return
	}
	all, err := c.conn.Offer(frame)
	switch {
	case err != nil: // heard of as the writer's errors are, when the engine's effects have been carried out
		c.writing, c.wrote.err = true, err
		ctx.Send(ctx.Self(), &c.wrote)
	case !all:
		c.startWriter()
	}
}

// startWriter sends what a socket has not taken at once, and the outbox.
func (c *connection) startWriter() {
	c.writing = true
	c.wrote.frames, c.outbox = c.outbox, nil
	c.acc.Workers.Go(c.writer)
}

// writeFrames returns the writer of one socket; what it writes and its outcome lie in wrote.
func writeFrames(ctx actor.Context, conn *transport.Conn, wrote *framesWritten) func() {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	return func() {
		wrote.err = conn.Drain()
		for _, f := range wrote.frames {
			if wrote.err != nil {
				break
			}
			wrote.err = conn.WriteFrame(f)
		}
		wrote.frames = nil
		root.Send(self, wrote)
	}
}

func (c *connection) written(ctx actor.Context, m *framesWritten) {
	if m.gen != c.gen {
		return
	}
	c.writing = false
	if m.err != nil && c.phase != phaseClosing {
		c.close(ctx, &EndError{c.link.dc, actionOf(m.err), m.err})
		return
	}
	if c.phase == phaseClosing {
		c.finish(ctx)
		return
	}
	switch {
	case len(c.outbox) > 0:
		c.startWriter()
	case c.asked || c.redial:
		c.halfClose(ctx)
	}
}
