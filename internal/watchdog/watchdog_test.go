package watchdog_test

import (
	"testing"
	"time"

	"github.com/telefleet/orchestrator/internal/watchdog"
)

const (
	quiet    = 5 * time.Minute
	patience = 90 * time.Second
	beat     = 30 * time.Second
)

// dog is a watchdog with a clock that the test moves.
type dog struct {
	t *testing.T
	watchdog.Watchdog
	now time.Time
}

func newDog(t *testing.T) *dog {
	d := &dog{t, watchdog.New(quiet, patience), time.Unix(1_700_000_000, 0)}
	d.Up(d.now)
	return d
}

// next beats until something is to be done, and wants it to be this after so long.
func (d *dog) next(want watchdog.Action, after time.Duration) {
	d.t.Helper()
	for waited := beat; waited <= time.Hour; waited += beat {
		d.now = d.now.Add(beat)
		if got := d.Tick(d.now); got != watchdog.None {
			if got != want || waited != after {
				d.t.Fatalf("action %d after %s, want %d after %s", got, waited, want, after)
			}
			return
		}
	}
	if want != watchdog.None {
		d.t.Fatalf("nothing in an hour, want action %d after %s", want, after)
	}
}

// TestUnansweredProbesClimbTheLadder: reconnect, then new sessions, until a push comes.
func TestUnansweredProbesClimbTheLadder(t *testing.T) {
	d := newDog(t)
	d.next(watchdog.Probe, quiet)
	d.next(watchdog.Reconnect, patience)
	d.next(watchdog.None, 0) // nothing without a connection
	d.Up(d.now)
	d.next(watchdog.Probe, beat)
	d.next(watchdog.NewSession, patience)
	d.Up(d.now)
	d.next(watchdog.Probe, beat)
	d.next(watchdog.NewSession, patience)
	d.Up(d.now)
	d.Heard(d.now)
	d.next(watchdog.Probe, quiet)
	d.next(watchdog.Reconnect, patience)
}

// TestADeafConnectionIsReplaced: probes are answered, the server is ahead, and pushes nothing.
func TestADeafConnectionIsReplaced(t *testing.T) {
	d := newDog(t)
	d.next(watchdog.Probe, quiet)
	d.Answered(d.now, true)
	d.next(watchdog.Reconnect, beat)
	d.Up(d.now)
	d.next(watchdog.Probe, beat)
	d.Answered(d.now, false) // level, as a new socket catches up by difference; nothing is proved yet
	d.next(watchdog.Probe, quiet)
	d.Answered(d.now, true)
	d.next(watchdog.NewSession, beat)
	d.Up(d.now)
	d.next(watchdog.Probe, beat)
	d.Answered(d.now, false)
	d.next(watchdog.Probe, quiet)
	d.Answered(d.now, false) // a quiet while, and nothing is missing
	d.next(watchdog.Probe, quiet)
	d.next(watchdog.Reconnect, patience)
}

// TestAQuietAccountIsLeftAlone: probes find nothing, and cost nothing but themselves.
func TestAQuietAccountIsLeftAlone(t *testing.T) {
	d := newDog(t)
	for range 100 {
		d.next(watchdog.Probe, quiet)
		d.Answered(d.now, false)
	}
}

// TestAPushOnItsWayIsWaitedFor: the answer to a probe may overtake the push of what it counts.
func TestAPushOnItsWayIsWaitedFor(t *testing.T) {
	d := newDog(t)
	d.next(watchdog.Probe, quiet)
	d.Answered(d.now, true)
	d.Heard(d.now.Add(time.Second))
	d.now = d.now.Add(time.Second)
	d.next(watchdog.Probe, quiet)
	d.Heard(d.now) // while the probe is on its way
	d.Answered(d.now, true)
	d.next(watchdog.Probe, quiet)
}

// TestLateAnswersMeanNothing: a probe of a connection that was replaced.
func TestLateAnswersMeanNothing(t *testing.T) {
	d := newDog(t)
	d.next(watchdog.Probe, quiet)
	d.Down()
	d.Up(d.now)
	d.Answered(d.now, true)
	d.next(watchdog.Probe, quiet)
}
