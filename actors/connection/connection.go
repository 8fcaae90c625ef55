package connection

import (
	"context"
	"crypto/rsa"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/dcdial"
	"github.com/telefleet/orchestrator/internal/routes"
	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/mtproto/exchange"
)

// phase is where a connection stands.
//
//	parked ──Close────────────────────────────────────────┐
//	dialling ─dialled─> exchanging ─keys─> (binding) ─> opening ─init─> ready
//	    │                   │                  │           │              │   any end
//	    └───────────────────┴──────────────────┴───────────┴──────────────┴────────> closing ─reader and writer ended─> ended
type phase uint8

const (
	phaseParked phase = iota
	phaseDialling
	phaseExchanging // makes an auth key that the link lacks
	phaseBinding    // waits for the answer to auth.bindTempAuthKey
	phaseOpening    // waits for the answer to initConnection
	phaseReady
	phaseClosing // waits for the reader and the writer
	phaseEnded
)

// connection owns one socket to one DC. docs/states/connection.md draws it.
type connection struct {
	acc  *Account
	link *Link

	phase    phase
	gen      uint64
	conn     *dcdial.Conn
	route    routes.Route
	cancel   context.CancelFunc // ends dialling
	machine  *exchange.Machine
	initID   mtproto.CallID
	bindID   mtproto.CallID
	outbox   [][]byte // waits for the writer
	reader   *reader
	writing  bool
	reading  bool
	writer   func()          // writes the frames of wrote
	wrote    framesWritten   // the writer's one message
	flush    bool            // flushed is under way
	flushed  flushDue        // the one message of flushSoon
	inputs   []mtproto.Input // for the engine, while stepping
	stepping bool
	alarm    system.Alarm
	fired    timerFired // the one message of alarm
	end      error      // why it is closing; nil when it was asked to
	asked    bool       // Close came
	redial   bool       // Redial came
	// announceAgain is Redial's.
	announceAgain bool
	renewing      bool // it takes no further calls until its temporary key is replaced

	arrived  *UpdatesArrived // not delivered yet
	inStream int             // updates that the stream has not returned yet
	behind   bool            // updates are discarded until the stream has caught up
}

// New makes a connection of an account; its actor's parent must be the account's.
func New(acc *Account, l *Link) actor.Actor { return &connection{acc: acc, link: l} }

// Receive implements actor.Actor.
func (c *connection) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.started(ctx)
	case *actor.Restarting:
		c.abandon()
	case *actor.Stopping:
		c.abandon()
		c.orphan()
	case *dialled:
		c.dialled(ctx, m)
	case *readable:
		c.readable(ctx, m.reader)
	case *framesRead:
		c.framesRead(ctx, m)
	case *readerEnded:
		if m.gen == c.gen {
			c.readEnded(ctx, m.err)
		}
	case *framesWritten:
		c.written(ctx, m)
	case *timerFired:
		if m.gen == c.gen {
			c.step(ctx, mtproto.TimerFired{})
			c.renewIfDue(ctx)
		}
	case *flushDue:
		if m.gen == c.gen {
			c.flush = false
			c.step(ctx, mtproto.Flush{})
			c.renewWhenQuiet(ctx)
		}
	case *Call:
		c.invoke(ctx, m)
	case *Cancel:
		c.cancelCall(ctx, m.Call)
	case *Processed:
		c.processed(ctx, m)
	case *RenewInit:
		if c.phase == phaseReady {
			c.link.inited = false
			c.announce(ctx)
		}
	case *Replace:
		if c.phase == phaseReady {
			c.close(ctx, &EndError{c.link.dc, m.End, m.Err})
		}
	case *Close:
		c.asked = true
		if m.Now {
			c.close(ctx, nil)
			return
		}
		c.leave(ctx)
	case *Redial:
		if !c.asked && c.phase != phaseParked && c.phase != phaseClosing && c.phase != phaseEnded {
			c.announceAgain = m.Announce
			if m.Quiet && c.phase == phaseReady {
				c.renewing = true
				c.flushSoon(ctx)
				return
			}
			c.redial = true
			c.leave(ctx)
		}
	case *leaveTimeout:
		if m.gen == c.gen {
			c.close(ctx, nil)
		}
	}
}

// leaveTimeoutAfter is how long a server may take to end a connection that we have ended.
const leaveTimeoutAfter = time.Second

// leave ends the connection in good order: what is due is written, then our half is closed, and the
// server's end is awaited, so that nothing of it can arrive after the next connection's first
// packet.
func (c *connection) leave(ctx actor.Context) {
	if c.phase != phaseReady && c.phase != phaseOpening {
		c.close(ctx, nil)
		return
	}
	c.step(ctx, mtproto.Flush{Last: true})
	if !c.writing {
		c.halfClose(ctx)
	}
}

