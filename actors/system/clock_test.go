package system

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"pgregory.net/rapid"
)

// rung is a message that came, and when.
type rung struct {
	message any
	after   time.Duration
}

// bell notes what a clock sends to its actor.
type bell struct {
	clock *Clock
	pid   *actor.PID
	began time.Time
	mu    sync.Mutex
	got   []rung
}

// ringing runs f in a bubble with a clock.
func ringing(t *testing.T, f func(*bell)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		b := &bell{pid: actor.NewPID("here", "somebody"), began: time.Now()}
		b.clock = newClock(func(_ *actor.PID, m any) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.got = append(b.got, rung{m, time.Since(b.began)})
		})
		f(b)
	})
}

// pass lets fake time pass, and returns what came meanwhile.
func (b *bell) pass(d time.Duration) []rung {
	time.Sleep(d)
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.got
	b.got = nil
	return got
}

func (b *bell) set(a *Alarm, after time.Duration, message string) {
	b.clock.Set(a, after, b.pid, message)
}

func expect(t *testing.T, got []rung, want ...rung) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("came %v, want %v", got, want)
	}
}

func TestAlarmsRingAtTheirTimeInOrder(t *testing.T) {
	ringing(t, func(b *bell) {
		var late, early, past Alarm
		b.set(&late, 2*time.Minute, "late")
		b.set(&early, time.Second, "early")
		b.set(&past, -time.Hour, "past")
		expect(t, b.pass(time.Hour), rung{"past", 0}, rung{"early", time.Second}, rung{"late", 2 * time.Minute})
	})
}

func TestAlarmThatIsSetAgainRingsOnce(t *testing.T) {
	ringing(t, func(b *bell) {
		var a, other Alarm
		b.set(&other, 30*time.Second, "other")
		b.set(&a, time.Second, "first")
		b.set(&a, time.Minute, "second")
		expect(t, b.pass(time.Hour), rung{"other", 30 * time.Second}, rung{"second", time.Minute})
		b.set(&a, time.Second, "third")
		expect(t, b.pass(time.Hour), rung{"third", time.Hour + time.Second})
	})
}

func TestStoppedAlarmsDoNotRing(t *testing.T) {
	ringing(t, func(b *bell) {
		var first, second, never Alarm
		b.set(&first, time.Second, "first")
		b.set(&second, time.Minute, "second")
		b.clock.Stop(&first)
		b.clock.Stop(&first)
		b.clock.Stop(&never)
		expect(t, b.pass(10*time.Minute), rung{"second", time.Minute})
		b.set(&first, time.Second, "again")
		b.clock.Stop(&first)
		expect(t, b.pass(10*time.Minute))
	})
}

// clockStep is one thing that is done to one of several alarms.
type clockStep struct {
	alarm int
	stop  bool
	set   time.Duration // 0: it is not set
	pass  time.Duration
}

// TestClockKeepsManyAlarms compares with the plain rule, however alarms are set and stopped.
func TestClockKeepsManyAlarms(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	seconds := rapid.Custom(func(r *rapid.T) time.Duration { return time.Duration(rapid.IntRange(0, 30).Draw(r, "s")) * time.Second })
	step := rapid.Custom(func(r *rapid.T) clockStep {
		return clockStep{rapid.IntRange(0, len(names)-1).Draw(r, "alarm"), rapid.Bool().Draw(r, "stop"), seconds.Draw(r, "set"), seconds.Draw(r, "pass")}
	})
	rapid.Check(t, func(r *rapid.T) {
		script := rapid.SliceOfN(step, 1, 60).Draw(r, "script")
		ringing(t, func(b *bell) {
			all, due := make([]Alarm, len(names)), map[string]time.Duration{}
			for _, s := range script {
				switch name := names[s.alarm]; {
				case s.stop:
					b.clock.Stop(&all[s.alarm])
					delete(due, name)
				case s.set > 0:
					after := s.set + time.Millisecond
					b.set(&all[s.alarm], after, name)
					due[name] = time.Since(b.began) + after
				}
				for _, one := range b.pass(s.pass) {
					name, _ := one.message.(string)
					if at, ok := due[name]; !ok || at != one.after {
						t.Errorf("%s rang at %v, want %v (%t)", name, one.after, at, ok)
					}
					delete(due, name)
				}
				for name, at := range due {
					if at <= time.Since(b.began) {
						t.Errorf("%s has not rung at %v", name, at)
					}
				}
			}
		})
	})
}
