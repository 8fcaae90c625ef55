package mailbox

import "sync"

// Lane runs functions on workers, a few at a time. Those that wait take no goroutine: a thousand
// accounts may start together, and what each needs meanwhile would stay with the process.
type Lane struct {
	workers *Workers
	width   int

	mu      sync.Mutex
	running int
	waiting []func()
}

// NewLane makes a lane that runs at most width functions at a time.
func NewLane(workers *Workers, width int) *Lane { return &Lane{workers: workers, width: width} }

// Go runs a function in its turn and does not wait for it.
func (l *Lane) Go(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running == l.width {
		l.waiting = append(l.waiting, f)
		return
	}
	l.running++
	l.workers.Go(func() { l.run(f) })
}

// run runs a function and then what waits.
func (l *Lane) run(f func()) {
	for ; f != nil; f = l.next() {
		f()
	}
}

func (l *Lane) next() func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.running--
		l.waiting = nil
		return nil
	}
	f := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	return f
}