func (c *connection) halfClose(ctx actor.Context) {
	if c.phase == phaseClosing || c.phase == phaseEnded {
		return
	}
	if err := c.conn.CloseWrite(); err != nil {
		c.close(ctx, nil)
		return
	}
	self, root, gen := ctx.Self(), ctx.ActorSystem().Root, c.gen
	time.AfterFunc(leaveTimeoutAfter, func() { root.Send(self, &leaveTimeout{gen: gen}) })
}

func (c *connection) started(ctx actor.Context) {
	c.link.gen++
	c.gen = c.link.gen
	c.wrote.gen, c.flushed.gen, c.fired.gen = c.gen, c.gen, c.gen
	if c.link.parked {
		return
	}
	c.phase = phaseDialling
	dctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	self, root := ctx.Self(), ctx.ActorSystem().Root
	gen, l, acc := c.gen, c.link, c.acc
	go func() {
		conn, route, err := acc.dial(dctx, l.dc, l.side, l.files)
		root.Send(self, &dialled{gen: gen, conn: conn, route: route, err: err})
	}()
}

func (c *connection) dialled(ctx actor.Context, m *dialled) {
	c.cancel()
	c.route = m.route
	c.cancel = nil
	if m.gen != c.gen || c.phase != phaseDialling {
		if m.conn != nil {
			_ = m.conn.Close() // nothing was sent on it
		}
		if m.gen == c.gen {
			c.phase = phaseEnded
			c.finish(ctx)
		}
		return
	}
	if m.err != nil {
		c.phase = phaseEnded
		c.end = &EndError{c.link.dc, actionOf(m.err), m.err}
		c.finish(ctx)
		return
	}
	c.conn = m.conn
	c.acc.Sockets.Add(m.conn)
	c.writer = writeFrames(ctx, c.conn.Conn, &c.wrote)
	c.startReader(ctx)
	c.settle(ctx)
}

// settle makes the keys that the link lacks, then opens.
func (c *connection) settle(ctx actor.Context) {
	life := 0
	switch {
	case !c.link.hasKey():
	case c.settleTemp():
		life = int(c.tempLife() / time.Second)
	default:
		c.open(ctx)
		return
	}
	c.phase = phaseExchanging
	c.machine = exchange.New(exchange.Config{Keys: c.keys(), DC: c.conn.Field, Rand: c.acc.Rand, TempExpiresIn: life})
	c.exchange(ctx, exchange.Start{})
}

// keys are the RSA keys of the DC's servers.
func (c *connection) keys() []*rsa.PublicKey {
	known := c.acc.DCs.Known()
	if c.conn.CDN {
		return known.CDNKeys[c.link.dc]
	}
	return known.Keys
}

// exchange steps the key exchange.
func (c *connection) exchange(ctx actor.Context, in exchange.Input) {
	effects, err := c.machine.Step(c.acc.Now(), in)
	if err != nil {
		c.close(ctx, &EndError{c.link.dc, actionOf(err), err})
		return
	}
	for _, f := range effects.Write {
		c.write(ctx, f)
	}
	if r := effects.Result; r != nil {
		c.machine = nil
		c.made(ctx, keyOf(c.link.dc, r, c.acc.Now()))
		c.settle(ctx)
	}
}

// made takes over a key: the permanent one, or a temporary one to it.
func (c *connection) made(ctx actor.Context, key Key) {
	switch {
	case c.link.hasKey():
		c.link.temp = &tempKey{key: key, expires: key.CreatedAt.Add(c.tempLife())}
	case c.conn.CDN: // others may run it: its key is good for this connection
		c.link.key = &key
	default:
		c.link.key = &key
		ctx.Send(ctx.Parent(), &KeyMade{Key: key})
	}
}

// open attaches the engine to the new socket.
func (c *connection) open(ctx actor.Context) {
	if c.link.engine == nil || c.link.stale {
		if err := c.link.start(c.acc.Chance, c.acc.Ping); err != nil {
			c.close(ctx, &EndError{c.link.dc, Reconnect, err})
			return
		}
	}
	c.phase = phaseOpening
	c.step(ctx, mtproto.SocketUp{})
	c.flushSoon(ctx)
	switch {
	case c.link.temp != nil && !c.link.temp.bound:
		c.bind(ctx)
	case c.link.inited:
		c.ready(ctx)
	default:
		c.announce(ctx)
	}
}

// announce sends invokeWithLayer(initConnection(help.getConfig)) ahead of everything.
func (c *connection) announce(ctx actor.Context) {
	c.phase = phaseOpening
	c.link.nextID++
	c.initID = c.link.nextID
	body := c.acc.Profile().init
	if c.conn.CDN {
		body = c.acc.Profile().anonymous
	}
	c.step(ctx, mtproto.Invoke{ID: c.initID, Body: body, Idempotent: true})
	c.flushSoon(ctx)
}

