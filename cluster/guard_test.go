package cluster

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

type fakeClock struct{ now atomic.Int64 }

func (c *fakeClock) read() time.Duration     { return time.Duration(c.now.Load()) }
func (c *fakeClock) advance(d time.Duration) { c.now.Add(int64(d)) }

func TestGateClosesAtItsDeadlineForGood(t *testing.T) {
	var clock fakeClock
	gate := NewGate(clock.read, 10*time.Second)
	guard := NewGuard(gate)
	if err := guard.Check(); err != nil {
		t.Fatal(err)
	}
	clock.advance(9 * time.Second)
	if !gate.Extend(19*time.Second) || gate.Remaining() != 10*time.Second {
		t.Fatalf("not extended: %v remain", gate.Remaining())
	}
	if !gate.Extend(12*time.Second) || gate.Remaining() != 10*time.Second {
		t.Fatal("an older renewal moved the deadline back")
	}
	clock.advance(10 * time.Second)
	if err := guard.Check(); !errors.Is(err, ErrFenced) {
		t.Fatalf("at the deadline: %v", err)
	}
	if gate.Extend(40*time.Second) || guard.Check() == nil {
		t.Fatal("a late renewal opened a closed gate")
	}
}

func TestSuspendedMachineIsFencedAtOnce(t *testing.T) {
	var clock fakeClock
	gate := NewGate(clock.read, 15*time.Second)
	clock.advance(time.Hour) // boot time ran on, no timer fired
	if gate.Check() == nil || gate.Remaining() != 0 {
		t.Fatal("the gate is open after an hour of sleep")
	}
}

func TestGuardRevokesOneAccountOnly(t *testing.T) {
	var clock fakeClock
	gate := NewGate(clock.read, time.Second)
	a, b := NewGuard(gate), NewGuard(gate)
	a.Revoke()
	if a.Check() == nil || b.Check() != nil {
		t.Fatalf("a: %v, b: %v", a.Check(), b.Check())
	}
	gate.Close()
	if b.Check() == nil || gate.Extend(time.Hour) {
		t.Fatal("a closed gate let something through")
	}
}

func TestBootClockGoesForward(t *testing.T) {
	if a, b := BootClock(), BootClock(); a <= 0 || b < a {
		t.Fatalf("read %v, then %v", a, b)
	}
}

func TestProfiles(t *testing.T) {
	for name, bound := range map[string]time.Duration{"": 55 * time.Second, "default": 55 * time.Second, "fast": 25 * time.Second} {
		p, err := ProfileByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if takeover := p.TTL + p.Linger; takeover > bound {
			t.Errorf("%q: unclean takeover takes %v", name, takeover)
		}
		if p.PingInterval*3 > p.DisconnectDelay {
			t.Errorf("%q: two lost pings close the socket", name)
		}
	}
	if p, err := ProfileByName("single"); err != nil || p.Linger != 0 {
		t.Errorf("single: %+v, %v", p, err)
	}
	if _, err := ProfileByName("quick"); err == nil {
		t.Error("an unknown profile was accepted")
	}
}

func BenchmarkGuardCheck(b *testing.B) {
	guard := NewGuard(NewGate(BootClock, BootClock()+time.Hour))
	for b.Loop() {
		if guard.Check() != nil {
			b.Fatal("fenced")
		}
	}
}
