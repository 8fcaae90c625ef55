package mtproto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

// Config is what an Engine starts from.
type Config struct {
	// Key is the auth key. The engine shares it, so it must never change.
	Key *[256]byte
	// Salts are the known server salts; the one of the key exchange may have zero times. The engine
	// shares the slice and does not change what is in it, and nobody else may.
	Salts []Salt
	// TimeOffset is the server's clock minus ours.
	TimeOffset time.Duration
	// SessionID is the session's id; 0: drawn from Rand.
	SessionID int64
	// Rand is a cryptographically secure source: session id, ping ids, padding.
	Rand io.Reader
	// PingInterval and DisconnectDelay (ping_delay_disconnect): 60 s and 75 s if both are
	// zero. The server closes the socket DisconnectDelay after the last ping, in whole
	// seconds; the delay must be greater than the interval.
	PingInterval, DisconnectDelay time.Duration
}

// String hides the key.
func (c Config) String() string { return "mtproto.Config(redacted)" }

// GoString hides the key.
func (c Config) GoString() string { return c.String() }

func (c *Config) validate() error {
	if c.PingInterval == 0 && c.DisconnectDelay == 0 {
		c.PingInterval, c.DisconnectDelay = defaultPingInterval, defaultDisconnectDelay
	}
	switch {
	case c.Key == nil || *c.Key == [256]byte{}:
		return errors.New("mtproto config: Key: must not be zero")
	case c.Rand == nil:
		return errors.New("mtproto config: Rand: must be set")
	case c.PingInterval <= 0:
		return fmt.Errorf("mtproto config: PingInterval: must be positive (got %v)", c.PingInterval)
	case c.DisconnectDelay <= c.PingInterval:
		return fmt.Errorf("mtproto config: DisconnectDelay: must be greater than PingInterval %v (got %v)", c.PingInterval, c.DisconnectDelay)
	case c.DisconnectDelay < time.Second:
		return fmt.Errorf("mtproto config: DisconnectDelay: must be at least 1s (got %v)", c.DisconnectDelay)
	}
	return nil
}

// phase is where the engine is in its life:
//
//	       SocketUp                Closed{Reconnect, KeyUnknown, Flood, WrongDC}
//	down ────────────▶ up ───────────────────────────────────▶ closing
//	 ▲                 │ │                                        │
//	 │   SocketDown    │ │ Closed{NewSession}                     │
//	 ├─────────────────┘ ▼                                        │
//	 │                 ended: Unanswered goes to a successor      │
//	 │                        SocketDown                          │
//	 └────────────────────────────────────────────────────────────┘
//
// A call has a smaller life inside it:
//
//	        Flush          rpc_result                  (CallDone)
//	queued ───────▶ sent ────────────────────────────▶ done
//	  ▲               │ ▲                               ▲
//	  │  refused or   │ │ server has it: wait           │ forgotten and not
//	  │ not received  ▼ │                               │ idempotent
//	  └──────────── asked (msgs_state_req, after SocketUp)
type phase uint8

const (
	down phase = iota
	up
	closing
	ended
)

// Engine is one MTProto session: see the package comment. The zero value is not usable.
type Engine struct {
	key             wire.Key
	rand            io.Reader
	pingInterval    time.Duration
	disconnectDelay time.Duration
	sessionID       int64
	phase           phase
	socket          uint32 // counts SocketUp

	clock    clock
	salts    saltList
	incoming window
	recent   recentIDs
	seq      int32 // content-related messages sent so far
	dirty    bool  // salts or offset changed: Persist is due

	calls calls
	acks  acks
	ping  ping
	out   outbox

	uniqueID    int64 // of the last new_session_created
	hasUniqueID bool
	refusals    rate  // packets that the server refused
	refusedUpTo int64 // last id that was sent when it last refused one

	timer    time.Time // last SetTimer
	inflated int       // bytes that the present frame has unpacked to
	effects  []Effect
	batch    []*call // scratch of takeBatch
}

// New makes an engine without a socket.
func New(cfg Config) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	var random [16]byte
	if _, err := io.ReadFull(cfg.Rand, random[:]); err != nil {
		return nil, fmt.Errorf("read entropy: %w", err)
	}
	e := &Engine{
		key:             wire.NewKey(cfg.Key),
		rand:            cfg.Rand,
		pingInterval:    cfg.PingInterval,
		disconnectDelay: cfg.DisconnectDelay,
		sessionID:       cfg.SessionID,
		clock:           clock{offset: cfg.TimeOffset},
	}
	if e.sessionID == 0 {
		e.sessionID = int64(binary.LittleEndian.Uint64(random[:])) | 1
	}
	e.ping.id = int64(binary.LittleEndian.Uint64(random[8:]))
	e.salts.load(cfg.Salts)
	return e, nil
}

// Step takes one input and returns its effects; the slice is valid until the next Step.
func (e *Engine) Step(now time.Time, in Input) []Effect {
	clear(e.effects)
	e.effects = e.effects[:0]
	switch in := in.(type) {
	case SocketUp:
		e.socketUp(now)
	case SocketDown:
		e.socketDown()
	case FrameReceived:
		e.receive(now, in.Data)
	case Invoke:
		e.invoke(in)
	case Bind:
		e.bind(in)
	case Cancel:
		e.cancel(in.ID)
	case Processed:
		e.processed(now, in.MsgIDs)
	case Flush:
		if in.Last {
			e.acks.since = time.Time{} // due
		}
		e.flush(now)
	case TimerFired:
		e.timerFired(now)
	case Adopt:
		e.adopt(in.Calls)
	}
	e.persist()
	e.updateTimer()
	return e.effects
}

// SuccessorConfig is the configuration for the engine that follows this one with a new
// session id: same key, the salts and the time offset learned so far.
func (e *Engine) SuccessorConfig() Config {
	return Config{
		Key:             e.key.Value,
		Salts:           e.salts.list,
		TimeOffset:      e.clock.offset,
		Rand:            e.rand,
		PingInterval:    e.pingInterval,
		DisconnectDelay: e.disconnectDelay,
	}
}

func (e *Engine) persist() {
	if e.dirty {
		e.dirty = false
		e.emit(Persist{Salts: e.salts.list, TimeOffset: e.clock.offset})
	}
}

func (e *Engine) emit(effect Effect) { e.effects = append(e.effects, effect) }

func (e *Engine) done(id CallID, err error) { e.emit(CallDone{ID: id, Err: err}) }
