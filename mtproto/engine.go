package mtproto

import (
	"errors"
	"io"
	"time"
)

// Config is what an Engine starts from.
type Config struct {
	// Key is the auth key.
	Key [256]byte
	// Salts are the known server salts; the one of the key exchange may have zero times.
	Salts []Salt
	// TimeOffset is the server's clock minus ours.
	TimeOffset time.Duration
	// SessionID is the session's id; 0: drawn from Rand.
	SessionID int64
	// Rand is a cryptographically secure source: session id, ping ids, padding.
	Rand io.Reader
	// PingInterval and DisconnectDelay (ping_delay_disconnect): 60 s and 75 s if both are
	// zero. The server closes the socket DisconnectDelay after the last ping. Whole seconds
	// count; the delay must be greater than the interval.
	PingInterval, DisconnectDelay time.Duration
}

// Salt is a server salt and the time in which the server accepts it, on the server's clock.
type Salt struct {
	ValidSince, ValidUntil time.Time
	Value                  int64
}

// Pending is a call without answer.
type Pending struct {
	ID         CallID
	Body       []byte
	Idempotent bool
	Low        bool
	// Sent says that the server may have received it.
	Sent bool
}

// Limits of ours.
const (
	// MaxBody is the longest query in bytes.
	MaxBody = 1_044_448 - 64
	// MaxCalls is how many calls may wait for their answers in one engine.
	MaxCalls = 4096
)

// Engine is one session.
type Engine struct{}

// New makes an engine without a socket.
func New(cfg Config) (*Engine, error) { return nil, errors.New("being written") }

// Step takes one input and returns its effects; the slice is valid until the next Step.
func (e *Engine) Step(now time.Time, in Input) []Effect { return nil }

// Unanswered lists the calls that are not done, in the order in which they should be sent again.
func (e *Engine) Unanswered() []Pending { return nil }

// SuccessorConfig is the configuration for the engine that follows this one with a new
// session id: same key, the salts and the time offset learned so far.
func (e *Engine) SuccessorConfig() Config { return Config{} }

func badMsgText(code int) string { return "" }
