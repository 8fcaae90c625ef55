// Package watchdog notices connections that live and yet bring no updates.
//
// # Usage
//
//	w := watchdog.New(quiet, patience)
//	w.Up(now)                        // the connection is ready
//	w.Heard(now)                     // the server pushed something
//	switch w.Tick(now) { case watchdog.Probe: ... } // now and then
//	w.Answered(now, serverIsAhead)   // the answer to the probe
//
// The ladder: after a quiet while the server's state is asked. If no answer comes, or the server
// is ahead of us and still pushes nothing, the connection is replaced; if the next one is no
// better, the MTProto session is. A push proves that updates flow, and so does a probe after a
// quiet while that finds nothing missing.
//
//	          quiet                 level
//	watching ───────► probing ─────────────────► watching
//	   ▲                │  │ ahead                  ▲
//	   │ push           │  └──────► suspecting ─────┤ push
//	   │                │ patience      │ grace     │
//	   │                ▼               ▼           │ up
//	   └──────────── replacing ◄────────┘ ──────────┘
//
// # Concurrency
//
// A Watchdog has no lock, goroutine or clock: one caller at a time.
//
// # Errors
//
// None.
package watchdog

import "time"

// Action is what Tick asks for.
type Action uint8

// The actions.
const (
	None       Action = iota
	Probe             // ask updates.getState, and tell by Answered
	Reconnect         // replace the connection
	NewSession        // replace the connection and the MTProto session
)

// grace is how long a push may be later than the answer to a probe that overtook it.
const grace = 5 * time.Second

// Watchdog watches the updates of one account.
type Watchdog struct {
	quiet, patience time.Duration

	up      bool
	since   time.Time // of up
	heard   time.Time // of the last push, or of what proved as much
	asked   time.Time // of the probe that is not answered; zero: none
	suspect time.Time // the server was ahead then; zero: it was not
	rung    int       // replacements that have not helped yet
}

// New makes a watchdog that probes after a quiet while and waits with patience for the answer.
func New(quiet, patience time.Duration) Watchdog { return Watchdog{quiet: quiet, patience: patience} }

// Up says that the connection is ready. After a replacement it is probed at once.
func (w *Watchdog) Up(now time.Time) {
	w.up, w.since, w.heard = true, now, now
	if w.rung > 0 {
		w.heard = now.Add(-w.quiet)
	}
	w.asked, w.suspect = time.Time{}, time.Time{}
}

// Down says that there is no connection: others look after that.
func (w *Watchdog) Down() { w.up = false }

// Heard says that the server pushed something.
func (w *Watchdog) Heard(now time.Time) { w.heard, w.suspect, w.rung = now, time.Time{}, 0 }

// Answered is the outcome of a probe: whether the server is ahead of us. A refused probe counts
// as one that found nothing.
func (w *Watchdog) Answered(now time.Time, ahead bool) {
	if w.asked.IsZero() {
		return
	}
	w.asked = time.Time{}
	switch {
	case ahead && w.heard.Add(w.quiet).After(now): // pushes have come meanwhile
	case ahead:
		w.suspect = now
	default:
		w.heard = now
		if now.Sub(w.since) >= w.quiet {
			w.rung = 0
		}
	}
}

// Tick says what to do now; called every half a minute or so.
func (w *Watchdog) Tick(now time.Time) Action {
	switch {
	case !w.up:
		return None
	case !w.asked.IsZero():
		if now.Sub(w.asked) < w.patience {
			return None
		}
		return w.climb()
	case !w.suspect.IsZero():
		if now.Sub(w.suspect) < grace {
			return None
		}
		return w.climb()
	case now.Sub(w.heard) >= w.quiet:
		w.asked = now
		return Probe
	}
	return None
}

// climb takes the next step of the ladder; the last one is repeated.
func (w *Watchdog) climb() Action {
	w.rung++
	w.up, w.asked, w.suspect = false, time.Time{}, time.Time{}
	if w.rung == 1 {
		return Reconnect
	}
	return NewSession
}
