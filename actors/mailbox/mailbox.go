// Package mailbox is the mailbox of our actors, unbounded and small while it is empty, and the
// goroutines that run them. An account has several actors, and most of them have nothing to do.
//
// # Usage
//
//	workers := &mailbox.Workers{}
//	defer workers.Close()
//	props := actor.PropsFromProducer(producer, actor.WithMailbox(mailbox.New), actor.WithDispatcher(workers))
//
// The two belong together: the one works only with the other.
//
// Messages are handled in the order in which they came, system messages before all others.
// Senders never wait.
//
// # Concurrency
//
// Any goroutine may post. At most one goroutine handles messages, and none while there are none.
// Of all actors of the same Workers at most 128 run at a time.
//
// # Errors
//
// A panic of a handler becomes a failure for the supervisor; the message that caused it is gone.
package mailbox

import (
	"runtime"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// mailbox is scheduled while a goroutine handles its messages, or is about to:
//
//	idle ─post─> scheduled ─nothing left, or suspended without system messages─> idle
type mailbox struct {
	mu        sync.Mutex
	system    queue
	user      queue
	scheduled bool
	suspended bool // by supervision: only system messages are handled

	invoker actor.MessageInvoker
	workers scheduler
}

// scheduler runs the handler of a mailbox that has messages: *Workers, but for tests.
type scheduler interface {
	start(job)
	Throughput() int
}

// New makes an empty mailbox, whose dispatcher must be Workers.
func New() actor.Mailbox { return &mailbox{} }

// RegisterHandlers implements actor.Mailbox.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker = invoker
	m.workers, _ = dispatcher.(scheduler)
}

// Start implements actor.Mailbox.
func (m *mailbox) Start() {}

// PostUserMessage implements actor.Mailbox.
func (m *mailbox) PostUserMessage(message any) { m.post(&m.user, message) }

// PostSystemMessage implements actor.Mailbox.
func (m *mailbox) PostSystemMessage(message any) { m.post(&m.system, message) }

// UserMessageCount implements actor.Mailbox.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.user.len()
}

func (m *mailbox) post(q *queue, message any) {
	m.mu.Lock()
	q.push(message)
	wake := !m.scheduled
	m.scheduled = true
	m.mu.Unlock()
	if wake {
		m.workers.start(job{box: m})
	}
}

// next takes the message that is to be handled now. Without one the mailbox is idle.
func (m *mailbox) next() (message any, system, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.system.len() > 0:
		return m.system.pop(), true, true
	case !m.suspended && m.user.len() > 0:
		return m.user.pop(), false, true
	}
	m.scheduled = false
	return nil, false, false
}

func (m *mailbox) suspend(yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.suspended = yes
}

func (m *mailbox) handleAll() {
	for !m.handle() {
		continue // a handler has failed; what supervision says of it is in the mailbox
	}
}

// handle handles messages until there are none, or until a handler fails.
func (m *mailbox) handle() (idle bool) {
	var message any
	defer func() {
		if r := recover(); r != nil {
			m.invoker.EscalateFailure(r, message)
		}
	}()
	for n := 1; ; n++ {
		if n%m.workers.Throughput() == 0 {
			runtime.Gosched()
		}
		var system, ok bool
		if message, system, ok = m.next(); !ok {
			return true
		}
		if !system {
			m.invoker.InvokeUserMessage(message)
			continue
		}
		switch message.(type) {
		case *actor.SuspendMailbox:
			m.suspend(true)
		case *actor.ResumeMailbox:
			m.suspend(false)
		default:
			m.invoker.InvokeSystemMessage(message)
		}
	}
}
