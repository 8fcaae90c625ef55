package actors

import (
	"errors"
	"io"

	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/sessionstore"
)

// link is one MTProto session of an account with one DC: the engine and the calls that wait
// for its answers. It belongs to the account and outlives sockets; while a connection actor
// is alive, that actor is its only user.
type link struct {
	dc     int
	side   bool // not the home DC
	key    *sessionstore.DCKey
	engine *mtproto.Engine
	calls  map[mtproto.CallID]*call // given to the engine
	held   []*call                  // waiting for initConnection
	nextID mtproto.CallID

	// inited says that initConnection was acknowledged in the engine's session.
	inited bool
	// stale asks the next incarnation for a new engine: a new MTProto session.
	stale bool
	// parked keeps the next incarnation from dialling: it is about to be closed.
	parked bool
	// wasUp says that a socket of this process was ready before.
	wasUp bool
	// gen counts incarnations, so that messages of goroutines of an older one are recognised.
	gen uint64
}

func newLink(dc int, side bool, key *sessionstore.DCKey) *link {
	return &link{dc: dc, side: side, key: key, calls: map[mtproto.CallID]*call{}}
}

// start makes the link's engine, or its successor in a new session; unanswered calls that may
// be repeated are held for it.
func (l *link) start(entropy io.Reader, ping Ping) error {
	l.held = l.orphans()
	cfg := mtproto.Config{
		Key: l.key.Key, TimeOffset: l.key.TimeOffset, Rand: entropy,
		PingInterval: ping.Interval, DisconnectDelay: ping.Disconnect,
	}
	for _, s := range l.key.Salts {
		cfg.Salts = append(cfg.Salts, mtproto.Salt{ValidSince: s.ValidSince, ValidUntil: s.ValidUntil, Value: s.Value})
	}
	e, err := mtproto.New(cfg)
	if err != nil {
		return err
	}
	l.engine, l.inited, l.stale = e, false, false
	return nil
}

// take removes a call that is answered.
func (l *link) take(id mtproto.CallID) *call {
	c := l.calls[id]
	delete(l.calls, id)
	return c
}

// errSessionReplaced ends calls that were sent in a session that is gone, when repeating them
// could act twice.
var errSessionReplaced = errors.New("the session ended before the answer came")

// orphans empties the link: calls that may be repeated in another session are returned in the
// order they came, the others are answered with an unknown outcome.
func (l *link) orphans() []*call { return l.collect(false) }

// collect empties the link; with all set, calls are repeated that might act twice.
func (l *link) collect(all bool) []*call {
	var again []*call
	if l.engine != nil {
		for _, p := range l.engine.Unanswered() {
			c := l.take(p.ID)
			switch {
			case c == nil:
			case p.Sent && !p.Idempotent && !all:
				c.done(nil, unknownOutcome(c.method, errSessionReplaced))
			default:
				again = append(again, c)
			}
		}
	}
	for id, c := range l.calls { // the engine lost count of them: a broken invariant, not a loss
		delete(l.calls, id)
		if c.idempotent || all {
			again = append(again, c)
			continue
		}
		c.done(nil, unknownOutcome(c.method, errSessionReplaced))
	}
	again = append(again, l.held...)
	l.held, l.engine, l.inited = nil, nil, false
	return again
}

// drop removes a call that has not been given to the engine; false if it is not held.
func (l *link) drop(c *call) bool {
	for i, h := range l.held {
		if h == c {
			l.held = append(l.held[:i], l.held[i+1:]...)
			return true
		}
	}
	return false
}