func (c *connection) ready(ctx actor.Context) {
	c.phase = phaseReady
	c.link.inited = true
	c.acc.Routes.Report(c.acc.ID, c.route, nil)
	held := c.link.held
	c.link.held = nil
	for _, call := range held {
		c.give(ctx, call)
	}
	if c.link.wasUp && !c.link.side {
		ctx.Send(ctx.Parent(), &SessionCreated{DC: c.link.Number()})
	}
	c.link.wasUp = true
	ctx.Send(ctx.Parent(), &Ready{DC: c.link.Number()})
}

func (c *connection) invoke(ctx actor.Context, call *Call) {
	if c.link.engine == nil || !c.link.inited || c.link.stale || c.renewing {
		c.link.held = append(c.link.held, call)
		return
	}
	c.give(ctx, call)
}

func (c *connection) give(ctx actor.Context, call *Call) {
	c.link.give(call)
	c.step(ctx, mtproto.Invoke{ID: call.id, Body: call.Body, Idempotent: call.Idempotent, Low: call.Low})
	c.flushSoon(ctx)
}

func (c *connection) cancelCall(ctx actor.Context, call *Call) {
	if c.link.drop(call) {
		call.Done(nil, context.Canceled)
		return
	}
	if c.link.has(call) {
		c.step(ctx, mtproto.Cancel{ID: call.id})
		c.flushSoon(ctx)
	}
}

// flushSoon flushes once everything that waits in the mailbox now has been queued.
func (c *connection) flushSoon(ctx actor.Context) {
	if !c.flush && c.conn != nil {
		c.flush = true
		ctx.Send(ctx.Self(), &c.flushed)
	}
}

// close begins the end: the socket is closed, reader and writer are awaited.
func (c *connection) close(ctx actor.Context, reason error) {
	switch c.phase {
	case phaseParked:
		c.phase = phaseEnded
	case phaseDialling:
		c.cancel() // dialled answers
		c.phase, c.end = phaseClosing, reason
		return
	case phaseClosing, phaseEnded:
	default:
		c.phase, c.end = phaseClosing, reason
		c.stopTimer()
		c.stopReader()
		c.detach(ctx)
		// Bytes that the kernel still holds must not reach the server after the first packet of
		// the next connection: two of them in parallel cost the key.
		_ = c.conn.Abort() // closing is all that matters
		c.acc.Sockets.Remove(c.conn)
	}
	c.finish(ctx)
}

// finish tells the account, once nothing of the socket is left.
func (c *connection) finish(ctx actor.Context) {
	if c.reading || c.writing || c.phase == phaseClosing && c.conn == nil {
		return
	}
	if c.phase != phaseClosing && c.phase != phaseEnded {
		return
	}
	c.phase = phaseEnded
	if c.asked {
		ctx.Send(ctx.Parent(), &Closed{DC: c.link.Number()})
		return
	}
	end := c.end
	if c.redial {
		c.link.inited = c.link.inited && !c.announceAgain
		end = &EndError{c.link.dc, Again, errors.New("to be dialled anew")}
	}
	if end != nil {
		c.acc.Routes.Report(c.acc.ID, c.route, end)
	}
	if end == nil {
		end = &EndError{c.link.dc, Reconnect, errors.New("closed")}
	}
	c.acc.hasEnded(end)
	ctx.(actor.Supervisor).EscalateFailure(end, nil)
}

// abandon is the last resort of an incarnation that ends by a panic or a stop from above: the
// socket dies with it. The next dial waits for its reader.
func (c *connection) abandon() {
	defer func() { _ = recover() }() // a panic here would bring the actor back to life
	if c.cancel != nil {
		c.cancel()
	}
	c.stopTimer()
	c.stopReader()
	if c.conn == nil {
		return
	}
	if c.phase != phaseEnded {
		c.link.stale = true // the engine may be half through a step
	}
	_ = c.conn.Abort() // closing is all that matters
	c.acc.Sockets.Remove(c.conn)
}

// orphan answers the calls of a connection that is stopped from above, not by its account's
// Close: nobody will take them over.
func (c *connection) orphan() {
	defer func() { _ = recover() }() // a panic here would bring the actor back to life
	if c.phase == phaseEnded || c.phase == phaseParked {
		return
	}
	for _, call := range c.link.Orphans() {
		call.Done(nil, fleet.Errorf(fleet.CodeFailedPrecondition, "ACCOUNT_CONNECTING", "the account is connecting: it is being restarted").
			WithRemedy("repeat the call in a moment"))
	}
}

func (c *connection) stopTimer() { c.acc.Clock.Stop(&c.alarm) }
