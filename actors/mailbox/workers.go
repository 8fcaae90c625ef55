package mailbox

import "sync"

// Workers run short functions, each in a goroutine of its own, and reuse the goroutines: a fresh
// one would grow its stack again for every message. The zero Workers are ready; they are an
// actor.Dispatcher, and safe for concurrent use.
type Workers struct {
	mu     sync.Mutex
	idle   []chan func() // where an idle worker waits, the one that worked last at the end
	closed bool
}

const (
	// maxIdle bounds the goroutines that are kept; more work than that starts further ones.
	maxIdle = 64
	// throughput is how many messages of one actor are handled before another one's turn.
	throughput = 300
)

// Go runs a function and does not wait for it.
func (w *Workers) Go(f func()) {
	w.mu.Lock()
	n := len(w.idle)
	if n == 0 {
		w.mu.Unlock()
		go w.work(f)
		return
	}
	job := w.idle[n-1]
	w.idle = w.idle[:n-1]
	w.mu.Unlock()
	job <- f
}

// Schedule implements actor.Dispatcher.
func (w *Workers) Schedule(f func()) { w.Go(f) }

// Throughput implements actor.Dispatcher.
func (w *Workers) Throughput() int { return throughput }

func (w *Workers) work(f func()) {
	job := make(chan func(), 1)
	for f != nil {
		f()
		if !w.rest(job) {
			return
		}
		f = <-job
	}
}

func (w *Workers) rest(job chan func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.idle) == maxIdle {
		return false
	}
	w.idle = append(w.idle, job)
	return true
}

// Close ends the idle goroutines, and each other one after its work. Go still works.
func (w *Workers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, job := range w.idle {
		job <- nil
	}
	w.idle = nil
}
