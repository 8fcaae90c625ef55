package connection

import (
	"cmp"
	"errors"
	"io"
	"slices"

	"github.com/telefleet/orchestrator/mtproto"
	"github.com/telefleet/orchestrator/sessionstore"
)

// Link is one MTProto session of an account with one DC: the engine and the calls that wait
// for its answers. It belongs to the account and outlives sockets; while a connection actor
// is alive, that actor is its only user.
type Link struct {
	dc     int
	side   bool     // not the home connection
	files  bool     // to addresses for files
	key    *Key     // permanent; nil while the engine holds it
	temp   *tempKey // the engine's, if it has one
	engine *mtproto.Engine
	calls  []*Call // given to the engine, by id
	held   []*Call // waiting for initConnection
	nextID mtproto.CallID

	// inited says that initConnection was acknowledged in the engine's session.
	inited bool
	// stale asks the next incarnation for a new engine: a new MTProto session.
	stale bool
	// known says that the server has sent something under the permanent key, or a temporary one to it.
	known bool
	// doubted asks for a temporary key, to see whether the server knows the permanent one.
	doubted bool
	// parked keeps the next incarnation from dialling: it is about to be closed.
	parked bool
	// wasUp says that a socket of this process was ready before.
	wasUp bool
	// gen counts incarnations, so that messages of goroutines of an older one are recognised.
	gen uint64
}

// NewLink makes the link to a DC; a nil key makes the connection exchange one. A side link is not
// the home: its updates are not wanted.
func NewLink(dc int, side bool, key *Key) *Link {
	return &Link{dc: dc, side: side, key: key}
}

// NewFilesLink makes a side link to a DC's addresses for files. Another link may have its key, too.
func NewFilesLink(dc int, key *Key) *Link { return &Link{dc: dc, side: true, files: true, key: key} }

// start makes the link's engine, or its successor in a new session; unanswered calls that may
// be repeated are held for it.
func (l *Link) start(entropy io.Reader, ping Ping) error {
	l.held = l.Orphans()
	key := l.key
	if l.temp != nil {
		key = &l.temp.key
	}
	cfg := mtproto.Config{
		Key: (*[256]byte)(key.Secret), Salts: key.Salts, TimeOffset: key.TimeOffset, Rand: entropy,
		PingInterval: ping.Interval, DisconnectDelay: ping.Disconnect,
	}
	e, err := mtproto.New(cfg)
	if err != nil {
		return err
	}
	l.engine, l.inited, l.stale = e, false, false
	if l.temp == nil {
		l.key = nil
	}
	return nil
}

// usualCalls: an empty list with more room is not kept; one with less saves allocations.
const usualCalls = 128

// give puts a call into the list of those that the engine has, under an id of its own.
func (l *Link) give(c *Call) {
	l.nextID++
	c.id = l.nextID
	l.calls = append(l.calls, c) // ids only grow
}

func (l *Link) find(id mtproto.CallID) (int, bool) {
	return slices.BinarySearchFunc(l.calls, id, func(c *Call, id mtproto.CallID) int { return cmp.Compare(c.id, id) })
}

// has reports whether the engine has the call.
func (l *Link) has(c *Call) bool {
	at, found := l.find(c.id)
	return found && l.calls[at] == c
}

// take removes a call that is answered.
func (l *Link) take(id mtproto.CallID) *Call {
	at, found := l.find(id)
	if !found {
		return nil
	}
	c := l.calls[at]
	if l.calls = slices.Delete(l.calls, at, at+1); len(l.calls) == 0 && cap(l.calls) > usualCalls {
		l.calls = nil
	}
	return c
}

// errSessionReplaced ends calls that were sent in a session that is gone, when repeating them
// could act twice.
var errSessionReplaced = errors.New("the session ended before the answer came")

// collect empties the link; with all set, calls are repeated that might act twice.
func (l *Link) collect(all bool) []*Call {
	var again []*Call
	if l.engine != nil {
		for _, p := range l.engine.Unanswered() {
			c := l.take(p.ID)
			switch {
			case c == nil:
			case p.Sent && !p.Idempotent && !all:
				c.Done(nil, UnknownOutcome(c.Method, errSessionReplaced))
			default:
				again = append(again, c)
			}
		}
	}
	for _, c := range l.calls { // the engine lost count of them: a broken invariant, not a loss
		if c.Idempotent || all {
			again = append(again, c)
			continue
		}
		c.Done(nil, UnknownOutcome(c.Method, errSessionReplaced))
	}
	again = append(again, l.held...)
	l.takeKey()
	l.calls, l.held, l.engine, l.inited = nil, nil, nil, false
	return again
}

// takeKey takes the key back from an engine that is about to be given up.
func (l *Link) takeKey() {
	if l.engine == nil {
		return
	}
	cfg := l.engine.SuccessorConfig()
	key := Key{DC: l.dc, Secret: (*sessionstore.AuthKey)(cfg.Key), Salts: cfg.Salts, TimeOffset: cfg.TimeOffset}
	if l.temp != nil {
		l.temp.key = key
		return
	}
	l.key = &key
}

func (l *Link) hasKey() bool { return l.key != nil || l.engine != nil }

// drop removes a call that has not been given to the engine; false if it is not held.
func (l *Link) drop(c *Call) bool {
	for i, h := range l.held {
		if h == c {
			l.held = append(l.held[:i], l.held[i+1:]...)
			return true
		}
	}
	return false
}

// DC is the number of the link's DC.
func (l *Link) DC() int { return l.dc }

// Number is that of the link's DC, negative for its addresses for files.
func (l *Link) Number() int {
	if l.files {
		return -l.dc
	}
	return l.dc
}

// Park keeps the next incarnation from dialling: it only takes in what still waits for the
// link, and confirms its end.
func (l *Link) Park() { l.parked = true }

// RenewInit makes the next incarnation announce the application again.
func (l *Link) RenewInit() { l.inited = false }

// RenewSession makes the next incarnation start a new MTProto session.
func (l *Link) RenewSession() { l.stale = true }

// RenewKey makes the next incarnation exchange a new auth key. The server refused to read what
// was sent under the former one, so every unanswered call is sent again.
func (l *Link) RenewKey() {
	l.held = l.collect(true)
	l.key, l.temp, l.stale = nil, nil, true
}

// Orphans empties the link: calls that may be repeated in another session are returned in the
// order they came, the others are answered with an unknown outcome.
func (l *Link) Orphans() []*Call { return l.collect(false) }

// Abandon empties the link and answers every call with err, whether it was sent or not.
func (l *Link) Abandon(err error) {
	for _, c := range l.collect(true) {
		c.Done(nil, err)
	}
}
