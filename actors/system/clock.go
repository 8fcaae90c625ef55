package system

import (
	"container/heap"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Clock sends messages to actors at their time. It has one timer of the runtime for all of them:
// an idle account waits for three things, and a timer for each would take more memory than all
// else that they hold. It has no goroutine.
type Clock struct {
	send func(to *actor.PID, message any)
	base time.Time // times of alarms count from here

	mu     sync.Mutex
	alarms alarms
	timer  *time.Timer
	rings  time.Duration // when timer fires, if there are alarms
}

// NewClock makes the clock of a system.
func NewClock(s *actor.ActorSystem) *Clock { return newClock(s.Root.Send) }

func newClock(send func(*actor.PID, any)) *Clock { return &Clock{send: send, base: time.Now()} }

// Alarm is one thing that an actor waits for; a field of the actor, not to be copied. The zero Alarm
// is not set.
type Alarm struct {
	at      time.Duration
	place   int // in the heap, from 1; 0: not set
	to      *actor.PID
	message any
}

// Set sends a message to an actor after a while, in place of what the alarm was set to before.
func (c *Clock) Set(a *Alarm, after time.Duration, to *actor.PID, message any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.at, a.to, a.message = time.Since(c.base)+max(0, after), to, message
	if a.place == 0 {
		heap.Push(&c.alarms, a)
	} else {
		heap.Fix(&c.alarms, a.place-1)
	}
	c.arm()
}

// Stop makes an alarm one that is not set. Its message may be under way already.
func (c *Clock) Stop(a *Alarm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.place == 0 {
		return
	}
	heap.Remove(&c.alarms, a.place-1)
	if len(c.alarms) == 0 {
		c.timer.Stop()
	}
}

// arm sets the timer, unless it fires early enough: then it is set again.
func (c *Clock) arm() {
	first := c.alarms[0].at
	wait := first - time.Since(c.base)
	switch {
	case c.timer == nil:
		c.timer = time.AfterFunc(wait, c.ring)
	case len(c.alarms) > 1 && c.rings <= first:
		return
	default:
		c.timer.Reset(wait)
	}
	c.rings = first
}

// ring sends what is due. A timer that fires early, or twice, does no harm.
func (c *Clock) ring() {
	for {
		to, message := c.next()
		if to == nil {
			return
		}
		c.send(to, message)
	}
}

// next takes an alarm that is due. Without one it sets the timer for the next one.
func (c *Clock) next() (*actor.PID, any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.alarms) == 0 {
		return nil, nil
	}
	a := c.alarms[0]
	if wait := a.at - time.Since(c.base); wait > 0 {
		c.timer.Reset(wait)
		c.rings = a.at
		return nil, nil
	}
	heap.Pop(&c.alarms)
	to, message := a.to, a.message
	a.to, a.message = nil, nil
	return to, message
}

// alarms is a heap, the next one first.
type alarms []*Alarm

// Len implements heap.Interface.
func (h alarms) Len() int { return len(h) }

// Less implements heap.Interface.
func (h alarms) Less(i, j int) bool { return h[i].at < h[j].at }

// Swap implements heap.Interface.
func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

// Push implements heap.Interface.
func (h *alarms) Push(x any) {
	a, _ := x.(*Alarm)
	*h = append(*h, a)
	a.place = len(*h)
}

// Pop implements heap.Interface.
func (h *alarms) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	a.place = 0
	return a
}
