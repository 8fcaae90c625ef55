package mailbox

import "sync"

// Workers run short functions, each in a goroutine of its own, and reuse the goroutines: a fresh
// one would grow its stack again for every message. The zero Workers are ready; they are an
// actor.Dispatcher, and safe for concurrent use.
type Workers struct {
	mu        sync.Mutex
	idle      []chan job // where an idle worker waits, the one that worked last at the end
	scheduled int        // jobs of actors under way
	waiting   []*mailbox // for one of those to end
	closed    bool
}

// job is a function, or a mailbox whose messages are to be handled.
type job struct {
	f   func()
	box *mailbox
}

const (
	// maxIdle bounds the goroutines that are kept; more work than that starts further ones.
	maxIdle = 64
	// maxScheduled bounds the actors that run at the same time: actors never wait, so more of them
	// would only take memory that the process never gives back, when a node starts its accounts.
	maxScheduled = 128
	// throughput is how many messages of one actor are handled before another one's turn.
	throughput = 300
)

// Go runs a function and does not wait for it.
func (w *Workers) Go(f func()) { w.start(job{f: f}) }

// Schedule implements actor.Dispatcher. The mailboxes of this package do not need it.
func (w *Workers) Schedule(f func()) { w.Go(f) }

// Throughput implements actor.Dispatcher.
func (w *Workers) Throughput() int { return throughput }

// start begins a job, or lets it wait for its turn.
func (w *Workers) start(j job) {
	w.mu.Lock()
	if j.box != nil {
		if w.scheduled == maxScheduled {
			w.waiting = append(w.waiting, j.box)
			w.mu.Unlock()
			return
		}
		w.scheduled++
	}
	n := len(w.idle)
	if n == 0 {
		w.mu.Unlock()
		go w.work(j)
		return
	}
	next := w.idle[n-1]
	w.idle = w.idle[:n-1]
	w.mu.Unlock()
	next <- j
}

// work does one job after another, until none is left for this goroutine.
func (w *Workers) work(j job) {
	jobs := make(chan job, 1)
	for more := true; more; {
		if j.box != nil {
			j.box.handleAll()
			if j.box = w.next(); j.box != nil {
				continue
			}
		} else {
			j.f()
		}
		if !w.rest(jobs) {
			return
		}
		j, more = <-jobs
	}
}

// next takes the mailbox that has waited longest; nil if there is none.
func (w *Workers) next() *mailbox {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.scheduled--
		w.waiting = nil
		return nil
	}
	box := w.waiting[0]
	w.waiting[0] = nil
	w.waiting = w.waiting[1:]
	return box
}

func (w *Workers) rest(jobs chan job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.idle) == maxIdle {
		return false
	}
	w.idle = append(w.idle, jobs)
	return true
}

// Close ends the idle goroutines, and each other one after its work. Go still works.
func (w *Workers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, jobs := range w.idle {
		close(jobs)
	}
	w.idle = nil
}
