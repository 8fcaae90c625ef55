package mailbox

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"pgregory.net/rapid"
)

// recorder is an invoker that notes what it is given.
type recorder struct {
	mu       sync.Mutex
	got      []any
	failures []any
	on       func(message any)
}

func (r *recorder) note(message any) {
	r.mu.Lock()
	r.got = append(r.got, message)
	r.mu.Unlock()
	if r.on != nil {
		r.on(message)
	}
}

func (r *recorder) InvokeSystemMessage(m any) { r.note(m) }
func (r *recorder) InvokeUserMessage(m any)   { r.note(m) }
func (r *recorder) EscalateFailure(reason, message any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, reason, message)
}

// held is a dispatcher that runs only when it is told.
type held struct{ waiting []job }

func (h *held) Schedule(f func()) { h.start(job{f: f}) }
func (h *held) start(j job)       { h.waiting = append(h.waiting, j) }
func (h *held) Throughput() int   { return 3 }

func (h *held) run() {
	waiting := h.waiting
	h.waiting = nil
	for _, j := range waiting {
		j.box.handleAll()
	}
}

func newHeld() (*mailbox, *recorder, *held) {
	m, r, h := New().(*mailbox), &recorder{}, &held{}
	m.RegisterHandlers(r, h)
	return m, r, h
}

func (r *recorder) expect(t *testing.T, want ...any) {
	t.Helper()
	if !slices.Equal(r.got, want) {
		t.Errorf("handled %v, want %v", r.got, want)
	}
	r.got = nil
}

func TestSystemMessagesComeFirstAndAllInOrder(t *testing.T) {
	m, r, h := newHeld()
	for i := range 5 {
		m.PostUserMessage(i)
	}
	m.PostSystemMessage("a")
	m.PostSystemMessage("b")
	if n := m.UserMessageCount(); n != 5 {
		t.Errorf("%d messages wait, want 5", n)
	}
	if len(h.waiting) != 1 {
		t.Errorf("scheduled %d times, want once", len(h.waiting))
	}
	h.run()
	r.expect(t, "a", "b", 0, 1, 2, 3, 4)
}

func TestSuspendedMailboxHandlesSystemMessagesOnly(t *testing.T) {
	m, r, h := newHeld()
	m.PostSystemMessage(&actor.SuspendMailbox{})
	m.PostUserMessage(1)
	h.run()
	r.expect(t)
	m.PostSystemMessage("restart")
	h.run()
	r.expect(t, "restart")
	m.PostSystemMessage(&actor.ResumeMailbox{})
	h.run()
	r.expect(t, 1)
}

func TestPanicIsEscalatedAndTheNextMessageHandled(t *testing.T) {
	m, r, h := newHeld()
	broken := errors.New("broken")
	r.on = func(message any) {
		if message == 1 {
			panic(broken)
		}
	}
	m.PostUserMessage(1)
	m.PostUserMessage(2)
	h.run()
	r.expect(t, 1, 2)
	if !slices.Equal(r.failures, []any{broken, 1}) {
		t.Errorf("escalated %v, want the panic and its message", r.failures)
	}
}

func TestMessageOfAHandlerComesAfterThoseThatWait(t *testing.T) {
	m, r, h := newHeld()
	r.on = func(message any) {
		if message == 1 {
			m.PostUserMessage(3)
			m.PostSystemMessage("now")
		}
	}
	m.PostUserMessage(1)
	m.PostUserMessage(2)
	h.run()
	r.expect(t, 1, "now", 2, 3)
	if len(h.waiting) != 0 {
		t.Error("scheduled again while it was running")
	}
}

func TestEmptyQueueHoldsNoMemory(t *testing.T) {
	m, _, h := newHeld()
	for i := range 10 * usual {
		m.PostUserMessage(i)
	}
	h.run()
	if m.user.ring != nil {
		t.Error("an empty queue keeps its buffer")
	}
}

// TestQueueIsFirstInFirstOut compares with a slice, however pushes and pops are mixed.
func TestQueueIsFirstInFirstOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []any
		next := 0
		for range rapid.IntRange(1, 60).Draw(t, "rounds") {
			for range rapid.IntRange(0, 2*usual).Draw(t, "pushes") {
				q.push(next)
				model = append(model, next)
				next++
			}
			for range rapid.IntRange(0, min(len(model), 2*usual)).Draw(t, "pops") {
				if got := q.pop(); got != model[0] {
					t.Fatalf("popped %v, want %v", got, model[0])
				}
				model = model[1:]
			}
			if q.len() != len(model) {
				t.Fatalf("holds %d, want %d", q.len(), len(model))
			}
		}
	})
}

// TestNothingIsLostBetweenManySenders posts from many goroutines to a real dispatcher.
func TestNothingIsLostBetweenManySenders(t *testing.T) {
	const senders, each = 8, 2000
	workers := &Workers{}
	defer workers.Close()
	m, r := New(), &recorder{}
	var all sync.WaitGroup
	all.Add(senders * each)
	r.on = func(any) { all.Done() }
	m.RegisterHandlers(r, workers)
	for s := range senders {
		go func() {
			for i := range each {
				m.PostUserMessage([2]int{s, i})
			}
		}()
	}
	all.Wait()
	var last [senders]int
	for _, message := range r.got {
		at := message.([2]int)
		if at[1] != last[at[0]] {
			t.Fatalf("sender %d: got its message %d, want %d", at[0], at[1], last[at[0]])
		}
		last[at[0]]++
	}
}

func BenchmarkMailbox(b *testing.B) {
	for name, produce := range map[string]func() actor.Mailbox{"ours": New, "protoactor": func() actor.Mailbox { return actor.Unbounded()() }} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			m, r := produce(), &recorder{}
			done := make(chan struct{})
			n := 0
			r.on = func(any) {
				r.got = r.got[:0]
				if n++; n == b.N {
					close(done)
				}
			}
			m.RegisterHandlers(r, &Workers{})
			message := any(new(int))
			for range b.N {
				m.PostUserMessage(message)
			}
			<-done
		})
	}
}
