// Package mailbox is the mailbox of our actors, unbounded and small while it is empty, and the
// goroutines that run them. An account has several actors, and most of them have nothing to do.
//
// # Usage
//
//	workers := &mailbox.Workers{}
//	defer workers.Close()
//	props := actor.PropsFromProducer(producer, actor.WithMailbox(mailbox.New), actor.WithDispatcher(workers))
//
// Messages are handled in the order in which they came, system messages before all others.
// Senders never wait.
//
// # Concurrency
//
// Any goroutine may post. At most one goroutine handles messages, and none while there are none.
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

	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
	run        func() // kept, so that no closure is made per message
}

// New makes an empty mailbox.
func New() actor.Mailbox {
	m := &mailbox{}
	m.run = m.handleAll
	return m
}

// RegisterHandlers implements actor.Mailbox.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker, m.dispatcher = invoker, dispatcher
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
		m.dispatcher.Schedule(m.run)
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
		if n%m.dispatcher.Throughput() == 0 {
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
